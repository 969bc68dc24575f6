"""Measure all leaks of the laboratory on a data set and keep the counts under results/leakage/.

python tools/leakage_evidence.py esc10 [DIR]

Beside the counts stands a manifest: settings, data, versions, machine, time.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch

from acrnn_lib import config
from acrnn_lib.data import datasets
from acrnn_lib.device import machine
from acrnn_lib.features import store
from acrnn_lib.files import write_bytes
from acrnn_lib.kit import leakage
from acrnn_lib.training import crossval

FOLDER = Path("results/leakage")


def main(dataset, root=None):
    started = time.time()
    table = datasets.load(dataset, root)
    features, bank = config.FeatureConfig(), config.BankConfig()
    data = leakage.prepare(table, store.load(table, features, bank), features)
    counts = leakage.run(data)
    manifest = {
        "dataset": dataset, "data_hash": datasets.data_hash(table), "clips": len(table),
        "recordings": int(table["source"].nunique()), "repeats": leakage.REPEATS,
        "folds": leakage.FOLDS, "epochs": leakage.EPOCHS, "segments": len(data.segments),
        "features": config.as_dict(features), "bank": config.as_dict(bank),
        **crossval.git_state(), **machine(torch.device("cpu"), "float32", "contiguous"),
        "scikit-learn": version("scikit-learn"), "wall_seconds": round(time.time() - started, 1),
    }
    write_bytes(FOLDER / f"{dataset}.csv", counts.to_csv(index=False, lineterminator="\n").encode())
    text = json.dumps(manifest, indent=1) + "\n"
    write_bytes(FOLDER / f"{dataset}.json", text.encode())
    print(leakage.inflation(counts).round(3).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
