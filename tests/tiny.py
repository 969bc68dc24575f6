"""A task small enough to train in seconds: noise whose loud band tells the class.

Run as a program it trains one fold, so that tests can kill it.
"""

import sys

import numpy as np
import pandas as pd
import torch

from acrnn_lib.config import READS
from acrnn_lib.experiments import experiment
from acrnn_lib.training import loop
from acrnn_lib.training.batches import TrainingData

SETTINGS = {"train.epochs": 4, "train.batch_size": 8, "train.segments": 1, "bank.copies": 1,
            "model.early_pooling": True, "model.rnn_cells": 16}


def task(clips=30, classes=3):
    """(table, copies): clips in five folds, features as the store would give them."""
    rng = np.random.default_rng(0)
    rows = [{"clip_id": f"{k % 5 + 1}-{k}-A", "path": f"{k}.wav", "fold": k % 5 + 1,
             "target": k // 5 % classes, "category": f"class{k // 5 % classes}"}
            for k in range(clips)]
    table = pd.DataFrame(rows)
    copies = [rng.normal(-8, 1, (clips, 128, 200)).astype(np.float16) for _ in range(2)]
    for k, target in enumerate(table.target):
        for copy in copies:
            copy[k, target * 40 : target * 40 + 20] += 4
    return table, copies


def settings(name="acrnn-plus", **changes):
    read = READS.get(name, [key.removeprefix("model.") for key in SETTINGS])
    small = {key: value for key, value in SETTINGS.items()
             if not key.startswith("model.") or key.removeprefix("model.") in read}
    return experiment(name, "smoke", {**small, **changes})


def fit(folder, name="acrnn-plus", report=None, **changes):
    return loop.fit(settings(name, **changes), *task(), 1, 0, folder, device="cpu", report=report)


def waves(clips=30):
    """Noises as long as the features of `task`, two copies, as the store would give them."""
    rng = np.random.default_rng(1)
    return [rng.normal(0, 0.01, (clips, 199 * 512)).astype(np.float16) for _ in range(2)]


def trainer(settings, table, copies, device="cpu", train_folds=(2, 3, 4, 5)):
    """(Trainer, TrainingData) of fold 1, seed 0."""
    device = torch.device(device)
    of_waves = waves() if settings.train.mix_on == "waves" else None
    data = TrainingData(settings, table, copies, list(train_folds), device, of_waves)
    return loop.Trainer(settings, len(data.classes), 0, 1, device), data


if __name__ == "__main__":
    fit(sys.argv[1], report=lambda row: print(row["epoch"], flush=True))
