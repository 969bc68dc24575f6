"""Statistical power: which differences between two systems a number of clips can show.

Notebook: 07_result_tables
"""

import numpy as np
from scipy.stats import binom


def mcnemar_power(clips: int, difference: float, disagree: float, level: float = 0.05) -> float:
    """Statistical power of the exact McNemar test for a true difference between two systems.

    Summed over all possible counts of clips that only one of the two classifies correctly.

    Parameters
    ----------
    clips : int
        Number of independent clips.
    difference : float, 0 to 1
        True difference of the accuracies.
    disagree : float, 0 to 1
        Share of clips that only one system classifies correctly, at least ``difference``.
    level : float, 0 to 1
        Significance level.

    Returns
    -------
    float, 0 to 1
        Probability of a significant test.
    """
    counts = np.arange(clips + 1)
    critical = binom.ppf(level / 2, counts, 0.5) - 1  # the most wins of a loser who is noticed
    critical += 2 * binom.cdf(critical + 1, counts, 0.5) <= level
    share = (1 + difference / disagree) / 2
    found = binom.cdf(critical, counts, share) + binom.cdf(critical, counts, 1 - share)
    return float(binom.pmf(counts, clips, disagree) @ found)


def detectable(clips: int, disagree: float, power: float = 0.8) -> float:
    """Smallest true difference that the exact McNemar test finds with the given power.

    Parameters
    ----------
    clips, disagree
        As in `mcnemar_power`.
    power : float, 0 to 1

    Returns
    -------
    float, 0 to 1
        In steps of 0.0025; NaN if no difference up to ``disagree`` is found so often.
    """
    return next((float(d) for d in np.arange(0.0025, disagree, 0.0025)
                 if mcnemar_power(clips, d, disagree) >= power), np.nan)
