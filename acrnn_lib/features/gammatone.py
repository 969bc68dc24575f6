"""Gammatone filters on the ERB scale: where the bands lie, how each responds, two gammatonegrams.

A gammatone filter is a model of one place on the basilar membrane: a resonance whose impulse
response is t^3 exp(-2 pi b t) cos(2 pi f t), with a bandwidth b that grows with frequency f. The
digital filter is Slaney's: four second-order sections that share a pole pair and differ in one
real zero, scaled to a gain of 1 at the centre frequency.

Sources: Glasberg and Moore 1990 (ERB); Slaney 1993, Apple Technical Report 35 (the sections).
Notebook: 02_gammatone_features
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

EAR_Q = 9.26449  # Glasberg and Moore: asymptotic ratio of frequency to bandwidth
MIN_BANDWIDTH = 24.7  # Hz
BANDWIDTH_FACTOR = 1.019  # makes a fourth-order gammatone as wide as the ERB
ORDER = 4
BANDS_PER_TASK = 32  # of gtgram: enough for full vector registers, and for every core to get some


def erb(frequency):
    """Equivalent rectangular bandwidth in Hz at a frequency in Hz.

    Notebook: 02_gammatone_features
    """
    return np.asarray(frequency, dtype=np.float64) / EAR_Q + MIN_BANDWIDTH


def centre_frequencies(n_bands=128, f_min=50.0, f_max=22050.0):
    """Centre frequencies (n_bands,) in Hz, rising, evenly spaced on the ERB scale.

    The lowest is f_min; the highest lies one step under f_max, so that no filter is centred on
    the Nyquist frequency. Raises ValueError unless 0 < f_min < f_max. Notebook:
    02_gammatone_features
    """
    if not 0 < f_min < f_max:
        raise ValueError(f"f_min, f_max: found {f_min} and {f_max}, expected 0 < f_min < f_max")
    offset = EAR_Q * MIN_BANDWIDTH
    steps = np.arange(n_bands, 0, -1) / n_bands  # 1 is f_min, 0 would be f_max
    return (f_max + offset) * ((f_min + offset) / (f_max + offset)) ** steps - offset


def response(frequencies, centres, sample_rate):
    """Complex frequency response of the filters, (filters, frequencies), gain 1 at the centres.

    Parameters
    ----------
    frequencies : (K,) in Hz, where to evaluate; centres : (B,) in Hz; sample_rate : Hz

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
    """The sections' terms: z^-1 of each numerator, (ORDER, ...); z^-1 and z^-2 of the shared
    denominator, (2, ...), where ... is the shape of the centres (Hz).
    """
    angle = 2 * np.pi * centres / sample_rate
    radius = np.exp(-2 * np.pi * BANDWIDTH_FACTOR * erb(centres) / sample_rate)
    slopes = [outer * np.sqrt(3 + inner * 2**1.5) for inner in (-1, 1) for outer in (-1, 1)]
    zeros = [-radius * (np.cos(angle) + slope * np.sin(angle)) for slope in slopes]
    return np.stack(zeros), np.stack([-2 * radius * np.cos(angle), radius**2])


def fft_weights(n_fft=1024, sample_rate=44100, n_bands=128, f_min=50.0, f_max=22050.0):
    """Magnitude response of each filter at the bins of an FFT.

    Returns float64 (n_bands, n_fft // 2 + 1), row 0 the lowest band: what turns a power spectrum
    into band energies, sum_k W[b, k]^2 |X[k]|^2. Equal to the weights of the package
    ``gammatone``. Raises ValueError unless 0 < f_min < f_max <= sample_rate / 2.
    Notebook: 02_gammatone_features
    """
    if f_max > sample_rate / 2:
        raise ValueError(f"f_max: found {f_max} Hz, expected at most {sample_rate / 2} Hz")
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    return np.abs(response(bins, centre_frequencies(n_bands, f_min, f_max), sample_rate))


def gtgram(wave, fs, window_time, hop_time, channels, f_min, f_max=None):
    """Gammatonegram by exact filtering: RMS of each filter's output in each window.

    Parameters
    ----------
    wave : (N,) samples; fs : Hz; window_time, hop_time : s; channels : number of bands;
    f_min, f_max : Hz, f_max is fs / 2 by default.

    Returns float64 (channels, 1 + (N - window) // hop): linear RMS, row 0 the lowest band, no
    padding. Same meaning, shape and scale as ``gammatone.gtgram.gtgram``, and the same recursion,
    but compiled and with all bands side by side. The first call compiles, about two seconds.
    Raises ValueError for a wave shorter than one window. Notebook: 02_gammatone_features
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
