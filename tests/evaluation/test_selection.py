"""What choosing adds: rules for the epoch counted by hand, nested recipes against a simple loop."""

import re
from pathlib import Path

import numpy as np
import pytest

from acrnn_lib.evaluation import results, selection, tables
from acrnn_lib.evaluation.results import ResultsError
from tests.evaluation.test_tables import make

FOLDS = range(1, 6)
# clips of four that are right, by epoch
TEST = {1: [1, 4, 3], 2: [2, 2, 4], 3: [0, 4, 4], 4: [4, 1, 2], 5: [3, 3, 3]}
INNER = {1: [3, 4, 2], 2: [4, 1, 1], 3: [0, 0, 1], 4: [1, 4, 4], 5: [0, 2, 2]}


def watch(root, fold, counts, inner=False, averaged=None, seed=0):
    """A run of `acrnn` that was watched for three epochs; inner: fold is the one left out."""
    other = fold % 5 + 1
    place = other if inner else fold
    name = results.WATCHED["inner" if inner else "test"]
    for epoch, count in enumerate(counts, 1):
        row = {"epoch": epoch, "clips": 4, "last": count}
        if averaged:
            row["averaged"] = averaged[epoch - 1]
        results.append_history(results.run_folder(root, "esc10", "lite", "acrnn", seed, place), row,
                               name)
    learnt = [f for f in FOLDS if f not in ({fold, other} if inner else {fold})]
    return make(root, "acrnn", place, seed=seed, watched="so", train_folds=learnt,
                protocol="inner" if inner else "test")


@pytest.fixture
def watched(tmp_path):
    return ([watch(tmp_path / "test", fold, counts) for fold, counts in TEST.items()],
            [watch(tmp_path / "inner", fold, counts, inner=True) for fold, counts in INNER.items()])


def test_four_rules_give_the_numbers_of_a_count_by_hand(watched):
    table = selection.epoch_rules(*watched).set_index("rule")
    assert list(table.index) == list(selection.RULES)
    right = {"last epoch": 3 + 4 + 4 + 2 + 3, "best by the inner split": 4 + 2 + 4 + 1 + 3,
             "best common epoch": 16, "best epoch of each fold": 4 + 4 + 4 + 4 + 3}
    assert {rule: 20 * share for rule, share in table.accuracy.items()} == pytest.approx(right)
    assert list(table.epochs) == ["3", "2, 1, 3, 2, 2", "3", "2, 3, 2, 1, 1"]
    assert set(table.weights) == {"last"}


def test_without_all_inner_runs_their_rule_is_empty(watched):
    test, inner = watched
    for some in ([], inner[:4]):
        table = selection.epoch_rules(test, some).set_index("rule")
        assert np.isnan(table.accuracy["best by the inner split"])
        assert table.epochs["best by the inner split"] == "not run"
        assert table.accuracy.notna().sum() == 3


def test_both_kinds_of_weights_and_every_seed_count(tmp_path):
    runs = [watch(tmp_path, fold, [0, 0, 1], averaged=[0, 2, 4], seed=seed)
            for fold in FOLDS for seed in (0, 1)]
    table = selection.epoch_rules(runs).query("rule == 'last epoch'").set_index("weights")
    assert table.accuracy["last"] == 0.25 and table.accuracy["averaged"] == 1


def test_a_run_that_was_not_watched_is_named(tmp_path):
    with pytest.raises(ResultsError, match=r"fold1: not watched, expected a run with --watch-test"):
        selection.epoch_rules([make(tmp_path, "acrnn", 1)])


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """Two recipes; b is better inside for folds 1 and 2, equal for 3, a for the others."""
    inside = {"a": [[0], [0, 1], [0], [], []], "b": [[], [], [1], [0], [0, 2]]}
    tested = {"a": [[0], [], [0, 1], [], [3]], "b": [[], [1], [], [0], []]}
    for name in inside:
        for fold in FOLDS:
            make(tmp_path / "inner", name, fold % 5 + 1, inside[name][fold - 1], protocol="inner",
                 train_folds=[f for f in FOLDS if f not in (fold, fold % 5 + 1)])
            make(tmp_path / "test", name, fold, tested[name][fold - 1])
    monkeypatch.setitem(selection.TESTED, "lite", {
        name: (("inner", "lite", name), ("test", "lite", name)) for name in inside})
    return tmp_path


def test_each_fold_takes_the_recipe_that_was_best_without_it(recipes):
    choices, found = selection.nested("lite", recipes)
    assert list(choices.chosen) == ["b", "b", "a or b", "a", "a"]
    # wrong clips: 0 of b, 1 of b, the mean of 2 and 0, 0 of a, 1 of a
    assert found["accuracy"] == pytest.approx(17 / 20)
    assert found["seeds"] == 1 and found["clips"] == 20
    assert found["lo"] < found["accuracy"] < found["hi"]


def test_a_recipe_without_all_its_test_runs_is_refused(recipes):
    for path in (recipes / "test/esc10/lite/b/seed0/fold5").iterdir():
        path.unlink()
    with pytest.raises(ResultsError, match="other folds or seeds"):
        selection.nested("lite", recipes)


@pytest.mark.parametrize("profile", ["lite", "paper"])
def test_the_recipes_of_the_committed_runs_are_those_of_the_tables(profile):
    """The inner and the test runs of a recipe have the same settings, but for the profile."""
    for places in selection.TESTED[profile].values():
        recipes = []
        for place, of, name in places:
            run = results.load(f"results/{place}", "esc10", of, name)[0]
            recipes.append({part: {k: v for k, v in run.manifest["config"][part].items()
                                   if k not in ("keep_scale", "channels")}
                            for part in ("features", "bank", "train")})
            recipes[-1]["train"].setdefault("colour_db", 0.0)
        first, other = recipes
        assert all(first[part].get(key, value) == value for part in first
                   for key, value in other[part].items())


def test_the_nested_estimate_of_the_committed_runs_is_below_the_headline():
    choices, found = selection.nested("paper")
    headline = tables.summary(results.load("results", "esc10", "paper", "acrnn-plus")).iloc[0]
    assert found["clips"] == headline.clips == 400 and found["seeds"] == headline.seeds
    assert choices.chosen.nunique() == 3  # the folds do not agree
    assert found["accuracy"] < headline.accuracy


def test_the_committed_watched_runs_have_the_official_settings_and_end_with_their_accuracy():
    runs = results.load("results/watched")
    assert {run.experiment for run in runs} == {"acrnn", "acrnn-plus"}
    for run in runs:
        official = results.Run.at(results.run_folder("results", *run.key.values()))
        for name in ("config_hash", "data_hash", "train_folds", "precision", "protocol"):
            assert run.manifest[name] == official.manifest[name], run.folder
        if run.experiment == "acrnn-plus":  # on the same kind of processor: equal to the byte
            same = [(each / results.PREDICTIONS).read_bytes()
                    for each in (run.folder, official.folder)]
            assert same[0] == same[1], run.folder
        weights = "averaged" if "averaged" in run.watched else "last"
        right = results.predictions([run])["correct"].sum()
        assert run.watched[weights].iloc[-1] == right
    table = selection.by_rule("results")
    best = table[selection.RULES[3]]
    assert (table[list(selection.RULES[:1] + selection.RULES[2:3])].le(best, axis=0)).all(axis=None)
    assert np.allclose(table.gain, best - table["last epoch"])


def told(runs, a, b, seeds):
    """Difference of two experiments in points with its interval, as results/README.md writes it."""
    ours, others = ([run for run in runs if run.experiment == name and run.seed in seeds]
                    for name in (a, b))
    row = tables.difference(ours, others)
    return [f"{100 * row[key]:+.1f}" for key in ("difference", "lo", "hi")]


def test_the_evidence_page_tells_the_differences_of_the_runs():
    page = " ".join(Path("results/README.md").read_text(encoding="utf-8").split())
    lite = [run for run in results.load("results") if run.profile == "lite"]
    esc10, copy = ([run for run in lite if run.dataset == name] for name in ("esc10", "esc50-16k"))
    best = told(esc10, "acrnn-best-reading", "acrnn", [1])
    assert best[0] == "+0.0" and f"difference 0.0 points [{best[1]}, {best[2]}]" in page
    for other in ("crnn", "acrnn-noaug"):
        difference, low, high = told(copy, "acrnn", other, [0])
        assert re.search(rf"`{other}` {re.escape(difference)}( points)? \[{low}, \{high}\]", page)
    costs = tables.copy_cost(lite).set_index("experiment")
    for name in ("acrnn", "acrnn-plus"):
        row = costs.loc[f"{name}+features.f_max=8000"]
        numbers = [f"{100 * row[key]:+.1f}" for key in ("difference", "lo", "hi")]
        assert re.search(rf"`{name}` {numbers[0]}( points)? \[{numbers[1]}, \{numbers[2]}\]", page)
        assert f"({100 * costs.difference[name]:+.1f}" in page


def test_the_evidence_page_tells_the_watched_runs():
    page = Path("results/README.md").read_text(encoding="utf-8")
    rules = selection.by_rule("results")
    for name, weights in (("acrnn", "last"), ("acrnn-plus", "averaged")):
        row = rules[(rules.experiment == name) & (rules.weights == weights)].squeeze()
        inner, last = (f"{100 * row[rule]:.1f} %" for rule in (selection.RULES[1],
                                                               selection.RULES[0]))
        assert f"{inner} for `{name}`" in page and f"(last epoch {last})" in page
