"""The training data of one fold: segments drawn anew each epoch, augmented and normalised.

Notebook: 06_training_on_a_gpu
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..data.datasets import class_names
from ..device import sent
from ..features import augment
from ..features.frontend import normalise
from ..features.segments import Segments
from ..registry import AUGMENTATIONS


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the epoch, the step and the clips."""


class TrainingData:
    """The clips of the training folds as batches of segments.

    Parameters
    ----------
    experiment : config.Experiment
    table : clip table
    copies : list of (clips, n_bands, frames) float16 arrays
        Features of the table's clips and of their augmented copies, from ``store.load``.
    train_folds : list of int
    device : torch.device

    Attributes ``mean`` and ``std``, (channels,) or (channels, n_bands) float32 on the device, are
    those of the training folds alone. Raises ValueError for folds without clips and TrainingError
    for features that never vary. Notebook: 06_training_on_a_gpu
    """

    def __init__(self, experiment, table, copies, train_folds, device):
        self.experiment, self.device = experiment, device
        rows = folds_rows(table, train_folds, "train_folds")
        self.files = np.array([Path(path).name for path in table.path])[rows]
        self.labels = torch.from_numpy(table.target.to_numpy()[rows].copy())
        self.classes = class_names(table)
        self.segments = Segments(copies, rows, experiment.features, device)
        per_band = experiment.train.normalise == "band"
        self.mean, self.std = (m.to(device) for m in self.segments.moments(per_band))
        if not (self.std > 0).all():
            raise TrainingError("some channel or band of the training clips never varies, so it "
                                "cannot be normalised")

    def draw(self, rng):
        """The segments of one epoch as batches of equal size: a list of int64 (B, 3)."""
        recipe = self.experiment.train
        rows = self.segments.draw(recipe.segments, rng)
        n_steps = math.ceil(len(rows) / recipe.batch_size)
        return [rows[step::n_steps] for step in range(n_steps)]

    def batch(self, rows, rng):
        """Drawn segments as the network reads them, augmented.

        Returns x (B, channels, n_bands, frames) float32 and targets (B, n_classes) float32, on the
        device.
        """
        recipe = self.experiment.train
        targets = sent(F.one_hot(self.labels[rows[:, 0]], len(self.classes)).float(), self.device)
        static = self.segments.static_of(rows)
        if recipe.gain_db:
            gain = rng.uniform(-1, 1, (len(rows), 1, 1)) * recipe.gain_db * math.log(10) / 10
            static += sent(gain.astype(np.float32), self.device)
        if recipe.colour_db:
            static = augment.colour(static, recipe.colour_db, rng)
        for name in recipe.augmentations:
            static = AUGMENTATIONS[name](static, rng)
        if recipe.mix_alpha:
            static, targets = augment.mix(static, targets, recipe.mix_alpha, rng)
        x = normalise(self.segments.with_channels(static), self.mean, self.std)
        if recipe.freq_mask or recipe.time_mask:
            x = augment.mask(x, recipe.freq_mask, recipe.time_mask, rng)
        return x, targets

    def names(self, rows):
        """The files that drawn segments come from, for people."""
        return ", ".join(sorted(set(self.files[rows[:, 0]])))


def folds_rows(table, folds, name):
    """Rows of the table's clips in some folds, int64; ValueError where there is no clip."""
    if not table.fold.isin(folds).any():
        raise ValueError(f"{name}: found {folds}, expected folds with clips: "
                         f"{sorted({int(f) for f in table.fold})}")
    return np.flatnonzero(table.fold.isin(folds))
