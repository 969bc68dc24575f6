"""Gammatone filters on the ERB scale: where the bands lie, how each responds, two gammatonegrams.

A gammatone filter is a model of one place on the basilar membrane: a resonance whose impulse
response is t^3 exp(-2 pi b t) cos(2 pi f t), with a bandwidth b that grows with frequency f. The
digital filter is Slaney's: four second-order sections that share a pole pair and differ in one
real zero, scaled to a gain of 1 at the centre frequency.

Sources: Glasberg and Moore 1990 (ERB); Slaney 1993, Apple Technical Report 35 (the sections).
Notebook: 02_gammatone_features
"""

import numpy as np
from scipy import fft

EAR_Q = 9.26449  # Glasberg and Moore: asymptotic ratio of frequency to bandwidth
MIN_BANDWIDTH = 24.7  # Hz
BANDWIDTH_FACTOR = 1.019  # makes a fourth-order gammatone as wide as the ERB
ORDER = 4
DECAY_SECONDS = 0.4  # a 50 Hz band has decayed by more than 1e-16 after this
CHANNELS_PER_BLOCK = 16  # bounds the memory of gtgram: 16 filtered copies of the clip


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
    angle = 2 * np.pi * centres / sample_rate
    radius = np.exp(-2 * np.pi * BANDWIDTH_FACTOR * erb(centres) / sample_rate)
    pole = radius * np.exp(1j * angle)
    result = ((1 - pole * delay) * (1 - pole.conj() * delay)) ** -ORDER
    for inner in (-1, 1):
        for outer in (-1, 1):
            slope = outer * np.sqrt(3 + inner * 2**1.5)
            result = result * (1 - radius * (np.cos(angle) + slope * np.sin(angle)) * delay)
    return result


def fft_weights(n_fft=1024, sample_rate=44100, n_bands=128, f_min=50.0, f_max=22050.0):
    """Magnitude response of each filter at the bins of an FFT.

    Returns float64 (n_bands, n_fft // 2 + 1), row 0 the lowest band: what turns a power spectrum
    into band energies, sum_k W[b, k]^2 |X[k]|^2. Equal to the weights of the package
    ``gammatone``. Raises ValueError unless 0 < f_min < f_max <= sample_rate / 2.
    Notebook: 02_gammatone_features
    """
    if f_max > sample_rate / 2:
        raise ValueError(f"f_max: found {f_max} Hz, expected at most {sample_rate / 2} Hz")
    bins = fft.rfftfreq(n_fft, 1 / sample_rate)
    return np.abs(response(bins, centre_frequencies(n_bands, f_min, f_max), sample_rate))


def gtgram(wave, fs, window_time, hop_time, channels, f_min, f_max=None):
    """Gammatonegram by exact filtering: RMS of each filter's output in each window.

    Parameters
    ----------
    wave : (N,) samples; fs : Hz; window_time, hop_time : s; channels : number of bands;
    f_min, f_max : Hz, f_max is fs / 2 by default.

    Returns float64 (channels, 1 + (N - window) // hop): linear RMS, row 0 the lowest band, no
    padding. Same meaning, shape and scale as ``gammatone.gtgram.gtgram``, whose recursive filters
    are replaced by a product of spectra: the wave is padded until the slowest filter has died
    away, so circular and linear convolution agree to rounding. Raises ValueError for a wave
    shorter than one window. Notebook: 02_gammatone_features
    """
    wave = np.asarray(wave, dtype=np.float64)
    window, hop = (int(np.floor(seconds * fs + 0.5)) for seconds in (window_time, hop_time))
    if len(wave) < window:
        raise ValueError(f"wave: found {len(wave)} samples, expected at least a window, {window}")
    n_fft = fft.next_fast_len(len(wave) + int(DECAY_SECONDS * fs), real=True)
    spectrum = fft.rfft(wave, n_fft)
    bins = fft.rfftfreq(n_fft, 1 / fs)
    centres = centre_frequencies(channels, f_min, f_max or fs / 2)
    result = np.empty((channels, 1 + (len(wave) - window) // hop))
    for low in range(0, channels, CHANNELS_PER_BLOCK):
        block = slice(low, low + CHANNELS_PER_BLOCK)
        filtered = fft.irfft(spectrum * response(bins, centres[block], fs), n_fft)
        # summed window by window: running sums would lose quiet frames that follow loud ones
        frames = np.lib.stride_tricks.sliding_window_view(filtered[:, : len(wave)], window, axis=1)
        frames = frames[:, ::hop]
        result[block] = np.sqrt(np.einsum("bfw,bfw->bf", frames, frames) / window)
    return result
