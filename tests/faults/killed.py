"""Programs that die on purpose: ``python -m tests.faults.killed WHAT FOLDER INDEX MODE``.

The process sends itself SIGKILL at the INDEX-th file that it puts in place (from 1; 0: never):
MODE half: while the file is half written; before, after: its move to its final name.
"""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd

from acrnn_lib.evaluation import results
from tests import tiny

SEEN = 0


def die_at(index, mode):
    """From now on this process dies at the ``index``-th ``os.replace``, or its write before it."""
    sync, replace = os.fsync, os.replace

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def half_written(handle):
        if SEEN + 1 == index and mode == "half":
            os.truncate(handle, os.fstat(handle).st_size // 2)
            die()
        sync(handle)

    def moved(*names):
        global SEEN
        SEEN += 1
        if SEEN == index and mode != "after":
            die()
        replace(*names)
        if SEEN == index:
            die()

    if index:
        os.fsync, os.replace = half_written, moved


def train(folder):
    """A fold in four epochs: 17 files are put in place."""
    tiny.fit(folder, report=lambda row: print(row["epoch"], flush=True))


def store(folder):
    """A feature store of 48 short noises and one copy, with blocks of 8 clips."""
    import soundfile

    from acrnn_lib.config import BankConfig, FeatureConfig
    from acrnn_lib.features import store

    os.environ["ACRNN_CACHE"] = os.path.join(folder, "cache")
    store.BLOCK, rows, rng = 8, [], np.random.default_rng(0)
    for k in range(48):
        path = os.path.join(folder, f"1-{k}-A-0.wav")
        wave = rng.standard_normal(8000) * 0.1
        if not os.path.exists(path):
            soundfile.write(path, wave, 44100)
        rows.append({"clip_id": f"1-{k}-A", "path": path, "fold": 1, "target": 0})
    print("0", flush=True)
    store.load(pd.DataFrame(rows), FeatureConfig(), BankConfig(copies=1), workers=1)
    print(store.datasets.data_hash(pd.DataFrame(rows)), flush=True)


def start(what, folder, index=0, mode="after"):
    """The program in a process of its own, one thread."""
    command = [sys.executable, "-m", "tests.faults.killed", what, folder, index, mode]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(what, folder):
    """The program from where it is to its end."""
    process = start(what, folder)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def run_folder(root):
    """Where `train` puts its run."""
    return results.run_folder(root, "tiny", "smoke", tiny.settings().name, 0, 1)


if __name__ == "__main__":
    die_at(int(sys.argv[3]), sys.argv[4])
    {"train": train, "store": store}[sys.argv[1]](sys.argv[2])
