"""Precision and layout are chosen by a clock, once on each machine, and kept."""

import json
from types import SimpleNamespace

import pytest
import torch

from acrnn_lib import probe

CPU = torch.device("cpu")


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """A cache of its own and a clock that shows given seconds; says what was timed."""
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path))
    monkeypatch.delenv("ACRNN_PRECISION", raising=False)
    found = SimpleNamespace(seconds=(1.0, 1.0, 1.0), timed=[], folder=tmp_path / "probe")

    def show(*way):
        found.timed.append(way)
        return dict(zip(probe.WAYS, found.seconds, strict=True))[way]

    monkeypatch.setattr(probe, "_seconds", show)
    return found


@pytest.mark.parametrize("seconds, expected", [
    ((1.0, 1.0, 1.0), ("float32", "contiguous")),
    ((1.0, 0.9, 0.85), ("float32", "contiguous")),  # within noise
    ((1.0, 0.7, 0.65), ("float32", "channels_last")),
    ((1.0, 0.7, 0.3), ("bf16", "channels_last")),
    ((1.0, 1.3, 9.0), ("float32", "contiguous")),  # bf16 is imitated
])
def test_the_fastest_way_is_chosen_and_noise_does_not_decide(clock, seconds, expected):
    clock.seconds = seconds
    assert probe.pick_arithmetic(CPU) == expected


def test_a_machine_is_measured_once(clock):
    clock.seconds = (1.0, 0.7, 0.3)
    first = probe.pick_arithmetic(CPU)
    clock.seconds = (0.1, 0.7, 0.3)
    assert probe.pick_arithmetic(CPU) == first
    assert clock.timed == list(probe.WAYS)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"seconds": {"bf16": 1}}', '{"seconds": 3}',
                                  '{"seconds": {"float32 contiguous": "a", '
                                  '"float32 channels_last": 1, "bf16 channels_last": 1}}'])
def test_a_damaged_note_is_measured_anew(clock, text):
    clock.seconds = (1.0, 0.7, 0.3)
    probe.pick_arithmetic(CPU)
    (path,) = clock.folder.iterdir()
    path.write_text(text)
    assert probe.pick_arithmetic(CPU) == ("bf16", "channels_last")
    assert json.loads(path.read_text())["seconds"]["bf16 channels_last"] == 0.3


@pytest.mark.parametrize("wanted, expected", [("float32", ("float32", "channels_last")),
                                              ("bf16", ("bf16", "channels_last"))])
def test_the_environment_can_ask_for_a_precision(clock, monkeypatch, wanted, expected):
    clock.seconds = (1.0, 0.7, 0.3) if wanted == "float32" else (1.0, 0.7, 9.0)
    monkeypatch.setenv("ACRNN_PRECISION", wanted)
    assert probe.pick_arithmetic(CPU) == expected


def test_an_unknown_precision_is_refused(clock, monkeypatch):
    monkeypatch.setenv("ACRNN_PRECISION", "bf17")
    with pytest.raises(ValueError, match=r"ACRNN_PRECISION 'bf17'; did you mean bf16\?"):
        probe.pick_arithmetic(CPU)


def test_gpus_are_known_without_a_clock(clock, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert probe.pick_arithmetic(torch.device("cuda")) == ("bf16", "channels_last")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert probe.pick_arithmetic(torch.device("cuda")) == ("float32", "channels_last")
    assert probe.pick_arithmetic(torch.device("mps")) == ("float32", "contiguous")
    assert not clock.timed


def test_the_clock_runs_and_leaves_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    assert all(probe._seconds(*way) > 0 for way in probe.WAYS)
    assert torch.rand(1) == expected
