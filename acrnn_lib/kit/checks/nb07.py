"""Checks of notebook 07.

Notebook: 07_result_tables
"""

import numpy as np

from ...evaluation import metrics
from ..exercises import FUNCTION, NUMBER, NUMBERS, NotRight, exercise


@exercise(NUMBER, "n independent clips have the standard error sqrt(p (1 - p) / n).")
def effective_clips(clips):
    """The number of independent clips whose standard error is 2 points at 90 %."""
    right = 0.9 * 0.1 / 0.02**2
    if clips in (360, 400):
        raise NotRight("That would be right if all clips were independent.")
    if abs(clips - 0.9 * 0.1 / 0.02) < 0.01:
        raise NotRight("The standard error is a square root. Square the 2 points.")
    if abs(clips - right) >= 0.5:
        raise NotRight(f"{clips:g} is not right: solve s = sqrt(p (1 - p) / n) for n.")
    low, high = metrics.wilson(0.9 * right, right)
    narrow, wide = metrics.wilson(360, 400)
    return (f"Right: {right:.0f}. The interval is about [{low:.1%}, {high:.1%}]; with 400 "
            f"independent clips it would be [{narrow:.1%}, {wide:.1%}].")


@exercise(NUMBERS, "multiply the smallest by 3, the next by 2, the largest by 1; then no value may "
          "be smaller than the one before it.")
def holm_by_hand(values):
    """Holm's correction of 0.01, 0.03 and 0.04."""
    right = metrics.holm([0.01, 0.03, 0.04])
    if values.shape != (3,):
        raise NotRight("Give three numbers, such as [0.1, 0.2, 0.3].")
    if np.allclose(values, [0.03, 0.06, 0.04], atol=1e-4):
        raise NotRight("Nearly: the third must not be smaller than the second.")
    if np.allclose(values, [0.03, 0.09, 0.12], atol=1e-4):
        raise NotRight("That is Bonferroni's rule: all values times 3. Holm's rule multiplies "
                       "the second by 2 and the third by 1.")
    if not np.allclose(values, right, atol=1e-4):
        raise NotRight(f"{values.tolist()} is not right.")
    return (f"Right: only {np.sum(right <= 0.05)} of 3 is at most 0.05 after the correction. "
            "Before the correction, all three were.")


@exercise(FUNCTION, "np.bincount(source, weights=correct) counts the right answers of each "
          "recording.")
def own_standard_error(my_error):
    """The standard error of an accuracy over recordings."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 6, 60)
    source = np.repeat(np.arange(60), sizes)
    correct = np.repeat(rng.random(60) < 1 - sizes / 10, sizes)  # alike in one; large are hard
    right, naive = (metrics.standard_error(correct, s) for s in (source, np.arange(len(source))))
    means = [correct[source == recording].mean() for recording in range(60)]
    mine = my_error(correct, source)
    if np.shape(mine) != ():
        raise NotRight(f"Found {mine}; expected one number.")
    if abs(mine / naive - 1) < 0.05:
        raise NotRight("This treats clips as independent, but clips of one recording are not.")
    if abs(mine / (np.std(means) / 60**0.5) - 1) < 0.05:
        raise NotRight("You gave each recording the same weight. Weight it by its number of clips.")
    if not abs(mine / right - 1) < 0.05:
        raise NotRight(f"{mine:.2%} is far from {right:.2%}.")
    return f"Right: {mine:.2%}; with independent clips it would have been {naive:.2%}."
