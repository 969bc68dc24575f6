"""A cache that many users share is only read; each of them adds to a cache of their own."""

import errno
import json
import os
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest
from filelock import FileLock

from acrnn_lib import files
from acrnn_lib.config import BankConfig, FeatureConfig
from acrnn_lib.data import datasets, download
from acrnn_lib.features import store
from acrnn_lib.training import probe

from .features.test_store import table  # noqa: F401


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """(shared, own): two empty folders, as the environment names them."""
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    monkeypatch.setenv("ACRNN_SHARED_CACHE", str(shared))
    monkeypatch.setenv("ACRNN_CACHE", str(own))
    monkeypatch.delenv("ACRNN_DATA", raising=False)  # the user's own sounds come before any cache
    return shared, own


@contextmanager
def read_only(folder):
    """Forbid writing: by its rights, and as root, whom these do not bind, by a mount."""
    before = seen(folder)
    mounted = not os.geteuid() and not any(
        subprocess.run(["mount", *words], capture_output=True).returncode
        for words in (["--bind", folder, folder], ["-o", "remount,bind,ro", folder]))
    places = [] if mounted else [folder, *(p for p in folder.rglob("*") if p.is_dir())]
    for place in places:
        place.chmod(0o555)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)  # memory maps of it are open
        for place in places:
            place.chmod(0o755)
    assert seen(folder) == before


def seen(folder):
    """Name, size and time of change of all that lies in a folder."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def load(table, copies):  # noqa: F811
    return store.load(table, FeatureConfig(), BankConfig(copies=copies), progress=False)


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids writing in another way")
def test_features_come_from_the_shared_cache_and_missing_ones_go_to_the_own(
        table, caches, monkeypatch):  # noqa: F811
    shared, own = caches
    monkeypatch.setenv("ACRNN_CACHE", str(shared))
    first = np.array(load(table, 0)[0])
    monkeypatch.setenv("ACRNN_CACHE", str(own))
    counted, read = [], store.audio.read
    monkeypatch.setattr(store.audio, "read", lambda *a: counted.append(a) or read(*a))
    with read_only(shared):
        np.testing.assert_array_equal(load(table, 0)[0], first)
        assert not counted and not own.exists(), "nothing is built, locked or made"
        both = load(table, 1)
    np.testing.assert_array_equal(both[0], first)
    assert len(counted) == len(table) and len(list(own.glob("features/*.npy"))) == 1


def test_a_damaged_shared_file_is_reported_and_built_in_the_own_cache(
        table, caches, monkeypatch, capsys):  # noqa: F811
    shared, own = caches
    monkeypatch.setenv("ACRNN_CACHE", str(shared))
    first = np.array(load(table, 0)[0])
    monkeypatch.setenv("ACRNN_CACHE", str(own))
    path, = shared.glob("features/*.npy")
    damaged = path.read_bytes()[:-2] + b"xx"
    path.write_bytes(damaged)
    np.testing.assert_array_equal(load(table, 0)[0], first)
    assert f"{path}: its SHA-256" in capsys.readouterr().err and path.read_bytes() == damaged
    assert (own / "features" / path.name).exists()


def test_sounds_and_timings_come_from_the_shared_cache(caches, monkeypatch):
    shared, own = caches
    for made in ("esc10", "synth-1"):
        (shared / made).mkdir()
    monkeypatch.setattr(datasets, "_generate", lambda folder: folder.mkdir())
    assert download.download("esc10") == files.dataset_dir("esc10") == shared / "esc10"
    assert datasets._generated() == own / "synth-1", "half a data set is none"
    (shared / "synth-1" / datasets.SUMS).touch()
    assert datasets._generated() == shared / "synth-1"
    monkeypatch.setattr(probe, "_clock", lambda: {"bf16": 2.0, "float32": 1.0})
    probe.measured()
    note, = (own / "probe").glob("*.json")
    (shared / "probe").mkdir()
    note.rename(shared / "probe" / note.name)
    monkeypatch.setattr(probe, "_clock", lambda: pytest.fail("measured again"))
    assert probe.measured() == json.loads((shared / "probe" / note.name).read_text())["seconds"]


def test_a_cache_that_cannot_be_written_is_one_sentence_that_says_what_to_do(
        table, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ACRNN_SHARED_CACHE", raising=False)
    first = np.array(load(table, 0)[0])

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "somewhere")

    monkeypatch.setattr(FileLock, "acquire", refused)
    np.testing.assert_array_equal(load(table, 0)[0], first)  # read without a lock
    with pytest.raises(OSError, match="ACRNN_SHARED_CACHE one that is only read") as error:
        load(table, 1)
    assert str(tmp_path / "cache") in str(error.value)


def test_a_shared_cache_that_is_not_there_is_an_error(caches, monkeypatch):
    monkeypatch.setenv("ACRNN_SHARED_CACHE", str(caches[1] / "nowhere"))
    with pytest.raises(files.DatasetError, match=r"nowhere \(ACRNN_SHARED_CACHE\): expected"):
        files.dataset_dir("esc10")
