"""Gammatone filters on the ERB scale: centre frequencies, responses, two gammatonegrams.

A gammatone filter models one place on the basilar membrane: a resonance whose impulse response is
t^3 exp(-2 pi b t) cos(2 pi f t), with a bandwidth b that grows with frequency f. The digital filter
is Slaney's: four second-order sections that share a pole pair and differ in one real zero, scaled
to a gain of 1 at the centre frequency.

Sources: Glasberg and Moore 1990 (ERB); Slaney 1993, Apple Technical Report 35 (the sections).

Notebook: 02_gammatone_features
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

EAR_Q = 9.26449  # Glasberg and Moore: asymptotic ratio of frequency to bandwidth
MIN_BANDWIDTH = 24.7  # Hz
BANDWIDTH_FACTOR = 1.019  # makes a fourth-order gammatone as wide as the ERB
ORDER = 4
BANDS_PER_TASK = 32  # of gtgram: fills vector registers and still leaves a task for every core


def erb(frequency: float | np.ndarray) -> np.ndarray:
    """Equivalent rectangular bandwidth in Hz at a frequency in Hz, same shape, float64.

    Notebook: 02_gammatone_features
    """
    return np.asarray(frequency, dtype=np.float64) / EAR_Q + MIN_BANDWIDTH


def centre_frequencies(
    n_bands: int = 128, f_min: float = 50.0, f_max: float = 22050.0
) -> np.ndarray:
    """Centre frequencies, rising, evenly spaced on the ERB scale.

    Parameters
    ----------
    n_bands : int
    f_min : float, Hz
        Lowest centre.
    f_max : float, Hz
        One ERB step above the highest centre, so that no filter is centred on the Nyquist
        frequency.

    Returns
    -------
    np.ndarray, shape (n_bands,), Hz, float64

    Raises
    ------
    ValueError
        Unless 0 < f_min < f_max.

    Notebook: 02_gammatone_features
    """
    if not 0 < f_min < f_max:
        raise ValueError(f"f_min, f_max: found {f_min} and {f_max}, expected 0 < f_min < f_max")
    offset = EAR_Q * MIN_BANDWIDTH
    steps = np.arange(n_bands, 0, -1) / n_bands  # 1 is f_min, 0 would be f_max
    return (f_max + offset) * ((f_min + offset) / (f_max + offset)) ** steps - offset


def response(
    frequencies: np.ndarray, centres: np.ndarray, sample_rate: float
) -> np.ndarray:
    """Complex frequency response of the filters, with gain 1 at their centres.

    Parameters
    ----------
    frequencies : np.ndarray, shape (K,), Hz
    centres : np.ndarray, shape (B,), Hz
    sample_rate : float, Hz

    Returns
    -------
    np.ndarray, shape (B, K), complex128

    Notebook: 02_gammatone_features
    """
    centres = np.asarray(centres, dtype=np.float64)[:, None]
    at_centre = np.abs(_sections(centres, centres, sample_rate))
    return _sections(np.asarray(frequencies)[None, :], centres, sample_rate) / at_centre


def _sections(frequencies, centres, sample_rate):
    delay = np.exp(-2j * np.pi * frequencies / sample_rate)  # z^-1 on the unit circle
    zeros, poles = _coefficients(centres, sample_rate)
    result = (1 + poles[0] * delay + poles[1] * delay**2) ** -ORDER
    for zero in zeros:
        result = result * (1 + zero * delay)
    return result


def _coefficients(centres, sample_rate):
    """Coefficients of the sections, float64.

    Numerators' z^-1, (ORDER, ...), and z^-1 and z^-2 of the shared denominator, (2, ...), where ...
    is the shape of the centres (Hz).
    """
    angle = 2 * np.pi * centres / sample_rate
    radius = np.exp(-2 * np.pi * BANDWIDTH_FACTOR * erb(centres) / sample_rate)
    slopes = [outer * np.sqrt(3 + inner * 2**1.5) for inner in (-1, 1) for outer in (-1, 1)]
    zeros = [-radius * (np.cos(angle) + slope * np.sin(angle)) for slope in slopes]
    return np.stack(zeros), np.stack([-2 * radius * np.cos(angle), radius**2])


def fft_weights(
    n_fft: int = 1024, sample_rate: float = 44100, n_bands: int = 128, f_min: float = 50.0,
    f_max: float = 22050.0,
) -> np.ndarray:
    """Filter bank matrix: magnitude response W of each filter at the bins of an FFT.

    Band energies are ``sum_k W[b, k]^2 |X[k]|^2``; the weights equal those of ``gammatone``.

    Parameters
    ----------
    n_fft : int, samples
    sample_rate : float, Hz
    n_bands, f_min, f_max
        As for `centre_frequencies`.

    Returns
    -------
    np.ndarray, shape (n_bands, n_fft // 2 + 1), float64
        Row 0 is the lowest band.

    Raises
    ------
    ValueError
        Unless 0 < f_min < f_max <= sample_rate / 2.

    Notebook: 02_gammatone_features
    """
    if f_max > sample_rate / 2:
        raise ValueError(f"f_max: found {f_max} Hz, expected at most {sample_rate / 2} Hz")
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    return np.abs(response(bins, centre_frequencies(n_bands, f_min, f_max), sample_rate))


def gtgram(
    wave: np.ndarray, fs: float, window_time: float, hop_time: float, channels: int, f_min: float,
    f_max: float | None = None,
) -> np.ndarray:
    """Gammatonegram by exact filtering: RMS of each filter's output in each window.

    Same meaning, shape, scale and recursion as ``gammatone.gtgram.gtgram``, but compiled; the first
    call compiles for about two seconds.

    Parameters
    ----------
    wave : np.ndarray, shape (N,)
    fs : float, Hz
    window_time, hop_time : float, s
    channels : int
        Number of bands.
    f_min, f_max : float, Hz
        Range as for `centre_frequencies`; f_max is fs / 2 by default.

    Returns
    -------
    np.ndarray, shape (channels, 1 + (N - window) // hop), float64
        Linear RMS, row 0 the lowest band, no padding.

    Raises
    ------
    ValueError
        Wave shorter than one window.

    Notebook: 02_gammatone_features
    """
    from .cascade import cell_energies

    wave = np.ascontiguousarray(wave, dtype=np.float64)
    window, hop = (int(np.floor(seconds * fs + 0.5)) for seconds in (window_time, hop_time))
    if len(wave) < window:
        raise ValueError(f"wave: found {len(wave)} samples, expected at least a window, {window}")
    centres = centre_frequencies(channels, f_min, f_max or fs / 2)
    gains = 1 / np.abs(_sections(centres, centres, fs))
    # windows and hops are whole numbers of cells, so a window's sum is a sum of its own cells:
    # the difference of two running sums would lose quiet frames that follow loud ones
    cell = np.gcd(window, hop)
    energies = np.empty((channels, len(wave) // cell))

    def filter_bands(low):
        some = slice(low, low + BANDS_PER_TASK)
        zeros, poles = _coefficients(centres[some], fs)
        cell_energies(wave, zeros, poles, gains[some], cell, energies[some])

    with ThreadPoolExecutor() as pool:
        list(pool.map(filter_bands, range(0, channels, BANDS_PER_TASK)))
    windows = np.lib.stride_tricks.sliding_window_view(energies, window // cell, axis=1)
    return np.sqrt(windows[:, :: hop // cell].sum(axis=-1) / window)
