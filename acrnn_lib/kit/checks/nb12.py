"""Checks of notebook 12.

Notebook: 12_leakage_laboratory
"""

import numpy as np

from ...data import esc
from .. import leakage
from ..exercises import FUNCTION, NUMBER, TEXTS, NotRight, exercise


@exercise(TEXTS, "two clips of one recording on the same side are not a leak.")
def shared_recordings(names, table):
    """The recordings of a table with clips on both sides of its split."""
    right = set(leakage.shared_sources(table, side="side").source)
    if right < set(names):
        raise NotRight("One recording too many: all its clips are on the same side.")
    if set(names) != right:
        raise NotRight(f"{names} is not correct: look for a source with train and test.")
    return f"Right: {', '.join(sorted(right))}."


@exercise(FUNCTION, "leakage.stratified_group_kfold(groups, targets, seed) returns fold numbers "
          "from 0; what are the groups?")
def own_split(my_split):
    """A split of ESC-10 with no recording on both sides and every class on each."""
    clips = esc.esc10_clips()
    test = np.asarray(my_split(clips[["clip_id", "source", "target"]]))
    if test.shape != (len(clips),) or test.dtype != bool:
        raise NotRight(f"Return one boolean per clip: found {test.dtype}, shape {test.shape}.")
    both = leakage.shared_sources(clips.assign(side=test), side="side")
    if not 0.1 <= test.mean() <= 0.3:
        raise NotRight(f"{test.mean():.0%} of the clips are in the test set.")
    if len(both):
        raise NotRight(f"{len(both)} recordings are on both sides, such as {both.source[0]}.")
    if clips[test].target.nunique() < 10 or clips[~test].target.nunique() < 10:
        raise NotRight("A class is missing on one side, so it cannot be trained or tested.")
    return f"Right: {test.sum()} test clips, and no recording on both sides."


@exercise(NUMBER, "rng.binomial(80, 0.5, (1000, 60)) gives counts of a thousand such trainings.")
def best_of_sixty(percent):
    """Mean accuracy (%) of the best of 60 epochs with random predictions on 80 clips."""
    tosses = np.random.default_rng(0).binomial(80, 0.5, (20000, 60)) / 80
    right = 100 * tosses.max(axis=1).mean()
    if abs(percent - 50) < 1:
        raise NotRight("That is the mean of all epochs. The best of 60 is reported.")
    if abs(percent - right / 100) < 0.01:
        raise NotRight("That is a fraction. Multiply by 100 to get percent.")
    if abs(percent - right) >= 0.7:
        raise NotRight(f"{percent:g} is not correct: take the largest of 60 counts, then average "
                       "over many trainings.")
    return f"Right: about {right:.1f} %, although every prediction was random."
