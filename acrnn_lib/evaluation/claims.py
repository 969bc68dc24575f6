"""What the paper claims and leaves open, each beside what the runs say.

Notebook: 07_result_tables
"""

from importlib.resources import files

import numpy as np
import pandas as pd

from ..config import EXPERIMENTS, known
from .results import ResultsError
from .tables import TABLES, compare, interval_text, mark, summary

BEHIND, CODE = "folds, seeds, epochs", "code"  # of the committed reference


def published() -> pd.DataFrame:
    """Verified values of the paper and its neighbours: system, experiment (ours, where there is
    one), dataset, accuracy (share; NaN: printed by the paper, but not verified), source.
    """
    return _data("published.csv")


def published_recall() -> pd.DataFrame:
    """Recalls by class that others published (verified): system, dataset, category, recall, source.

    Notebook: 08_confusion_matrices
    """
    return _data("published_recall.csv")


def _data(name, **options):
    with (files("acrnn_lib") / "assets" / name).open(encoding="utf-8") as file:
        return pd.read_csv(file, **options)


def ledger(reference, mine=()) -> pd.DataFrame:
    """What was published (verified only), the committed reference and this run, side by side.

    The verdict is the reference's: matched where its interval holds the published value; ``code``
    are the commits that its runs were made by.
    """
    listed = published().dropna(subset="experiment").set_index(["dataset", "experiment"])
    theirs, ours = _rows(reference), _rows(mine)
    run = {key[:2] for key in (*theirs, *ours)}
    missing = {(*key, "") for key in listed.index if key not in run}
    rows = []
    for key in sorted({*theirs, *ours, *missing}):
        there = listed.loc[key[:2]] if key[:2] in listed.index else None
        rows.append([*key, _said(there), _cell(theirs, key), _budget(theirs.get(key)),
                     theirs[key]["commits"] if key in theirs else "", _cell(ours, key),
                     _verdict(key[0], None if there is None else there.accuracy,
                              theirs.get(key))])
    return pd.DataFrame(rows, columns=["dataset", "experiment", "profile", "published",
                                       "committed reference", BEHIND, CODE, "this run", "verdict"])


def answers(runs, layers) -> pd.DataFrame:
    """Each claim of the paper and each question that it asks, beside what the runs say.

    A pair is a difference in accuracy on the same clips, in points, with its 95 % interval, not
    corrected for the number of pairs. layers : the network's ``layer_table``.
    Notebook: 07_result_tables
    """
    table = _data("claims.csv", keep_default_na=False)
    runs = [run for run in runs if run.dataset != "synth"]
    checks = {"accuracy": _accuracy, "parameters": _parameters, "pairs": _pairs,
              "multiply_adds": lambda *_: _multiply_adds(layers)}
    table["what came out here"] = [checks[row.check](runs, *row.of.split())
                                   for row in table.itertuples()]
    return table.drop(columns=["check", "of"])


def _accuracy(runs, dataset):
    acrnn = [run for run in runs if run.experiment == "acrnn"]
    rows = ledger(acrnn).query("dataset == @dataset and experiment == 'acrnn'")
    return "; ".join(row["verdict"] if not row["profile"] else
                     f"{row['committed reference']} ({row['profile']}): {row['verdict']}"
                     for row in rows.to_dict("records"))


def _parameters(runs, *experiments):
    found = {run.experiment: run.manifest["parameters"] for run in runs}
    return "; ".join(f"{name}: {found[name]:,}" if name in found else f"{name}: not run"
                     for name in experiments)


def _pairs(runs, *pairs):
    return "; ".join(f"{a} minus {b}: {_effect(runs, a, b)}"
                     for a, b in (pair.split(":") for pair in pairs))


def _multiply_adds(layers):
    return (f"{layers['multiply_adds'].sum() / 1e9:.2f} G multiply-adds to classify one segment: "
            "whatever was counted, it was not these")


def paper_table(title, whole, dataset="esc10") -> pd.DataFrame:
    """One of TABLES: its rows of the whole ``ledger``, in the table's order, run or not.

    Raises ValueError for a title that is not among them. Notebook: 07_result_tables
    """
    names = TABLES[known("table", title, TABLES)]
    table = whole.query("dataset == @dataset").set_index("experiment").drop(
        columns=["dataset", CODE])
    absent = {"profile": "", "published": _said(None), "committed reference": "not run",
              BEHIND: "", "this run": "not run", "verdict": _verdict(dataset, None, None)}
    rows = [table.loc[[name]] if name in table.index else
            pd.DataFrame(absent, [name])[table.columns] for name in names]
    found = pd.concat(rows).rename_axis("experiment").reset_index()
    found.insert(1, "what it is", [EXPERIMENTS[name][0] for name in found["experiment"]])
    return found


def register(runs, dataset="esc10") -> pd.DataFrame:
    """The ambiguity register: every detail that the paper leaves open, and what it is worth.

    A row per detail: what is known, the options, our choice and its reason, and the effect: the
    accuracy of the experiment with the other option minus that of the one with our choice, in
    points, with its 95 % interval, on the folds that both were tested on. Details whose effect
    was not measured say so. Notebook: 07_result_tables
    """
    table = _data("register.csv", keep_default_na=False)
    runs = [run for run in runs if run.dataset == dataset]
    table["effect"] = [_effect(runs, row.experiment, row.base) for row in table.itertuples()]
    return table


def _effect(runs, other, base):
    if not other:  # nothing to run: the base says what settles it
        return base
    try:
        rows = compare(runs, other, base)
    except ResultsError:
        return "not measured yet"
    texts = [f"{100 * row.difference:+.1f} [{100 * row.lo:+.1f}, {100 * row.hi:+.1f}] points "
             f"({row.profile}, {row.clips} clips)" for row in rows.itertuples()]
    return "; ".join(texts) or "not measured yet"


def _rows(runs):
    return {(row["dataset"], row["experiment"], row["profile"]): row
            for row in (summary(runs).to_dict("records") if runs else [])}


def _said(there):
    if there is None:
        return "none known"
    if np.isnan(there.accuracy):
        return "not verified"
    source = "" if there.source.startswith("the paper") else f" ({there.source})"
    return f"{there.accuracy:.1%}{source}"


def _cell(column, key):
    if key not in column:
        return "not run"
    return interval_text(column[key]) + mark(column[key]["coverage"])


def _budget(row):
    if row is None:
        return ""
    epochs = "?" if pd.isna(row["epochs"]) else row["epochs"]
    return f"{row['folds']}, {row['seeds']}, {epochs}"


def _verdict(dataset, paper, row):
    if row is None:
        return "not attempted" + (": the data set could not be downloaded here"
                                  if dataset == "esc50" else "")
    if paper is None or np.isnan(paper):
        return ""
    if row["folds"] < row["all_folds"]:
        return "incomplete"
    return "not matched" if row["hi"] < paper else "exceeded" if row["lo"] > paper else "matched"
