"""The recursion of the gammatone filters, compiled: many bands go through the wave side by side.

Kept apart from ``gammatone`` because numba takes longer to import than anything else here.

Notebook: 02_gammatone_features
"""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, fastmath={"contract"})
def cell_energies(wave, zeros, poles, gains, cell, energies):
    """Filter a wave by cascades of second-order sections; sum the squares cell by cell.

    wave : (N,); zeros : (sections, bands), z^-1 terms of the numerators; poles : (2, bands), z^-1
    and z^-2 terms of the denominators, shared by a band's sections; gains : (bands,); cell :
    samples; energies : (bands, N // cell), the result. All float64. The loop over bands is the
    innermost, so that neighbours share a vector register: filters cannot be run in parallel along
    time, but along frequency they can. Notebook: 02_gammatone_features
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
