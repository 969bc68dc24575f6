"""The recipes that were compared inside the training folds, each with an earlier one.

Notebook: 06_training_on_a_gpu
"""

from pathlib import Path

import pandas as pd

from .. import config
from . import results
from .grouping import by_experiment
from .tables import difference, interval_text, points_text, summary

PARTS = ("features", "bank", "model", "train")
COLUMNS = ["row", "log", "experiment", "compared with row", "what differs", "difference (points)",
           "clips", "accuracy"]


def compared(root: Path | str = "results") -> pd.DataFrame:
    """Recipes of the inner validation logs, each beside the earlier one with the closest settings.

    Parameters
    ----------
    root : Path or str
        Its folders ``inner*`` are read, in the order of their numbers.

    Returns
    -------
    pd.DataFrame
        A row per log and experiment, its columns those of COLUMNS: what differs is each setting
        with its value in the row it is compared with and in this row; accuracy and difference are
        text with 95 % intervals, the difference on the clips that both rows predicted.

    Notebook: 06_training_on_a_gpu
    """
    usual = _flat(config.as_dict(config.Experiment("", "", "")))
    rows, earlier = [], []
    logs = {run.parents[4] for run in Path(root).glob("inner*/*/*/*/seed*/fold*")}
    for log in sorted(logs, key=lambda log: (len(log.name), log.name)):  # inner-10 after inner-9
        for (_, _, name), runs in by_experiment(results.load(log)).items():
            # a setting that is younger than a run had its default value
            made = usual | _flat(runs[0].manifest.get("config", {}))
            counted = summary(runs).iloc[0]
            rows.append([len(rows) + 1, log.name, name.partition("+")[0],
                         *_beside(made, runs, earlier), counted.clips, interval_text(counted)])
            earlier.append((made, runs))
    return pd.DataFrame(rows, columns=COLUMNS)


def _flat(made):
    return {f"{part}.{key}": value for part in PARTS for key, value in made.get(part, {}).items()}


def _apart(made, other):
    """Settings that differ: key -> (value of the other, value of this)."""
    return {key: (other.get(key), value) for key, value in made.items() if other.get(key) != value}


def _beside(made, runs, earlier):
    """(row with the fewest other settings, what differs, difference); of equals, most runs."""
    if not earlier:
        return "", "the first recipe", ""
    at = min(range(len(earlier)), key=lambda k: (
        len(_apart(made, earlier[k][0])), -len(earlier[k][1])))
    other, their_runs = earlier[at]
    text = "; ".join(f"`{key}` {old} → {new}" for key, (old, new) in _apart(made, other).items())
    shared = {run.seed for run in runs} & {run.seed for run in their_runs}
    alike = "no setting; " + ("the code or the copies" if shared else "another seed")
    return at + 1, text or alike, points_text(difference(runs, their_runs))
