"""Wrong predictions of one experiment: which classes for which, by chance or not, how sure.

Notebook: 08_confusion_matrices
"""

import numpy as np
import pandas as pd

from ..data.esc import family
from . import metrics, results
from .grouping import mark, same_folds


def confusion(runs: list[results.Run]) -> pd.DataFrame:
    """Confusion matrix over all clips and seeds of one experiment.

    Parameters
    ----------
    runs : list of Run

    Returns
    -------
    pd.DataFrame, shape (C, C), int
        Counts: row = true class, column = predicted class.
    """
    used, coverage = same_folds(sorted(runs))
    long = results.predictions(used)
    n_classes = long.filter(regex=r"^p_\d+$").shape[1]
    names = list(used[0].manifest.get("classes", range(n_classes)))
    matrix = metrics.confusion(long["target"], long["predicted"], n_classes)
    return pd.DataFrame(matrix, pd.Index(names, name="truth" + mark(coverage)), names)


def largest_confusions(runs: list[results.Run], most: int = 10) -> pd.DataFrame:
    """Pairs of classes with the most confusions in both directions, of one experiment.

    Parameters
    ----------
    runs : list of Run
    most : int
        Number of rows.

    Returns
    -------
    pd.DataFrame
        A row per pair, ordered by the sum of both directions.
        truth, predicted : the more frequent direction, each with its family ("": none)
        count, share : predictions of it, and their share of the true class's
        back, back_share : those of the other direction
        recordings : that the wrong predictions of both directions were made for
        clip, probability : of the first direction's prediction with the highest probability

    Notebook: 08_confusion_matrices
    """
    matrix = confusion(runs)
    counts, names, rows = matrix.to_numpy(), matrix.columns, []
    clips = np.maximum(counts.sum(axis=1), 1)
    long = results.predictions(same_folds(sorted(runs))[0])
    wrong = long[~long["correct"]]
    wrong = wrong.assign(sure=wrong.filter(regex=r"^p_\d+$").max(axis=1))
    pair = pd.DataFrame(np.sort(wrong[["target", "predicted"]]), wrong.index)
    for (a, b), group in wrong.groupby([pair[0], pair[1]]):
        a, b = (a, b) if counts[a, b] >= counts[b, a] else (b, a)
        first = group[group["target"] == a].sort_values("sure", kind="stable").iloc[-1]
        rows.append([names[a], names[b], family(names[a]), family(names[b]), counts[a, b],
                     counts[a, b] / clips[a], counts[b, a],
                     counts[b, a] / clips[b], group["source"].nunique(), first["clip_id"],
                     first["sure"]])
    table = pd.DataFrame(rows, columns=[
        "truth", "predicted", "family", "family of predicted", "count", "share", "back",
        "back_share", "recordings", "clip", "probability"])
    order = (table["count"] + table["back"]).sort_values(ascending=False, kind="stable").index
    return table.loc[order].head(most).reset_index(drop=True)


def confusions_text(table: pd.DataFrame) -> pd.DataFrame:
    """Format a table of `largest_confusions` for printing: counts with shares, families joined."""
    rows = [[
        row["truth"], row["predicted"],
        " and ".join(filter(None, dict.fromkeys([row["family"], row["family of predicted"]]))),
        f"{row['count']} ({row['share']:.1%})", f"{row['back']} ({row['back_share']:.1%})",
        row["recordings"], row["clip"], row["probability"],
    ] for row in table.to_dict("records")]
    return pd.DataFrame(rows, columns=["truth", "predicted", "families", "there", "back",
                                       "recordings", "clip", "probability"])


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
