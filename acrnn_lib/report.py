"""Tables, recounted from the committed predictions each time: accuracy, recall, confusion, pairs.

No number here is typed except the published ones (data/published.csv, each with its source).
Experiments with missing folds are named as such; seeds are averaged only over the same folds.

Notebook: 07_result_tables
"""

import hashlib
import json
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from . import evaluate, results
from .config import EXPERIMENTS
from .results import ResultsError

FOLDS = 5
# the paper's questions: attention or the mean, augmented or plain, and what a newer recipe adds
PAIRS = (("acrnn", "crnn"), ("acrnn-noaug", "crnn-noaug"), ("acrnn", "acrnn-noaug"),
         ("crnn", "crnn-noaug"), ("acrnn-plus", "acrnn"))


def summary(runs) -> pd.DataFrame:
    """A row per dataset, profile and experiment.

    seeds, folds, clips : how many stand behind the row; accuracy, lo, hi : shares, with the 95 %
    interval over recordings; fold_std : standard deviation over folds; epochs, parameters : from
    the manifests; minutes : wall times of all folds, added up although some
    ran side by side, mean over seeds; coverage : "complete", or
    which folds there are and which seeds were left out because they tested fewer.
    """
    rows = []
    for (dataset, profile, experiment), group in _groups(runs).items():
        used, coverage = _same_folds(group)
        correct, manifests = _correct(used), [run.manifest for run in used]
        accuracy, lo, hi = evaluate.accuracy_interval(*_arrays(correct))
        seconds = sum(manifest.get("wall_seconds", np.nan) for manifest in manifests)
        rows.append({
            "dataset": dataset, "profile": profile, "experiment": experiment,
            "seeds": correct.shape[1], "folds": len({run.fold for run in used}),
            "clips": len(correct), "accuracy": accuracy, "lo": lo, "hi": hi,
            "fold_std": correct.mean(axis=1).groupby("fold").mean().std(),
            "epochs": manifests[0].get("config", {}).get("train", {}).get("epochs"),
            "minutes": seconds / correct.shape[1] / 60,
            "parameters": manifests[0].get("parameters"), "coverage": coverage})
    return pd.DataFrame(rows).astype({"epochs": "Int64", "parameters": "Int64"})


def compare(runs, a, b) -> pd.DataFrame:
    """Experiment a against b on the clips that both tested, a row per dataset and profile.

    difference, lo, hi, p : mean correctness of a minus b over seeds, bootstrapped over recordings;
    mcnemar : exact test per common seed, with the clips that only a and only b got right.
    Raises ResultsError for an experiment that was never run.
    """
    groups, rows = _groups(runs), []
    if missing := {a, b} - {run.experiment for run in runs}:
        raise ResultsError(f"no complete runs of {', '.join(sorted(missing))}")
    for place in dict.fromkeys(key[:2] for key in groups if {(*key[:2], a), (*key[:2], b)} <=
                               groups.keys()):
        (of_a, note_a), (of_b, note_b) = (_same_folds(groups[*place, name]) for name in (a, b))
        left, right = _correct(of_a), _correct(of_b)
        common = left.index.intersection(right.index)
        if common.empty:
            raise ResultsError(f"{'/'.join(place)}: {a} and {b} have no test clip in common")
        left, right = left.loc[common], right.loc[common]
        values = evaluate.paired_difference(_arrays(left)[0], *_arrays(right))
        tests = {seed: evaluate.mcnemar(left[seed], right[seed])
                 for seed in left.columns.intersection(right.columns)}
        rows.append({
            "dataset": place[0], "profile": place[1], "a": a, "b": b, "seeds_a": left.shape[1],
            "seeds_b": right.shape[1], "clips": len(common),
            **dict(zip(("difference", "lo", "hi", "p"), values, strict=True)),
            "mcnemar": "; ".join(f"seed {seed}: {only_a} to {only_b}, p = {p:.3g}"
                                 for seed, (p, only_a, only_b) in tests.items()),
            "coverage": note_a if note_a == note_b else f"{a}: {note_a}; {b}: {note_b}"})
    return pd.DataFrame(rows)


def comparisons(runs, pairs=PAIRS) -> pd.DataFrame:
    """`compare` for every pair that was run; p_holm is corrected over the whole table."""
    names = {run.experiment for run in runs}
    tables = [compare(runs, *pair) for pair in pairs if names.issuperset(pair)]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return table.assign(p_holm=evaluate.holm(table["p"])) if len(table) else table


def confusion(runs) -> pd.DataFrame:
    """Counts over all clips and seeds of one experiment: rows truth, columns prediction."""
    used, coverage = _same_folds(sorted(runs))
    long = results.predictions(used)
    n_classes = long.filter(regex=r"^p_\d+$").shape[1]
    names = list(used[0].manifest.get("classes", range(n_classes)))
    matrix = evaluate.confusion(long["target"], long["predicted"], n_classes)
    return pd.DataFrame(matrix, pd.Index(names, name="truth" + _mark(coverage)), names)


def recall(runs) -> pd.DataFrame:
    """Recall by class: a row per class, a column per experiment, of one dataset and profile."""
    columns = {}
    for (_, _, experiment), group in _groups(runs).items():
        matrix = confusion(group)
        name = experiment + _mark(_same_folds(group)[1])
        columns[name] = pd.Series(evaluate.recall(matrix), matrix.columns)
    return pd.DataFrame(columns).rename_axis("class")


def as_json(runs) -> str:
    """The JSON object of `report --json`; accuracies are shares from 0 to 1."""
    keys = ["dataset", "profile", "experiment", "seeds", "folds", "clips", "accuracy"]
    rows = [{**{key: row[key] for key in keys}, "interval": [row["lo"], row["hi"]]}
            for row in summary(runs).to_dict("records")]
    return json.dumps({"runs": rows}, indent=1)


def as_text(runs) -> str:
    """The summary as a table for people: percentages, blanks for what a manifest does not say."""
    table = summary(runs)
    shown = table.drop(columns=["accuracy", "lo", "hi", "fold_std"])
    shown.insert(3, "accuracy", [_interval(row) for row in table.to_dict("records")])
    shown.insert(4, "fold_std", [f"{std:.1%}" for std in table["fold_std"]])
    shown["minutes"] = shown["minutes"].map("{:.1f}".format)
    return shown.astype(object).mask(shown.isna(), "").replace(["nan", "nan%"], "").to_string(
        index=False)


def as_markdown(runs) -> str:
    """The README's table: experiment, what it is, accuracy with interval, folds, seeds, budget."""
    lines = ["| experiment | what it is | accuracy, 95 % interval | folds | seeds | epochs | "
             "minutes, all folds |",
             "|---|---|---|---|---|---|---|"]
    for row in summary(runs).to_dict("records"):
        about = EXPERIMENTS.get(row["experiment"], ("",))[0]
        lines.append(f"| `{row['experiment']}` ({row['profile']}) | {about} | {_interval(row)} | "
                     f"{row['folds']} | {row['seeds']} | {row['epochs']} | {row['minutes']:.0f} |")
    return "\n".join(lines) + "\n"


def published() -> pd.DataFrame:
    """Verified values of the paper and its neighbours: system, experiment (ours, where there is
    one), dataset, accuracy (share; NaN: printed by the paper, but not verified), source."""
    with (files("acrnn_lib") / "data" / "published.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def ledger(reference, mine=()) -> pd.DataFrame:
    """The paper (verified only), the committed reference and this run, side by side.

    The verdict is the reference's: matched where its interval holds the paper's value.
    """
    paper = published().dropna(subset="experiment").set_index(["dataset", "experiment"])["accuracy"]
    theirs, ours = ({(row["dataset"], row["experiment"], row["profile"]): row
                     for row in (summary(runs).to_dict("records") if runs else [])}
                    for runs in (reference, mine))
    run = {key[:2] for key in (*theirs, *ours)}
    rows = []
    for key in sorted({*theirs, *ours, *((*key, "") for key in paper.index if key not in run)}):
        value = paper.get(key[:2])
        said = ("not in the paper" if value is None else
                "not verified" if np.isnan(value) else f"{value:.1%}")
        cells = [_interval(column[key]) + _mark(column[key]["coverage"]) if key in column else
                 "not run" for column in (theirs, ours)]
        rows.append([*key, said, *cells, _verdict(value, theirs.get(key))])
    return pd.DataFrame(rows, columns=["dataset", "experiment", "profile", "the paper",
                                       "committed reference", "this run", "verdict"])


def rebuild(results_dir="results", out_dir="build/tables") -> list[str]:
    """Recount the committed runs, write every table as CSV and Markdown, and hold the counts
    against `summary.json`, which says what was accepted.

    Returns the problems, one line each: damaged, missing and unknown runs and changed numbers.
    """
    root, out, problems, counts, runs = Path(results_dir), Path(out_dir), [], {}, []
    path = root / "summary.json"
    try:
        accepted = results.read_json(path) if path.exists() else {}
        if not accepted and not any(root.glob("*/*/*/seed*/fold*")):
            print(f"{root}: no committed reference runs")
            _save(pd.DataFrame({"accuracies": ["no committed reference runs"]}), out, "accuracies")
            return []
        for run in results.load(root):
            try:
                counts[_name(run)] = _count(run)
                runs.append(run)
            except ResultsError as error:
                problems.append(str(error))
        _tables(runs, out)
    except ResultsError as error:
        return [*problems, str(error)]
    return problems + [f"{root / name}: found {counts.get(name)}, accepted was {accepted.get(name)}"
                       for name in sorted(accepted.keys() | counts.keys())
                       if counts.get(name) != accepted.get(name)]


def accept(results_dir="results") -> None:
    """Write `summary.json`: the counts of every committed run, as they are now."""
    counts = {_name(run): _count(run) for run in results.load(results_dir)}
    text = json.dumps(counts, indent=1) + "\n"
    results.write_bytes(Path(results_dir) / "summary.json", text.encode())


def _groups(runs) -> dict:
    return {key: list(group) for key, group in groupby(
        sorted(runs), lambda run: (run.dataset, run.profile, run.experiment))}


def _same_folds(runs):
    """The seeds with the most folds, all of them the same ones, and what that leaves out."""
    folds = {seed: [run.fold for run in group]
             for seed, group in groupby(runs, lambda run: run.seed)}
    best = max(folds.values(), key=len)
    notes = [f"only folds {','.join(map(str, best))}"] if len(best) < FOLDS else []
    notes += [f"seed {seed} left out: only folds {','.join(map(str, found))}"
              for seed, found in folds.items() if found != best]
    return [run for run in runs if folds[run.seed] == best], "; ".join(notes) or "complete"


def _correct(runs) -> pd.DataFrame:
    """bool, a row per clip (clip_id, source, fold), a column per seed."""
    table = results.predictions(runs).pivot(
        index=["clip_id", "source", "fold"], columns="seed", values="correct")
    if table.isna().any(axis=None):
        raise ResultsError(f"{runs[0].folder.parent.parent}: the seeds were tested on other clips")
    return table.astype(bool)


def _arrays(correct):
    return correct.to_numpy().T, correct.index.get_level_values("source")


def _interval(row):
    return f"{row['accuracy']:.1%} [{row['lo']:.1%}, {row['hi']:.1%}]"


def _mark(coverage):
    return "" if coverage == "complete" else f" ({coverage})"


def _verdict(paper, row):
    if row is None:
        return "not attempted"
    if paper is None or np.isnan(paper):
        return ""
    if row["folds"] < FOLDS:
        return "incomplete"
    return "not matched" if row["hi"] < paper else "exceeded" if row["lo"] > paper else "matched"


def _name(run):
    return "/".join(run.folder.parts[-5:])


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
    _save(ledger(runs), out, "ledger")
    _save(comparisons(runs), out, "comparisons")
    for key, group in _groups(runs).items():
        _save(confusion(group).reset_index(), out, "_".join(["confusion", *key]))
    for place, group in groupby(sorted(runs), lambda run: (run.dataset, run.profile)):
        _save(recall(group).reset_index(), out, "_".join(["recall", *place]))


def _save(table, out, name):
    """One table as CSV, every digit, and as Markdown, four digits."""
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / f"{name}.csv", index=False)
    cells = table.map(lambda v: f"{v:.4g}" if isinstance(v, float) else str(v))
    cells = cells.mask(table.isna(), "")
    lines = [map(str, table.columns), ["---"] * table.shape[1], *cells.itertuples(index=False)]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    (out / f"{name}.md").write_text(text, encoding="utf-8")
