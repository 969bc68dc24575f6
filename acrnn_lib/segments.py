"""Segments of clips as the network wants them: drawn, cut, with delta, ready to normalise.

Notebook: 06_training_on_a_gpu
"""

import numpy as np
import torch

from .device import sent
from .features import audible, delta, energy_shares, segment_starts


class Segments:
    """Segments of clips, drawn from the feature store.

    Parameters
    ----------
    copies : list of (clips, n_bands, frames) arrays: the clips and their augmented copies
    rows : (n,) int, which clips
    features : FeatureConfig
    device : where segments are wanted. A CPU cuts them from the store, which stays on disk and in
        its cache; a CUDA device takes all copies into its own memory, float16, since cutting a
        batch on the CPU would take as long as a step

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, copies, rows, features, device="cpu"):
        self.copies, self.rows, self.config = copies, np.asarray(rows), features
        self.device = torch.device(device)
        self.n_frames = copies[0].shape[-1]
        self.half = features.delta_width // 2
        self.bank = self.moved() if self.device.type == "cuda" else None
        self.audible = [
            torch.cat([audible(clips, features) for clips in self._clips(copy)]).cpu().numpy()
            for copy in range(len(copies))
        ]

    def moved(self):
        """All copies of the chosen clips on the device: float16 (copies, n, n_bands, frames)."""
        bank = torch.empty((len(self.copies), len(self.rows), *self.copies[0].shape[1:]),
                           dtype=torch.float16, device=self.device)
        for place, copy in zip(bank, self.copies, strict=True):
            place.copy_(torch.from_numpy(copy[self.rows]))
        return bank

    def _clips(self, copy, block=32):
        """The chosen clips of a copy, some at a time, so that memory does not grow with them."""
        for start in range(0, len(self.rows), block):
            yield (torch.from_numpy(self.copies[copy][self.rows[start : start + block]])
                   if self.bank is None else self.bank[copy, start : start + block])

    def draw(self, per_clip, rng):
        """One epoch: one copy of each clip, its segments in random order, int64 (S, 3).

        A row is (clip, copy, first frame). ``per_clip`` 0 takes the segments at their fixed
        places, any other number that many random places; silent ones never.
        """
        rows = []
        for clip in range(len(self.rows)):
            copy = int(rng.integers(len(self.copies)))
            heard = self.audible[copy][clip]
            if per_clip:
                starts = rng.choice(np.flatnonzero(heard), per_clip)
            else:
                starts = segment_starts(self.n_frames, self.config)
                starts = starts[heard[starts]]
            rows += [(clip, copy, start) for start in starts]
        return rng.permutation(np.array(rows))

    def all(self):
        """Every audible segment of every clip at its fixed place, int64 (S, 3), copy 0."""
        starts = segment_starts(self.n_frames, self.config)
        return np.array([(clip, 0, start) for clip in range(len(self.rows))
                         for start in starts if self.audible[0][clip, start]])

    def static_of(self, rows):
        """Log energies float32 (B, n_bands, segment_frames + delta_width - 1) of drawn rows.

        The delta at a segment's ends needs a few frames more, as it had within the clip; beyond
        the clip its first and last frames are repeated.
        """
        rows = np.asarray(rows)
        first, length = rows[:, 2] - self.half, self.config.segment_frames + 2 * self.half
        if self.bank is not None:
            return self._cut(sent(rows[:, :2], self.device), sent(first, self.device), length)
        parts = []
        for (clip, copy, _), low in zip(rows, first, strict=True):
            high = low + length
            part = self.copies[copy][self.rows[clip], :, max(low, 0) : high]
            missing = max(0, -low), max(0, high - self.n_frames)
            parts.append(np.pad(part, ((0, 0), missing), "edge") if any(missing) else part)
        return torch.from_numpy(np.stack(parts)).to(self.device).float()

    def _cut(self, chosen, first, length):
        """``static_of`` from the device's own memory, in one step for the whole batch."""
        frames = first[:, None] + torch.arange(length, device=self.device)
        frames = frames.clamp(0, self.n_frames - 1)[:, None]
        clips = self.bank[chosen[:, 1], chosen[:, 0]]
        return clips.gather(2, frames.expand(-1, clips.shape[1], -1)).float()

    def with_delta(self, static):
        """The network's two channels, float32 (B, 2, n_bands, segment_frames)."""
        both = torch.stack([static, delta(static, self.config.delta_width)], dim=1)
        return both[..., self.half : both.shape[-1] - self.half]

    def energy(self, static, span, n_steps):
        """Share of a segment's energy in each block of span frames: float32 (B, n_steps), NumPy.

        static : what ``static_of`` gives
        """
        static = static[..., self.half : self.half + self.config.segment_frames]
        return energy_shares(static.exp().sum(dim=1), span, n_steps).cpu().numpy()

    def moments(self, per_band=False):
        """Mean and standard deviation over all frames of the clips themselves, float32.

        (2,), of each channel; or (2, n_bands), of each channel and band.
        """
        over = (0, 3) if per_band else (0, 2, 3)
        sums = 0
        for clips in self._clips(0):
            static = clips.float()
            both = torch.stack([static, delta(static, self.config.delta_width)], 1).double()
            sums = sums + torch.stack([both.sum(over), both.square().sum(over)])
        count = len(self.rows) * self.copies[0][0].size / (sums[0].numel() // 2)
        mean = sums[0] / count
        return mean.float(), (sums[1] / count - mean**2).sqrt().float()
