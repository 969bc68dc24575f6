"""The feature store: right values, right keys, and nothing half-written is ever used."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from acrnn_lib.config import BankConfig, FeatureConfig
from acrnn_lib.data import audio
from acrnn_lib.features import frontend, store

FEATURES, BANK = FeatureConfig(), BankConfig(copies=1)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """40 short noises in files, a clip table of them, and a cache of their own."""
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = []
    for k in range(40):
        path = tmp_path / f"1-{k}-A-0.wav"
        soundfile.write(path, rng.standard_normal(8000) * 0.1, 44100)
        rows.append({"clip_id": f"1-{k}-A", "path": str(path), "fold": 1, "target": 0})
    return pd.DataFrame(rows)


def files():
    return sorted(store.files.cache_dir().glob("features/*"))


def built():
    return [path for path in files() if path.suffix == ".npy"]


def test_values_are_the_front_ends_to_half_precision(table):
    copies = store.load(table, FEATURES, BANK, progress=False)
    assert [c.shape for c in copies] == [(40, 128, 431)] * 2 and copies[0].dtype == np.float16
    wave = torch.from_numpy(audio.read(table.path[7], 5.0))[None]
    expected = frontend.LogGammatone()(wave)[0]
    static = torch.from_numpy(copies[0][7].astype(np.float32))
    both = torch.stack([static, frontend.delta(static, FEATURES.delta_width)])
    assert (both[0] - expected[0]).abs().max() < 0.005
    assert (both[1] - expected[1]).abs().max() < 0.005
    assert np.abs(copies[0].astype(float) - copies[1]).max() > 1


def test_frames_that_the_file_does_not_expect_are_refused(table):
    odd = dataclasses.replace(FeatureConfig(), n_fft=1023, hop_length=441)
    with pytest.raises(ValueError, match=r"found shape \(128, 500\), expected \(128, 501\)"):
        store.load(table, odd, BankConfig(copies=0), progress=False)


def test_a_second_load_reads_the_same_files(table, monkeypatch):
    first = np.array(store.load(table, FEATURES, BANK, progress=False)[1])
    assert len(built()) == 2
    monkeypatch.setattr(audio, "read", lambda *_: pytest.fail("built again"))
    np.testing.assert_array_equal(store.load(table, FEATURES, BANK, progress=False)[1], first)


def test_another_order_of_the_clips_is_another_file(table):
    one, = store.load(table, FEATURES, BankConfig(copies=0), progress=False)
    turned = table.iloc[::-1].reset_index(drop=True)
    other, = store.load(turned, FEATURES, BankConfig(copies=0), progress=False)
    np.testing.assert_array_equal(other[::-1], one)
    assert not np.array_equal(other, one)


def test_only_what_decides_the_content_names_the_file(table):
    store.load(table, FEATURES, BankConfig(copies=0), progress=False)
    store.load(table, dataclasses.replace(FEATURES, segment_hop=32, delta_width=5),
               BankConfig(copies=0, seed=3), progress=False)
    assert len(built()) == 1
    store.load(table, dataclasses.replace(FEATURES, log_floor=1e-5), BankConfig(copies=0),
               progress=False)
    store.load(table[:20], FEATURES, BankConfig(copies=0), progress=False)
    assert len(built()) == 3
    store.load(table, FEATURES, BANK, progress=False)
    store.load(table, FEATURES, BankConfig(copies=1, seed=3), progress=False)
    assert len(built()) == 5


def test_an_interrupted_build_is_never_read_and_goes_on(table, monkeypatch):
    whole = np.array(store.load(table, FEATURES, BankConfig(copies=0), progress=False)[0])
    for path in files():
        path.unlink()
    calls = []
    read = audio.read

    def fails_later(path, seconds):
        calls.append(path)
        if len(calls) > 35:
            raise audio.AudioError(f"{path}: pulled out")
        return read(path, seconds)

    monkeypatch.setattr(audio, "read", fails_later)
    with pytest.raises(audio.AudioError, match="pulled out"):
        store.load(table, FEATURES, BankConfig(copies=0), workers=1, progress=False)
    assert {path.suffix for path in files()} == {".json", ".partial"}
    calls.clear()
    monkeypatch.setattr(audio, "read", lambda p, s: calls.append(p) or read(p, s))
    again = store.load(table, FEATURES, BankConfig(copies=0), progress=False)[0]
    assert len(calls) == 40 - store.BLOCK  # the finished block was kept
    np.testing.assert_array_equal(again, whole)
    assert {path.suffix for path in files()} == {".npy", ".json"}


def test_one_or_two_workers_give_the_same_bytes(table):
    one = np.array(store.load(table, FEATURES, BANK, workers=1, progress=False)[1])
    for path in files():
        path.unlink()
    np.testing.assert_array_equal(store.load(table, FEATURES, BANK, workers=2, progress=False)[1],
                                  one)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_computes_the_same_and_keeps_it_apart(table):
    here = store.load(table, FEATURES, BANK, progress=False)
    there = store.load(table, FEATURES, BANK, progress=False, device="cuda")
    assert len(built()) == 4
    for ours, theirs in zip(here, there, strict=True):
        assert np.abs(ours.astype(float) - theirs).max() < 0.05


def test_a_device_that_is_no_gpu_uses_what_the_cpu_made(table):
    store.load(table, FEATURES, BankConfig(copies=0), progress=False)
    store.load(table, FEATURES, BankConfig(copies=0), progress=False, device="mps")
    assert len(built()) == 1
