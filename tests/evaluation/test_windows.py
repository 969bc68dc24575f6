"""Ways to hear more of a clip: chosen by the split that holds none of the test fold's clips."""

from pathlib import Path

import pandas as pd
import pytest

from acrnn_lib.evaluation import results, windows
from acrnn_lib.evaluation.selection import left_out


@pytest.fixture(scope="module")
def runs():
    return windows.inner("results")


def test_each_fold_takes_the_best_way_of_its_own_inner_split(runs):
    table = windows.chosen(runs)
    for fold, row in table.iterrows():
        shares = {}
        for way, made in runs.items():
            own = [run for run in made if left_out(run) == fold]
            assert {run.seed for run in own} == {0, 1}
            for run in own:  # no clip of the test fold, in training or in validation
                assert fold not in [*run.manifest["train_folds"], run.fold]
            shares[way] = results.predictions(own)["correct"].mean()
        assert row["chosen"] == max(shares, key=lambda way: round(shares[way], 9))


def test_the_ways_differ_in_nothing_else(runs):
    first = next(iter(runs.values()))[0].manifest["config"]
    allowed = {("features", "segment_frames"), ("train", "segments"), ("train", "batch_size"),
               ("train", "shortest"), ("model", "parts")}
    for made in runs.values():
        for run in made:
            config, default = run.manifest["config"], {"shortest": 0, "parts": 1}
            apart = {(part, key) for part in ("features", "bank", "model", "train")
                     for key, value in config[part].items()
                     if first[part].get(key, default.get(key)) != value}
            assert apart <= allowed
            assert run.manifest["parameters"] < 3.82e6


def test_no_way_is_ahead_as_the_notebook_says(runs):
    table = windows.compared(runs)
    assert table.index.tolist() == list(windows.WAYS)
    others = table.iloc[1:]
    assert (others.difference < 0).all() and (others.difference_hi > 0).all()
    assert pd.isna(table.difference.iloc[0])


def test_missing_runs_are_named(tmp_path):
    with pytest.raises(results.ResultsError):
        windows.inner(tmp_path)


def test_the_nested_accuracy_counts_each_clip_by_the_way_of_its_fold(runs):
    found = windows.nested("results")
    assert (found["seeds"], found["clips"]) == (3, 400)
    official = results.predictions(results.load("results", "esc10", "lite", "acrnn-plus"))
    shares = []
    for fold, way in windows.chosen(runs)["chosen"].items():
        other = official if way == windows.SEGMENTS else results.predictions(results.load(
            "results/whole-clip", "esc10", "lite", windows.experiment(way)))
        shares.append(other.correct[other.fold == fold].mean())
    assert found["accuracy"] == pytest.approx(sum(shares) / 5)
    assert found["lo"] < found["accuracy"] < found["hi"]
    assert found["difference"] == pytest.approx(found["accuracy"] - official.correct.mean())


def test_the_texts_tell_the_nested_accuracy(runs):
    found = windows.nested("results")
    accuracy = "{accuracy:.1%} [{lo:.1%}, {hi:.1%}]".format(**found).replace("%", " %", 1).replace(
        "%,", ",").replace("%]", "]")
    apart = "{:+.1f} points [{:+.1f}, {:+.1f}]".format(*(
        100 * found[name] for name in ("difference", "difference_lo", "difference_hi")))
    for page in ("results/README.md", "book/recipes.md"):
        text = " ".join(Path(page).read_text(encoding="utf-8").split())
        assert accuracy in text and apart in text
    text = " ".join(Path("results/README.md").read_text(encoding="utf-8").split())
    for way in windows.compared(runs).iloc[1:].itertuples():
        assert (f"{100 * way.accuracy:.1f} % ({100 * way.difference:+.1f}" in text)
        assert f"[{100 * way.difference_lo:+.1f}, {100 * way.difference_hi:+.1f}]" in text
