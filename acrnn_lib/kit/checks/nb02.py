"""Checks of notebook 02.

Notebook: 02_gammatone_features
"""

import numpy as np

from ...config import FeatureConfig
from ...features import gammatone
from ..exercises import FUNCTION, NUMBER, NotRight, exercise


@exercise(NUMBER, "the last window starts 127 hops after the first one, and it has 1,024 samples.")
def segment_seconds(seconds):
    """Seconds from the first sample of the first window to the last sample of the last one."""
    c = FeatureConfig()
    right = (127 * c.hop_length + c.n_fft) / c.sample_rate
    if abs(seconds - 128 * c.n_fft / c.sample_rate) < 0.005:
        raise NotRight("That would hold if windows did not overlap.")
    if abs(seconds - 128 * c.hop_length / c.sample_rate) < 0.005:
        raise NotRight(f"{seconds:g} s are 128 hops. But the last window starts after 127 hops, "
                       "and it is longer than one hop.")
    if abs(seconds - right) >= 0.005:
        raise NotRight(f"{seconds:g} s is not right.")
    return f"Right: {right:.3f} s."


@exercise(NUMBER, "solve ERB(f) = f / 9.26449 + 24.7 = 200 for f; gammatone.erb checks it.")
def band_of_200_hertz(frequency):
    """The centre frequency in Hz of a band that is 200 Hz wide."""
    if abs(1.019 * gammatone.erb(frequency) - 200) < 0.5:
        raise NotRight(f"For {frequency:g} Hz the parameter b = 1.019 ERB is 200 Hz. The width is "
                       "ERB itself.")
    if abs(gammatone.erb(frequency) - 200) >= 0.5:
        raise NotRight(f"ERB({frequency:g} Hz) is {gammatone.erb(frequency):.1f} Hz, not 200.")
    return f"Right: ERB({frequency:.0f} Hz) = {gammatone.erb(frequency):.1f} Hz."


@exercise(FUNCTION, "np.pad(static, ((0, 0), (1, 1)), 'edge') repeats the edges.")
def own_delta(my_delta):
    """The regression delta of width 3 of an array (bands, frames)."""
    picture = np.random.default_rng(0).normal(size=(4, 9)).cumsum(axis=1)
    padded = np.pad(picture, ((0, 0), (1, 1)), "edge")
    right, mine = (padded[:, 2:] - padded[:, :-2]) / 2, np.asarray(my_delta(picture), float)
    if mine.shape != right.shape:
        raise NotRight(f"The shape is {mine.shape}, it should be {right.shape}.")
    if np.allclose(mine, 2 * right):
        raise NotRight("Twice too large: the two frames are two hops apart.")
    if np.allclose(mine, -right):
        raise NotRight("The sign is wrong: a band that gets louder has a positive delta.")
    if not np.allclose(mine[:, 1:-1], right[:, 1:-1]):
        raise NotRight("The inner frames are wrong: they should be (next - previous) / 2.")
    if not np.allclose(mine, right):
        raise NotRight("The inner frames are right, the edges are not: repeat the first and the "
                       "last frame.")
    return "Right, at the edges too."
