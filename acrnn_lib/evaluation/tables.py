"""Result tables, computed from the predictions at each call: accuracy, recall, confusion, pairs.

Experiments with missing folds are marked; seeds are averaged only over the same folds. Published
values come from assets/published.csv, each with its source.

Notebook: 07_result_tables
"""

import json
from itertools import groupby

import numpy as np
import pandas as pd

from ..config import dataset_label, original
from ..data.datasets import family
from ..experiments import EXPERIMENTS
from . import metrics, results
from .results import ResultsError

# the experiments in the rows of each table. That the paper has tables of model settings and of
# attention placement is verified; the form of the others is ours
TABLES = {
    "models": ("knn", "svm", "forest", "mfcc-gmm", "mfcc-rnn", "rgb-cnn", "parallel",
               "attention-rnn", "acrnn", "acrnn-plus"),
    "model settings": ("crnn-noaug", "acrnn-noaug", "crnn", "acrnn"),
    "attention placement": ("crnn", "att-l2", "att-l4", "att-l6", "att-l8", "acrnn"),
    "attention scaling": ("crnn", "sigmoid", "acrnn"),
    "recurrent cells": ("lstm", "acrnn"),
}
# pairs compared in each table; Holm's correction is over the pairs of one table
PAIRS = {title: tuple(("acrnn-plus", "acrnn") if row == "acrnn-plus" else ("acrnn", row)
                      for row in rows if row != "acrnn") for title, rows in TABLES.items()}
PAIRS["model settings"] = (("acrnn", "crnn"), ("acrnn-noaug", "crnn-noaug"),
                           ("acrnn", "acrnn-noaug"), ("crnn", "crnn-noaug"))


def summary(runs: list[results.Run]) -> pd.DataFrame:
    """Accuracy of each experiment, a row per dataset, profile and experiment.

    Parameters
    ----------
    runs : list of Run

    Returns
    -------
    pd.DataFrame
        seeds, folds, clips : counts
        accuracy, lo, hi : 0 to 1, with the 95 % interval over recordings and seeds
        fold_std : standard deviation over folds
        epochs, parameters : from the manifests
        precision : every arithmetic precision used
        minutes : wall times summed over folds, even if run in parallel; mean over seeds
        commits : of the code; "+": with uncommitted changes, "?": unknown
        coverage : see `same_folds`
        all_folds : of the data set
    """
    rows = []
    for (dataset, profile, experiment), group in by_experiment(runs).items():
        used, coverage = same_folds(group)
        correct, manifests = _correct(used), [run.manifest for run in used]
        accuracy, lo, hi = metrics.accuracy_interval(*_arrays(correct))
        seconds = sum(manifest.get("wall_seconds", np.nan) for manifest in manifests)
        rows.append({
            "dataset": dataset, "profile": profile, "experiment": experiment,
            "seeds": correct.shape[1], "folds": len({run.fold for run in used}),
            "clips": len(correct), "accuracy": accuracy, "lo": lo, "hi": hi,
            "fold_std": correct.mean(axis=1).groupby("fold").mean().std(),
            "epochs": manifests[0].get("config", {}).get("train", {}).get("epochs"),
            "minutes": seconds / correct.shape[1] / 60,
            "parameters": manifests[0].get("parameters"), "precision": _precisions(used),
            "commits": _commits(manifests), "coverage": coverage, "all_folds": n_folds(used)})
    return pd.DataFrame(rows).astype({"epochs": "Int64", "parameters": "Int64"})


def compare(runs: list[results.Run], a: str, b: str) -> pd.DataFrame:
    """Experiment a minus b on the clips that both tested, a row per dataset and profile.

    Parameters
    ----------
    runs : list of Run
    a, b : str
        Experiments.

    Returns
    -------
    pd.DataFrame
        difference, lo, hi, p : accuracy of a minus b, see `metrics.paired_difference`
        mcnemar : exact test per common seed, with the clips correct only for a and only for b
        disagree : share of clips correct for only one of the two, over all pairs of seeds
        cohens_g : a's share of these clips, minus 0.5 (0.05 small, 0.15 medium, 0.25 large)

    Raises
    ------
    ResultsError
        For an experiment without runs, or without common clips.

    References
    ----------
    Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 4.
    """
    groups, rows = by_experiment(runs), []
    if missing := {a, b} - {run.experiment for run in runs}:
        raise ResultsError(f"no complete runs of {', '.join(sorted(missing))}")
    for place in dict.fromkeys(key[:2] for key in groups if {(*key[:2], a), (*key[:2], b)} <=
                               groups.keys()):
        (of_a, note_a), (of_b, note_b) = (same_folds(groups[*place, name]) for name in (a, b))
        left, right = _common(of_a, of_b)
        tests = {seed: metrics.mcnemar(left[seed], right[seed])
                 for seed in left.columns.intersection(right.columns)}
        rows.append({
            "dataset": place[0], "profile": place[1], "a": a, "b": b, "seeds_a": left.shape[1],
            "seeds_b": right.shape[1], **_difference(left, right),
            "mcnemar": "; ".join(f"seed {seed}: {only_a} to {only_b}, p = {p:.3g}"
                                 for seed, (p, only_a, only_b) in tests.items()),
            **_discord(left.mean(axis=1), right.mean(axis=1)),
            "coverage": note_a if note_a == note_b else f"{a}: {note_a}; {b}: {note_b}"})
    return pd.DataFrame(rows)


def difference(ours: list[results.Run], others: list[results.Run]) -> dict:
    """Accuracy of some runs minus that of others, on the clips that both tested.

    Parameters
    ----------
    ours, others : list of Run
        One experiment each, or the same one with other settings.

    Returns
    -------
    dict
        clips, difference, lo, hi and p, as in `compare`.

    Raises
    ------
    ResultsError
        If no clip was tested by both.

    Notebook: 07_result_tables
    """
    return _difference(*_common(*(same_folds(sorted(runs))[0] for runs in (ours, others))))


def copy_cost(runs: list[results.Run]) -> pd.DataFrame:
    """Accuracy on the 16 kHz, 8-bit copy minus that on the original ESC-10, on the same clips.

    Parameters
    ----------
    runs : list of Run
        Of `esc10` and `esc10-16k`; others are left out.

    Returns
    -------
    pd.DataFrame
        A row per experiment of the copy whose base ran on the original with a common seed, in the
        same precision: profile, experiment, seeds (text), and clips, difference, lo, hi and p as
        in `compare`. The base of `acrnn+features.f_max=8000` is `acrnn`.

    Notebook: 07_result_tables
    """
    groups, rows = by_experiment(runs), []
    for (dataset, profile, experiment), ours in groups.items():
        base = groups.get((original(dataset), profile, experiment.partition("+")[0]), [])
        if dataset == "esc10-16k":
            made = [{(run.seed, run.manifest.get("precision")) for run in side}
                    for side in (ours, base)]
            seeds = {seed for seed, _ in set.intersection(*made)}
            pair = [[run for run in side if run.seed in seeds] for side in (ours, base)]
            if seeds:
                rows.append({"profile": profile, "experiment": experiment,
                             "seeds": ", ".join(map(str, sorted(seeds))), **difference(*pair)})
    return pd.DataFrame(rows, columns=["profile", "experiment", "seeds", "clips", "difference",
                                       "lo", "hi", "p"])


def comparisons(runs: list[results.Run], pairs: dict = PAIRS) -> pd.DataFrame:
    """`compare` for every pair that was run.

    Parameters
    ----------
    runs : list of Run
    pairs : dict
        Table title -> pairs (a, b) of experiments.

    Returns
    -------
    pd.DataFrame
        Columns of `compare`, table, and p_holm: p, corrected for the pairs of one table on one
        dataset and profile. Empty if no pair was run.
    """
    names = {run.experiment for run in runs}
    tables = [compare(runs, *pair).assign(table=title) for title, asked in pairs.items()
              for pair in asked if names.issuperset(pair)]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if table.empty:
        return table
    table.insert(0, "table", table.pop("table"))
    families = table.groupby(["table", "dataset", "profile"])["p"]
    return table.assign(p_holm=families.transform(metrics.holm))


def pairs_text(table: pd.DataFrame) -> pd.DataFrame:
    """Format a table of `comparisons` for printing: percentage points, rounded."""
    rows = [{
        "table": row.table, "pair": f"{row.a} minus {row.b}",
        "data set, profile": f"{dataset_label(row.dataset)}, {row.profile}",
        "clips": row.clips, "seeds": f"{row.seeds_a}, {row.seeds_b}",
        "difference in points": points_text(row._asdict()),
        "p": f"{row.p:.2g}", "p after Holm": f"{row.p_holm:.2g}",
        "right alone (McNemar)": row.mcnemar, "Cohen's g": f"{row.cohens_g:.2f}",
        "coverage": row.coverage,
    } for row in table.itertuples()]
    return pd.DataFrame(rows)


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
        coverage : see `same_folds`
        clips, recordings : counts
        recall, lo, hi : 0 to 1, with the 95 % interval over recordings and seeds
        precision : 0 to 1; NaN for a class that is never predicted

    Notebook: 08_confusion_matrices
    """
    return _recall_of(runs, "class", str, "precision", lambda matrix: pd.Series(
        metrics.recall(matrix.T), matrix.columns.astype(str)))


def recall_by_family(runs: list[results.Run]) -> pd.DataFrame:
    """Recall with its interval of each family of ESC-50's classes, see `datasets.family`.

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
        correct, matrix = _correct(used), confusion(used)
        target = results.predictions(used).drop_duplicates("clip_id").set_index("clip_id")["target"]
        groups, ends = matrix.columns.map(group_of), values_of(matrix)
        of_clip = groups[target[correct.index.get_level_values("clip_id")]]
        for group in filter(None, dict.fromkeys(groups)):
            if len(part := correct[of_clip == group]):
                recordings = part.index.get_level_values("source").nunique()
                rows.append([*key, coverage, group, len(part), recordings,
                             *metrics.accuracy_interval(*_arrays(part)), ends[group]])
    return pd.DataFrame(rows, columns=[
        "dataset", "profile", "experiment", "coverage", kind, "clips", "recordings", "recall",
        "lo", "hi", last])


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


def as_json(runs: list[results.Run]) -> str:
    """The JSON object of `report --json`; accuracies from 0 to 1."""
    keys = ["dataset", "profile", "experiment", "seeds", "folds", "clips", "accuracy"]
    rows = [{**{key: row[key] for key in keys}, "interval": [row["lo"], row["hi"]]}
            for row in summary(runs).to_dict("records")]
    return json.dumps({"runs": rows}, indent=1)


def as_text(runs: list[results.Run]) -> str:
    """The summary as plain text: percentages, blanks for values that a manifest lacks."""
    table = summary(runs)
    shown = table.drop(columns=["accuracy", "lo", "hi", "fold_std", "commits", "all_folds"])
    shown["dataset"] = shown["dataset"].map(dataset_label)
    shown.insert(3, "accuracy", [interval_text(row) for row in table.to_dict("records")])
    shown.insert(4, "fold_std", [f"{std:.1%}" for std in table["fold_std"]])
    shown["minutes"] = shown["minutes"].map("{:.1f}".format)
    text = shown.astype(object).mask(shown.isna(), "").replace(["nan", "nan%"], "").to_string(
        index=False)
    if any(run.manifest.get("protocol") == "inner" for run in runs):
        text += ("\nNo test results: inner validation, which compares recipes inside the training "
                 "folds.")
    return text


def as_markdown(runs: list[results.Run]) -> str:
    """All rows of `summary` as a table in Markdown."""
    lines = ["| data set | experiment | what it is | accuracy, 95 % interval | folds | seeds | "
             "epochs | precision | minutes, all folds |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in summary(runs).to_dict("records"):
        about = EXPERIMENTS.get(row["experiment"].partition("+")[0], ("",))[0]
        lines.append(f"| {dataset_label(row['dataset'])} | `{row['experiment']}` "
                     f"({row['profile']}) | {about} | {interval_text(row)} | {row['folds']} | "
                     f"{row['seeds']} | {row['epochs']} | {row['precision']} | "
                     f"{row['minutes']:.0f} |")
    return "\n".join(lines) + "\n"


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
    if " and " in (found := _precisions(used)):
        notes.append(f"runs in {found}")
    return used, "; ".join(notes) or "complete"


def _precisions(runs):
    return " and ".join(sorted({str(run.manifest.get("precision", "?")) for run in runs}))


def _commits(manifests):
    made = {(str(found.get("git_commit") or "?")[:7], bool(found.get("git_dirty")))
            for found in manifests}
    return ", ".join(commit + "+" * dirty for commit, dirty in sorted(made))


def _correct(runs) -> pd.DataFrame:
    """Correctness: bool, a row per clip (clip_id, source, fold), a column per seed."""
    table = results.predictions(runs).pivot(
        index=["clip_id", "source", "fold"], columns="seed", values="correct")
    if table.isna().any(axis=None):
        raise ResultsError(f"{runs[0].folder.parent.parent}: the seeds were tested on other clips")
    return table.astype(bool)


def _arrays(correct):
    return correct.to_numpy().T, correct.index.get_level_values("source")


def _common(ours, others):
    """`_correct` of both, on the clips that both tested."""
    left, right = _correct(ours), _correct(others)
    common = left.index.intersection(right.index)
    if common.empty:
        first, other = ours[0], others[0]
        raise ResultsError(f"{first.dataset}/{first.profile}: {first.experiment} and "
                           f"{other.experiment} have no test clip in common")
    return left.loc[common], right.loc[common]


def _difference(left, right):
    values = metrics.paired_difference(_arrays(left)[0], *_arrays(right))
    return {"clips": len(left), **dict(zip(("difference", "lo", "hi", "p"), values, strict=True))}


def _discord(a, b):
    """Disagreement and Cohen's g, from the share of seeds that classified each clip correctly."""
    won, lost = (a * (1 - b)).sum(), (b * (1 - a)).sum()
    return {"disagree": (won + lost) / len(a),
            "cohens_g": won / (won + lost) - 0.5 if won + lost else 0.0}


def interval_text(row: dict | pd.Series) -> str:
    """Accuracy and interval of a row of `summary`, in percent."""
    return f"{row['accuracy']:.1%} [{row['lo']:.1%}, {row['hi']:.1%}]"


def points_text(row: dict | pd.Series) -> str:
    """Difference and interval of a row of `compare`, in percentage points."""
    return f"{100 * row['difference']:+.1f} [{100 * row['lo']:+.1f}, {100 * row['hi']:+.1f}]"


def mark(coverage: str) -> str:
    """Suffix for a number that does not rest on all folds; empty for "complete"."""
    return "" if coverage == "complete" else f" ({coverage})"
