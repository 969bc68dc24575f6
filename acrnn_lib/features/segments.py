"""Segments of clips as the network reads them. Only this file cuts clips and drops silence.

Notebook: 02_gammatone_features, 06_training_on_a_gpu
"""

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from ..config import FeatureConfig
from ..device import sent
from .frontend import context_frames, energy_shares, level_db, with_channels


def segment_starts(n_frames: int, config: FeatureConfig | None = None) -> np.ndarray:
    """First frame of each segment: every ``segment_hop``, the last one aligned to the end.

    Returns
    -------
    np.ndarray, shape (S,), int64

    Raises
    ------
    ValueError
        Fewer frames than a segment has.

    Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    last = n_frames - c.segment_frames
    if last < 0:
        raise ValueError(f"n_frames: found {n_frames}, expected at least {c.segment_frames}")
    starts = np.arange(0, last + 1, c.segment_hop)
    return starts if starts[-1] == last else np.append(starts, last)


def peak_level(static: torch.Tensor, config: FeatureConfig | None = None) -> torch.Tensor:
    """Level of the loudest frame of each possible segment.

    Parameters
    ----------
    static : torch.Tensor, shape (..., n_bands, frames)
        Log energies.
    config : FeatureConfig, optional

    Returns
    -------
    torch.Tensor, shape (..., frames - segment_frames + 1), dB
    """
    c = config or FeatureConfig()
    level = level_db(static)
    peaks = F.max_pool1d(level.reshape(-1, 1, level.shape[-1]), c.segment_frames, stride=1)
    return peaks.view(*level.shape[:-1], -1)


def audible(static: torch.Tensor, config: FeatureConfig | None = None) -> torch.Tensor:
    """Whether a segment is not silent, for each possible first frame.

    Parameters
    ----------
    static : torch.Tensor, shape (..., n_bands, frames)
        Log energies.
    config : FeatureConfig, optional

    Returns
    -------
    torch.Tensor, shape (..., frames - segment_frames + 1), bool
        True where the segment's loudest frame lies less than ``silence_db`` under the clip's
        loudest frame; so at least one segment of a clip is audible.

    Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    return peak_level(static, c) > level_db(static).amax(-1, keepdim=True) - c.silence_db


def audible_starts(static: torch.Tensor, config: FeatureConfig | None = None) -> np.ndarray:
    """First frames of a clip's audible segments at their fixed positions.

    Parameters
    ----------
    static : torch.Tensor, shape (n_bands, frames)
        Log energies.
    config : FeatureConfig, optional

    Returns
    -------
    np.ndarray, shape (S,), int64

    Notebook: 02_gammatone_features
    """
    starts = segment_starts(static.shape[-1], config)
    return starts[audible(static, config).numpy()[starts]]


def cut(x: torch.Tensor, starts: np.ndarray | list[int], n_frames: int) -> torch.Tensor:
    """Cut ``x``, shape (..., frames), at S first frames into shape (S, ..., n_frames)."""
    return torch.stack([x[..., start : start + n_frames] for start in starts])


def network_input(
    static: torch.Tensor, starts: np.ndarray | list[int], config: FeatureConfig | None = None
) -> torch.Tensor:
    """Segments of a clip with all their channels, not normalised.

    Channels are computed from the clip's own frames beside a segment; beyond the clip its edge
    frames are repeated.

    Parameters
    ----------
    static : torch.Tensor, shape (n_bands, frames), float32
        Log energies.
    starts : np.ndarray or list, shape (S,), int
        First frames.
    config : FeatureConfig, optional

    Returns
    -------
    torch.Tensor, shape (S, channels, n_bands, segment_frames), float32

    Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    context = context_frames(c)
    padded = F.pad(static, (context, context), mode="replicate")
    parts = cut(padded, starts, c.segment_frames + 2 * context)
    return without_context(with_channels(parts, c), context)


def without_context(x: torch.Tensor, context: int) -> torch.Tensor:
    """Drop the first and last ``context`` frames, which only the channels needed."""
    return x[..., context : x.shape[-1] - context]


def shorter(static: torch.Tensor, n_frames: int, rng: np.random.Generator,
            config: FeatureConfig | None = None) -> torch.Tensor:
    """Random shorter windows of segments.

    Parameters
    ----------
    static : torch.Tensor, shape (B, n_bands, segment_frames + 2 context), float32
        As of ``Segments.static_of``.
    n_frames : int
        Length of the windows.
    rng : np.random.Generator
    config : FeatureConfig, optional

    Returns
    -------
    torch.Tensor, shape (B, n_bands, n_frames + 2 context)
        Each window is audible in comparison with its segment (see `audible`).

    Notebook: 06_training_on_a_gpu
    """
    c = dataclasses.replace(config or FeatureConfig(), segment_frames=n_frames)
    context = context_frames(c)
    allowed = audible(without_context(static, context), c).cpu().numpy()
    starts = [rng.choice(np.flatnonzero(row)) for row in allowed]
    return torch.stack([one[:, start : start + n_frames + 2 * context]
                        for one, start in zip(static, starts, strict=True)])


def segment(
    features: np.ndarray | torch.Tensor, config: FeatureConfig | None = None
) -> torch.Tensor:
    """Cut a clip's features into audible segments (see `audible_starts`).

    Parameters
    ----------
    features : np.ndarray or torch.Tensor, shape (2, n_bands, frames)
        Log energies and their delta.
    config : FeatureConfig, optional

    Returns
    -------
    torch.Tensor, shape (S, 2, n_bands, segment_frames)

    References
    ----------
    Paper, section on feature extraction.

    Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    features = torch.as_tensor(features)
    return cut(features, audible_starts(features[0], c), c.segment_frames)


class Segments:
    """Segments of clips, cut from the feature store.

    Parameters
    ----------
    copies : list of np.ndarray, shape (clips, n_bands, frames), float16
        Log energies of the clips and of their augmented copies.
    rows : np.ndarray, shape (n,), int
        Which clips.
    features : FeatureConfig
    device : torch.device or str
        Device of the segments. On a CPU they are cut from the memory-mapped store; a CUDA device
        keeps all copies in its own memory, float16, as cutting a batch on the CPU would take as
        long as a training step.

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, copies: list[np.ndarray], rows: np.ndarray, features: FeatureConfig,
                 device: torch.device | str = "cpu"):
        self.copies, self.rows, self.config = copies, np.asarray(rows), features
        self.device = torch.device(device)
        self.n_frames = copies[0].shape[-1]
        self.context = context_frames(features)
        self.bank = self.moved() if self.device.type == "cuda" else None
        self.audible = [
            torch.cat([audible(clips, features) for clips in self._clips(copy)]).cpu().numpy()
            for copy in range(len(copies))
        ]

    def moved(self) -> torch.Tensor:
        """Chosen clips of all copies on the device, (copies, n, n_bands, frames), float16."""
        bank = torch.empty((len(self.copies), len(self.rows), *self.copies[0].shape[1:]),
                           dtype=torch.float16, device=self.device)
        for place, copy in zip(bank, self.copies, strict=True):
            place.copy_(torch.from_numpy(copy[self.rows]))
        return bank

    def _clips(self, copy, block=32):
        """Yield the chosen clips of a copy in blocks, so that memory does not grow with them."""
        for start in range(0, len(self.rows), block):
            yield (torch.from_numpy(self.copies[copy][self.rows[start : start + block]])
                   if self.bank is None else self.bank[copy, start : start + block])

    def draw(self, per_clip: int, rng: np.random.Generator,
             all_copies: bool = False) -> np.ndarray:
        """Segments of one epoch: one random copy of each clip, in random order.

        Parameters
        ----------
        per_clip : int
            Number of random audible positions per copy; 0 for the fixed ones.
        rng : np.random.Generator
        all_copies : bool
            Take every copy of each clip.

        Returns
        -------
        np.ndarray, shape (S, 3), int64
            Rows of (clip, copy, first frame).
        """
        rows = []
        for clip in range(len(self.rows)):
            n = len(self.copies)
            for copy in range(n) if all_copies else [int(rng.integers(n))]:
                if per_clip:
                    starts = rng.choice(np.flatnonzero(self.audible[copy][clip]), per_clip)
                else:
                    starts = self.fixed_starts(clip, copy)
                rows += [(clip, copy, start) for start in starts]
        return rng.permutation(np.array(rows))

    def all(self) -> np.ndarray:
        """Audible segments of all clips at their fixed positions, rows as of `draw`, copy 0."""
        return np.array([(clip, 0, start) for clip in range(len(self.rows))
                         for start in self.fixed_starts(clip)])

    def fixed_starts(self, clip: int, copy: int = 0) -> np.ndarray:
        """First frames of a clip's audible segments at their fixed positions, shape (S,), int64."""
        starts = segment_starts(self.n_frames, self.config)
        return starts[self.audible[copy][clip][starts]]

    def static_of(self, rows: np.ndarray) -> torch.Tensor:
        """Log energies of segments and of the context frames that their channels need.

        Parameters
        ----------
        rows : np.ndarray, shape (B, 3), int64
            As of `draw`.

        Returns
        -------
        torch.Tensor, shape (B, n_bands, segment_frames + 2 context), float32
            Beyond the clip its edge frames are repeated.
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
        """`static_of` from the device's memory, for the whole batch at once."""
        frames = first[:, None] + torch.arange(length, device=self.device)
        frames = frames.clamp(0, self.n_frames - 1)[:, None]
        clips = self.bank[chosen[:, 1], chosen[:, 0]]
        return clips.gather(2, frames.expand(-1, clips.shape[1], -1)).float()

    def with_channels(self, static: torch.Tensor) -> torch.Tensor:
        """Channels of `static_of`, shape (B, channels, n_bands, segment_frames), float32."""
        return without_context(with_channels(static, self.config), self.context)

    def energy(self, static, span, n_steps):
        """Share of a segment's energy in each block of span frames: float32 (B, n_steps), NumPy.

        static : what ``static_of`` gives
        """
        power = without_context(static, self.context).exp().sum(dim=1)
        return energy_shares(power, span, n_steps).cpu().numpy()

    def moments(self, per_band: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each channel over all frames of the clips (copy 0).

        Parameters
        ----------
        per_band : bool
            Of each channel and band.

        Returns
        -------
        mean, std : torch.Tensor, shape (channels,) or (channels, n_bands), float32
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
