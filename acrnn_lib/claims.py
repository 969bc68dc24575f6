"""What the paper claims and leaves open, each beside what the runs say.

Notebook: 07_result_tables
"""

from importlib.resources import files

import numpy as np
import pandas as pd

from .config import EXPERIMENTS, known
from .report import FOLDS, compare, interval_text, mark, summary
from .results import ResultsError

# the paper's tables, each as the experiments that are its rows, in its order
TABLES = {
    "models": ("knn", "svm", "forest", "mfcc-gmm", "mfcc-rnn", "rgb-cnn", "parallel",
               "attention-rnn", "acrnn", "acrnn-plus"),
    "model settings": ("crnn-noaug", "acrnn-noaug", "crnn", "acrnn"),
    "attention placement": ("crnn", "att-l2", "att-l4", "att-l6", "att-l8", "acrnn"),
    "attention scaling": ("crnn", "sigmoid", "acrnn"),
    "recurrent cells": ("lstm", "acrnn"),
}


def published() -> pd.DataFrame:
    """Verified values of the paper and its neighbours: system, experiment (ours, where there is
    one), dataset, accuracy (share; NaN: printed by the paper, but not verified), source."""
    with (files("acrnn_lib") / "data" / "published.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def ledger(reference, mine=()) -> pd.DataFrame:
    """What was published (verified only), the committed reference and this run, side by side.

    The verdict is the reference's: matched where its interval holds the published value.
    """
    listed = published().dropna(subset="experiment").set_index(["dataset", "experiment"])
    theirs, ours = _rows(reference), _rows(mine)
    run = {key[:2] for key in (*theirs, *ours)}
    missing = {(*key, "") for key in listed.index if key not in run}
    rows = []
    for key in sorted({*theirs, *ours, *missing}):
        there = listed.loc[key[:2]] if key[:2] in listed.index else None
        rows.append([*key, _said(there), _cell(theirs, key), _cell(ours, key),
                     _verdict(None if there is None else there.accuracy, theirs.get(key))])
    return pd.DataFrame(rows, columns=["dataset", "experiment", "profile", "published",
                                       "committed reference", "this run", "verdict"])


def paper_table(title, whole, dataset="esc10") -> pd.DataFrame:
    """One of TABLES: its rows of the whole ``ledger``, in the table's order, run or not.

    Raises ValueError for a title that is not among them. Notebook: 07_result_tables
    """
    names = TABLES[known("table", title, TABLES)]
    table = whole.query("dataset == @dataset").set_index("experiment")
    rows = [table.loc[[name]] if name in table.index else
            pd.DataFrame({"profile": "", "published": "not published",
                          "committed reference": "not run", "this run": "not run",
                          "verdict": "not attempted"}, [name]) for name in names]
    columns = ["profile", "published", "committed reference", "this run", "verdict"]
    found = pd.concat(rows)[columns].rename_axis("experiment").reset_index()
    found.insert(1, "what it is", [EXPERIMENTS[name][0] for name in found["experiment"]])
    return found


def register(runs, dataset="esc10") -> pd.DataFrame:
    """The ambiguity register: every detail that the paper leaves open, and what it is worth.

    A row per detail: what is known, the options, our choice and its reason, and the effect: the
    accuracy of the experiment with the other option minus that of the one with our choice, in
    points, with its 95 % interval, on the folds that both were tested on. Details whose effect
    was not measured say so. Notebook: 07_result_tables
    """
    with (files("acrnn_lib") / "data" / "register.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, keep_default_na=False)
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
        return "not published"
    if np.isnan(there.accuracy):
        return "not verified"
    source = "" if there.source.startswith("the paper") else f" ({there.source})"
    return f"{there.accuracy:.1%}{source}"


def _cell(column, key):
    if key not in column:
        return "not run"
    return interval_text(column[key]) + mark(column[key]["coverage"])


def _verdict(paper, row):
    if row is None:
        return "not attempted"
    if paper is None or np.isnan(paper):
        return ""
    if row["folds"] < FOLDS:
        return "incomplete"
    return "not matched" if row["hi"] < paper else "exceeded" if row["lo"] > paper else "matched"
