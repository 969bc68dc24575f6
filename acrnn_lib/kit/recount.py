"""The committed evidence, recounted from predictions and compared with the accepted counts.

Notebook: 00_start_here, 07_result_tables
"""

import hashlib
import json
from itertools import groupby
from pathlib import Path

import pandas as pd

from ..config import dataset_label
from ..evaluation import claims, headline, learning, recipes, results, selection
from ..evaluation.confusions import confusion
from ..evaluation.grouping import by_experiment
from ..evaluation.recalls import recall
from ..evaluation.tables import (
    comparisons,
    copy_cost,
    interval_text,
    pairs_text,
    points_text,
    summary,
)
from ..files import ResultsError, read_json, write_bytes
from ..models.summary import layer_table


def rebuild(results_dir: Path | str = "results",
            out_dir: Path | str = "build/tables") -> list[str]:
    """Recount the committed runs, write every table as CSV and Markdown, and check the counts.

    Parameters
    ----------
    results_dir : Path or str
        Root of the committed runs; its `summary.json` holds the accepted counts.
    out_dir : Path or str
        Folder of the tables.

    Returns
    -------
    list of str
        Problems, one line each: damaged, missing and unknown runs and changed numbers.
    """
    root, out, problems, counts, runs = Path(results_dir), Path(out_dir), [], {}, []
    path = root / "summary.json"
    try:
        accepted = read_json(path) if path.exists() else {}
        if not accepted and not any(root.glob("*/*/*/seed*/fold*")):
            print(f"{root}: no committed reference runs")
            _save(pd.DataFrame({"accuracies": ["no committed reference runs"]}), out, "accuracies")
            return []
        for run in _all_runs(root):
            try:
                counts[_name(run, root)] = _count(run)
                if run.folder.parents[4] == root:
                    runs.append(run)
            except ResultsError as error:
                problems.append(str(error))
        _tables(runs, out)
        _choices(root, runs, out)
    except ResultsError as error:
        return [*problems, str(error)]
    return problems + [f"{root / name}: found {counts.get(name)}, accepted was {accepted.get(name)}"
                       for name in sorted(accepted.keys() | counts.keys())
                       if counts.get(name) != accepted.get(name)]


def accept(results_dir: Path | str = "results") -> None:
    """Write the counts of every committed run to `summary.json`, as they are now."""
    root = Path(results_dir)
    counts = {_name(run, root): _count(run) for run in _all_runs(root)}
    text = json.dumps(counts, indent=1) + "\n"
    write_bytes(root / "summary.json", text.encode())


def _all_runs(root):
    """The runs of the tables, and then those of each folder beside them, such as `unfiltered`."""
    folders = [path for path in sorted(root.iterdir()) if any(path.glob("*/*/*/seed*/fold*"))]
    return [run for place in (root, *folders) for run in results.load(place)]


def _name(run, root):
    return run.folder.relative_to(root).as_posix()


def _count(run):
    run.verify()
    correct = results.predictions([run])["correct"]
    # the manifest holds the digest of every other file, so its own stands for the whole run
    digest = hashlib.sha256((run.folder / results.MANIFEST).read_bytes()).hexdigest()
    return {"clips": len(correct), "correct": int(correct.sum()), "manifest": digest}


def _tables(runs, out):
    if not runs:
        return
    _save(summary(runs), out, "accuracies")
    _save(claims.answers(runs, layer_table()), out, "claims")
    _save(claims.published().dropna(subset="accuracy").drop(columns="experiment"), out, "published")
    # what was committed, of real sounds: a page knows of no other runs
    real = [run for run in runs if run.dataset != "synth"]
    whole = claims.ledger(real).drop(columns="this run")
    _save(whole.assign(dataset=whole["dataset"].map(dataset_label)), out, "ledger")
    for dataset in ("esc10", "esc10-16k", "esc50", "esc50-16k"):  # as a page shows it: short rows
        part = whole[whole["dataset"] == dataset]
        empty = [claims.COPY] if part[claims.COPY].eq("").all() else []
        _save(part.drop(columns=["dataset", claims.CODE, *empty]), out, f"ledger_{dataset}")
    _save(whole[whole[claims.CODE] != ""][["dataset", "experiment", "profile", claims.CODE]], out,
          "ledger_code")
    _save(learning.costs(real), out, "costs")
    for title in claims.TABLES:
        _save(claims.paper_table(title, whole), out, title.replace(" ", "_"))
        for dataset in sorted({run.dataset for run in real} & {"esc50", "esc50-16k"}):
            table = claims.paper_table(title, whole, dataset)
            _save(table, out, f"{title.replace(' ', '_')}_{dataset}")
    _save(register := claims.register(runs), out, "register")
    _save(_register_page(register), out, "register_page")
    pairs = comparisons(real)
    _save(pairs, out, "comparisons")
    _save(pairs_text(pairs), out, "pairs")
    for key, group in by_experiment(runs).items():
        _save(confusion(group).reset_index(), out, "_".join(["confusion", *key]))
    for place, group in groupby(sorted(runs), lambda run: (run.dataset, run.profile)):
        theirs = claims.published_recall().query("dataset == @place[0]").pivot(
            index="category", columns="system", values="recall")
        table = summary(group := list(group))
        whole = set(table.experiment[table.folds == table.folds.max()])  # else one clip weighs more
        beside = recall([run for run in group if run.experiment in whole]).join(theirs)
        _save(beside.reset_index(), out, "_".join(["recall", *place]))


def _register_page(register):
    """The register in five columns, which fit a page."""
    measured = register["experiment"] != ""
    return pd.DataFrame({
        "detail": register["detail"], "known": register["known"],
        "our choice, of these options": register["ours"] + " (" + register["options"] + ")",
        "reason": register["reason"],
        "effect of another option": register["effect"].where(
            ~measured, "`" + register["experiment"] + "` minus `" + register["base"] + "`: "
            + register["effect"])})


def _choices(root, runs, out):
    """What the copy costs, and what a choice of the epoch or of the recipe adds."""
    costs = copy_cost(runs)
    costs["points"] = [points_text(row) for row in costs.to_dict("records")]
    _save(costs[["profile", "experiment", "seeds", "clips", "points", "p"]], out, "copy_cost")
    if not (tried := recipes.compared(root)).empty:
        _save(tried, out, "recipes")
    if (root / "watched").is_dir():
        table = selection.by_rule(root)
        shares = table.columns[3:]
        table[shares] = table[shares].map("{:.1%}".format, na_action="ignore").fillna("not run")
        _save(table, out, "epoch_rules")
    for profile in ("lite", "paper") if (root / "unfiltered").is_dir() else ():
        choices, found = selection.nested(profile, root)
        found["accuracy"] = interval_text(found)
        shares = choices.columns.drop("chosen")
        choices[shares] = choices[shares].map("{:.1%}".format)
        _save(choices.reset_index(), out, f"nested_{profile}")
        _save(pd.DataFrame([found])[["seeds", "clips", "accuracy"]], out,
              f"nested_estimate_{profile}")
    if (root / "unfiltered").is_dir():
        (out / "headline.md").write_text(headline.as_markdown(root), encoding="utf-8")


def _save(table, out, name):
    """One table as CSV, every digit, and as Markdown, four digits."""
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / f"{name}.csv", index=False, lineterminator="\n")
    cells = table.map(lambda v: f"{v:.4g}" if isinstance(v, float) else str(v))
    cells = cells.mask(table.isna(), "")
    lines = [map(str, table.columns), ["---"] * table.shape[1], *cells.itertuples(index=False)]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    (out / f"{name}.md").write_text(text, encoding="utf-8")
