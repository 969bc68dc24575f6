"""The paper's claims and the ambiguity register, beside the results of the runs.

Notebook: 07_result_tables
"""

from importlib.resources import files

import numpy as np
import pandas as pd

from ..config import dataset_label, known, original
from ..experiments import EXPERIMENTS
from .grouping import mark
from .results import ResultsError, Run
from .tables import TABLES, compare, copy_cost, interval_text, points_text, summary

BEHIND, CODE = "folds, seeds, epochs", "code"  # columns about the committed reference
COPY = "the copy on ten classes"  # column about copies: what they cost where both can be compared


def published() -> pd.DataFrame:
    """Verified accuracies of the paper and of related systems.

    Returns
    -------
    pd.DataFrame
        system, experiment (of this kit; NaN: none), dataset, accuracy (0 to 1; NaN: printed in the
        paper but not verified), rule (which epoch was reported, as far as known), source.
    """
    return _data("published.csv")


def published_recall() -> pd.DataFrame:
    """Verified recall by class that others published.

    Returns
    -------
    pd.DataFrame
        system, dataset, category, recall (0 to 1), source.

    Notebook: 08_confusion_matrices
    """
    return _data("published_recall.csv")


def _data(name, **options):
    with (files("acrnn_lib") / "assets" / name).open(encoding="utf-8") as file:
        return pd.read_csv(file, **options)


def ledger(reference: list[Run], mine: list[Run] | tuple[Run, ...] = ()) -> pd.DataFrame:
    """Published accuracy, committed reference and new runs, side by side.

    Parameters
    ----------
    reference : list of Run
        Committed runs; may be empty.
    mine : list of Run
        New runs, for the column "this run".

    Returns
    -------
    pd.DataFrame
        A row per dataset, experiment and profile. ``code`` holds the commits that the reference
        was made with. ``verdict`` is the reference's: matched if the published value lies in its
        95 % interval. A copy of a data set stands beside the values published for the original;
        the column COPY has its difference from the original, in points, on ten classes.
    """
    listed = published().dropna(subset="experiment").set_index(["dataset", "experiment"])
    theirs, ours, costs = _rows(reference), _rows(mine), _costs(reference)
    run = {(original(key[0]), key[1]) for key in (*theirs, *ours)}
    missing = {(*key, "") for key in listed.index if key not in run}
    rows = []
    for key in sorted({*theirs, *ours, *missing}):
        place = original(key[0]), key[1]
        there = listed.loc[place] if place in listed.index else None
        rows.append([*key, _said(there, key[0]), _cell(theirs, key), _budget(theirs.get(key)),
                     costs.get(key[1:], "") if place[0] != key[0] else "",
                     theirs[key]["commits"] if key in theirs else "", _cell(ours, key),
                     _verdict(None if there is None else there.accuracy, theirs.get(key))])
    return pd.DataFrame(rows, columns=["dataset", "experiment", "profile", "published",
                                       "committed reference", BEHIND, COPY, CODE, "this run",
                                       "verdict"])


def _costs(runs):
    """{(experiment, profile): what the copy of ESC-10 costs, in points}."""
    return {(row["experiment"], row["profile"]): f"{points_text(row)} (seed {row['seeds']})"
            for row in copy_cost(list(runs)).to_dict("records")}


def answers(runs: list[Run], layers: pd.DataFrame) -> pd.DataFrame:
    """Each claim and each question of the paper, beside the result of the runs.

    Parameters
    ----------
    runs : list of Run
    layers : pd.DataFrame
        The network's ``layer_table``.

    Returns
    -------
    pd.DataFrame
        A row per claim. The result of a pair is the difference in accuracy on the same clips, in
        percentage points, with its 95 % interval, not corrected for multiple comparisons.

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
    table = ledger(acrnn)
    rows = table[(table["dataset"].map(original) == dataset) & (table["experiment"] == "acrnn")]
    return "; ".join(row["verdict"] if not row["profile"] else
                     f"{row['committed reference']} ({_place(row, dataset)}): {row['verdict']}"
                     for row in rows.to_dict("records"))


def _parameters(runs, *experiments):
    # of ten classes, as the published number: more classes have more weights
    found = {run.experiment: run.manifest["parameters"] for run in runs
             if run.dataset == "esc10"}
    return "; ".join(f"{name}: {found[name]:,}" if name in found else f"{name}: not run"
                     for name in experiments)


def _pairs(runs, *pairs):
    return "; ".join(f"{a} minus {b}: {_effect(runs, a, b)}"
                     for a, b in (pair.split(":") for pair in pairs))


def _multiply_adds(layers):
    return (f"{layers['multiply_adds'].sum() / 1e9:.2f} G multiply-adds to classify one segment: "
            "whatever was counted, it was not these")


def paper_table(title: str, whole: pd.DataFrame, dataset: str = "esc10") -> pd.DataFrame:
    """One table of TABLES, filled from the ledger.

    Parameters
    ----------
    title : str
        A key of TABLES.
    whole : pd.DataFrame
        The result of ``ledger``.
    dataset : str

    Returns
    -------
    pd.DataFrame
        The experiments in the table's order, also those that were not run.

    Raises
    ------
    ValueError
        For an unknown title.

    Notebook: 07_result_tables
    """
    names = TABLES[known("table", title, TABLES)]
    table = whole.query("dataset == @dataset").set_index("experiment").drop(
        columns=["dataset", CODE])
    absent = {"profile": "", "published": _said(None), "committed reference": "not run",
              BEHIND: "", COPY: "", "this run": "not run", "verdict": _verdict(None, None)}
    rows = [table.loc[[name]] if name in table.index else
            pd.DataFrame(absent, [name])[table.columns] for name in names]
    found = pd.concat(rows).rename_axis("experiment").reset_index()
    found.insert(1, "what it is", [EXPERIMENTS[name][0] for name in found["experiment"]])
    return found


def register(runs: list[Run], dataset: str = "esc10") -> pd.DataFrame:
    """The ambiguity register: what the paper does not specify, and the effect of each choice.

    Parameters
    ----------
    runs : list of Run
    dataset : str

    Returns
    -------
    pd.DataFrame
        A row per detail: what is known, the options, our choice, its reason and ``effect``: the
        accuracy with the other option minus that with our choice, in percentage points with a 95 %
        interval, on the folds that both were tested on, or "not measured yet".

    Notebook: 07_result_tables
    """
    table = _data("register.csv", keep_default_na=False)
    runs = [run for run in runs if run.dataset == dataset]
    table["effect"] = [_effect(runs, row.experiment, row.base) for row in table.itertuples()]
    return table


def _effect(runs, other, base):
    if not other:  # nothing to run: base holds the explanation
        return base
    try:
        rows = compare(runs, other, base)
    except ResultsError:
        return "not measured yet"
    texts = [f"{points_text(row)} points ({_place(row)}, {row['clips']} clips)"
             for row in rows.to_dict("records")]
    return "; ".join(texts) or "not measured yet"


def _place(row, dataset="esc10"):
    """The profile, and the data set where it is another one."""
    where = "" if row["dataset"] == dataset else f"{dataset_label(row['dataset'])}, "
    return where + row["profile"]


def _rows(runs):
    return {(row["dataset"], row["experiment"], row["profile"]): row
            for row in (summary(runs).to_dict("records") if runs else [])}


def _said(there, dataset=""):
    if there is None:
        return "none known"
    if np.isnan(there.accuracy):
        return "not verified"
    source = "" if there.source.startswith("the paper") else f" ({there.source})"
    return f"{there.accuracy:.1%}{source}" + " on the original" * (dataset != original(dataset))


def _cell(column, key):
    if key not in column:
        return "not run"
    return interval_text(column[key]) + mark(column[key]["coverage"])


def _budget(row):
    if row is None:
        return ""
    epochs = "?" if pd.isna(row["epochs"]) else row["epochs"]
    return f"{row['folds']}, {row['seeds']}, {epochs}"


def _verdict(paper, row):
    if row is None:
        return "not attempted"
    if paper is None or np.isnan(paper):
        return ""
    if row["folds"] < row["all_folds"]:
        return "incomplete"
    return "not matched" if row["hi"] < paper else "exceeded" if row["lo"] > paper else "matched"
