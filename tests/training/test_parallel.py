"""Folds on other processes: the same predictions, nothing done twice, nothing open by mistake."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from acrnn_lib import files
from acrnn_lib.commands import main
from acrnn_lib.evaluation import results
from acrnn_lib.features import store
from acrnn_lib.training import crossval, parallel
from tests.browser.conftest import free_port
from tests.tools import ROOT

pytestmark = pytest.mark.slow

distributed = pytest.importorskip(
    "distributed", reason="Dask is not installed: pip install 'acrnn-kit[dask]'")
psutil = pytest.importorskip("psutil", reason="comes with Dask")

CHANGES = {"train.epochs": 6, "train.segments": 1, "train.batch_size": 80, "bank.copies": 0,
           "model.rnn_cells": 8}
FOLDS = (1, 2, 3, 4)
# what a worker loads to note every epoch that it trains and every clip whose features it computes
NOTES = """
import os
import time
from acrnn_lib.features import store
from acrnn_lib.training import loop
def note(epoch_of):
    def noted(trainer, data, epoch):
        row = epoch_of(trainer, data, epoch)
        with open(os.environ["NOTES"], "a") as file:
            file.write(f"{trainer.fold} {epoch} {os.getpid()}\\n")
        return row
    return noted
def clip(augmented_copy):
    def noted(*given):
        time.sleep(0.02)  # there is time to die in between
        with open(os.environ["NOTES"] + ".clips", "a") as file:
            file.write(f"{os.getpid()}\\n")
        return augmented_copy(*given)
    return noted
def dask_setup(worker):
    loop.run_epoch = note(loop.run_epoch)
    store.augmented_copy = clip(store.augmented_copy)
"""


def crossval_of(out, folds=FOLDS, **options):
    return crossval.run("synth", ["attention-rnn"], "smoke", folds, device="cpu", out=out,
                        changes=CHANGES, progress=False, threads=1, **options)


def predicted(root):
    """{fold folder: bytes of its predictions}"""
    paths = Path(root).glob("synth/*/*/seed0/fold*/predictions.csv")
    return {path.parent.name: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The predictions of one process, fold after fold."""
    out = tmp_path_factory.mktemp("serial")
    crossval_of(out)
    return predicted(out)


def until(true, seconds=600):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def listening(*processes):
    """{IP address} on which processes (ids) and all that they have started take connections."""
    every = [psutil.Process(found) for found in processes]
    every += [child for process in every for child in process.children(recursive=True)]
    found = set()
    for process in every:
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            found |= {place.laddr.ip for place in process.net_connections("inet")
                      if place.status == psutil.CONN_LISTEN}
    return found


class Processes:
    """A scheduler, its workers and clients, each a real process that can be killed."""

    def __init__(self, folder):
        self.folder, self.all = folder, []
        self.notes, self.file = folder / "notes.txt", folder / "scheduler.json"
        (folder / "notes.py").write_text(NOTES)
        # sounds and features as they are, but no task that an earlier test has left
        (folder / "cache").mkdir()
        for shared in files.cache_dir().iterdir():
            if shared.name != "tasks" and shared.suffix != ".lock":  # links are no locks
                (folder / "cache" / shared.name).symlink_to(shared)
        self.environment = {**os.environ, "NOTES": str(self.notes),
                            "ACRNN_CACHE": str(folder / "cache"),
                            # for workers that a client starts
                            "DASK_DISTRIBUTED__WORKER__PRELOAD": str(folder / "notes.py")}
        self.start("scheduler", "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
                   "--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file",
                   self.file)
        until(self.file.exists)
        self.address = json.loads(self.file.read_text())["address"]

    def start(self, name, *command):
        with open(self.folder / f"{name}.log", "a") as log:
            self.all.append(subprocess.Popen([sys.executable, *map(str, command)], stdout=log,
                                             stderr=log, env=self.environment, cwd=self.folder))
        return self.all[-1]

    def worker(self):
        return self.start("worker", "-m", "distributed.cli.dask_worker", self.address,
                          "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1",
                          "--dashboard-address", "127.0.0.1:0")

    def client(self, out, folds=FOLDS, where=()):
        changes = [word for key, value in CHANGES.items() for word in ("--set", f"{key}={value}")]
        return self.start("client", "-m", "acrnn_lib", "crossval", "synth", "--experiments",
                          "attention-rnn", "--profile", "smoke", "--device", "cpu", "--threads", 1,
                          "--folds", ",".join(map(str, folds)), "--out", out,
                          *(where or ("--scheduler", self.address)), *changes)

    def epochs(self):
        """[(fold, epoch, process)] that workers have trained."""
        text = self.notes.read_text() if self.notes.exists() else ""
        return [tuple(map(int, line.split())) for line in text.splitlines()]

    def clips(self):
        """[process] of every clip whose features workers have computed."""
        path = self.notes.with_name("notes.txt.clips")
        return list(map(int, path.read_text().split())) if path.exists() else []

    def stop(self):
        for process in self.all:
            process.kill()
            process.wait()


@pytest.fixture
def processes(tmp_path):
    started = Processes(tmp_path)
    yield started
    started.stop()


def test_a_worker_and_the_client_killed_nothing_is_lost_or_done_twice(serial, processes, tmp_path):
    workers = [processes.worker() for _ in range(3)]
    client = processes.client(tmp_path / "out")
    until(processes.epochs)
    victim = processes.epochs()[0][2]  # it is in the middle of a task
    os.kill(victim, signal.SIGKILL)
    assert victim in {worker.pid for worker in workers}
    until(lambda: predicted(tmp_path / "out"))
    client.send_signal(signal.SIGKILL)
    client.wait()
    before = predicted(tmp_path / "out")
    assert len(before) < len(FOLDS), "the client was killed too late to show anything"
    assert processes.client(tmp_path / "out").wait(timeout=300) == 0
    assert predicted(tmp_path / "out") == serial
    assert before.items() <= serial.items()
    trained = [(fold, epoch) for fold, epoch, _ in processes.epochs()]
    assert set(trained) == {(fold, epoch + 1) for fold in FOLDS for epoch in range(6)}
    # the kill may have come between an epoch and its checkpoint
    assert len(trained) <= len(FOLDS) * 6 + 1
    said = (tmp_path / "client.log").read_text()
    assert "dashboard http://127.0.0.1:" in said and "done by tcp://127.0.0.1:" in said
    for run in results.load(tmp_path / "out"):
        run.verify()
        assert run.manifest["threads"] == 1


def test_a_worker_killed_among_its_features_another_one_builds_on(serial, processes, tmp_path):
    (tmp_path / "cache" / "features").unlink()
    workers = {processes.worker().pid for _ in range(2)}
    client = processes.client(tmp_path / "out", FOLDS[:1])
    until(lambda: len(processes.clips()) > store.BLOCK)
    assert listening(*(process.pid for process in processes.all)) == {"127.0.0.1"}
    (victim,) = set(processes.clips())
    os.kill(victim, signal.SIGKILL)
    assert client.wait(timeout=300) == 0
    assert predicted(tmp_path / "out") == {"fold1": serial["fold1"]}
    clips = processes.clips()
    assert set(clips) == workers
    assert len(clips) <= 100 + store.BLOCK, "what was built was built again"


def test_a_process_of_this_machine_killed_its_fold_is_trained_on(serial, processes, tmp_path):
    client = processes.client(tmp_path / "out", FOLDS[:2], ("--processes", 2))
    until(processes.epochs)
    fold, _, victim = processes.epochs()[0]
    os.kill(victim, signal.SIGKILL)
    assert client.wait(timeout=300) == 0
    assert predicted(tmp_path / "out") == {name: serial[name] for name in ("fold1", "fold2")}
    assert len({process for of, _, process in processes.epochs() if of == fold}) == 2


def documented(text):
    """The dask commands in a text, each a list of words, less comments."""
    lines = text.replace("\\\n", "").splitlines()
    return [line.partition(" #")[0].split() for line in lines if line.startswith("dask ")]


BOOK = (ROOT / "book" / "many_machines.md").read_text()


def test_documented_commands_open_nothing_to_a_network(processes, monkeypatch):
    monkeypatch.setattr(parallel, "ANSWER", 1)
    with pytest.raises(parallel.ClusterError) as error, parallel.connect("tcp://127.0.0.1:8786"):
        pass  # nobody is there, and what to do is said
    scheduler, worker = [words for words in documented(BOOK) if "tls" not in str(words)]
    (hint,) = documented(re.sub(".*; dask", "dask", str(error.value)))
    ports = {"8786": str(free_port()), "8787": "0"}
    for words in (scheduler, worker, hint):
        command = re.sub("878[67]", lambda found: ports[found[0]], " ".join(words)).split()
        processes.start(words[1], "-m", *command)
    with closing(distributed.Client(f"tcp://127.0.0.1:{ports['8786']}", timeout=30)) as client:
        client.wait_for_workers(3, timeout=60)
        assert listening(*(process.pid for process in processes.all)) == {"127.0.0.1"}


def test_documented_dashboards_stay_on_their_machine():
    commands = documented(BOOK)
    assert [words[1] for words in commands] == ["scheduler", "worker"] * 2
    for words in commands:
        assert words[words.index("--dashboard-address") + 1].startswith("127.0.0.1:")


def test_processes_of_this_machine_open_nothing_to_a_network():
    with parallel.connect(processes=1):
        assert listening(os.getpid()) == {"127.0.0.1"}


@pytest.mark.parametrize("number", [2, pytest.param(1, marks=pytest.mark.long)])
def test_processes_of_this_machine_predict_the_same(serial, tmp_path, number, capsys):
    runs = crossval_of(tmp_path, FOLDS[:2], away={"processes": number})
    assert predicted(tmp_path) == {name: serial[name] for name in ("fold1", "fold2")}
    assert [run.fold for run in runs] == [1, 2]
    assert f"{number} workers" in capsys.readouterr().err


@pytest.mark.parametrize("address, insecure, words", [
    ("tcp://192.0.2.1:8786", False, "use tls://, or --insecure"),
    ("tcp://0.0.0.0:8786", False, "is not on this machine"),
    ("127.0.0.1", False, "expected tcp://host:port"),
    ("http://127.0.0.1:8786", False, "expected tcp://host:port"),
    ("tcp://127.0.0.1:port", False, "expected tcp://host:port"),
    ("tcp://no-such-host.invalid:8786", False, "no such host"),
    ("tls://127.0.0.1:9", False, "no scheduler"),
    ("tcp://127.0.0.1:9", False, "no scheduler"),
])
def test_addresses_are_refused_with_a_reason(address, insecure, words, monkeypatch):
    monkeypatch.setattr(parallel, "ANSWER", 1)
    with pytest.raises(parallel.ClusterError, match=words) as error, \
            parallel.connect(address, insecure=insecure):
        pass
    assert "\n" not in str(error.value)


def test_insecure_is_the_only_way_past_this_machine_without_tls():
    assert parallel.needs_tls("tcp://192.0.2.1:8786", insecure=True) is False
    assert parallel.needs_tls("tls://192.0.2.1:8786", insecure=False) is True
    assert parallel.needs_tls("tcp://localhost:8786", insecure=False) is False


def test_options_that_contradict_each_other(capsys):
    run = ["crossval", "synth", "--experiments", "acrnn"]
    with pytest.raises(SystemExit) as stop:
        main([*run, "--processes", "2", "--scheduler", "tcp://127.0.0.1:1"])
    assert stop.value.code == 2 and "not allowed with" in capsys.readouterr().err
    assert main([*run, "--scheduler", "tls://127.0.0.1:1", "--tls", "a", "b", "c"]) == 1
    assert "a: no such file" in capsys.readouterr().err


@dataclass(frozen=True)
class Short:
    """A task that takes no time, or fails."""

    fold: int
    fails: bool = False
    experiment = crossval.experiment("svm")
    label = property(lambda self: f"short fold {self.fold}")

    def folder(self, root):
        return results.run_folder(root, "tiny", "smoke", "short", 0, self.fold)

    def run(self, root):
        if self.fails:
            raise ValueError("no sound today")
        results.append_history(self.folder(root), {"epoch": 1})
        results.append_history(self.folder(root), {"epoch": 1, "last": 1}, results.WATCHED["test"])
        table = results.pd.DataFrame({"filename": ["a"], "clip_id": [f"{self.fold}-1-A"],
                                      "fold": [self.fold], "target": [0], "p_0": 1, "p_1": 0})
        results.write(self.folder(root), table, {"config_hash": "1", "watched": "test"})


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A scheduler and a worker within this process."""
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path / "cache"))
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=1,
                            dashboard_address=None) as found:
        yield found


def test_a_task_that_fails_is_named_and_the_rest_goes_on(client, tmp_path):
    tasks = [Short(1), Short(2, fails=True), Short(3)]
    with pytest.raises(parallel.ClusterError, match=r"short fold 2: ValueError on .*: no sound"):
        parallel.run(client, tasks, tmp_path / "out", progress=False)
    runs = results.load(tmp_path / "out")
    assert [run.fold for run in runs] == [1, 3] and list(runs[0].watched["last"]) == [1]
    assert not list((tmp_path / "cache" / "tasks").glob("*")), "workers keep nothing"


def test_workers_with_other_code_or_other_sounds_are_refused(client, tmp_path, monkeypatch):
    wrong = client.submit(parallel.train_task, Short(1), {}, "other").result()[2]
    assert "another version of the kit" in wrong
    monkeypatch.setattr(crossval.datasets, "load", lambda *_: results.pd.DataFrame(
        {"path": ["/here/1.wav"], "fold": 1, "target": 0, "clip_id": "1-1-A"}))
    monkeypatch.setattr(crossval.datasets, "data_hash", lambda _: "theirs")
    task = crossval.Task(crossval.experiment("svm"), "synth", None, 10, 0, 1, [2, 3], "cpu", 1,
                         None, True, False, {"data_hash": "ours"})
    with pytest.raises(crossval.datasets.DatasetError, match="data hash theirs, expected ours"):
        task.run(tmp_path)


def certificates(folder):
    """A certificate that is its own authority, for 127.0.0.1, and its key."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
               "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
               "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return folder / "cert.pem", folder / "cert.pem", folder / "key.pem"


def test_tls_with_its_files_and_not_without(tmp_path):
    files = certificates(tmp_path)
    names = ("tls_ca_file", "tls_client_cert", "tls_client_key", "tls_scheduler_cert",
             "tls_scheduler_key", "tls_worker_cert", "tls_worker_key")
    security = distributed.Security(
        require_encryption=True,
        **dict(zip(names, map(str, (*files, *files[1:], *files[1:])), strict=True)))
    with distributed.LocalCluster(n_workers=1, processes=False, host="127.0.0.1",
                                  protocol="tls://", security=security,
                                  dashboard_address=None) as running:
        address = running.scheduler_address
        with parallel.connect(address, tls=files) as client:
            assert client.submit(sum, [1, 2]).result() == 3
        with pytest.raises(parallel.ClusterError, match="no scheduler"), parallel.connect(address):
            pass
