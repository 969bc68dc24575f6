"""The recursion of the gammatone filters, compiled: all bands are filtered side by side.

Kept apart from ``gammatone`` because importing numba is slow.

Notebook: 02_gammatone_features
"""

import numpy as np

from .compiled import compiled

SILENT = 1e-60  # of full scale; what decays further ends in subnormals, which some CPUs add slowly
CHECKED = 256  # samples between two looks for it; at 44.1 kHz the widest band decays by 40 decades


@compiled(nogil=True, fastmath={"contract"})
def cell_energies(
    wave: np.ndarray, zeros: np.ndarray, poles: np.ndarray, gains: np.ndarray, cell: int,
    energies: np.ndarray,
) -> None:
    """Filter a wave by cascades of second-order sections; sum the squares per cell.

    The loop over bands is the innermost, so that it can be vectorised; time steps depend on each
    other.

    Parameters
    ----------
    wave : np.ndarray, shape (N,), float64
    zeros : np.ndarray, shape (sections, bands), float64
        z^-1 terms of the numerators.
    poles : np.ndarray, shape (2, bands), float64
        z^-1 and z^-2 terms of the denominators, shared by a band's sections.
    gains : np.ndarray, shape (bands,), float64
    cell : int, samples
    energies : np.ndarray, shape (bands, N // cell), float64
        The result, written in place.

    Notebook: 02_gammatone_features
    """
    n_sections, n_bands = zeros.shape
    state = np.zeros((n_sections, 2, n_bands))
    signal, total = np.zeros(n_bands), np.zeros(n_bands)
    for i in range(energies.shape[1] * cell):
        for b in range(n_bands):
            signal[b] = gains[b] * wave[i]
        for s in range(n_sections):
            for b in range(n_bands):
                x = signal[b]
                y = x + state[s, 0, b]
                state[s, 0, b] = zeros[s, b] * x - poles[0, b] * y + state[s, 1, b]
                state[s, 1, b] = -poles[1, b] * y
                signal[b] = y
        for b in range(n_bands):
            total[b] += signal[b] * signal[b]
        if (i + 1) % cell == 0:
            energies[:, i // cell] = total
            total[:] = 0
        if (i + 1) % CHECKED == 0:
            for s in range(n_sections):
                for k in range(2):
                    for b in range(n_bands):
                        if abs(state[s, k, b]) < SILENT:
                            state[s, k, b] = 0
