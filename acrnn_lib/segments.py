"""Segments of clips as the network wants them: drawn, cut, with delta, ready to normalise.

Notebook: 06_training_on_a_gpu
"""

import numpy as np
import torch
from torch.nn import functional as F

from .features import audible, delta, segment_starts


class Segments:
    """Segments of clips, drawn from the feature store and held in memory as float16.

    Parameters
    ----------
    copies : list of (clips, n_bands, frames) arrays: the clips and their augmented copies
    rows : (n,) int, which clips
    features : FeatureConfig

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, copies, rows, features):
        self.config = features
        self.half = features.delta_width // 2
        static = [torch.from_numpy(np.ascontiguousarray(copy[rows])) for copy in copies]
        self.audible = [
            torch.cat([audible(part, features) for part in clips.split(32)]).numpy()
            for clips in static
        ]
        # the delta at a segment's ends needs a few frames more, as it had within the clip
        self.static = [F.pad(clips.float(), (self.half,) * 2, "replicate").half()
                       for clips in static]

    def draw(self, per_clip, rng):
        """One epoch: one copy of each clip, its segments in random order, int64 (S, 3).

        A row is (clip, copy, first frame). ``per_clip`` 0 takes the segments at their fixed
        places, any other number that many random places; silent ones never.
        """
        rows = []
        for clip in range(len(self.static[0])):
            copy = int(rng.integers(len(self.static)))
            heard = self.audible[copy][clip]
            if per_clip:
                starts = rng.choice(np.flatnonzero(heard), per_clip)
            else:
                starts = segment_starts(self.static[copy].shape[-1] - 2 * self.half, self.config)
                starts = starts[heard[starts]]
            rows += [(clip, copy, start) for start in starts]
        return rng.permutation(np.array(rows))

    def all(self):
        """Every audible segment of every clip at its fixed place, int64 (S, 3), copy 0."""
        starts = segment_starts(self.static[0].shape[-1] - 2 * self.half, self.config)
        return np.array([(clip, 0, start) for clip in range(len(self.static[0]))
                         for start in starts if self.audible[0][clip, start]])

    def static_of(self, rows, device):
        """Log energies float32 (B, n_bands, segment_frames + delta_width - 1) of drawn rows."""
        width = self.config.segment_frames + 2 * self.half
        parts = [self.static[copy][clip, :, start : start + width] for clip, copy, start in rows]
        return torch.stack(parts).to(device, non_blocking=True).float()

    def with_delta(self, static):
        """The network's two channels, float32 (B, 2, n_bands, segment_frames)."""
        both = torch.stack([static, delta(static, self.config.delta_width)], dim=1)
        return both[..., self.half : both.shape[-1] - self.half]

    def moments(self):
        """Mean and standard deviation of each channel over all frames of the clips themselves."""
        sums = torch.zeros(2, 2, dtype=torch.float64)
        for clips in self.static[0].split(32):
            both = self.with_delta(clips.float()).double()
            sums += torch.stack([both.sum((0, 2, 3)), both.square().sum((0, 2, 3))])
        count = self.static[0][..., 2 * self.half :].numel()
        mean = sums[0] / count
        return mean.float(), (sums[1] / count - mean**2).sqrt().float()
