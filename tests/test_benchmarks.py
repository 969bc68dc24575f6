"""The benchmarks still run: on a few sounds, with no clock read."""

import subprocess
import sys
from pathlib import Path

import pytest

from acrnn_lib.training import parallel

pytest.importorskip("gammatone")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def said(*words):
    """Numbers in the last line that a script of benchmarks/ prints."""
    done = subprocess.run([sys.executable, "-m", *map(str, words)], cwd=ROOT, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.splitlines()[-1].split()]


@pytest.mark.parametrize("copies", [0, 1])
def test_a_store_is_built(copies):
    seconds, peak = said("benchmarks.store", "build", 3, copies)
    assert seconds > 0 and peak > 50  # MiB


def test_a_store_is_built_from_wav(tmp_path):
    said("benchmarks.store", "build", 3, 0, tmp_path)
    assert len(list(tmp_path.glob("*.wav"))) == 3


def test_growing_sets_are_stored_and_cut():
    seconds, peak, epoch = said("benchmarks.store", "grow", 3)
    assert seconds > 0 and peak > 50 and epoch > 0


def test_folds_and_empty_tasks_run_on_a_worker(tmp_path):
    pytest.importorskip("distributed")
    from benchmarks import scale

    assert [task.fold for task in scale.plan()] == list(scale.FOLDS)
    with parallel.connect(processes=1) as client:
        assert scale.timed(client, scale.empty(2), tmp_path) > 0
    assert len(list(tmp_path.rglob("manifest.json"))) == 2
