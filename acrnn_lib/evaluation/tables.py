"""Result tables, computed from the predictions at each call: accuracies, and pairs of experiments.

Experiments with missing folds are marked; seeds are averaged only over the same folds. Published
values come from assets/published.csv, each with its source.

Notebook: 07_result_tables
"""

import json

import numpy as np
import pandas as pd

from ..config import dataset_label, original
from ..experiments import EXPERIMENTS
from . import metrics, results
from .grouping import arrays, by_experiment, correct_by_clip, n_folds, precisions, same_folds
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
        coverage : see `grouping.same_folds`
        all_folds : of the data set
    """
    rows = []
    for (dataset, profile, experiment), group in by_experiment(runs).items():
        used, coverage = same_folds(group)
        correct, manifests = correct_by_clip(used), [run.manifest for run in used]
        accuracy, lo, hi = metrics.accuracy_interval(*arrays(correct))
        seconds = sum(manifest.get("wall_seconds", np.nan) for manifest in manifests)
        rows.append({
            "dataset": dataset, "profile": profile, "experiment": experiment,
            "seeds": correct.shape[1], "folds": len({run.fold for run in used}),
            "clips": len(correct), "accuracy": accuracy, "lo": lo, "hi": hi,
            "fold_std": correct.mean(axis=1).groupby("fold").mean().std(),
            "epochs": manifests[0].get("config", {}).get("train", {}).get("epochs"),
            "minutes": seconds / correct.shape[1] / 60,
            "parameters": manifests[0].get("parameters"), "precision": precisions(used),
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


def _commits(manifests):
    made = {(str(found.get("git_commit") or "?")[:7], bool(found.get("git_dirty")))
            for found in manifests}
    return ", ".join(commit + "+" * dirty for commit, dirty in sorted(made))


def _common(ours, others):
    """`correct_by_clip` of both, on the clips that both tested."""
    left, right = correct_by_clip(ours), correct_by_clip(others)
    common = left.index.intersection(right.index)
    if common.empty:
        first, other = ours[0], others[0]
        raise ResultsError(f"{first.dataset}/{first.profile}: {first.experiment} and "
                           f"{other.experiment} have no test clip in common")
    return left.loc[common], right.loc[common]


def _difference(left, right):
    values = metrics.paired_difference(arrays(left)[0], *arrays(right))
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
