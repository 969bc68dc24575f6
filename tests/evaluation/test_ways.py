"""Ways to change acrnn-plus: chosen by the split that holds none of the test fold's clips."""

from pathlib import Path

import pandas as pd
import pytest

from acrnn_lib import config
from acrnn_lib.evaluation import results, ways
from acrnn_lib.evaluation.selection import left_out

QUESTIONS = {"hearing": ways.HEARING, "regularising": ways.REGULARISING, "long": ways.LONG}


@pytest.fixture(scope="module", params=QUESTIONS)
def question(request):
    return QUESTIONS[request.param]


@pytest.fixture(scope="module")
def runs(question):
    return ways.inner(question)


def test_each_fold_takes_the_best_way_of_its_own_inner_split(runs):
    table = ways.chosen(runs)
    for fold, row in table.iterrows():
        shares = {}
        for way, made in runs.items():
            own = [run for run in made if left_out(run) == fold]
            assert {run.seed for run in own} == {0, 1}
            for run in own:  # no clip of the test fold, in training or in validation
                assert fold not in [*run.manifest["train_folds"], run.fold]
            shares[way] = results.predictions(own)["correct"].mean()
        assert row["chosen"] == max(shares, key=lambda way: round(shares[way], 9))


def test_the_ways_differ_in_nothing_else(question, runs):
    first = next(iter(runs.values()))[0].manifest["config"]
    allowed = {tuple(key.split("=")[0].split(".")) for way in question.ways.values()
               for key in way.split("+") if key}
    usual = config.as_dict(config.Experiment("", "", ""))  # of settings younger than a run
    for of_way in runs.values():
        for run in of_way:
            made = run.manifest["config"]
            apart = {(part, key) for part in ("features", "bank", "model", "train")
                     for key, value in made[part].items()
                     if first[part].get(key, usual[part][key]) != value}
            assert apart <= allowed
            assert run.manifest["parameters"] < 3.82e6


def test_no_way_to_hear_more_is_ahead_as_the_notebook_says():
    table = ways.compared(ways.inner(ways.HEARING))
    assert table.index.tolist() == list(ways.HEARING.ways)
    others = table.iloc[1:]
    assert (others.difference < 0).all() and (others.difference_hi > 0).all()
    assert pd.isna(table.difference.iloc[0])


def test_missing_runs_are_named(question, tmp_path):
    with pytest.raises(results.ResultsError):
        ways.inner(question, tmp_path)


def test_the_nested_accuracy_counts_each_clip_by_the_way_of_its_fold(question):
    found = ways.nested(question)
    assert (found["seeds"], found["clips"]) == (3, 400)
    official = results.predictions(results.load(
        "results", "esc10", question.profile, "acrnn-plus"))
    shares = []
    for fold, way in ways.chosen(ways.inner(question))["chosen"].items():
        other = official if way == question.first else results.predictions(results.load(
            f"results/{question.tests}", "esc10", question.profile, question.experiment(way)))
        shares.append(other.correct[other.fold == fold].mean())
    assert found["accuracy"] == pytest.approx(sum(shares) / 5)
    assert found["lo"] < found["accuracy"] < found["hi"]
    assert found["difference"] == pytest.approx(found["accuracy"] - official.correct.mean())


def test_a_nested_accuracy_without_all_seeds_is_refused(monkeypatch, question):
    load = results.load

    def without_a_seed(root, *rest):
        runs = load(root, *rest)
        return [run for run in runs if run.seed < 2] if str(root).endswith(question.tests) else runs

    monkeypatch.setattr(ways.results, "load", without_a_seed)
    with pytest.raises(results.ResultsError, match="tests of the chosen ways are missing"):
        ways.nested(question)


def words_of(page):
    return " ".join(Path(page).read_text(encoding="utf-8").split())


def test_the_texts_tell_the_nested_accuracy(question):
    found = ways.nested(question)
    accuracy = "{accuracy:.1%} [{lo:.1%}, {hi:.1%}]".format(**found).replace("%", " %", 1).replace(
        "%,", ",").replace("%]", "]")
    apart = "{:+.1f} points [{:+.1f}, {:+.1f}]".format(*(
        100 * found[name] for name in ("difference", "difference_lo", "difference_hi")))
    for page in ("results/README.md", "book/recipes.md"):
        assert accuracy in words_of(page) and apart in words_of(page)


def test_the_evidence_page_tells_what_was_compared(runs):
    text = words_of("results/README.md")
    for way in ways.compared(runs).iloc[1:].itertuples():
        assert f"{100 * way.accuracy:.1f} % ({100 * way.difference:+.1f}" in text
        assert f"[{100 * way.difference_lo:+.1f}, {100 * way.difference_hi:+.1f}]" in text
