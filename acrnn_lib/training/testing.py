"""Predicting a fold with a trained network, and keeping its attention.

Notebook: 06_training_on_a_gpu, 09_seeing_attention
"""

import math
from contextlib import nullcontext

import numpy as np
import torch

from ..attention.maps import frame_energy
from ..evaluation import metrics, results
from ..features.frontend import normalise
from ..features.segments import Segments, segment_starts
from .batches import folds_rows

BATCH = 64  # segments


class FoldTest:
    """The clips of one fold, and what a network says of them.

    Parameters
    ----------
    experiment : config.Experiment
    table, copies : clip table and its features, as for ``loop.fit``; only ``copies[0]``, the
        clips themselves, is read
    fold : int
    mean, std : of the training data, see ``batches.TrainingData``
    device : torch.device

    Raises ValueError for a fold without clips. Notebook: 06_training_on_a_gpu
    """

    def __init__(self, experiment, table, copies, fold, mean, std, device):
        rows = folds_rows(table, [fold], "fold")
        self.experiment, self.fold, self.mean, self.std = experiment, fold, mean, std
        self.clips = table.iloc[rows].reset_index(drop=True)
        self.segments = Segments(copies[:1], rows, experiment.features, device)

    def predict(self, model, autocast=nullcontext, layout=torch.contiguous_format, attention=True):
        """Probabilities of the clips after the vote, and attention of their segments.

        Parameters
        ----------
        model : nn.Module; autocast : function that gives a context for its arithmetic
        layout : torch.memory_format of its input
        attention : keep the attention, too

        Returns
        -------
        DataFrame as predictions.csv has it, and a dict of arrays as ``results.Run.attention``
        describes it; None without ``attention`` and for a network that does not learn its weights
        over frames.
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


def segment_answers(test, rows, model, autocast=nullcontext, layout=torch.contiguous_format):
    """Probabilities (S, C) and attention (S, T') of drawn segments, float64.

    test : FoldTest; rows : int64 (S, 3); the others as for ``FoldTest.predict``
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
