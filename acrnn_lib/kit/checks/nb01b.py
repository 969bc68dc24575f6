"""Checks of notebook 01b.

Notebook: 01b_samples_to_spectra
"""

import numpy as np

from ..exercises import FUNCTION, NUMBER, NotRight, exercise


@exercise(NUMBER, "a sweep turns at the Nyquist frequency. How far above it is the call?")
def bat_call(hertz):
    """The frequency in Hz at which 30,000 Hz appears at a sampling rate of 44,100 Hz."""
    if abs(hertz - (30000 - 22050)) < 0.5:
        raise NotRight("That is the distance from the Nyquist frequency up to the tone. The alias "
                       "lies at the same distance below the Nyquist frequency.")
    if abs(hertz - 22050) < 0.5:
        raise NotRight("That is the Nyquist frequency itself. The tone lies above it and is "
                       "mirrored at it.")
    if hertz > 22050:
        raise NotRight(f"{hertz:g} Hz is above the Nyquist frequency, 22,050 Hz: no sampled signal "
                       "at this rate has such a frequency.")
    if abs(hertz - 14100) >= 0.5:
        raise NotRight(f"{hertz:g} Hz is not correct: mirror 30,000 Hz at the Nyquist frequency.")
    return "Right: 44,100 - 30,000 = 14,100 Hz."


@exercise(NUMBER, "20 = 10 x 2. When amplitudes are multiplied, decibels are added.")
def twenty_times_smaller(decibels):
    """By how many dB the level falls when the amplitude becomes 20 times smaller."""
    right = 20 * np.log10(20)
    if abs(decibels + right) < 0.1:
        raise NotRight("The number is right, but the sign is not: give a positive number.")
    if abs(decibels - right / 2) < 0.1:
        raise NotRight("That holds for the power. The power is the square of the amplitude, so it "
                       "becomes 400 times smaller.")
    if abs(decibels - right) >= 0.1:
        raise NotRight(f"{decibels:g} dB would be a factor of {10 ** (min(decibels, 200) / 20):.3g}"
                       " of the amplitude, not 20.")
    return f"Right: {right:.2f} dB, 20 dB for the factor 10 and 6 dB for the factor 2."


@exercise(FUNCTION, "librosa.util.frame(wave, frame_length=n_fft, hop_length=hop_length) has a "
          "frame in each column; np.fft.rfft takes axis=0.")
def own_spectrogram(my_spectrogram):
    """Magnitudes (bins, frames) of the frames of a wave, under a periodic Hamming window."""
    wave = np.random.default_rng(0).normal(size=1100)
    for n_fft, hop in ((256, 128), (128, 50)):
        starts = range(0, len(wave) - n_fft + 1, hop)
        frames = np.stack([wave[start : start + n_fft] for start in starts], 1)
        window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)[:, None]
        right = np.abs(np.fft.rfft(frames * window, axis=0))
        mine = np.asarray(my_spectrogram(wave, n_fft, hop))
        if reason := _shape_of_spectrogram(mine, right, n_fft):
            raise NotRight(reason)
        if np.iscomplexobj(mine):
            raise NotRight("These are complex numbers; a spectrogram holds their magnitudes.")
        for other, said in {"power": right**2, "level in dB": 20 * np.log10(right),
                            "magnitude without a window": np.abs(np.fft.rfft(frames, axis=0)),
                            }.items():
            if np.allclose(mine, said, rtol=1e-4):
                raise NotRight(f"That is the {other}; expected the magnitude, with the window.")
        if not np.allclose(mine, right, rtol=0.05, atol=0.1 * right.mean()):
            raise NotRight(f"The shape is right, but values are off by up to "
                           f"{np.abs(mine - right).max():.2f}.")
    return "Right: window, FFT and magnitude of each frame."


def _shape_of_spectrogram(mine, right, n_fft):
    """What is wrong with the shape of an answer, or None."""
    if mine.shape == right.shape:
        return None
    start = f"Found the shape {mine.shape}, expected {right.shape}: "
    if mine.shape == right.T.shape:
        return start + "bins are rows and frames are columns."
    if mine.shape[:1] == (n_fft,):
        return start + "the upper half of an FFT of real numbers repeats the lower one; use rfft."
    if mine.ndim == 2 and len(mine) == len(right):
        return start + "use whole frames only, one every hop_length samples, no padding."
    return start + "use n_fft // 2 + 1 bins, and whole frames without padding."
