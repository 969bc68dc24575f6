"""Watching a fold: its file is complete, and training is the same as without it."""

import numpy as np
import pytest

from acrnn_lib.evaluation import results
from acrnn_lib.training import crossval, loop
from tests import tiny


def watch(folder, watch=True, report=None, **options):
    settings = tiny.settings()
    folder = results.run_folder(folder, "tiny", "smoke", settings.name, 0, 1)
    return loop.fit(settings, *tiny.task(), 1, 0, folder, device="cpu", watch=watch, report=report,
                    **options)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return watch(tmp_path_factory.mktemp("watched"))


def test_watching_changes_nothing_else_and_ends_with_the_run_itself(watched, tmp_path):
    alone = watch(tmp_path, watch=False)
    for name in (results.PREDICTIONS, "model.safetensors"):
        assert (alone.folder / name).read_bytes() == (watched.folder / name).read_bytes()
    assert alone.watched is None and "watched" not in alone.manifest
    seen = watched.watched
    assert list(seen.epoch) == [1, 2, 3, 4] and set(seen.clips) == {6}
    assert "unfit for choosing" in watched.manifest["watched"]
    assert (watched.folder / "watched_test.jsonl").exists()
    right = results.predictions([watched]).correct.sum()
    assert seen.averaged.iloc[-1] == right  # the averaged weights are those that are tested


def test_the_last_weights_are_those_before_averaging(watched, tmp_path):
    """Without an average there is one column, of the weights that are tested."""
    settings = tiny.settings(**{"train.average": 0.0})
    folder = results.run_folder(tmp_path, "tiny", "smoke", settings.name, 0, 1)
    run = loop.fit(settings, *tiny.task(), 1, 0, folder, device="cpu", watch=True)
    assert "averaged" not in run.watched
    assert run.watched["last"].iloc[-1] == results.predictions([run]).correct.sum()
    assert run.watched["last"].equals(watched.watched["last"])  # averaging does not train


def test_an_interrupted_watch_goes_on_where_it_was(watched, tmp_path):
    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(tmp_path, report=stop)
    assert watch(tmp_path).watched.equals(watched.watched)


def test_a_watch_has_all_epochs_or_is_refused_or_gone(tmp_path):
    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(tmp_path, watch=False, report=stop)
    with pytest.raises(results.ResultsError, match="2 epochs were trained and 0 of them watched"):
        watch(tmp_path)
    watch(tmp_path, watch=False)
    with pytest.raises(results.ResultsError, match="finished, but not watched"):
        watch(tmp_path)

    with pytest.raises(KeyboardInterrupt):
        watch(tmp_path / "begun", report=stop)
    run = watch(tmp_path / "begun", watch=False)
    assert not list(run.folder.glob("watched*"))


def test_a_changed_watch_is_detected(watched, tmp_path):
    run = watch(tmp_path)
    path = run.folder / "watched_test.jsonl"
    path.write_text(path.read_text().replace('"clips": 6', '"clips": 7'))
    with pytest.raises(results.ResultsError, match="changed since it was written"):
        _ = results.Run.at(run.folder).watched


def test_the_file_of_an_inner_run_says_validation(tmp_path):
    run = watch(tmp_path, train_folds=[2, 3, 4], extra={"protocol": "inner"})
    assert (run.folder / "watched_validation.jsonl").exists()
    assert "unfit" not in run.manifest["watched"] and len(run.watched) == 4


def test_classical_systems_have_nothing_to_watch(monkeypatch):
    with pytest.raises(ValueError, match="knn: has no epochs to watch"):
        crossval.run("synth", ["knn"], "smoke", watch=True, progress=False)


def test_a_finished_run_that_was_not_watched_is_named_before_training(tmp_path, monkeypatch):
    changes = {"train.epochs": 1, "model.rnn_cells": 8}
    options = dict(profile="smoke", out=tmp_path, changes=changes, progress=False, attention=False)
    crossval.run("synth", ["acrnn-plus"], **options)
    with pytest.raises(results.ResultsError, match="finished, but not watched"):
        crossval.run("synth", ["acrnn-plus"], watch=True, **options)
    [run] = crossval.run("synth", ["acrnn-plus"], watch=True, **{**options, "out": tmp_path / "b"})
    assert np.array_equal(run.watched.epoch, [1])
