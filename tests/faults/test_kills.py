"""SIGKILL at any moment: the same command goes on, and ends as if nothing had happened."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import pytest

from acrnn_lib.evaluation import results
from tests.faults.killed import finish, run_folder, start

pytestmark = pytest.mark.slow

MODES = ("half", "before", "after")
WRITES = {"train": 17, "store": 14}  # files that each program puts in place


def kills(what, root, wanted):
    """(folder, moment) of processes, until so many have died of SIGKILL.

    Two of three die at a random write, which they must reach; the others at a random moment, at
    which some are done already: these are not counted.
    """
    seed, died, number = random.randrange(10**6), 0, 0
    rng = random.Random(seed)
    while died < wanted:
        number += 1
        folder = root / str(number)
        folder = run_folder(folder) if what == "train" else folder
        folder.mkdir(parents=True)
        index, mode, wait = rng.randint(1, WRITES[what]), rng.choice(MODES), rng.uniform(0, 2)
        if number % 3:
            process, moment = start(what, folder, index, mode), f"write {index}, {mode}"
        else:
            process, moment = start(what, folder), f"after {wait:.2f} s"
            process.stdout.readline()
            time.sleep(wait)
            process.kill()
        process.communicate(timeout=300)
        moment = f"seed {seed}, kill {number}: {moment}"
        allowed = [-signal.SIGKILL] if number % 3 else [-signal.SIGKILL, 0]
        assert process.returncode in allowed, moment
        died += process.returncode == -signal.SIGKILL
        yield folder, moment
    print(f"\n{what}: {died} kills of {number} processes, 0 lost, seed {seed}")


def whole(folder):
    """Everything that stands under its final name can be read and is what it says."""
    if (folder / results.CHECKPOINT).exists():
        note = json.loads((folder / results.CHECKPOINT).read_text())
        data = (folder / note["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == note["sha256"]
    results.read_history(folder)
    if results.is_complete(folder):
        results.Run.at(folder).verify()


def test_training_killed_goes_on_to_the_same_bytes(tmp_path, uninterrupted, times):
    for folder, moment in kills("train", tmp_path, times(3, 30)):
        whole(folder)
        finish("train", folder)
        again = results.Run.at(folder)
        again.verify()
        for name in ("predictions.csv", "model.safetensors"):
            expected = (uninterrupted.folder / name).read_bytes()
            assert (folder / name).read_bytes() == expected, moment
        columns = ["epoch", "loss", "accuracy", "learning_rate", "segments"]
        assert again.history[columns].equals(uninterrupted.history[columns]), moment
        assert not [*folder.glob("checkpoint*"), *folder.glob(".*")], moment


def features(folder):
    return {path.name: path.read_bytes() for path in (folder / "cache").glob("features/*.npy")}


def test_feature_store_killed_is_built_on(tmp_path, times):
    (tmp_path / "whole").mkdir()
    finish("store", tmp_path / "whole")
    expected = features(tmp_path / "whole")
    assert len(expected) == 2
    for folder, moment in kills("store", tmp_path, times(1, 30)):
        assert features(folder).items() <= expected.items(), moment
        finish("store", folder)
        assert features(folder) == expected, moment
        left = [path.name for path in (folder / "cache").rglob("*")
                if path.is_file() and path.suffix != ".lock"]
        assert {path.rpartition(".")[2] for path in left} == {"npy", "json"}, moment
        assert not [name for name in left if name.startswith(".")], moment


CODE = """
import pathlib, sys
from acrnn_lib.kit import recount, reproduce
recount.rebuild = lambda *folders: []
reproduce.build_book = lambda *given: "the book"
sys.exit(reproduce.run(root=pathlib.Path(sys.argv[1])))
"""


def notebooks(root, number):
    """Notebooks that each note that they have run to their end."""
    for name in ("notebooks", "acrnn_lib", "results", "book"):
        (root / name).mkdir(parents=True)
    for k in range(number):
        cells = [nbformat.v4.new_code_cell('DATASET = "synth"\nPROFILE = "smoke"\nDATA = None',
                                           metadata={"tags": ["parameters"]}),
                 nbformat.v4.new_code_cell(f"open('../log.txt', 'a').write('{k}\\n')")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells),
                       root / "notebooks" / f"0{k}_part.ipynb")


def test_reproduce_killed_goes_on_where_it_was(tmp_path, times):
    seed, died, number, wanted = random.randrange(10**6), 0, 0, times(1, 30)
    rng = random.Random(seed)
    while died < wanted:
        number += 1
        root = tmp_path / str(number)
        notebooks(root, 3)
        log = root / "log.txt"
        log.touch()
        command = [sys.executable, "-c", CODE, str(root)]
        lines, wait = rng.randrange(3), rng.uniform(0, 2)
        # a session of its own, so that the kernel dies with it
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        while len(log.read_text().splitlines()) < lines:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGKILL)  # a zombie too, as nobody has waited for it
        moment = f"seed {seed}, kill {number}: {lines} notebooks and {wait:.1f} s"
        assert process.wait() in (-signal.SIGKILL, 0), moment
        died += process.returncode == -signal.SIGKILL
        done = root / "build" / "notebooks" / "synth-smoke"
        finished = [path.stem for path in done.glob("*_part.json")]
        for path in done.glob("0*_part.ipynb"):
            nbformat.validate(nbformat.read(path, 4))
        before = log.read_text().splitlines()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
        runs = log.read_text().splitlines()
        assert set(runs) == {"0", "1", "2"}, moment
        for stem in finished:
            assert runs.count(str(int(stem[:2]))) == 1, moment
        assert len(runs) <= 3 + 1 and runs[: len(before)] == before, moment
        assert sorted(path.name for path in done.iterdir()) == sorted(
            f"0{k}_part.{kind}" for k in range(3) for kind in ("ipynb", "json")), moment
    print(f"\nreproduce: {died} kills of {number} processes, 0 lost, seed {seed}")


def test_two_runs_at_once_on_the_same_folder_and_store(tmp_path, uninterrupted):
    """The second waits, says so, and finds the work done."""
    folder = run_folder(tmp_path)
    both = [start("train", folder)]
    both[0].stdout.readline()  # it holds the folder and has trained an epoch
    both[0].send_signal(signal.SIGSTOP)
    both.append(start("train", folder))
    assert "waiting for another process" in both[1].stderr.readline()
    both[0].send_signal(signal.SIGCONT)
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[1][0] == "", "it trained what was trained"
    assert ((folder / "predictions.csv").read_bytes()
            == (uninterrupted.folder / "predictions.csv").read_bytes())
    store = tmp_path / "store"
    store.mkdir()
    both = [start("store", store), start("store", store)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("waiting for another process" in err for _, err in said) <= 1
    assert sum("features: 0 of 48" in err for _, err in said) == 1, "built twice"
    for data in features(store).values():
        assert np.frombuffer(data, "<f2", offset=128).size == 48 * 128 * 431
