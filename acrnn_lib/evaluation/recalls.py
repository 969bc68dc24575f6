"""Recall of classes and of families of classes, with intervals.

Notebook: 08_confusion_matrices
"""

import numpy as np
import pandas as pd

from ..data.esc import family
from . import metrics, results
from .confusions import confusion
from .grouping import arrays, by_experiment, correct_by_clip, mark, same_folds


def recall(runs: list[results.Run]) -> pd.DataFrame:
    """Recall by class.

    Parameters
    ----------
    runs : list of Run
        One dataset and profile.

    Returns
    -------
    pd.DataFrame
        0 to 1, a row per class, a column per experiment.
    """
    columns = {}
    for (_, _, experiment), group in by_experiment(runs).items():
        matrix = confusion(group)
        name = experiment + mark(same_folds(group)[1])
        columns[name] = pd.Series(metrics.recall(matrix), matrix.columns)
    return pd.DataFrame(columns).rename_axis("class")


def recall_by_class(runs: list[results.Run]) -> pd.DataFrame:
    """Recall with its interval, and precision, of each class.

    Parameters
    ----------
    runs : list of Run

    Returns
    -------
    pd.DataFrame
        A row per dataset, profile, experiment and class, in the order of the classes.
        coverage : see `grouping.same_folds`
        clips, recordings : counts
        recall, lo, hi : 0 to 1, with the 95 % interval over recordings and seeds
        precision : 0 to 1; NaN for a class that is never predicted

    Notebook: 08_confusion_matrices
    """
    return _recall_of(runs, "class", str, "precision", lambda matrix: pd.Series(
        metrics.recall(matrix.T), matrix.columns.astype(str)))


def recall_by_family(runs: list[results.Run]) -> pd.DataFrame:
    """Recall with its interval of each family of ESC-50's classes, see `esc.family`.

    Parameters
    ----------
    runs : list of Run

    Returns
    -------
    pd.DataFrame
        A row per dataset, profile, experiment and family, as `recall_by_class`; classes of no
        family are left out.
        errors_inside : share of the wrong predictions that are classes of the same family; NaN
        without errors

    Notebook: 08_confusion_matrices
    """
    return _recall_of(runs, "family", family, "errors_inside", _errors_inside)


def _errors_inside(matrix):
    wrong = matrix - np.diag(np.diag(matrix))
    errors = wrong.rename_axis(None).groupby(family).sum().T.groupby(family).sum()
    return pd.Series(np.diag(errors), errors.columns) / errors.sum()  # columns: of the truth


def _recall_of(runs, kind, group_of, last, values_of):
    """A row per experiment and group of classes.

    group_of: name of a class -> its group or ""; values_of: confusion matrix -> the last column
    """
    rows = []
    for key, heap in by_experiment(runs).items():
        used, coverage = same_folds(heap)
        correct, matrix = correct_by_clip(used), confusion(used)
        target = results.predictions(used).drop_duplicates("clip_id").set_index("clip_id")["target"]
        groups, ends = matrix.columns.map(group_of), values_of(matrix)
        of_clip = groups[target[correct.index.get_level_values("clip_id")]]
        for group in filter(None, dict.fromkeys(groups)):
            if len(part := correct[of_clip == group]):
                recordings = part.index.get_level_values("source").nunique()
                rows.append([*key, coverage, group, len(part), recordings,
                             *metrics.accuracy_interval(*arrays(part)), ends[group]])
    return pd.DataFrame(rows, columns=[
        "dataset", "profile", "experiment", "coverage", kind, "clips", "recordings", "recall",
        "lo", "hi", last])
