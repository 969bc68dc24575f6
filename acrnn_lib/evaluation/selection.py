"""What a choice adds to an accuracy: of the epoch by the test fold, of the recipe by other clips.

An accuracy is fair if nothing was chosen by the clips it is counted on. Here the same runs are
counted under several rules, so that the price of each is a number.

Notebook: 07_result_tables
"""

from pathlib import Path

import numpy as np
import pandas as pd

from . import metrics, results
from .grouping import by_experiment, n_folds
from .results import ResultsError, Run

RULES = ("last epoch", "best by the inner split", "best common epoch", "best epoch of each fold")

# Recipes of acrnn-plus that were tested: profile -> name -> where its inner and its test runs are,
# as (folder under results, profile, experiment). Recipes without test runs cannot take part.
TESTED = {
    "lite": {
        "without random filters": (("inner-2", "lite", "acrnn-plus"),
                                   ("unfiltered", "lite", "acrnn-plus")),
        "with random filters": (("inner-5", "lite", "acrnn-plus+train.colour_db=12"),
                                ("", "lite", "acrnn-plus")),
    },
    "paper": {
        "without random filters": (
            ("inner-3", "lite",
             "acrnn-plus+train.epochs=150+train.batch_size=64+train.mix_alpha=1.0"),
            ("unfiltered", "paper", "acrnn-plus")),
        "with random filters": (("inner-4", "paper", "acrnn-plus+train.colour_db=12"),
                                ("", "paper", "acrnn-plus")),
    },
}


def epoch_rules(watched: list[Run], inner: list[Run] | tuple[Run, ...] = ()) -> pd.DataFrame:
    """Accuracy of the same trainings, with the epoch chosen by four rules.

    Parameters
    ----------
    watched : list of Run
        Test runs with `Run.watched`.
    inner : list of Run
        Watched inner runs; without those of an experiment its second rule stays empty.

    Returns
    -------
    pd.DataFrame
        A row per dataset, profile, experiment, weights (last or averaged) and rule of RULES:
        accuracy (0 to 1, over all folds and seeds; NaN where inner runs are missing) and epochs
        (text: the epoch of each fold in order, one number if common). Only the first two rules
        use no clip that is counted. The earliest of equally good epochs is taken.

    Raises
    ------
    ResultsError
        For a run that was not watched.

    Notebook: 12_leakage_laboratory
    """
    validation, rows = by_experiment(list(inner)), []
    for key, runs in by_experiment(watched).items():
        tables = {(run.seed, run.fold): _seen(run) for run in runs}
        others = {(run.seed, left_out(run)): _seen(run) for run in validation.get(key, [])}
        for weights in next(iter(tables.values())).columns:
            share = pd.DataFrame({place: seen[weights] for place, seen in tables.items()})
            within = {place: seen[weights] for place, seen in others.items()}
            for rule, epochs in _chosen(share, within).items():
                rows.append([*key, weights, rule, _accuracy(share, epochs), _text(epochs)])
    columns = ["dataset", "profile", "experiment", "weights", "rule", "accuracy", "epochs"]
    return pd.DataFrame(rows, columns=columns)


def by_rule(root: Path | str = "results") -> pd.DataFrame:
    """`epoch_rules` of the committed watched runs, a column per rule.

    Parameters
    ----------
    root : Path or str
        Its folders `watched` and `watched-inner` are read.

    Returns
    -------
    pd.DataFrame
        A row per profile, experiment and weights: the accuracy by each of RULES (0 to 1), and
        gain, that of the best epoch of each fold over the last epoch.

    Raises
    ------
    ResultsError
        Without watched runs.

    Notebook: 12_leakage_laboratory
    """
    inner = Path(root, "watched-inner")
    table = epoch_rules(results.load(Path(root, "watched")),
                        results.load(inner) if inner.is_dir() else [])
    wide = table.pivot(index=["profile", "experiment", "weights"], columns="rule",
                       values="accuracy")[list(RULES)]
    wide["gain"] = wide[RULES[-1]] - wide[RULES[0]]
    return wide.rename_axis(columns=None).reset_index()


def _seen(run):
    """Share of the fold's clips that were right, by epoch (rows) and weights (columns)."""
    if run.watched is None:
        raise ResultsError(f"{run.folder}: not watched, expected a run with --watch-test")
    seen = run.watched.set_index("epoch")
    return seen.drop(columns="clips").div(seen["clips"], axis=0)


def left_out(run: Run) -> int:
    """The test fold of an inner run's split, which it neither learned from nor predicted.

    Notebook: 07_result_tables
    """
    folds = set(range(1, n_folds([run]) + 1))
    return (folds - set(run.manifest["train_folds"]) - {run.fold}).pop()


def _chosen(share, within):
    """Epoch of each run (a column of `share`) by each rule; None: not known."""
    best = share.idxmax()
    known = all(place in within for place in share.columns)
    return {
        "last epoch": best * 0 + share.index[-1],
        "best by the inner split":
            best.index.map(lambda place: within[place].idxmax()) if known else None,
        "best common epoch": best * 0 + share.mean(axis=1).idxmax(),
        "best epoch of each fold": best,
    }


def _accuracy(share, epochs):
    if epochs is None:
        return np.nan
    return float(np.mean([share[place][epoch]
                          for place, epoch in zip(share.columns, epochs, strict=True)]))


def _text(epochs):
    if epochs is None:
        return "not run"
    epochs = list(map(str, epochs))
    return epochs[0] if len(set(epochs)) == 1 else ", ".join(epochs)


def nested(profile: str, root: Path | str = "results") -> tuple[pd.DataFrame, dict]:
    """Estimate of `acrnn-plus` in which each fold's recipe is chosen without any of its clips.

    One recipe for all folds is chosen with a share of each test fold's clips, which are validation
    clips of another fold's split. Here fold f takes the recipe that was best on fold f + 1 by
    networks that knew neither of the two. Of equally good recipes the mean is taken. The recipes
    are those of TESTED.

    Parameters
    ----------
    profile : lite or paper
    root : Path or str
        The committed results.

    Returns
    -------
    choices : pd.DataFrame
        A row per fold: accuracy on the inner split by recipe, and chosen.
    estimate : dict
        seeds, clips, accuracy, lo and hi.

    Raises
    ------
    ResultsError
        If runs are missing.

    Notebook: 07_result_tables
    """
    inner, tested = {}, {}
    for name, places in TESTED[profile].items():
        validated, runs = (results.load(Path(root, place), "esc10", of, experiment)
                           for place, of, experiment in places)
        inner[name] = {left_out(run): results.predictions([run])["correct"].mean()
                       for run in validated}
        tested[name] = results.predictions(runs).pivot(
            index=["fold", "clip_id", "source"], columns="seed", values="correct").astype(float)
    choices = pd.DataFrame(inner).sort_index().rename_axis("fold")
    best = choices.eq(choices.max(axis=1), axis=0)
    correct = sum(table.mul(best[name] / best.sum(axis=1), axis=0, level="fold")
                  for name, table in tested.items())
    if correct.isna().any(axis=None):
        raise ResultsError(f"{root}: the recipes of {profile} were tested on other folds or seeds")
    interval = metrics.accuracy_interval(correct.to_numpy().T,
                                         correct.index.get_level_values("source"))
    choices["chosen"] = [" or ".join(names[row]) for names, row in
                         ((best.columns.to_numpy(), row) for row in best.to_numpy())]
    return choices, {"seeds": correct.shape[1], "clips": len(correct),
                     **dict(zip(("accuracy", "lo", "hi"), interval, strict=True))}
