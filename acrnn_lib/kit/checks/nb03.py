"""Checks of notebook 03.

Notebook: 03_augmentation
"""

import numpy as np

from ...config import BankConfig
from ...data.audio import SAMPLE_RATE
from ...features import augment
from ..exercises import FUNCTION, NUMBER, NotRight, exercise


@exercise(NUMBER, "the result has round(N / rate) samples.")
def stretch_rate(rate):
    """The rate at which a clip of 5 s becomes one of 4 s."""
    if abs(rate - 4 / 5) < 1e-6:
        raise NotRight("That is the inverse: a rate over 1 is faster, so the result is shorter.")
    if not 0.1 <= rate <= 10:
        raise NotRight(f"{rate:g} is not correct: expected a rate near 1.")
    made = len(augment.time_stretch(np.zeros(5 * 1000, np.float32), rate)) / 1000
    if abs(made - 4) > 1e-6:
        raise NotRight(f"That gives {made:.2f} s.")
    slow, fast = BankConfig().stretch
    return f"Right: {made:.0f} s. Inside the range: {slow <= rate <= fast}."


@exercise(NUMBER, "twelve semitones down are half the frequency. What is one?")
def shifted_beep(hertz):
    """The frequency in Hz of 3,000 Hz shifted down by 3.5 semitones, to the nearest hertz."""
    exact = 3000 * 2 ** (-3.5 / 12)
    if hertz != round(exact):
        near = [message for found, message in (
            (3000 * (1 - 3.5 / 12), "semitones multiply a frequency, they do not subtract hertz."),
            (3000 * 2 ** (3.5 / 12), "that is 3.5 semitones upwards. Downwards is lower."),
            (exact, "the ratio is right. Round to the nearest hertz, do not cut off."))
            if abs(hertz - found) < 2]
        raise NotRight(f"{hertz:g} Hz: " + (near[0] if near else "multiply 3000 by 2 to the power "
                                            "of -3.5 / 12, to the nearest hertz."))
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    beep = augment.pitch_shift(np.sin(2 * np.pi * 3000 * seconds).astype(np.float32), -3.5)
    measured = np.abs(np.fft.rfft(beep * np.hanning(SAMPLE_RATE), 10 * SAMPLE_RATE)).argmax() / 10
    return (f"Right, {exact:.1f} Hz before rounding. Measured after pitch_shift: "
            f"{measured:.1f} Hz; it is exact to half a cent, 0.7 Hz.")


@exercise(FUNCTION, "undo the logarithm with np.exp, add, and take the logarithm again with "
          "np.log.")
def mixed_sounds(my_mix):
    """Log energies of two sounds whose waves are added with the weights r and 1 - r."""
    one, two = np.random.default_rng(0).normal(-5, 3, (2, 6, 8))
    for r in (0.3, 0.5, 0.9):
        right = np.logaddexp(one + 2 * np.log(r), two + 2 * np.log(1 - r))
        mine = np.asarray(my_mix(one, two, r), float)
        if mine.shape != right.shape:
            raise NotRight(f"The shape is {mine.shape}, it should be {right.shape}.")
        if not np.isfinite(mine).all():
            raise NotRight("Not every value is a finite number. Energies are exp(a) and exp(b); "
                           "take the logarithm only of their weighted sum.")
        if np.allclose(mine, r * one + (1 - r) * two):
            raise NotRight("You mixed the logarithms. The energies of two sounds are added.")
        if np.allclose(mine, np.logaddexp(one + np.log(r), two + np.log(1 - r))):
            raise NotRight("Nearly: the weights apply to the waves, so energies take their "
                           "squares.")
        if np.allclose(mine, right):
            continue
        if np.allclose(mine, np.logaddexp(one + 2 * np.log(1 - r), two + 2 * np.log(r))):
            raise NotRight("Nearly: r is the share of the first sound, a, and 1 - r that of b.")
        if np.allclose(mine, np.exp(right)):
            raise NotRight("These are energies. Nearly: take the logarithm of their sum.")
        raise NotRight(f"With r = {r} it is off by up to {np.abs(mine - right).max():.2f}. "
                       "Energies are exp(a) and exp(b), their weights r**2 and (1 - r)**2.")
    return "Right."
