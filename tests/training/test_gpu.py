"""What a GPU must do as a CPU does: skipped, and said so, where there is none.

The same tests run on the CPU, too, with a direct call in place of a recorded step, so that a fault
of the tests themselves shows everywhere.
"""

import numpy as np
import pytest
import torch

from acrnn_lib.config import NETWORKS
from acrnn_lib.evaluation import results
from acrnn_lib.features.segments import Segments, segment_starts
from acrnn_lib.training import loop
from tests import tiny

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
on_both = pytest.mark.parametrize("where", ["cpu", pytest.param("cuda", marks=needs_gpu)])


class Direct:
    """In place of `cuda.Recorded` on a CPU: each call computes."""

    def __init__(self):
        self.records = {}

    def __call__(self, work, *given):
        self.records[tuple(value.shape for value in given)] = work
        return work(*given)


def trainer(where, settings):
    """(Trainer whose steps are recorded, TrainingData)."""
    state, data = tiny.trainer(settings, *tiny.task(), where)
    if where == "cpu":
        state.recorded = Direct()
    return state, data


def drawn(segments):
    """Rows at both ends of clips, where frames are repeated, and in between; both copies."""
    starts = segment_starts(segments.n_frames, segments.config)
    return np.array([(clip, copy, start) for clip in (0, 7) for copy in (0, 1)
                     for start in (*starts, 1, 33)])


@on_both
def test_segments_cut_from_a_devices_memory_are_those_of_the_store(where):
    copies, features = tiny.task()[1], tiny.settings().features
    chosen = np.arange(3, 30, 2)
    store = Segments(copies, chosen, features)
    moved = Segments(copies, chosen, features, where)
    moved.bank = moved.moved()
    assert moved.bank.device.type == where and moved.bank.shape == (2, 14, 128, 200)
    found = moved.static_of(drawn(moved))
    torch.testing.assert_close(found.cpu(), store.static_of(drawn(store)), rtol=0, atol=0)


@on_both
@pytest.mark.parametrize("mix_on", ["energies", "waves"])
def test_inputs_are_made_without_waiting_and_as_on_a_cpu(where, mix_on, monkeypatch):
    """Levels, filters, mixes and masks of drawn rows: the GPU is never asked to finish first."""
    if where == "cpu":
        monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: None)
    settings = tiny.settings(**{"train.colour_db": 12.0, "train.mix_on": mix_on})
    both = [trainer(place, settings)[1] for place in ("cpu", where)]
    rows, made = both[0].segments.draw(2, np.random.default_rng(0))[::2], []
    for data in both:
        data.batch(rows, np.random.default_rng(1))  # what is set up once may wait
        torch.cuda.set_sync_debug_mode("error")
        try:
            made.append(data.batch(rows, np.random.default_rng(1)))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    for here, there in zip(*made, strict=True):
        torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-4)


@on_both
@pytest.mark.parametrize("name", ["acrnn", "acrnn-plus"])
def test_a_gpu_learns_what_a_cpu_learns(tmp_path, monkeypatch, name, where):
    monkeypatch.setenv("ACRNN_PRECISION", "float32")
    runs, settings = [], tiny.settings(name)
    for place, device in (("reference", "cpu"), ("tried", where)):
        folder = results.run_folder(tmp_path / place, "synth", "smoke", settings.name, 0, 1)
        runs.append(loop.fit(settings, *tiny.task(), 1, 0, folder, device=device))
    here, there = (run.history.loss.to_numpy() for run in runs)
    assert runs[1].manifest["device"] == where
    # dropout draws other numbers there: the same task, not the same path
    assert np.isfinite(there).all() and there[-1] < there[0]
    assert abs(here[-1] - there[-1]) < 0.5


@on_both
def test_a_gpu_goes_on_from_a_checkpoint_as_if_nothing_had_happened(tmp_path, where):
    def fit(root, report=None):
        folder = results.run_folder(tmp_path / root, "synth", "smoke", tiny.settings().name, 0, 1)
        return loop.fit(tiny.settings(), *tiny.task(), 1, 0, folder, device=where, report=report)

    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    whole = fit("whole").predictions
    with pytest.raises(KeyboardInterrupt):
        fit("stopped", stop)
    seen = []
    halves = fit("stopped", lambda row: seen.append(row["epoch"])).predictions
    assert seen == [3, 4]
    chances = [c for c in whole if c.startswith("p_")]
    # additions of a GPU have no fixed order
    np.testing.assert_allclose(halves[chances], whole[chances], atol=0.02)


@on_both
def test_a_gpu_writes_a_checkpoint_now_and_then_only(tmp_path, monkeypatch, where):
    monkeypatch.setitem(loop.PAUSE, where, 3600)
    written = []
    monkeypatch.setattr(loop.checkpoints, "save", lambda state, *_: written.append(state.epoch))
    folder = results.run_folder(tmp_path, "synth", "smoke", tiny.settings().name, 0, 1)
    loop.fit(tiny.settings(), *tiny.task(), 1, 0, folder, device=where)
    assert written == []


@on_both
@pytest.mark.parametrize("name", [*NETWORKS, "acrnn-plus", "lstm", "att-l6"])
def test_a_recorded_step_computes_what_the_step_itself_computes(monkeypatch, name, where):
    """Losses, gradients and statistics of batch norm, for batches of two sizes in turn."""
    monkeypatch.setenv("ACRNN_PRECISION", "float32")
    settings = tiny.settings(name, **{"model.dropout": 0.0, "train.average": 0.0})
    (here, data), (there, _) = (trainer(where, settings) for _ in range(2))
    rows = data.segments.draw(1, np.random.default_rng(0))
    for size in (8, 7, 8, 8, 7):
        given = data.batch(rows[:size], np.random.default_rng(size))
        rows = rows[::-1].copy()
        found, right = there.gradients(*given), here.compute_gradients(*given)
        torch.testing.assert_close(found, right, rtol=1e-2, atol=1e-3)
        for one, other in zip(here.model.parameters(), there.model.parameters(), strict=True):
            largest = one.grad.abs().max().item()  # gradients of some layers are tiny
            torch.testing.assert_close(other.grad, one.grad, rtol=0.05, atol=0.05 * largest)
        here.optimizer.step()
        there.optimizer.step()
    for one, other in zip(here.model.buffers(), there.model.buffers(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-2, atol=1e-2)
    assert len(there.recorded.records) == 2


@on_both
def test_a_recorded_step_draws_anew_for_dropout(where):
    state, data = trainer(where, tiny.settings("acrnn"))
    given = data.batch(data.segments.draw(1, np.random.default_rng(0))[:8],
                       np.random.default_rng(0))
    losses = [state.gradients(*given)[0].item() for _ in range(3)]
    assert len(set(losses)) == 3
    torch.manual_seed(7)
    first = state.gradients(*given)[0].item()
    torch.manual_seed(7)
    assert state.gradients(*given)[0].item() == pytest.approx(first, rel=1e-2)


@on_both
def test_sharpness_aware_steps_are_the_same_recorded_or_not(monkeypatch, where):
    monkeypatch.setenv("ACRNN_PRECISION", "float32")
    settings = tiny.settings(**{"model.dropout": 0.0, "train.sam": 0.05, "train.average": 0.0,
                                "train.optimizer": "sgd"})
    (plain, data), (recorded, _) = (trainer(where, settings) for _ in range(2))
    plain.recorded = None
    rows = data.segments.draw(1, np.random.default_rng(0))[:8]
    for _ in range(3):
        given = data.batch(rows, np.random.default_rng(1))
        torch.testing.assert_close(recorded.step(*given), plain.step(*given), rtol=1e-2, atol=1e-3)
    for one, other in zip(plain.model.parameters(), recorded.model.parameters(), strict=True):
        largest = one.detach().abs().max().item()
        torch.testing.assert_close(other, one, rtol=0, atol=0.02 * largest + 1e-6)
