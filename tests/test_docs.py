"""What the texts promise: named notebooks exist, the README's numbers are the committed ones."""

import ast
import dataclasses
import importlib.util
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from acrnn_lib import config, experiments, inference
from acrnn_lib.attention.maps import attention_curve
from acrnn_lib.data import audio, datasets
from acrnn_lib.evaluation import claims, headline, results, tables

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "acrnn_lib").rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT / "acrnn_lib").as_posix()


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_notebooks_that_docstrings_name_exist(path):
    for names in re.findall(r"Notebook:\s+((?:\d\d[a-z]?_\w+(?:,\s+)?)+)", path.read_text()):
        for name in re.findall(r"\d\d[a-z]?_\w+", names):
            assert (ROOT / "notebooks" / f"{name}.ipynb").is_file(), f"{path.name} names {name}"


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_every_public_name_names_a_notebook_by_itself_or_by_its_file(path):
    named = re.compile(r"Notebook:\s+\d\d[a-z]?_\w+")
    tree = ast.parse(path.read_text())
    if not named.search(ast.get_docstring(tree) or ""):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                assert named.search(ast.get_docstring(node) or ""), f"{path.name}: {node.name}"


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_what_is_returned_has_a_section_of_its_own(path):
    """In the section above it, the page of the reference would list its words as parameters."""
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"\n    Parameters\n(?:(?!\"\"\").*\n)*? {4}Returns \S.*", text)


@pytest.mark.parametrize("kind", [config.FeatureConfig, config.BankConfig, config.ModelConfig,
                                  config.TrainConfig, experiments.Profile])
def test_every_setting_says_what_it_is_where_the_reference_reads_it(kind):
    pycode = pytest.importorskip("sphinx.pycode", reason="Sphinx is not installed")
    told = pycode.ModuleAnalyzer.for_module(kind.__module__).find_attr_docs()
    for setting in dataclasses.fields(kind):
        assert "".join(told[kind.__name__, setting.name]).strip()


@pytest.mark.parametrize("path", [p for p in LIBRARY if p.stem[0] != "_"], ids=name_of)
def test_a_notebook_that_a_file_names_mentions_it(path):
    notes = re.findall(r"Notebook:\s+((?:\d\d[a-z]?_\w+(?:,\s+)?)+)", path.read_text())
    names = {name for note in notes for name in re.findall(r"\d\d[a-z]?_\w+", note)}
    texts = [(ROOT / "notebooks" / f"{name}.ipynb").read_text() for name in names]
    assert any(re.search(rf"\b{path.stem}\b", text) for text in texts), sorted(names)


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_public_names_have_docstrings_and_functions_fit_on_a_screen(path):
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert node.name.startswith("_") or ast.get_docstring(node), node.name
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            text = ast.get_docstring(node, clean=False) or ""
            lines = node.end_lineno - node.lineno - text.count("\n")
            assert lines < 55, f"{path.name}: {node.name}"


PAGES = sorted(path for pattern in ("*.md", "*/README.md", "book/*.md", "notebooks/*.ipynb")
               for path in ROOT.glob(pattern))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_and_files_of_the_library_that_a_page_names_exist(path):
    text = path.read_text(encoding="utf-8")
    for name in set(re.findall(r"\bacrnn_lib/[\w/.]*\w", text)):
        assert (ROOT / name).exists(), name
    packages = "|".join(init.parent.name for init in (ROOT / "acrnn_lib").glob("*/__init__.py"))
    for name in set(re.findall(rf"\bacrnn_lib\.(?:{packages})\.[a-z]\w*", text)):
        assert importlib.util.find_spec(name), name


ALL_TERMS = "All terms in bold are in the [glossary]"
NO_TERM = r".*:|It needs|What you will be able to do|\d\. .*"  # a lead, the title of an exercise


def prose(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def test_terms_in_bold_are_in_the_glossary_where_a_notebook_says_so():
    glossary = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    heads = ",".join(re.findall(r"^(\S.*)\n: ", glossary, re.M))  # such as: bin, decibel (dB)
    known = {name.strip(" )").lower().rstrip("s") for name in re.split(r"[,(]", heads)}
    saying = {path.stem: prose(path) for path in PAGES
              if path.suffix == ".ipynb" and ALL_TERMS in prose(path)}
    assert {"01b_samples_to_spectra", "02_gammatone_features"} <= set(saying)
    for name, text in saying.items():
        bold = {term for term in re.findall(r"\*\*([^*]+)\*\*", text)
                if not re.fullmatch(NO_TERM, term)}
        assert len(bold) > 10
        lacking = {term for term in bold if term.lower().rstrip("s") not in known}
        assert not lacking, f"{name}: {lacking}"


@pytest.mark.parametrize(("notebook", "experiment"), [
    ("00_start_here", "open-vote"), ("02_gammatone_features", "open-range")])
def test_notebooks_tell_the_effects_that_the_register_has(notebook, experiment):
    runs = [run for name in (experiment, "acrnn") for run in results.load(
        ROOT / "results", dataset="esc10", profile="lite", experiment=name)]
    row = tables.compare(runs, experiment, "acrnn").iloc[0]
    text = prose(ROOT / "notebooks" / f"{notebook}.ipynb")
    assert f"{tables.points_text(row)} points ({row.clips} clips" in text


def test_notebook_00_tells_where_the_attention_on_the_rooster_is_high():
    text = prose(ROOT / "notebooks" / "00_start_here.ipynb")
    clips = datasets.load("clips")
    rooster = clips[clips.category == "rooster"].iloc[0]
    found = inference.Predictor().predict(audio.read(rooster.path))
    curve = attention_curve(found.starts, found.weights)
    seconds = np.arange(len(curve)) * 512 / audio.SAMPLE_RATE
    high = seconds[curve == curve.max()]
    assert (f"from {high.min():.1f} to {high.max():.1f} s a moment has {curve.max():.1f} times"
            in text)
    assert curve[seconds < 0.4].mean() == pytest.approx(1 / 2, abs=0.05)
    assert curve[seconds > 2.1].mean() == pytest.approx(1 / 3, abs=0.05)


def test_notebook_02_tells_how_much_of_the_power_other_ranges_leave_out():
    text = prose(ROOT / "notebooks" / "02_gammatone_features.ipynb")
    clips = datasets.load("clips").set_index("clip_id")

    def shares(clip):
        wave = audio.read(clips.path[clip], seconds=5)
        power = np.abs(np.fft.rfft(wave)) ** 2
        hertz = np.fft.rfftfreq(len(wave), 1 / audio.SAMPLE_RATE)
        return [100 * power[part].sum() / power.sum() for part in (hertz < 400, hertz > 8000)]

    low, high = shares(clips.index[clips.category == "rooster"][1])
    assert f"{low:.0f} % of the power of this rooster" in text
    assert f"{high:.1f} % of the power of the rooster" in text
    for clip, part in (("1-17808-A", 0), ("1-172649-A", 1)):
        name = clips.category[clip].split("_")[-1]
        assert f"{shares(clip)[part]:.0f} % of the power of the {name} `{clip}`" in text


def test_the_readme_shows_the_committed_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("<!-- results: begin -->\n")[1].split("<!-- results: end -->")[0]
    assert block == headline.as_markdown(ROOT / "results") and block.count("\n") <= 5
    picture = (ROOT / "book" / "images" / "results.svg").read_text(encoding="utf-8")
    drawn = json.loads(re.search(r"<dc:description>(.*?)</dc:description>", picture)[1])
    assert drawn == pytest.approx(list(headline.accuracies(ROOT / "results").accuracy), abs=1e-6)


def test_the_table_of_all_results_is_that_of_the_committed_runs():
    text = (ROOT / "results" / "TABLE.md").read_text(encoding="utf-8")
    real = [run for run in results.load(ROOT / "results") if run.dataset != "synth"]
    assert text.endswith(tables.as_markdown(real)) and text.count("\n|") == 2 + len(
        tables.summary(real))


def told(*numbers):
    """Stand these numbers together in one paragraph of the evidence page? Its words are free."""
    paragraphs = (ROOT / "results" / "README.md").read_text(encoding="utf-8").split("\n\n")
    found = [" ".join(paragraph.split()) for paragraph in paragraphs]
    numbers = [number.replace("%", " %") if number.endswith("%") and " %" not in number else number
               for number in map(str, numbers)]
    return any(all(len(re.findall(rf"(?<![\d.]){re.escape(number)}(?!\d)", text)) >= times
                   for number, times in Counter(numbers).items()) for text in found)


def accuracy(runs):
    return percent(tables.summary(runs).accuracy.iloc[0])


def test_the_evidence_page_tells_what_the_longer_windows_gave():
    runs = results.load(ROOT / "results" / "inner-2")
    assert {run.manifest["protocol"] for run in runs} == {"inner"}
    short, long = sorted({run.experiment for run in runs})
    found = tables.compare(runs, short, long).iloc[0]
    alone = re.search(r": (\d+) to (\d+),", found.mcnemar).groups()
    assert told(*(accuracy(log_of(runs, name)) for name in (short, long)),
                *(f"{100 * found[name]:+.1f}" for name in ("difference", "lo", "hi")), *alone)


def test_the_evidence_page_tells_what_failed_and_what_was_run_twice():
    def row(place, **filters):
        return tables.summary(results.load(ROOT / "results" / place, **filters)).iloc[0]

    assert told(percent(row("inner-1").accuracy))
    plus = {"experiment": "acrnn-plus"}
    first = row("earlier", profile="lite", **plus)
    second = row("earlier-2", profile="lite", **plus)
    assert told(*(tables.interval_text(found).replace("%", " %") for found in (first, second)),
                f"{100 * (first.accuracy - second.accuracy):.1f}")


def test_the_evidence_page_tells_what_a_longer_training_gave():
    log = results.load(ROOT / "results" / "inner-3")
    assert {run.manifest["protocol"] for run in log} == {"inner"}
    table = tables.summary(log).set_index("experiment")
    (mild, strong) = sorted(table.index[table.folds == 5], key=len)

    def share(name, folds):
        return accuracy([run for run in log_of(log, name) if run.fold in folds])

    assert told(percent(table.accuracy[mild]), percent(table.accuracy[strong]),
                f"{round(400 * (table.accuracy[strong] - table.accuracy[mild]))} clips")
    shares = []
    for name in table.index[table.folds < 5]:
        folds = {run.fold for run in log_of(log, name)}
        partner = strong if "mix_alpha" in name else mild
        shares += [share(partner, folds), percent(table.accuracy[name])]
    assert told(*shares)
    # by the split of each fold alone
    pairs = [(share(mild, {fold}), share(strong, {fold})) for fold in range(1, 6)]
    better = [(float(b[:-2]) > float(a[:-2])) - (float(b[:-2]) < float(a[:-2])) for a, b in pairs]
    assert sorted(better) == [-1, 0, 0, 1, 1]
    runs = results.load(ROOT / "results", dataset="esc10", experiment="acrnn")
    folds = {run.fold for run in runs if run.profile == "paper"}
    assert told(*(accuracy([run for run in runs if run.profile == profile and run.fold in folds])
                  for profile in ("paper", "lite")))
    third = {run.fold for run in runs if run.profile == "paper" and run.seed == 2}
    assert third == {1, 2} and told("folds 1 and 2", *(
        accuracy([run for run in runs if (run.profile, run.seed) == ("paper", seed)
                  and run.fold in third]) for seed in (2, 0, 1)))


def test_the_evidence_page_tells_what_random_filters_gave():
    log = results.load(ROOT / "results" / "inner-4")
    assert {run.manifest["protocol"] for run in log} == {"inner"}
    before = "acrnn-plus+train.epochs=150+train.batch_size=64+train.mix_alpha=1.0"
    log += results.load(ROOT / "results" / "inner-3", experiment=before)
    table = tables.summary(log).set_index("experiment")
    assert set(table.folds) == {5}

    ends = "colour_db=6", "colour_db=12", "early_pooling=false", "delta_width=17"
    mild, strong, full, fine = (next(name for name in table.index if name.endswith(end))
                                for end in ends)
    assert told(*(percent(table.accuracy[name]) for name in (mild, strong, before, full, fine)))
    assert table.accuracy.idxmax() == strong
    assert told(points(log_of(log, strong), log_of(log, before)))
    best = []
    for fold in range(1, 6):
        right = tables.summary([run for run in log if run.fold == fold]).set_index("experiment")
        best.append({name for name in right.index
                     if right.accuracy[name] == right.accuracy.max()})
    for chosen, times in (({strong}, 2), ({mild}, 1), ({strong, before}, 1), ({mild, full}, 1)):
        assert best.count(chosen) == times

    lite = [results.load(ROOT / "results" / "inner-5"),
            log_of(results.load(ROOT / "results" / "inner-2"), "acrnn-plus")]
    assert told(*map(accuracy, lite), points(*lite))
    plain = results.load(ROOT / "results" / "inner-6")
    assert {run.manifest["protocol"] for run in plain} == {"inner"}
    plain = [log_of(plain, name) for name in ("acrnn+train.colour_db=12", "acrnn")]
    assert told(*map(accuracy, plain), points(*plain))
    read = results.load(ROOT / "results" / "inner-7")
    right = {run: int(results.predictions(log_of(read, run))["correct"].sum())
             for run in {run.experiment for run in read}}
    assert told(f"{results.predictions(plain[1])['correct'].sum()} of 400 clips")
    assert len(right) == 4 and max(right, key=right.get) == (
        "acrnn+bank.combine=either+train.copies=all+train.epochs=4")
    for name, count in right.items():
        assert told(str(count), points(log_of(read, name), plain[1]).replace(" points", ""))
    steps = {run: {steps_of(r) for r in log_of([*read, *plain[1]], run)} for run in
             (*right, "acrnn")}
    assert steps["acrnn"] == {460} and steps[max(right, key=right.get)] == {452}
    few = steps["acrnn+train.segments=0+train.epochs=10"]
    assert told(f"for 460 steps of `acrnn`, all copies took 452 and all fixed positions {min(few)} "
                f"to {max(few)};")
    for profile in ("paper", "lite"):
        runs = [results.load(ROOT / "results" / place, dataset="esc10", profile=profile,
                             experiment="acrnn-plus") for place in (".", "unfiltered")]
        for used in runs:
            assert told(tables.interval_text(tables.summary(used).iloc[0]).replace("%", " %"))
        assert told(points(*runs))


def log_of(log, name):
    return [run for run in log if run.experiment == name]


def steps_of(run):
    """Steps of the optimizer in a run's training."""
    size = run.manifest["config"]["train"]["batch_size"]
    return int(np.ceil(run.history["segments"] / size).sum())


def points(ours, others):
    """The paired difference of two lists of runs on the same clips, as the evidence page has it."""
    found = tables.difference(ours, others)
    assert found["clips"] == 400
    return "{:+.1f} points [{:+.1f}, {:+.1f}]".format(
        *(100 * found[name] for name in ("difference", "lo", "hi")))


def percent(share):
    return f"{share:.1%}".replace("%", " %")


def test_classical_systems_on_the_copy_are_as_near_to_the_published_as_the_page_says():
    ours = tables.summary(results.load(ROOT / "results", "esc50-16k")).set_index("experiment")
    there = claims.published().query("dataset == 'esc50'").dropna(subset="experiment")
    there = there.set_index("experiment").accuracy
    for name in ("knn", "svm", "forest"):
        assert abs(ours.accuracy[name] - there[name]) < 0.02, name
    assert "within 2 points" in " ".join((ROOT / "results" / "README.md").read_text(
        encoding="utf-8").split())


def test_the_evidence_page_tells_how_far_another_processor_leads():
    again = results.load(ROOT / "results" / "watched", "esc10", "lite", "acrnn")
    official = results.load(ROOT / "results", "esc10", "lite", "acrnn", 1)
    page = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert points(again, official) in page
