"""Wrong predictions of one experiment: by chance or not, how sure, and shared by how many systems.

Notebook: 08_confusion_matrices
"""

import numpy as np
import pandas as pd

from . import results
from .tables import confusion, same_folds


def fullest_cell(runs: list[results.Run], draws: int = 2000, seed: int = 0) -> dict:
    """Test whether the fullest cell off the diagonal is more than chance.

    Counted in wrongly classified recordings, since clips of one recording tend to get the same
    prediction. By chance, each of them is predicted as one of the other classes at random.

    Parameters
    ----------
    runs : list of Run
        One experiment.
    draws : int
    seed : int

    Returns
    -------
    dict
        truth, predicted : classes of the fullest cell
        recordings : in it
        median : of the fullest cell over the random draws
        p : share of draws whose fullest cell holds at least as many recordings
    """
    names = list(confusion(runs).columns)
    wrong = _wrong(runs).drop_duplicates(["source", "target", "predicted"])
    rng, c = np.random.default_rng(seed), len(names)

    def counts(predicted):
        return np.bincount(wrong["target"] * c + predicted, minlength=c * c)

    by_chance = np.array([counts((wrong["target"] + rng.integers(1, c, len(wrong))) % c).max()
                          for _ in range(draws)])
    found = counts(wrong["predicted"])
    return {"truth": names[found.argmax() // c], "predicted": names[found.argmax() % c],
            "recordings": int(found.max()), "median": float(np.median(by_chance)),
            "p": float((1 + np.sum(by_chance >= found.max())) / (1 + draws))}


def surest_errors(runs: list[results.Run], most: int = 4) -> pd.DataFrame:
    """The wrong predictions with the highest probability, one row per clip.

    Parameters
    ----------
    runs : list of Run
        One experiment.
    most : int
        Number of rows.

    Returns
    -------
    pd.DataFrame
        clip_id, truth and predicted (classes), probability (of the predicted class).
    """
    names = np.array(confusion(runs).columns)
    wrong = _wrong(runs).sort_values("probability", ascending=False, kind="stable")
    wrong = wrong.drop_duplicates("clip_id").head(most)
    return pd.DataFrame({"clip_id": wrong["clip_id"], "truth": names[wrong["target"]],
                         "predicted": names[wrong["predicted"]],
                         "probability": wrong["probability"]}).reset_index(drop=True)


def _wrong(runs):
    long = results.predictions(same_folds(sorted(runs))[0])
    long["probability"] = long.filter(regex=r"^p_\d+$").max(axis=1)
    return long[~long["correct"]]


def missed_by_all(groups: list[list[results.Run]]) -> tuple[list[str], float]:
    """The clips that each of several experiments classifies wrongly.

    Parameters
    ----------
    groups : list of list of Run
        An experiment each, on the same data set; with several seeds a clip counts as missed if
        most of them miss it.

    Returns
    -------
    clips : list of str
        Identifiers, among the clips that all experiments tested.
    expected : float
        Number of such clips if the experiments' errors were independent.
    """
    missed = pd.DataFrame({k: results.predictions(same_folds(sorted(runs))[0]).groupby("clip_id")[
        "correct"].mean() < 0.5 for k, runs in enumerate(groups)}).dropna().astype(bool)
    return sorted(missed.index[missed.all(axis=1)]), float(missed.mean().prod() * len(missed))
