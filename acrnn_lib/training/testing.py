"""Predicting a fold with a trained network, with its attention.

Notebook: 06_training_on_a_gpu, 09_seeing_attention
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..attention.maps import frame_energy
from ..config import Experiment
from ..evaluation import metrics, results
from ..features.frontend import normalise
from ..features.segments import Segments, segment_starts
from .batches import folds_rows

if TYPE_CHECKING:
    import pandas as pd

BATCH = 64  # segments


class FoldTest:
    """The clips of one fold and their prediction by a network.

    Parameters
    ----------
    experiment : config.Experiment
    table : pd.DataFrame
        Clip table.
    copies : list of np.ndarray, shape (clips, n_bands, frames), float16
        Features of the table's clips; only ``copies[0]``, the clips themselves, is read.
    fold : int
    mean, std : torch.Tensor, shape (channels,) or (channels, n_bands), float32
        Of the training data, see ``batches.TrainingData``.
    device : torch.device

    Raises
    ------
    ValueError
        For a fold without clips.

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, experiment: Experiment, table: "pd.DataFrame", copies: list[np.ndarray],
                 fold: int, mean: torch.Tensor, std: torch.Tensor, device: torch.device):
        rows = folds_rows(table, [fold], "fold")
        self.experiment, self.fold, self.mean, self.std = experiment, fold, mean, std
        self.clips = table.iloc[rows].reset_index(drop=True)
        self.segments = Segments(copies[:1], rows, experiment.features, device)

    def predict(self, model: torch.nn.Module, autocast: Callable = nullcontext,
                layout: torch.memory_format = torch.contiguous_format,
                attention: bool = True) -> tuple["pd.DataFrame", dict[str, np.ndarray] | None]:
        """Probabilities of the clips after the vote, and attention of their segments.

        Parameters
        ----------
        model : torch.nn.Module
        autocast : callable
            Returns a context for the network's arithmetic.
        layout : torch.memory_format
            Of the network's input.
        attention : bool
            Return the attention, too.

        Returns
        -------
        predictions : pd.DataFrame
            As in predictions.csv.
        attention : dict of np.ndarray, or None
            As in ``results.Run.attention``; None without ``attention`` and for a network that does
            not learn weights over frames.
        """
        def answer(rows):
            return segment_answers(self, rows, model, autocast, layout)

        drawn = self.segments.all()
        probabilities, weights = answer(drawn)
        majority = self.experiment.train.vote == "majority"
        table = results.prediction_table(
            self.clips, metrics.vote(probabilities, drawn[:, 0], majority))
        if not (attention and getattr(model, "attends", False)):
            return table, None
        kept = self._all_attention(drawn, weights)
        if self.fold == 1:  # pictures are large: one fold keeps them
            kept |= self._maps(answer)
        return table, kept

    def _all_attention(self, drawn, weights):
        """Attention of every test segment, and its frames' energy as a weight to compare with."""
        energy = [frame_energy(self.segments.static_of(rows), weights.shape[1], self.segments)
                  for rows in _in_batches(drawn)]
        hop = self.segments.config.hop_length / self.segments.config.sample_rate
        return {"all_clips": self.clips.clip_id.to_numpy(dtype=str)[drawn[:, 0]],
                "all_starts": drawn[:, 2] * hop, "all_weights": weights.astype(np.float32),
                "all_energy": np.concatenate(energy), "hop_seconds": np.float64(hop)}

    def _maps(self, answer):
        """The first clip of each class: attention of all its segments, over its spectrogram."""
        first = self.clips.drop_duplicates("target").sort_values("target")
        segments = self.segments
        starts = segment_starts(segments.n_frames, segments.config)
        drawn = np.array([(clip, 0, start) for clip in first.index for start in starts])
        probabilities, weights = answer(drawn)
        shape = (len(first), len(starts))
        static = torch.from_numpy(segments.copies[0][segments.rows[first.index]]).float()
        low, high = static.min().item(), static.max().item()
        image = ((static - low) / (high - low) * 255).round().to(torch.uint8).numpy()
        hop = segments.config.hop_length / segments.config.sample_rate
        return {
            "clip_id": first.clip_id.to_numpy(dtype=str), "target": first.target.to_numpy(),
            "attention": weights.reshape(*shape, -1).astype(np.float32),
            "probabilities": probabilities.reshape(*shape, -1).astype(np.float32),
            "segment_starts": starts * hop, "hop_seconds": np.float64(hop),
            "log_gammatone": image, "log_range": np.array([low, high]),
        }


def segment_answers(test: FoldTest, rows: np.ndarray, model: torch.nn.Module,
                    autocast: Callable = nullcontext,
                    layout: torch.memory_format = torch.contiguous_format
                    ) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and attention of drawn segments.

    Parameters
    ----------
    test : FoldTest
    rows : np.ndarray, shape (S, 3), int64
        A row per segment: clip, copy, first frame.
    model, autocast, layout
        As for ``FoldTest.predict``.

    Returns
    -------
    probabilities : np.ndarray, shape (S, C), float64
    attention : np.ndarray, shape (S, T'), float64
    """
    model.eval()
    probabilities, weights = [], []
    with torch.inference_mode():
        for batch in _in_batches(rows):
            x = test.segments.with_channels(test.segments.static_of(batch))
            x = normalise(x, test.mean, test.std).contiguous(memory_format=layout)
            with autocast():
                logits, attention = model(x, True)
            probabilities.append(logits.cpu().double().softmax(1))  # an Apple GPU has no float64
            weights.append(attention.cpu().double())
    return torch.cat(probabilities).numpy(), torch.cat(weights).numpy()


def _in_batches(rows):
    return np.array_split(rows, math.ceil(len(rows) / BATCH))
