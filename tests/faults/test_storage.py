"""Full disks, folders that cannot be written, flipped bytes: named, never trusted, resumable."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from acrnn_lib.config import BankConfig
from acrnn_lib.data import datasets
from acrnn_lib.evaluation import results
from acrnn_lib.features import store
from acrnn_lib.files import write_bytes
from acrnn_lib.training import checkpoints, loop
from acrnn_lib.training.identity import identity
from tests import tiny
from tests.faults.conftest import grow
from tests.faults.killed import run_folder
from tests.features.test_store import BANK, FEATURES, table  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow
resource = pytest.importorskip("resource", reason="this system cannot bound the size of files")


@contextlib.contextmanager
def files_of_at_most(size):
    """No file can grow beyond ``size`` bytes: what a full disk looks like without root."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def one_error(process):
    """The only line that a failing command prints, without a traceback."""
    _, said = process.communicate(timeout=300)
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert process.returncode == 1 and len(lines) == 1 and "Traceback" not in said, said
    return lines[0]


def test_training_on_a_full_disk_keeps_its_epochs_and_goes_on(small_disk):
    disk = small_disk("80m")
    folder = run_folder(disk)

    def fill(row):
        if row["epoch"] == 2:
            space = os.statvfs(disk)
            (disk / "other").write_bytes(bytes(space.f_bavail * space.f_bsize - 2**16))

    with pytest.raises(OSError, match="No space left on device") as error:
        tiny.fit(folder, report=fill)
    assert str(folder) in str(error.value), "the error names the file"
    assert json.loads((folder / results.CHECKPOINT).read_text())["epoch"] == 2
    assert not list(folder.glob(".*.tmp"))
    (disk / "other").unlink()
    epochs = []
    tiny.fit(folder, report=lambda row: epochs.append(row["epoch"])).verify()
    assert epochs == [3, 4]


def test_features_on_a_full_disk_keep_what_is_built(table, small_disk, monkeypatch):  # noqa: F811
    whole = np.array(store.load(table, FEATURES, BankConfig(copies=0), progress=False)[0])
    disk = small_disk("4200k")  # 32 clips of 110 kB fit, 40 do not
    monkeypatch.setenv("ACRNN_CACHE", str(disk))
    with pytest.raises(OSError, match="No space left on device") as error:
        store.load(table, FEATURES, BankConfig(copies=0), progress=False)
    assert ".partial" in str(error.value)
    grow(disk, "9m")
    counted, read = [], store.audio.read
    monkeypatch.setattr(store.audio, "read", lambda *a: counted.append(a) or read(*a))
    again = store.load(table, FEATURES, BankConfig(copies=0), progress=False)[0]
    assert len(counted) == 8, "the finished block was kept"
    np.testing.assert_array_equal(again, whole)


def test_sounds_generated_on_a_full_disk_leave_nothing(small_disk, monkeypatch):
    disk = small_disk("1m")
    monkeypatch.setenv("ACRNN_CACHE", str(disk))
    with pytest.raises(OSError, match=r"No space left on device: .*\.wav'"):
        datasets.load("synth")
    assert [path.name for path in disk.iterdir()] == [".synth-1.lock"]


def test_a_file_that_cannot_grow_is_named_and_the_old_one_stays(tmp_path):
    path = tmp_path / "predictions.csv"
    write_bytes(path, b"old")
    with files_of_at_most(1000), pytest.raises(OSError, match="too large") as error:
        write_bytes(path, bytes(2000))
    assert str(path) in str(error.value) and path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def crossval(out):
    command = [sys.executable, "-m", "acrnn_lib", "crossval", "synth", "--experiments", "svm",
               "--profile", "smoke", "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_file_where_the_output_folder_should_be(tmp_path):
    (tmp_path / "runs").write_text("mine")
    assert str(tmp_path / "runs") in one_error(crossval(tmp_path / "runs"))
    assert (tmp_path / "runs").read_text() == "mine"


def test_an_output_folder_that_is_read_only(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    mount = ["mount", "--bind", folder, folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a read-only mount cannot be made here (needs root)")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        said = one_error(crossval(folder))
        assert str(folder) in said and "Read-only file system" in said
    finally:
        subprocess.run(["umount", folder], check=True)


def flip(path, rng, after=0):
    """Change one byte of a file; returns where."""
    data = bytearray(path.read_bytes())
    place = rng.randrange(after, len(data))
    data[place] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"{path.name} byte {place}"


def test_a_flipped_byte_in_cached_features_is_named_and_mended(table, rng, times, capsys):  # noqa: F811
    copies = [np.array(c) for c in store.load(table, FEATURES, BANK, progress=False)]
    paths = sorted(store.files.cache_dir().glob("features/*.npy"))
    for _ in range(times(2, 20)):
        path = rng.choice(paths)
        where = flip(path, rng)
        again = store.load(table, FEATURES, BANK, progress=False)
        said = capsys.readouterr().err
        assert f"{path}: its SHA-256" in said, where
        for found, expected in zip(again, copies, strict=True):
            np.testing.assert_array_equal(found, expected, where)


def test_a_flipped_byte_in_an_unfinished_store_is_not_built_upon(table, rng, monkeypatch):  # noqa: F811
    monkeypatch.setattr(store, "BLOCK", 8)
    whole = np.array(store.load(table, FEATURES, BankConfig(copies=0), progress=False)[0])
    path, = store.files.cache_dir().glob("features/*.npy")
    note = json.loads(path.with_suffix(".json").read_text())
    partial = path.with_suffix(".partial")
    size = path.stat().st_size - 8 * 2 * whole[0].size
    data = path.read_bytes()[:size]
    path.unlink()
    note = {"done": 32, "sha256": store.hashlib.sha256(data).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(note))
    partial.write_bytes(data)
    where = flip(partial, rng)
    again = store.load(table, FEATURES, BankConfig(copies=0), progress=False)[0]
    np.testing.assert_array_equal(again, whole, where)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was interrupted after its second epoch."""
    folder = run_folder(tmp_path_factory.mktemp("stopped"))

    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.fit(folder, report=stop)
    return folder


def test_a_flipped_byte_in_a_checkpoint_is_refused(stopped, tmp_path, rng, times):
    """Also in its note: unless the flip is in what no run reads, training is not resumed."""
    note = json.loads((stopped / results.CHECKPOINT).read_text())
    for number in range(times(10, 100)):
        folder = run_folder(tmp_path / str(number))
        shutil.copytree(stopped, folder)
        name = rng.choice([note["file"], results.CHECKPOINT])
        where = flip(folder / name, rng)
        state = tiny.trainer(tiny.settings(), *tiny.task())[0]
        try:
            results.take_up(folder, identity(tiny.settings(), 0, 1, [2, 3, 4, 5], 3, "cpu"))
            checkpoints.resume(state, folder)
        except results.ResultsError as error:
            named = str(error)
        else:
            named = str(folder)
            found = json.loads((folder / results.CHECKPOINT).read_text())
            assert {**found, "note_sha256": 0}.items() >= {**note, "note_sha256": 0}.items(), where
        assert str(folder) in named, where


def test_a_flipped_byte_in_evidence_is_refused(uninterrupted, tmp_path, rng, times):
    folder = uninterrupted.folder
    for number in range(times(10, 100)):
        copy = run_folder(tmp_path / str(number))
        shutil.copytree(folder, copy)
        where = flip(copy / rng.choice([results.PREDICTIONS, results.HISTORY,
                                        results.ATTENTION]), rng)
        with pytest.raises(results.ResultsError, match="changed since it was written") as error:
            results.Run.at(copy).verify()
        assert where.split()[0] in str(error.value)


def test_a_flipped_byte_in_a_generated_clip_is_named(tmp_path, monkeypatch, rng):
    from acrnn_lib.data import synth

    def write(folder):
        for clip_id in synth.plan()["clip_id"]:
            (folder / f"{clip_id}.wav").write_bytes(bytes(100))

    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path))
    monkeypatch.setattr(synth, "write", write)
    path = datasets.Path(rng.choice(datasets.load("synth").path))
    flip(path, rng)
    with pytest.raises(datasets.DatasetError, match=rf"{path.name}: changed .* \(1 of 400"):
        datasets.load("synth")
    shutil.rmtree(path.parent)
    assert len(datasets.load("synth")) == 400


@pytest.mark.parametrize("what", ["loss", "the gradient's norm"])
def test_a_number_that_is_none_stops_with_step_files_and_checkpoint(tmp_path, monkeypatch, what):
    """In the second epoch; the files of the batch and the last good checkpoint are named."""
    folder, step, taken = run_folder(tmp_path), loop.Trainer.step, []

    def spoiled(trainer, x, targets):
        taken.append(trainer.epoch + 1)
        if taken.count(2) == 2:
            if what == "loss":
                x = x * torch.nan
            else:
                weight = next(trainer.model.parameters())
                weight.register_hook(lambda grad: grad * torch.inf)
        return step(trainer, x, targets)

    monkeypatch.setattr(loop.Trainer, "step", spoiled)
    with pytest.raises(loop.TrainingError) as error:
        tiny.fit(folder)
    said = str(error.value)
    assert said.startswith(f"epoch 2, step 2: {what} is ") and "the batch: " in said
    assert ".wav" in said and f"last good epoch: epoch 1, in {folder / results.CHECKPOINT}" in said
    assert len(results.read_history(folder)) == 1


def test_the_last_good_epoch_is_that_of_the_checkpoint(tmp_path, monkeypatch):
    """Where an epoch takes less time than a checkpoint, most epochs write none."""
    folder, step = run_folder(tmp_path), loop.Trainer.step

    def first_only(keeper):
        if keeper.state.epoch == 1:
            keeper.now()

    def broken(trainer, x, targets):
        return step(trainer, x * torch.nan if trainer.epoch == 2 else x, targets)

    monkeypatch.setattr(loop.checkpoints.Keeper, "when_due", first_only)
    monkeypatch.setattr(loop.Trainer, "step", broken)
    with pytest.raises(loop.TrainingError, match="epoch 3, step 1: loss is nan") as error:
        tiny.fit(folder)
    assert f"last good epoch: epoch 1, in {folder / results.CHECKPOINT}" in str(error.value)
    monkeypatch.undo()
    tiny.fit(folder).verify()  # goes on from there
    assert results.read_history(folder).epoch.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_weights_that_the_last_step_of_an_epoch_breaks_are_never_a_checkpoint(
        tmp_path, monkeypatch, average):
    """Nothing is computed with them before the epoch's end; the last good checkpoint stays."""
    changes, step, taken = {"train.average": average}, loop.Trainer.step, []
    folder = results.run_folder(tmp_path, "tiny", "smoke", tiny.settings(**changes).name, 0, 1)

    def breaks(trainer, x, targets):
        answer = step(trainer, x, targets)
        taken.append(trainer.epoch + 1)
        if taken.count(2) == 3:  # of three: 24 clips, 8 in a batch
            broken = trainer.final_model().classifier.weight.data
            broken[0, 0] = torch.inf
        return answer

    monkeypatch.setattr(loop.Trainer, "step", breaks)
    with pytest.raises(loop.TrainingError) as error:
        tiny.fit(folder, **changes)
    said = str(error.value)
    assert said.startswith("epoch 2, step 3: classifier.weight is not finite after it; the batch: ")
    assert f"last good epoch: epoch 1, in {folder / results.CHECKPOINT}" in said
    assert json.loads((folder / results.CHECKPOINT).read_text())["epoch"] == 1
    monkeypatch.undo()
    tiny.fit(folder, **changes).verify()


@pytest.mark.parametrize("command", [
    ["crossval", "synth", "--experiments", "svm", "--profile", "smoke", "--out", "{folder}/runs"],
    ["features", "synth", "--profile", "smoke"],
    ["report", "{folder}/closed"],
])
def test_a_folder_that_another_user_owns(command):
    """As a user who may do nothing here: the error names the folder, and nothing is written."""
    if os.geteuid():
        pytest.skip("another user's permissions can be taken on by root only")
    with tempfile.TemporaryDirectory() as folder:
        (closed := Path(folder, "closed")).mkdir(mode=0o700)
        (closed / "secret").touch()
        os.chmod(folder, 0o555)
        # modules are imported as root: the environment may lie where the other user cannot read
        code = ("import os, sys, sklearn.svm, distributed, librosa\n"
                "from acrnn_lib.data import synth\n"
                "from acrnn_lib.evaluation import tables\n"
                "from acrnn_lib.features import store\n"
                "from acrnn_lib.training import classical, crossval\n"
                "from acrnn_lib.commands import main\n"
                "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
                "sys.exit(main(sys.argv[1:]))")
        given = [word.format(folder=folder) for word in command]
        process = subprocess.Popen(
            [sys.executable, "-c", code, *given], stderr=subprocess.PIPE, text=True,
            stdout=subprocess.DEVNULL, env={**os.environ, "ACRNN_CACHE": f"{folder}/cache"})
        said = one_error(process)
        assert folder in said and ("Permission denied" in said or "no complete runs" in said)
        assert [path.name for path in Path(folder).iterdir()] == ["closed"]
