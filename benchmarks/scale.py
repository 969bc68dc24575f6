"""Folds side by side: efficiency from one worker process to two, and the cost of a task itself.

Two processes share a machine's memory and caches, so that two of them may do less than twice the
work of one whoever hands it out: the same folds in plain processes show that share.
"""

import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from acrnn_lib.evaluation import results
from acrnn_lib.training import crossval, parallel

CHANGES = {"train.epochs": 2, "train.segments": 1, "bank.copies": 0, "model.early_pooling": True,
           "model.rnn_cells": 64}
FOLDS = (1, 2, 3, 4)
EMPTY = 40  # tasks


class Empty(crossval.Task):
    """A task that only writes a run folder: all of its time is overhead."""

    def run(self, root):
        results.append_history(self.folder(root), {"epoch": 1})
        table = results.pd.DataFrame({"filename": ["a"], "clip_id": ["1-1-A"], "fold": [1],
                                      "target": [0], "p_0": 1, "p_1": 0})
        results.write(self.folder(root), table, {"config_hash": "1"})


def empty(number):
    """So many of them, a seed each."""
    return [Empty(**vars(plan()[0]) | {"seed": k}) for k in range(number)]


def run(repeats):
    """Rows of four folds on one and two workers, one thread each, and of empty tasks."""
    seconds, plain = {number: [] for number in (1, 2)}, {number: [] for number in (1, 2)}
    overhead = []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats):
            for number, times in seconds.items():
                with parallel.connect(processes=number) as client:
                    tasks = plan()
                    # imports and features come before the clock starts
                    parallel.run(client, tasks[:2], Path(folder, f"warm{number}-{repeat}"), False)
                    times.append(timed(client, tasks, Path(folder, f"{number}-{repeat}")))
                    if number == 1:
                        overhead.append(timed(client, empty(EMPTY),
                                              Path(folder, f"empty{repeat}")))
                plain[number].append(alone(number, Path(folder, f"alone{number}-{repeat}")))
    one, two = (statistics.median(times) for times in seconds.values())
    row = {"stage": "four folds of a small ACRNN, one thread each", "way": "", "ms": "",
           "ours is faster by": "", "target": "", "notes": ""}
    yield row | {"way": "one worker", "ms": f"{1e3 * one:.0f}"}
    yield row | {"way": "two workers", "ms": f"{1e3 * two:.0f}",
                 "notes": f"{one / two:.2f} times as fast, efficiency {one / two / 2:.0%}"}
    one, two = (statistics.median(times) for times in plain.values())
    yield row | {"way": "two plain processes, nobody between", "ms": f"{1e3 * two:.0f}",
                 "notes": f"{one / two:.2f} times as fast as one, efficiency {one / two / 2:.0%}"}
    yield row | {"stage": "overhead of a task", "way": "submit, send the files, write them",
                 "ms": f"{1e3 * statistics.median(overhead) / EMPTY:.1f}"}


def alone(number, folder):
    """Seconds of the same folds in a pool of processes, once those have started."""
    with ProcessPoolExecutor(number, get_context("spawn")) as pool:
        list(pool.map(partial(train, folder / "warm"), plan()[:2]))
        started = time.perf_counter()
        list(pool.map(partial(train, folder / "timed"), plan()))
        return time.perf_counter() - started


def train(folder, task):
    """One fold, in the process that this is called in."""
    task.run(folder)


def plan():
    """The tasks of ``FOLDS``, from generated sounds."""
    return crossval.plan("synth", ["acrnn"], "smoke", FOLDS, (0,), "cpu", data=None, workers=1,
                         changes=CHANGES, inner=False, threads=1, attention=False)


def timed(client, tasks, out):
    started = time.perf_counter()
    parallel.run(client, tasks, out, progress=False)
    return time.perf_counter() - started
