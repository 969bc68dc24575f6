"""Fifty classes go the whole way, by the commands that ten go: files, runs, tables, notebooks.

ESC-50 itself cannot be fetched where this was written. A folder of its layout stands in, with one
short sound per class under the 2,000 names.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acrnn_lib.evaluation import claims, confusions, recalls, results, tables
from acrnn_lib.kit import reproduce
from acrnn_lib.training import crossval
from tests.data.test_datasets import esc50_parts  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, esc50_parts):  # noqa: F811
    table, _ = esc50_parts
    root = tmp_path_factory.mktemp("fifty") / "ESC-50-master"
    for name in ("audio", "meta", "sounds"):
        (root / name).mkdir(parents=True)
    table.to_csv(root / "meta" / "esc50.csv", index=False)
    rng, seconds = np.random.default_rng(0), np.arange(220500) / 44100
    for target in range(50):
        tone = np.sin(2 * np.pi * 100 * 1.1**target * seconds) + rng.normal(0, 0.1, len(seconds))
        soundfile.write(root / "sounds" / f"{target}.wav", 0.3 * tone, 44100)
    for name, target in zip(table["filename"], table["target"], strict=True):
        os.link(root / "sounds" / f"{target}.wav", root / "audio" / name)
    return root


@pytest.fixture(scope="module")
def work(tmp_path_factory, folder):
    """A folder with runs on fifty classes, of a network and of one that learns in one step."""
    work, patch = tmp_path_factory.mktemp("work"), pytest.MonkeyPatch()
    patch.setenv("ACRNN_CACHE", str(work / "cache"))
    for name, changes in (("knn", None), ("acrnn", {"train.epochs": 1})):
        runs = crossval.run("esc50", [name], "smoke", data=folder, out=work / "runs",
                            changes=changes, progress=False)
        assert [run.fold for run in runs] == [1]
    patch.undo()
    return work


def test_runs_and_tables(work):
    runs = results.load(work / "runs", dataset="esc50")
    summary = tables.summary(runs).set_index("experiment")
    assert summary.clips.tolist() == [100, 100], "two clips of each class"
    assert summary.accuracy["knn"] == 1, "each class is one sound: whoever hears anything knows it"
    assert summary.parameters["acrnn+train.epochs=1"] == 3_815_794 + 257  # fifty classes; a scorer
    for run in runs:
        assert len(confusions.confusion([run])) == len(recalls.recall([run])) == 50
    found = json.loads(tables.as_json(runs))["runs"]
    assert {row["dataset"] for row in found} == {"esc50"}
    row = claims.paper_table("models", claims.ledger([], runs), "esc50").set_index("experiment")
    assert row["this run"]["knn"].startswith("100.0%")
    assert row["verdict"]["acrnn"] == "not attempted"


@pytest.mark.parametrize("name", ["07_result_tables", "08_confusion_matrices"])
def test_notebooks(work, name):
    (work / "notebooks").mkdir(exist_ok=True)
    shutil.copytree(ROOT / "results" / "coverage", work / "results" / "coverage",
                    dirs_exist_ok=True)
    shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", work / "notebooks")
    reproduce.execute_one(work / "notebooks" / f"{name}.ipynb", work / f"{name}.ipynb",
                          {"DATASET": "esc50", "PROFILE": "smoke"})
    cells = json.loads((work / f"{name}.ipynb").read_text())["cells"]
    shown = json.dumps([cell.get("outputs") for cell in cells])
    assert "esc50" in shown and "knn" in shown
