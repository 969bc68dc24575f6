"""Checks of notebook 13.

Notebook: 13_your_own_sounds
"""

import numpy as np
import pandas as pd

from ..exercises import FUNCTION, NUMBER, NUMBERS, NotRight, exercise


@exercise(NUMBER, "the other nine cannot be larger than the highest probability, and all ten sum "
          "to 1.")
def least_highest(probability):
    """The smallest possible highest of ten probabilities."""
    if probability == 0:
        raise NotRight("If the highest probability were 0, all ten would be 0, and so would "
                       "their sum.")
    if abs(probability - 0.5) < 1e-9:
        raise NotRight("That holds for two classes. Here are ten.")
    if abs(probability - 0.1) >= 1e-9:
        raise NotRight(f"{probability:g} is not right: ten equal probabilities sum to 1.")
    return "Right: a tenth. So 30 % is three times this value, and still a weak answer."


@exercise(NUMBERS, "tested.filter(regex=r'^p_\\d+$').max(axis=1) is the highest probability of "
          "each clip.")
def selective_classification(shares, tested):
    """Share of clips answered with at least 0.7, and of these the share that is right."""
    sure = tested.filter(regex=r"^p_\d+$").max(axis=1) >= 0.7
    right = np.array([sure.mean(), tested.correct[sure].mean()])
    if shares.shape != (2,):
        raise NotRight(f"Found shape {shares.shape}, expected two shares.")
    if np.allclose(shares, right, atol=0.005):
        return f"Right: {right[0]:.0%} answered, {right[1]:.0%} of these right."
    if np.allclose(shares[::-1], right, atol=0.005):
        raise NotRight("The two shares are in the wrong order.")
    if abs(shares[0] - right[0]) > 0.005:
        raise NotRight(f"{shares[0]:g} is not the share of clips with a highest probability of 0.7 "
                       "or more.")
    if abs(shares[1] - (sure & tested.correct).mean()) < 0.005:
        raise NotRight("The second share is of the answered clips, not of all.")
    raise NotRight(f"{shares[1]:g} is not right: look at the answered clips only.")


PIECES = {"kettle": [6, 1, 1, 1, 1, 1, 6, 6, 1, 2, 3, 6, 1],
          "door": [2, 2, 2, 2, 2, 1, 1, 1, 1, 1]}  # clips of each recording


@exercise(FUNCTION, "start with the largest recording of a class; put each one into the fold that "
          "has the fewest clips of this class.")
def folds_for_a_folder(my_folds):
    """Five folds for a table of category and source: a stratified group split."""
    names = [(category, f"place{k}") for category, counts in PIECES.items()
             for k, count in enumerate(counts) for _ in range(count)]
    table = pd.DataFrame(names, columns=["category", "source"])
    found = table.assign(fold=np.asarray(my_folds(table.copy())))
    of = found.groupby(["category", "source"]).fold.nunique()
    counts = pd.crosstab(found.category, found.fold)
    if not set(found.fold) <= {1, 2, 3, 4, 5}:
        raise NotRight(f"Folds are 1 to 5; found {sorted(set(found.fold))[:6]}.")
    if (of > 1).any():
        raise NotRight(f"The recording {' '.join(of.idxmax())} lies in {of.max()} folds.")
    if counts.shape[1] < 5 or (counts == 0).any(axis=None):
        raise NotRight("A class is missing in a fold: nothing of it would be tested there.")
    if (counts.max(axis=1) > 2 * counts.min(axis=1)).any():
        raise NotRight(f"Too uneven: {counts.max(axis=1).idxmax()} has from "
                       f"{counts.min(axis=1).min()} to {counts.max(axis=1).max()} clips in a fold.")
    return "Right.\n" + counts.to_string()


@exercise(NUMBERS, "np.quantile(inner.distance, 0.9) is the limit, if inner holds the rows of "
          "protocol 'inner'.")
def limit_from_inner_folds(shares, scored):
    """False alarms and detections at the limit that leaves a tenth of the inner clips above it."""
    def above(protocol, of="test"):
        limit = np.quantile(scored.distance[protocol], 0.9)
        return np.array([(scored.distance[(scored.protocol == of) & (scored.kind == kind)]
                          > limit).mean() for kind in ("esc10", "other-16k")])

    right = above(scored.protocol == "inner")
    if shares.shape != (2,):
        raise NotRight(f"Found shape {shares.shape}, expected two shares.")
    if np.allclose(shares, right, atol=0.005):
        return (f"Right: {right[0]:.1%} false alarms, {right[1]:.1%} of the unknown sounds found. "
                "A limit for a tenth of some clips is not exact for others.")
    if np.allclose(shares[::-1], right, atol=0.005):
        raise NotRight("The two are exchanged.")
    if np.allclose(1 - shares, right, atol=0.005):
        raise NotRight("These are the shares below the limit.")
    if np.allclose(shares, above((scored.protocol == "test") & (scored.kind == "esc10")),
                   atol=0.005):
        raise NotRight("This limit was chosen on the clips that it is tested on.")
    raise NotRight(f"{shares[0]:g} and {shares[1]:g} are not right: one limit, from the inner rows "
                   "alone, for both kinds.")
