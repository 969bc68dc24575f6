"""Which runs count together: those of one experiment, with the same folds for every seed.

Notebook: 07_result_tables
"""

from itertools import groupby

import numpy as np
import pandas as pd

from . import results
from .results import ResultsError


def by_experiment(runs: list[results.Run]) -> dict[tuple[str, str, str], list[results.Run]]:
    """Group runs by (dataset, profile, experiment), each group sorted."""
    return {key: list(group) for key, group in groupby(
        sorted(runs), lambda run: (run.dataset, run.profile, run.experiment))}


def n_folds(runs: list[results.Run]) -> int:
    """How many folds the data set of some runs has: those that were learned from, and the tested.

    An inner run leaves one more out. Five, where old manifests name no training folds.
    """
    manifest = runs[0].manifest
    learned = manifest.get("train_folds")
    return len(learned) + (2 if manifest.get("protocol") == "inner" else 1) if learned else 5


def same_folds(runs: list[results.Run]) -> tuple[list[results.Run], str]:
    """Select the runs of the seeds with the most folds, all with the same folds.

    Parameters
    ----------
    runs : list of Run
        One experiment, sorted.

    Returns
    -------
    used : list of Run
    coverage : str
        "complete", or the folds there are, seeds excluded for having fewer, mixed precision.
    """
    folds = {seed: [run.fold for run in group]
             for seed, group in groupby(runs, lambda run: run.seed)}
    best = max(folds.values(), key=len)
    notes = [f"only folds {','.join(map(str, best))}"] if len(best) < n_folds(runs) else []
    notes += [f"seed {seed} left out: only folds {','.join(map(str, found))}"
              for seed, found in folds.items() if found != best]
    used = [run for run in runs if folds[run.seed] == best]
    if " and " in (found := precisions(used)):
        notes.append(f"runs in {found}")
    return used, "; ".join(notes) or "complete"


def precisions(runs: list[results.Run]) -> str:
    """Every arithmetic precision that some runs were made in."""
    return " and ".join(sorted({str(run.manifest.get("precision", "?")) for run in runs}))


def correct_by_clip(runs: list[results.Run]) -> pd.DataFrame:
    """Whether each clip was classified correctly.

    Parameters
    ----------
    runs : list of Run
        One experiment, its seeds with the same folds.

    Returns
    -------
    pd.DataFrame, bool
        A row per clip (clip_id, source, fold), a column per seed.

    Raises
    ------
    ResultsError
        If the seeds were tested on different clips.
    """
    table = results.predictions(runs).pivot(
        index=["clip_id", "source", "fold"], columns="seed", values="correct")
    if table.isna().any(axis=None):
        raise ResultsError(f"{runs[0].folder.parent.parent}: the seeds were tested on other clips")
    return table.astype(bool)


def arrays(correct: pd.DataFrame) -> tuple[np.ndarray, pd.Index]:
    """What `metrics` take: correctness (seeds, clips) and each clip's recording (clips,)."""
    return correct.to_numpy().T, correct.index.get_level_values("source")


def mark(coverage: str) -> str:
    """Suffix for a number that does not rest on all folds; empty for "complete"."""
    return "" if coverage == "complete" else f" ({coverage})"
