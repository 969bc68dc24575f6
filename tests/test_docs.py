"""What the texts promise: named notebooks exist, the README's numbers are the committed ones."""

import ast
import re
from pathlib import Path

import pytest

from acrnn_lib import report, results

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "acrnn_lib").glob("*.py"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_notebooks_that_docstrings_name_exist(path):
    for names in re.findall(r"Notebook:\s+((?:\d\d_\w+(?:,\s+)?)+)", path.read_text()):
        for name in re.findall(r"\d\d_\w+", names):
            assert (ROOT / "notebooks" / f"{name}.ipynb").is_file(), f"{path.name} names {name}"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_every_public_name_names_a_notebook_by_itself_or_by_its_file(path):
    named = re.compile(r"Notebook:\s+\d\d_\w+")
    tree = ast.parse(path.read_text())
    if not named.search(ast.get_docstring(tree) or ""):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                assert named.search(ast.get_docstring(node) or ""), f"{path.name}: {node.name}"


@pytest.mark.parametrize("path", [p for p in LIBRARY if p.stem[0] != "_"], ids=lambda p: p.name)
def test_a_notebook_that_a_file_names_mentions_it(path):
    notes = re.findall(r"Notebook:\s+((?:\d\d_\w+(?:,\s+)?)+)", path.read_text())
    names = {name for note in notes for name in re.findall(r"\d\d_\w+", note)}
    texts = [(ROOT / "notebooks" / f"{name}.ipynb").read_text() for name in names]
    assert any(re.search(rf"\b{path.stem}\b", text) for text in texts), sorted(names)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_public_names_have_docstrings_and_functions_fit_on_a_screen(path):
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert node.name.startswith("_") or ast.get_docstring(node), node.name
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{path.name}: {node.name}"


def test_rooms_import_only_rooms_above_them():
    """The order in which a clip travels; a cycle or a step back would be found here."""
    order = ("exercises config paths progress device audio synth_sounds synth datasets cascade "
             "gammatone features phases augment evaluate results probe store segments acrnn "
             "summary steps baselines averaging recorded checkpoints train cluster classical "
             "crossval leakage report claims recount predict explain attended viz viz_results "
             "widgets widgets_results widgets_sounds pages reproduce app __init__ __main__").split()
    for path in LIBRARY:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                rooms = [node.module] if node.module else [a.name for a in node.names]
                for room in rooms:
                    assert order.index(room) < order.index(path.stem), f"{path.stem} uses {room}"


def test_the_readme_shows_the_committed_results():
    text = (ROOT / "README.md").read_text()
    block = text.split("<!-- results: begin -->\n")[1].split("<!-- results: end -->")[0]
    runs = results.load(ROOT / "results", dataset="esc10")
    assert block == report.as_markdown(runs)


def test_the_evidence_page_tells_what_the_longer_windows_gave():
    text = " ".join((ROOT / "results" / "README.md").read_text().split())
    runs = results.load(ROOT / "results" / "inner-2")
    assert {run.manifest["protocol"] for run in runs} == {"inner"}
    short, long = sorted({run.experiment for run in runs})
    table = report.summary(runs).set_index("experiment")
    assert "{:.1%} against {:.1%}".format(*table.accuracy[[short, long]]).replace("%", " %") in text
    found = report.compare(runs, short, long).iloc[0]
    points = [f"{100 * found[name]:+.1f}" for name in ("difference", "lo", "hi")]
    assert "{} points [{}, {}]".format(*points) in text
    only_short, only_long = re.search(r": (\d+) to (\d+),", found.mcnemar).groups()
    assert f"{only_short} clips right with the short windows only, {only_long} with the" in text


def test_the_evidence_page_tells_what_failed_and_what_was_run_twice():
    text = " ".join((ROOT / "results" / "README.md").read_text().split())

    def row(place, **filters):
        return report.summary(results.load(ROOT / "results" / place, **filters)).iloc[0]

    assert f"{row('inner-1').accuracy:.1%} of the validation fold".replace("%", " %") in text
    plus = {"experiment": "acrnn-plus"}
    first = row("earlier", profile="lite", **plus)
    second = report.summary([run for run in results.load(ROOT / "results" / "unfiltered",
                                                         profile="lite", **plus)
                             if run.seed == 0]).iloc[0]
    for found in (first, second):
        assert report.interval_text(found).replace("%", " %") in text
    apart = 100 * (first.accuracy - second.accuracy)
    assert f"moves the same recipe by {apart:.1f} points" in text


def test_the_evidence_page_tells_what_a_longer_training_gave():
    text = " ".join((ROOT / "results" / "README.md").read_text().split())
    log = results.load(ROOT / "results" / "inner-3")
    assert {run.manifest["protocol"] for run in log} == {"inner"}
    table = report.summary(log).set_index("experiment")
    (mild, strong) = sorted(table.index[table.folds == 5], key=len)

    def share(name, folds):
        return percent(report.summary([run for run in log if run.experiment == name
                                       and run.fold in folds]).accuracy.iloc[0])

    assert f"batches of 64 named {percent(table.accuracy[mild])}" in text
    assert f"Beta(0.2, 0.2) {percent(table.accuracy[strong])}" in text
    assert f"by {round(400 * (table.accuracy[strong] - table.accuracy[mild]))} clips" in text
    for name in table.index[table.folds < 5]:
        folds = {run.fold for run in log if run.experiment == name}
        partner = strong if "mix_alpha" in name else mild
        assert f"{share(partner, folds)} against {percent(table.accuracy[name])}" in text
    # by the split of each fold alone
    pairs = [(share(mild, {fold}), share(strong, {fold})) for fold in range(1, 6)]
    better = [(float(b[:-2]) > float(a[:-2])) - (float(b[:-2]) < float(a[:-2])) for a, b in pairs]
    assert "one would have chosen the first, two the second, and two would have" in text
    assert sorted(better) == [-1, 0, 0, 1, 1]
    runs = results.load(ROOT / "results", dataset="esc10", experiment="acrnn")
    folds = {run.fold for run in runs if run.profile == "paper"}
    long, short = (report.summary([run for run in runs if run.profile == profile
                                   and run.fold in folds]).accuracy.iloc[0]
                   for profile in ("paper", "lite"))
    assert f"({percent(long)} against {percent(short)})" in text


def test_the_evidence_page_tells_what_random_filters_gave():
    text = " ".join((ROOT / "results" / "README.md").read_text().split())
    log = results.load(ROOT / "results" / "inner-4")
    assert {run.manifest["protocol"] for run in log} == {"inner"}
    before = "acrnn-plus+train.epochs=150+train.batch_size=64+train.mix_alpha=1.0"
    log += results.load(ROOT / "results" / "inner-3", experiment=before)
    table = report.summary(log).set_index("experiment")
    assert set(table.folds) == {5}

    ends = "colour_db=6", "colour_db=12", "early_pooling=false", "delta_width=17"
    mild, strong, full, fine = (next(name for name in table.index if name.endswith(end))
                                for end in ends)
    said = [percent(table.accuracy[name]) for name in (mild, strong, before, full, fine)]
    assert "{} and {}, against {} without them".format(*said) in text
    assert f"in place of early pooling gave {said[3]}" in text
    assert f"`delta_width` 17) {said[4]}" in text
    assert table.accuracy.idxmax() == strong
    assert points(log_of(log, strong), log_of(log, before)) + " ahead of none" in text
    assert "two would have chosen these filters and one those of 6 dB; one would have" in text
    best = []
    for fold in range(1, 6):
        right = report.summary([run for run in log if run.fold == fold]).set_index("experiment")
        best.append({name for name in right.index
                     if right.accuracy[name] == right.accuracy.max()})
    for chosen, times in (({strong}, 2), ({mild}, 1), ({strong, before}, 1), ({mild, full}, 1)):
        assert best.count(chosen) == times

    log = [results.load(ROOT / "results" / "inner-5"),
           log_of(results.load(ROOT / "results" / "inner-2"), "acrnn-plus")]
    said = [percent(report.summary(runs).accuracy.iloc[0]) for runs in log]
    assert "{} against the {} of `inner-2`".format(*said) in text
    assert points(*log) + ". By the same rule" in text

    log = results.load(ROOT / "results" / "inner-6")
    assert {run.manifest["protocol"] for run in log} == {"inner"}
    log = [log_of(log, name) for name in ("acrnn+train.colour_db=12", "acrnn")]
    said = [percent(report.summary(runs).accuracy.iloc[0]) for runs in log]
    assert "{} against {}".format(*said) + f", {points(*log)}. A hint" in text

    for profile, end in (("paper", " ahead."), ("lite", " on the same test clips.")):
        runs = [results.load(ROOT / "results" / place, dataset="esc10", profile=profile,
                             experiment="acrnn-plus") for place in (".", "unfiltered")]
        for used in runs:
            assert report.interval_text(report.summary(used).iloc[0]).replace("%", " %") in text
        assert points(*runs) + end in text


def log_of(log, name):
    return [run for run in log if run.experiment == name]


def points(ours, others):
    """The paired difference of two lists of runs on the same clips, as the evidence page has it."""
    found = report.difference(ours, others)
    assert found["clips"] == 400
    return "{:+.1f} points [{:+.1f}, {:+.1f}]".format(
        *(100 * found[name] for name in ("difference", "lo", "hi")))


def percent(share):
    return f"{share:.1%}".replace("%", " %")
