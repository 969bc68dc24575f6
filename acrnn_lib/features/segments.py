"""Segments of clips as the network reads them. Only this file cuts clips and drops silence.

Notebook: 02_gammatone_features, 06_training_on_a_gpu
"""

import numpy as np
import torch
from torch.nn import functional as F

from ..config import FeatureConfig
from ..device import sent
from .frontend import context_frames, energy_shares, level_db, with_channels


def segment_starts(n_frames, config=None):
    """First frame of each segment: every ``segment_hop``, the last one aligned to the end.

    int64 (S,). Raises ValueError for fewer frames than a segment. Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    last = n_frames - c.segment_frames
    if last < 0:
        raise ValueError(f"n_frames: found {n_frames}, expected at least {c.segment_frames}")
    starts = np.arange(0, last + 1, c.segment_hop)
    return starts if starts[-1] == last else np.append(starts, last)


def peak_level(static, config=None):
    """Level of the loudest frame of each possible segment.

    static : (..., n_bands, frames) log energies. Returns (..., frames - segment_frames + 1) in dB.
    """
    c = config or FeatureConfig()
    level = level_db(static)
    peaks = F.max_pool1d(level.reshape(-1, 1, level.shape[-1]), c.segment_frames, stride=1)
    return peaks.view(*level.shape[:-1], -1)


def audible(static, config=None):
    """For each possible first frame: does a segment from there hold any sound?

    static : (..., n_bands, frames) log energies. Returns bool (..., frames - segment_frames + 1):
    true where the segment's loudest frame lies less than ``silence_db`` under the loudest frame of
    the clip. Relative to the clip, so at least one segment always stays.
    Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    return peak_level(static, c) > level_db(static).amax(-1, keepdim=True) - c.silence_db


def audible_starts(static, config=None):
    """First frames of a clip's audible segments at their fixed places: int64 (S,).

    static : (n_bands, frames) log energies. Notebook: 02_gammatone_features
    """
    starts = segment_starts(static.shape[-1], config)
    return starts[audible(static, config).numpy()[starts]]


def cut(x, starts, n_frames):
    """Pieces of a clip: (..., frames) and S first frames give (S, ..., n_frames)."""
    return torch.stack([x[..., start : start + n_frames] for start in starts])


def network_input(static, starts, config=None):
    """A clip's segments with all their channels: float32 (S, channels, n_bands, segment_frames).

    static : (n_bands, frames) float32 log energies; starts : (S,) first frames. Channels that look
    beyond a segment's ends, as the delta does, see what is there; beyond the clip its first and
    last frames are repeated. Not normalised. Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    context = context_frames(c)
    padded = F.pad(static, (context, context), mode="replicate")
    parts = cut(padded, starts, c.segment_frames + 2 * context)
    return without_context(with_channels(parts, c), context)


def without_context(x, context):
    """Drop the frames beside a segment that only its channels were computed from."""
    return x[..., context : x.shape[-1] - context]


def segment(features, config=None):
    """Cut a clip's features (2, n_bands, frames) into segments (S, 2, n_bands, segment_frames).

    Segments overlap by half, the last one is aligned to the end, silent ones are dropped (see
    ``audible``). Source: paper, section on feature extraction. Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    features = torch.as_tensor(features)
    return cut(features, audible_starts(features[0], c), c.segment_frames)


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
        self.context = context_frames(features)
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
                starts = self.fixed_starts(clip, copy)
            rows += [(clip, copy, start) for start in starts]
        return rng.permutation(np.array(rows))

    def all(self):
        """Every audible segment of every clip at its fixed place, int64 (S, 3), copy 0."""
        return np.array([(clip, 0, start) for clip in range(len(self.rows))
                         for start in self.fixed_starts(clip)])

    def fixed_starts(self, clip, copy=0):
        """First frames of a clip's audible segments, without a random draw: int64 (S,)."""
        starts = segment_starts(self.n_frames, self.config)
        return starts[self.audible[copy][clip][starts]]

    def static_of(self, rows):
        """Log energies float32 (B, n_bands, segment_frames + 2 context) of drawn rows.

        The delta at a segment's ends needs a few frames more, as it had within the clip; beyond
        the clip its first and last frames are repeated.
        """
        rows = np.asarray(rows)
        first, length = rows[:, 2] - self.context, self.config.segment_frames + 2 * self.context
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

    def with_channels(self, static):
        """The network's channels, float32 (B, channels, n_bands, segment_frames)."""
        return without_context(with_channels(static, self.config), self.context)

    def energy(self, static, span, n_steps):
        """Share of a segment's energy in each block of span frames: float32 (B, n_steps), NumPy.

        static : what ``static_of`` gives
        """
        power = without_context(static, self.context).exp().sum(dim=1)
        return energy_shares(power, span, n_steps).cpu().numpy()

    def moments(self, per_band=False):
        """Mean and standard deviation over all frames of the clips themselves, float32.

        (channels,), of each channel; or (channels, n_bands), of each channel and band.
        """
        over = (0, 3) if per_band else (0, 2, 3)
        sums = 0
        for clips in self._clips(0):
            both = with_channels(clips.float(), self.config).double()
            sums = sums + torch.stack([both.sum(over), both.square().sum(over)])
        bands = sums[0].numel() // len(self.config.channels)
        count = len(self.rows) * self.copies[0][0].size / bands
        mean = sums[0] / count
        return mean.float(), (sums[1] / count - mean**2).sqrt().float()
