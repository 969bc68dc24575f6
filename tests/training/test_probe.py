"""A clock decides between float32 and bf16, once on each machine, and only where it is clear."""

import json
from types import SimpleNamespace

import pytest
import torch

from acrnn_lib.training import probe

CPU = torch.device("cpu")


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """A cache of its own and a clock that shows given seconds; counts how often it was read."""
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path))
    monkeypatch.delenv("ACRNN_PRECISION", raising=False)
    found = SimpleNamespace(float32=1.0, bf16=1.0, read=0, folder=tmp_path / "probe")

    def show():
        found.read += 1
        return {"float32": found.float32, "bf16": found.bf16}

    monkeypatch.setattr(probe, "_clock", show)
    return found


@pytest.mark.parametrize("bf16, expected", [(9.0, "float32"), (1.0, "float32"), (0.8, "float32"),
                                            (0.5, "bf16")])
def test_bf16_is_taken_where_it_is_clearly_faster(clock, bf16, expected):
    clock.bf16 = bf16
    assert probe.pick_precision(CPU) == expected


def test_a_machine_is_measured_once(clock, monkeypatch):
    clock.bf16 = 0.5
    assert probe.pick_precision(CPU) == "bf16"
    clock.bf16 = 9.0
    # what is known is read without a lock, which a cache that cannot be written would not have
    monkeypatch.setattr(probe, "locked", lambda path: pytest.fail(f"{path} was locked"))
    assert probe.pick_precision(CPU) == "bf16" and clock.read == 1


@pytest.mark.parametrize("damage", [
    lambda text: "", lambda text: "[]", lambda text: text[:-20], lambda text: "{}",
    lambda text: text.replace('"bf16": 0.5', '"bf16": 9.5'),
    lambda text: text.replace('"seconds": {', '"seconds": 3, "other": {')])
def test_a_note_that_changed_is_noticed_and_made_anew(clock, damage, capsys):
    clock.bf16 = 0.5
    probe.pick_precision(CPU)
    (path,) = clock.folder.iterdir()
    path.write_text(damage(path.read_text()))
    assert probe.pick_precision(CPU) == "bf16" and clock.read == 2
    assert f"{path}: not as it was written" in capsys.readouterr().err
    assert json.loads(path.read_text())["seconds"] == {"float32": 1.0, "bf16": 0.5}


@pytest.mark.parametrize("wanted", ["float32", "bf16"])
def test_the_environment_can_ask_for_a_precision(clock, monkeypatch, wanted):
    monkeypatch.setenv("ACRNN_PRECISION", wanted)
    for device in ("cpu", "cuda", "mps"):
        assert probe.pick_precision(torch.device(device)) == wanted
    assert not clock.read


def test_an_unknown_precision_is_refused(clock, monkeypatch):
    monkeypatch.setenv("ACRNN_PRECISION", "bf17")
    with pytest.raises(ValueError, match=r"ACRNN_PRECISION 'bf17'; did you mean bf16\?"):
        probe.pick_precision(CPU)


def test_gpus_are_known_without_a_clock(clock, monkeypatch):
    for supported, expected in ((True, "bf16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda answer=supported: answer)
        assert probe.pick_precision(torch.device("cuda")) == expected
    assert probe.pick_precision(torch.device("mps")) == "float32"
    assert not clock.read


def test_the_clock_runs_and_leaves_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    assert set(probe._clock()) == set(probe.PRECISIONS) and min(probe._clock().values()) > 0
    assert torch.rand(1) == expected
