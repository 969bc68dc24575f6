"""From waveform to the network's input: log-gammatone with its delta, cut into segments.

Notebook: 02_gammatone_features
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..config import FeatureConfig
from ..registry import CHANNELS, CONTEXT, register_channel
from .gammatone import fft_weights


class LogGammatone(nn.Module):
    """Log-gammatone spectrogram and its delta, or other channels of ``config.channels``.

    Always float32, also within autocast: bfloat16 has too little precision for energies.

    Parameters
    ----------
    config : FeatureConfig, optional

    References
    ----------
    Paper, section on feature extraction.

    Notebook: 02_gammatone_features
    """

    def __init__(self, config: FeatureConfig | None = None):
        super().__init__()
        self.config = c = config or FeatureConfig()
        self.register_buffer("power_weights", torch.tensor(self.filters(), dtype=torch.float32))
        self.register_buffer("window", torch.hamming_window(c.n_fft, periodic=True))

    def filters(self) -> np.ndarray:
        """Filter bank matrix on power, shape (n_bands, 1 + n_fft // 2), float64."""
        c = self.config
        return fft_weights(c.n_fft, c.sample_rate, c.n_bands, c.f_min, c.f_max) ** 2

    def energies(self, waves: torch.Tensor) -> torch.Tensor:
        """Band energies before the log, shape (B, n_bands, frames), float32; see `forward`."""
        c = self.config
        self._check(waves)
        with torch.autocast(waves.device.type, enabled=False):
            spectrum = torch.stft(
                waves.float(), c.n_fft, c.hop_length, window=self.window, center=True,
                pad_mode="reflect", return_complex=True,
            )
            power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
            return self.power_weights @ power

    def _check(self, waves):
        least = self.config.n_fft // 2
        if waves.dim() != 2 or waves.shape[1] <= least:
            raise ValueError(f"waves: found shape {tuple(waves.shape)}, "
                             f"expected (batch, more than {least} samples)")

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """Compute the network's input channels of whole clips.

        Parameters
        ----------
        waves : torch.Tensor, shape (B, N), float32
            Samples at ``config.sample_rate``.

        Returns
        -------
        torch.Tensor, shape (B, channels, n_bands, frames), float32
            By default channel 0 is log(energy + log_floor), channel 1 its derivative per frame.
            Band 0 is the lowest. Frames are centred, 1 + N // hop_length of them.

        Raises
        ------
        ValueError
            Waves that are not (B, N) or not longer than half a window, which reflection needs.
        """
        self._check(waves)  # before splitting, so that the message names the whole shape
        # two clips at a time fit a CPU's cache; a GPU is faster with all at once
        blocks = waves.split(2 if waves.device.type == "cpu" else max(1, len(waves)))
        return torch.cat([self._features(block) for block in blocks])

    def static(self, waves: torch.Tensor) -> torch.Tensor:
        """Log energies alone, shape (B, n_bands, frames), float32: what the store keeps."""
        return torch.log(self.energies(waves) + self.config.log_floor)

    def _features(self, waves):
        return with_channels(self.static(waves), self.config)


class LogMel(LogGammatone):
    """Log-mel spectrogram and its delta: triangles of height 1 on the mel scale, for baselines.

    Shapes, units and errors as for `LogGammatone`.

    Notebook: 11_six_systems
    """

    def filters(self) -> np.ndarray:
        """Filter bank matrix on power, shape (n_bands, 1 + n_fft // 2), float32."""
        from librosa.filters import mel

        c = self.config
        return mel(sr=c.sample_rate, n_fft=c.n_fft, n_mels=c.n_bands, fmin=c.f_min, fmax=c.f_max,
                   norm=None)


def front_end(config: FeatureConfig) -> LogGammatone:
    """Build the front end that ``config.scale`` names.

    Notebook: 11_six_systems
    """
    return {"gammatone": LogGammatone, "mel": LogMel}[config.scale](config)


def mfcc(static: np.ndarray | torch.Tensor, n_mfcc: int = 20) -> torch.Tensor:
    """Mel-frequency cepstral coefficients: the orthonormal DCT-II of log-mel energies.

    Parameters
    ----------
    static : np.ndarray or torch.Tensor, shape (..., n_bands, frames), float
        Log-mel energies.
    n_mfcc : int
        Number of coefficients; coefficient 0 is the level.

    Returns
    -------
    torch.Tensor, shape (..., n_mfcc, frames)

    References
    ----------
    Davis and Mermelstein 1980.

    Notebook: 11_six_systems
    """
    static = torch.as_tensor(static)
    basis = dct_basis(n_mfcc, static.shape[-2]).to(static)
    return basis @ static


def dct_basis(n_coefficients: int, n_bands: int) -> torch.Tensor:
    """First rows of the orthonormal DCT-II, shape (n_coefficients, n_bands), float64."""
    k, b = torch.arange(n_coefficients)[:, None], torch.arange(n_bands)[None]
    basis = torch.cos(math.pi / n_bands * (b.double() + 0.5) * k) * math.sqrt(2 / n_bands)
    basis[0] /= math.sqrt(2)
    return basis


def rgb(level: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Map levels to colours, as plotting programs draw a spectrogram ("jet" colour map).

    Each colour is a trapezoid over one range of the level; the ranges overlap.

    Parameters
    ----------
    level : np.ndarray or torch.Tensor, shape (...)
        0 (quiet) to 1 (loud), clipped there.

    Returns
    -------
    torch.Tensor, shape (..., 3)
        Red, green and blue, 0 to 1.

    Notebook: 11_six_systems
    """
    level = torch.as_tensor(level).clamp(0, 1)
    return torch.stack([(1.5 - (4 * level - centre).abs()).clamp(0, 1)
                        for centre in (3.0, 2.0, 1.0)], dim=-1)


def delta(static: torch.Tensor, width: int = 9) -> torch.Tensor:
    """First derivative in time by regression, sum_n n (x[t+n] - x[t-n]) / (2 sum_n n^2).

    Parameters
    ----------
    static : torch.Tensor, shape (..., frames), float
        Edge frames are repeated.
    width : int, frames
        Odd, at least 3.

    Returns
    -------
    torch.Tensor, shape (..., frames)
        Slope per frame.

    Raises
    ------
    ValueError
        Width even or below 3.

    Notebook: 02_gammatone_features
    """
    if width < 3 or width % 2 == 0:
        raise ValueError(f"width: found {width}, expected an odd number of at least 3")
    half, n_frames = width // 2, static.shape[-1]
    rows = F.pad(static.reshape(1, -1, n_frames), (half, half), mode="replicate")
    slopes = torch.zeros_like(rows[..., :n_frames])
    for n in range(1, half + 1):
        slopes.add_(rows[..., half + n :][..., :n_frames], alpha=n)
        slopes.sub_(rows[..., half - n :][..., :n_frames], alpha=n)
    return slopes.div_(2 * sum(n * n for n in range(1, half + 1))).view(static.shape)


@register_channel("static")
def _static(static, config):
    return static


@register_channel("delta", context=lambda config: config.delta_width // 2)
def _delta(static, config):
    return delta(static, config.delta_width)


def with_channels(static: torch.Tensor, config: FeatureConfig) -> torch.Tensor:
    """Compute the channels of ``config.channels`` from log energies.

    Parameters
    ----------
    static : torch.Tensor, shape (..., n_bands, frames), float32
    config : FeatureConfig

    Returns
    -------
    torch.Tensor, shape (..., channels, n_bands, frames), float32

    Notebook: 02_gammatone_features
    """
    return torch.stack([CHANNELS[name](static, config) for name in config.channels], dim=-3)


def context_frames(config: FeatureConfig) -> int:
    """Frames on each side of a segment that its channels are computed from."""
    known = [CONTEXT[name] for name in config.channels]
    return max(frames(config) if callable(frames) else frames for frames in known)


def normalise(x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Subtract the training set's mean and divide by its standard deviation.

    Parameters
    ----------
    x : torch.Tensor, shape (B, channels, n_bands, frames), float32
    mean, std : torch.Tensor, shape (channels,) or (channels, n_bands), float32

    Returns
    -------
    torch.Tensor, shape of ``x``, float32

    Notebook: 06_training_on_a_gpu
    """
    channels = x.shape[1]
    return (x - mean.view(1, channels, -1, 1)) / std.view(1, channels, -1, 1)


def frame_times(n_frames: int, config: FeatureConfig | None = None) -> np.ndarray:
    """Centres of frames in s, shape (n_frames,), float64.

    Notebook: 02_gammatone_features
    """
    c = config or FeatureConfig()
    return np.arange(n_frames) * c.hop_length / c.sample_rate


def level_db(static: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Level of each frame in dB, summed over the bands.

    Parameters
    ----------
    static : np.ndarray or torch.Tensor, shape (..., n_bands, frames), float
        Natural log energies.

    Returns
    -------
    torch.Tensor, shape (..., frames), dB
        float64 for float64, else float32.

    Notebook: 02_gammatone_features
    """
    static = torch.as_tensor(static)
    static = static.to(torch.promote_types(static.dtype, torch.float32))
    return torch.logsumexp(static, dim=-2) * (10 / np.log(10))


def energy_shares(power, span, n_steps):
    """Share of the power (S, frames) of segments in each block of span frames: (S, n_steps).

    Rows sum to 1. Frames behind the last block do not count, missing ones are silent.

    Notebook: 10_is_attention_right
    """
    power = power[:, : n_steps * span]
    power = F.pad(power, (0, n_steps * span - power.shape[1]))
    sums = power.unflatten(1, (n_steps, span)).sum(dim=-1)
    return sums / sums.sum(dim=1, keepdim=True)
