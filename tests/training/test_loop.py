"""Training: the same seed gives the same numbers, killed or not; nothing leaks; recipes as said."""

import contextlib
import copy
import gc
import json
import math
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch

from acrnn_lib import device, inference, trained
from acrnn_lib.config import NETWORKS, TrainConfig, config_hash
from acrnn_lib.evaluation import results
from acrnn_lib.features.frontend import normalise
from acrnn_lib.features.segments import Segments
from acrnn_lib.training import checkpoints, crossval, loop, optim, probe
from acrnn_lib.training.batches import TrainingData
from tests import tiny

FOLDS = [1, 2, 3, 4, 5]


def folder_of(root):
    return results.run_folder(root, "tiny", "smoke", tiny.settings().name, 0, 1)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run from start to end in a process of its own, as the killed ones are."""
    folder = folder_of(tmp_path_factory.mktemp("whole"))
    subprocess.run([sys.executable, "-m", "tests.tiny", str(folder)], check=True, env=environment(),
                   stdout=subprocess.DEVNULL)
    return results.Run.at(folder)


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def test_a_run_learns_and_tells_how_it_was_made(uninterrupted):
    history, manifest = uninterrupted.history, uninterrupted.manifest
    assert list(history.epoch) == [1, 2, 3, 4] and history.loss.iloc[-1] < history.loss.iloc[0]
    assert manifest["config_hash"] == config_hash(tiny.settings())
    assert manifest["train_folds"] == [2, 3, 4, 5] and manifest["classes"][2] == "class2"
    assert {"device", "precision", "threads", "versions", "peak_memory_mib"} <= manifest.keys()
    predictions = uninterrupted.predictions
    assert set(predictions.fold) == {1} and len(predictions) == 6
    maps = uninterrupted.attention
    assert maps["attention"].shape == (3, 3, 7)
    np.testing.assert_allclose(maps["attention"].sum(-1), 1, rtol=1e-5)
    assert set(maps["all_clips"]) == set(uninterrupted.predictions.clip_id)
    for name in ("all_weights", "all_energy"):
        assert maps[name].shape == (len(maps["all_starts"]), 7)
        np.testing.assert_allclose(maps[name].sum(-1), 1, rtol=1e-5)


def test_an_interrupted_run_keeps_a_checkpoint_and_a_changed_one_is_refused(tmp_path):
    folder = folder_of(tmp_path)

    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.fit(folder, report=stop)
    note = json.loads((folder / "checkpoint.json").read_text())
    assert note["epoch"] == 2 and not results.is_complete(folder)
    with pytest.raises(results.ResultsError, match=r"experiment .*rate=0\.0001; choose"):
        tiny.fit(folder, **{"train.learning_rate": 1e-4})
    tensors = folder / note["file"]
    data = bytearray(tensors.read_bytes())
    data[len(data) // 2] ^= 1
    tensors.write_bytes(data)
    with pytest.raises(results.ResultsError, match="changed since it was written"):
        tiny.fit(folder)


def test_a_finished_run_is_loaded_not_trained(uninterrupted, monkeypatch):
    monkeypatch.setattr(loop, "Trainer", lambda *_: pytest.fail("trained again"))
    assert tiny.fit(uninterrupted.folder).predictions.equals(uninterrupted.predictions)


def test_a_finished_run_is_rid_of_a_checkpoint_that_a_kill_left(uninterrupted):
    state = json.dumps(uninterrupted.manifest)
    for name, text in (("checkpoint-4.safetensors", "weights"), ("checkpoint.json", state),
                       (".checkpoint-4.safetensors.1f2e.tmp", "half")):
        (uninterrupted.folder / name).write_text(text)
    tiny.fit(uninterrupted.folder)
    assert not list(uninterrupted.folder.glob("checkpoint*"))
    assert not list(uninterrupted.folder.glob(".*"))


@pytest.mark.parametrize("finished", [False, True])
def test_a_run_of_the_other_protocol_or_data_is_never_taken_over(tmp_path, finished):
    """An inner run in the same folder must not pass for a test run, nor other data for these."""
    settings = tiny.settings(**{"train.epochs": 2})
    folder = results.run_folder(tmp_path, "tiny", "smoke", settings.name, 0, 1)

    def fit(train_folds, data, report=None):
        loop.fit(settings, *tiny.task(), 1, 0, folder, device="cpu",
                  train_folds=train_folds, extra={"data_hash": data}, report=report)

    def stop(row):
        if not finished:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        fit([3, 4, 5], "a", stop)
    assert results.is_complete(folder) == finished
    with pytest.raises(results.ResultsError, match="train_folds"):
        fit([2, 3, 4, 5], "a")
    with pytest.raises(results.ResultsError, match="data_hash"):
        fit([3, 4, 5], "b")


def test_all_copies_of_an_epoch_are_as_many_segments_more():
    table, copies = tiny.task()
    drawn = {}
    for which in ("one", "all"):
        _, data = tiny.trainer(tiny.settings(**{"train.copies": which}), table, copies)
        drawn[which] = np.concatenate(data.draw(np.random.default_rng(0)))
    assert len(drawn["all"]) == len(copies) * len(drawn["one"])
    assert set(drawn["all"][:, 1]) == {0, 1}


def test_test_clips_change_nothing_in_training(tmp_path):
    table, copies = tiny.task()
    rows = np.flatnonzero(table.fold == 1)
    states = []
    for shift in (0, 5):
        for one in copies:
            one[rows] += np.float16(shift)
        trainer, data = tiny.trainer(tiny.settings(), table, copies)
        loop.run_epoch(trainer, data, 1)
        states.append((trainer.model, data.mean))
    assert torch.equal(states[0][1], states[1][1])
    for a, b in zip(states[0][0].parameters(), states[1][0].parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_tested_fold_is_never_among_the_training_folds(tmp_path):
    for fold in FOLDS:
        tested, learnt = crossval.protocol(fold, FOLDS)
        assert tested == fold and sorted([*learnt, tested]) == [1, 2, 3, 4, 5]
        tested, learnt = crossval.protocol(fold, FOLDS, inner=True)
        assert tested == fold % 5 + 1 and fold not in learnt and tested not in learnt
        assert len(learnt) == 3
    table, copies = tiny.task()
    with pytest.raises(ValueError, match="train_folds"):
        loop.fit(tiny.settings(), table, copies, 1, 0, folder_of(tmp_path), train_folds=[1, 2])


def test_a_loss_that_is_not_finite_stops_with_epoch_step_and_clips(tmp_path):
    table, copies = tiny.task()
    trainer, data = tiny.trainer(tiny.settings("acrnn", **{"train.batch_size": 24}), table, copies)
    data.mean[0] = torch.nan
    with pytest.raises(loop.TrainingError, match=r"step 1: loss is nan; the batch: 1\.wav, "):
        loop.run_epoch(trainer, data, 1)


def test_the_saved_model_predicts_what_the_run_predicted(uninterrupted):
    model, mean, std, note = inference.load_model(uninterrupted.folder / "model.safetensors")
    assert note["classes"] == ["class0", "class1", "class2"] and note["fold"] == 1
    table, copies = tiny.task()
    rows = np.flatnonzero(table.fold == 1)
    segments = Segments(copies[:1], rows, note["features"])
    drawn = segments.all()
    x = segments.with_channels(segments.static_of(drawn))
    with torch.inference_mode():
        logits = model((x - mean.view(1, 2, 1, 1)) / std.view(1, 2, 1, 1))
    chances = logits.softmax(1).numpy()[drawn[:, 0] == 0].mean(0)
    expected = uninterrupted.predictions.iloc[0, 4:].to_numpy(float)
    np.testing.assert_allclose(chances, expected, atol=2e-3)


def test_a_resumed_run_keeps_precision_layout_and_threads_of_its_checkpoint(tmp_path):
    """A checkpoint goes on as it began, though another machine would have chosen otherwise."""
    class Interrupted(Exception):
        pass

    def stop(row):
        raise Interrupted

    folder = folder_of(tmp_path)
    with pytest.raises(Interrupted):
        tiny.fit(folder, report=stop)
    path, threads = folder / results.CHECKPOINT, torch.get_num_threads()
    note = json.loads(path.read_text())
    assert note["precision"] == probe.pick_precision(torch.device("cpu"))
    assert note["layout"] == "channels_last"
    assert note["threads"] == threads
    chosen = {"precision": "bf16", "layout": "contiguous", "threads": threads + 1}
    path.write_text(json.dumps(note | chosen))
    with pytest.raises(results.ResultsError, match=r"checkpoint\.json: changed"):
        checkpoints.resume(tiny.trainer(tiny.settings(), *tiny.task())[0], folder)
    del note["note_sha256"]  # as in earlier versions
    path.write_text(json.dumps(note | chosen))
    state = tiny.trainer(tiny.settings(), *tiny.task())[0]
    checkpoints.resume(state, folder)
    found = {"precision": state.precision, "layout": state.layout,
             "threads": torch.get_num_threads()}
    torch.set_num_threads(threads)
    assert found == chosen and state.epoch == 1
    kernel = state.model.cnn["l3"][0].weight
    momentum = state.optimizer.state[kernel]["exp_avg"]
    assert kernel.is_contiguous() and momentum.is_contiguous()


@pytest.mark.parametrize("progress, expected", [(0, 0.01), (0.33, 0.01), (0.34, 1e-3),
                                                (0.99, 1e-4)])
def test_the_papers_schedule_drops_twice(progress, expected):
    assert optim.learning_rate(TrainConfig(), progress) == pytest.approx(expected)


def test_onecycle_rises_then_falls_to_nothing():
    recipe = TrainConfig(schedule="onecycle", learning_rate=1.0)
    rates = [optim.learning_rate(recipe, p) for p in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(1) and np.argmax(rates) == 25
    assert rates[0] == pytest.approx(0.04) and rates[-1] == pytest.approx(0, abs=1e-9)


def test_decay_acts_on_weights_only_and_matches_an_l2_penalty():
    recipe = TrainConfig(learning_rate=0.1)
    layer = torch.nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    penalty = 1e-4 * layer.weight.square().sum()
    penalty.backward()
    optimizer.step()
    by_penalty = layer.weight.detach().clone()
    assert math.isclose(recipe.weight_decay, 2e-4)
    torch.testing.assert_close(by_penalty, before * (1 - 0.1 * recipe.weight_decay))
    groups = optim.make_optimizer(layer, TrainConfig()).param_groups
    assert [g["weight_decay"] for g in groups] == [2e-4, 0.0]


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_fused_optimizer_takes_the_same_steps(kind):
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 20, 3).to(memory_format=torch.channels_last)
    other = copy.deepcopy(layer)
    optimizers = [optim.make_optimizer(model, TrainConfig(optimizer=kind), fused)
                  for model, fused in ((layer, False), (other, True))]
    assert [optimizer.defaults["fused"] for optimizer in optimizers] == [False, True]
    for step in range(20):
        for model, optimizer in zip((layer, other), optimizers, strict=True):
            optim.set_learning_rate(optimizer, 0.01 / (1 + step))
            optimizer.zero_grad()
            model(torch.ones(4, 3, 5, 5)).square().mean().backward()
            optimizer.step()
    for one, two in zip(layer.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_a_trainer_has_a_fused_optimizer():
    assert tiny.trainer(tiny.settings(), *tiny.task())[0].optimizer.defaults["fused"]


def test_a_training_that_is_over_leaves_no_memory_behind():
    """Without waiting for Python's collection of cycles: the next fold needs the room."""
    trainer, data = tiny.trainer(tiny.settings(), *tiny.task())
    loop.run_epoch(trainer, data, 1)
    gone = [weakref.ref(trainer), weakref.ref(data)]
    gc.disable()
    try:
        del trainer, data
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


def test_a_training_stopped_by_its_report_loses_no_epoch(tmp_path, monkeypatch):
    """Even where checkpoints are far apart."""
    monkeypatch.setitem(loop.PAUSE, "cpu", 3600)
    folder, seen = folder_of(tmp_path), []

    def stop(row):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.fit(folder, report=stop)
    assert json.loads((folder / "checkpoint.json").read_text())["epoch"] == 3
    tiny.fit(folder, report=lambda row: seen.append(row["epoch"]))
    assert seen == [4]


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path):
    folder = folder_of(tmp_path)

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.fit(folder, report=stop)
    path = folder / "checkpoint.json"
    note = json.loads(path.read_text())
    del note["averaged"]
    note["note_sha256"] = results.note_hash(note)
    path.write_text(json.dumps(note))
    with pytest.raises(results.ResultsError, match="of an earlier version; remove it"):
        tiny.fit(folder)


def test_the_average_forgets_where_it_started():
    """Averaged over a short run, the weights must be the recent ones, not the random start."""
    averaged = torch.tensor(100.0)
    for step in range(1, 301):
        optim.follow([averaged], [torch.tensor(1.0)], optim.share(step, 0.998))
    assert averaged.item() == pytest.approx(1.0, abs=1e-3)


def test_the_average_follows_weights_and_statistics_and_copies_counts():
    model = torch.nn.BatchNorm1d(2)
    average = optim.MovingAverage(model, 0.9)
    model.weight.data[:] = 5.0
    average.update()  # the first is taken as it is
    model.weight.data[:], model.running_mean[:] = 16.0, 11.0
    model.num_batches_tracked += 7
    average.update()
    kept = 2 / 11
    torch.testing.assert_close(average.module.weight.data, torch.full((2,), 5 * kept + 16 * 9 / 11))
    torch.testing.assert_close(average.module.running_mean, torch.full((2,), 11 * 9 / 11))
    assert average.module.num_batches_tracked == 7 and average.steps == 2


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "acrnn"])
def test_a_checkpoint_of_every_network_answers_as_the_network_did(tmp_path, name):
    table, copies = tiny.task()
    settings = tiny.experiment(name, "smoke", {"train.epochs": 1, "train.segments": 1,
                                               "bank.copies": 1})
    trainer, data = tiny.trainer(settings, table, copies)
    loop.save_model(trainer, data, tmp_path)
    model, mean, std, _ = inference.load_model(tmp_path / "model.safetensors")
    x = torch.from_numpy(np.array(copies[0][:2, :, :128])).float()[:, None].repeat(1, 2, 1, 1)
    expected, _ = trained.answer(normalise(x, data.mean, data.std), trainer.final_model().eval())
    np.testing.assert_allclose(trained.answer(normalise(x, mean, std), model)[0], expected,
                               atol=1e-6)


@pytest.mark.parametrize("fold, train_folds, name", [(7, [2, 3], "fold"), (1, [8], "train_folds")])
def test_a_fold_without_clips_is_refused_before_training(tmp_path, fold, train_folds, name):
    folder = folder_of(tmp_path).with_name(f"fold{fold}")
    with pytest.raises(ValueError, match=rf"^{name}: found .*, expected folds with clips: \[1, 2"):
        loop.fit(tiny.settings(), *tiny.task(), fold, 0, folder, train_folds=train_folds,
                  device="cpu")


def test_features_that_never_vary_are_refused(tmp_path):
    table, copies = tiny.task()
    copies = [np.full_like(copy, -8) for copy in copies]
    with pytest.raises(loop.TrainingError, match="never varies"):
        loop.fit(tiny.settings(), table, copies, 1, 0, folder_of(tmp_path), device="cpu")


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device: found cuda, .* expected one of auto, .*cpu"):
        device.pick_device("cuda")
    assert device.pick_device("auto").type in ("mps", "cpu")


def test_windows_of_random_length_are_whole_attention_steps_below_the_segment():
    settings = tiny.settings(**{"features.segment_frames": 200, "train.shortest": 128})
    trainer, data = tiny.trainer(settings, *tiny.task())
    rng, lengths = np.random.default_rng(0), set()
    rows = data.draw(rng)[0]
    for _ in range(60):
        x, targets = data.batch(rows, rng)
        lengths.add(x.shape[-1])
        assert len(x) == len(targets) == len(rows)
    assert lengths == {200, 182, 164, 146, 128}
    assert math.isfinite(loop.run_epoch(trainer, data, 1)["loss"])


def test_a_recipe_that_mixes_waves_needs_them_and_learns_from_them(tmp_path):
    table, copies = tiny.task()
    settings = tiny.settings(**{"train.mix_on": "waves"})
    folder = results.run_folder(tmp_path, "tiny", "smoke", settings.name, 0, 1)
    with pytest.raises(ValueError, match="waves: found none, expected those of store"):
        loop.fit(settings, table, copies, 1, 0, folder, device="cpu")
    noise = tiny.waves()
    assert loop.fit(settings, table, copies, 1, 0, folder, device="cpu", waves=noise)

    def batch(settings, waves):
        data = TrainingData(settings, table, copies, [2, 3], torch.device("cpu"), waves)
        rng = np.random.default_rng(0)
        return data.batch(data.draw(rng)[0], rng)

    (x, targets), (silent, same), (noisy, _) = (batch(*given) for given in (
        (tiny.settings(), None), (settings, [0 * wave for wave in noise]), (settings, noise)))
    torch.testing.assert_close((silent, same), (x, targets), rtol=0, atol=1e-4)
    assert (noisy - x).abs().mean() > 1e-3


def test_sharpness_aware_steps_train_too_and_otherwise(tmp_path):
    settings = tiny.settings(**{"train.sam": 0.05})
    folder = results.run_folder(tmp_path, "tiny", "smoke", settings.name, 0, 1)
    flat = loop.fit(settings, *tiny.task(), 1, 0, folder, device="cpu")
    assert not flat.predictions.equals(tiny.fit(folder_of(tmp_path)).predictions)
    first, last = results.read_history(folder)["loss"].iloc[[0, -1]]
    assert last < first
