"""The training data of one fold: segments drawn anew each epoch, augmented and normalised.

Notebook: 06_training_on_a_gpu
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from ..config import Experiment
from ..data.datasets import class_names
from ..device import sent
from ..features import augment
from ..features.frontend import normalise
from ..features.interference import Waves
from ..features.segments import Segments, shorter
from ..registry import AUGMENTATIONS

if TYPE_CHECKING:
    import pandas as pd


STEP = 18  # frames of an attention step; few lengths mean few recorded steps on a GPU


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the epoch, the step and the clips."""


class TrainingData:
    """The clips of the training folds as batches of segments.

    Parameters
    ----------
    experiment : config.Experiment
    table : pd.DataFrame
        Clip table of ``datasets.load``.
    copies : list of np.ndarray, shape (clips, n_bands, frames), float16
        Features of the clips and then of their augmented copies, from ``store.load``.
    train_folds : list of int
    device : torch.device
    waves : list of np.ndarray, shape (clips, samples), float16, optional
        Of the same clips and copies, from ``store.load_waves``, for ``mix_on="waves"``.

    Attributes
    ----------
    mean, std : torch.Tensor, shape (channels,) or (channels, n_bands), float32
        Of the training folds alone, on the device.

    Raises
    ------
    ValueError
        For folds without clips, and waves that are missing.
    TrainingError
        For a channel or band that never varies.

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, experiment: Experiment, table: "pd.DataFrame", copies: list[np.ndarray],
                 train_folds: list[int], device: torch.device,
                 waves: list[np.ndarray] | None = None):
        self.experiment, self.device = experiment, device
        rows = folds_rows(table, train_folds, "train_folds")
        self.files = np.array([Path(path).name for path in table.path])[rows]
        self.labels = torch.from_numpy(table.target.to_numpy()[rows].copy())
        self.classes = class_names(table)
        self.segments = Segments(copies, rows, experiment.features, device)
        self.waves = None
        if experiment.train.mix_on == "waves":
            if not waves:
                raise ValueError("waves: found none, expected those of store.load_waves for mix_on "
                                 "waves")
            self.waves = Waves(waves, rows, experiment.features, device)
        per_band = experiment.train.normalise == "band"
        self.mean, self.std = (m.to(device) for m in self.segments.moments(per_band))
        if not (self.std > 0).all():
            raise TrainingError("some channel or band of the training clips never varies, so it "
                                "cannot be normalised")

    def draw(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Draw the segments of one epoch, in batches of nearly equal size.

        Returns
        -------
        list of np.ndarray, shape (B, 3), int64
            A row per segment: clip, copy, first frame.
        """
        recipe = self.experiment.train
        rows = self.segments.draw(recipe.segments, rng, recipe.copies == "all")
        n_steps = math.ceil(len(rows) / recipe.batch_size)
        return [rows[step::n_steps] for step in range(n_steps)]

    def batch(self, rows: np.ndarray,
              rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment and normalise drawn segments, as the network reads them.

        Parameters
        ----------
        rows : np.ndarray, shape (B, 3), int64
            One batch of ``draw``.
        rng : np.random.Generator

        Returns
        -------
        x : torch.Tensor, shape (B, channels, n_bands, frames), float32
        targets : torch.Tensor, shape (B, n_classes), float32
            Probabilities of the classes; both tensors are on the device.
        """
        recipe = self.experiment.train
        targets = sent(F.one_hot(self.labels[rows[:, 0]], len(self.classes)).float(), self.device)
        static = self.segments.static_of(rows)
        before = static.clone() if self.waves else None
        if recipe.shortest:
            static = shorter(static, self.window(rng), rng, self.experiment.features)
        if recipe.gain_db:
            gain = rng.uniform(-1, 1, (len(rows), 1, 1)) * recipe.gain_db * math.log(10) / 10
            static += sent(gain.astype(np.float32), self.device)
        if recipe.colour_db:
            static = augment.colour(static, recipe.colour_db, rng)
        for name in recipe.augmentations:
            static = AUGMENTATIONS[name](static, rng)
        if recipe.mix_alpha:
            interference = (self.waves.interference(rows, static - before) if self.waves
                            else None)
            static, targets = augment.mix(static, targets, recipe.mix_alpha, rng, interference)
        x = normalise(self.segments.with_channels(static), self.mean, self.std)
        if recipe.freq_mask or recipe.time_mask:
            x = augment.mask(x, recipe.freq_mask, recipe.time_mask, rng)
        return x, targets

    def window(self, rng: np.random.Generator) -> int:
        """A random length of windows in frames, whole attention steps below ``segment_frames``."""
        longest = self.experiment.features.segment_frames
        return int(rng.choice(np.arange(longest, self.experiment.train.shortest - 1, -STEP)))

    def names(self, rows: np.ndarray) -> str:
        """File names of the clips of drawn segments (B, 3), sorted, for messages."""
        return ", ".join(sorted(set(self.files[rows[:, 0]])))


def folds_rows(table: "pd.DataFrame", folds: list[int], name: str) -> np.ndarray:
    """Rows of the table's clips in some folds.

    Parameters
    ----------
    table : pd.DataFrame
        Clip table.
    folds : list of int
    name : str
        Name of the argument, for the message.

    Returns
    -------
    np.ndarray, shape (clips,), int64

    Raises
    ------
    ValueError
        For folds without clips.
    """
    if not table.fold.isin(folds).any():
        raise ValueError(f"{name}: found {folds}, expected folds with clips: "
                         f"{sorted({int(f) for f in table.fold})}")
    return np.flatnonzero(table.fold.isin(folds))
