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

    Calling it with waves (B, N), float32 at ``config.sample_rate``, gives float32
    (B, 2, n_bands, frames) on the same device: channel 0 is log(energy + floor), channel 1 its
    first derivative in time, per frame. Row 0 is the lowest band. Frames are centred,
    1 + N // hop_length of them. Always float32, whatever the autocast around it: energies span
    more than bfloat16 can hold apart. Raises ValueError for waves that are not (B, N) or shorter
    than half a window, which reflection needs.

    Source: paper, section on feature extraction. Notebook: 02_gammatone_features
    """

    def __init__(self, config=None):
        super().__init__()
        self.config = c = config or FeatureConfig()
        self.register_buffer("power_weights", torch.tensor(self.filters(), dtype=torch.float32))
        self.register_buffer("window", torch.hamming_window(c.n_fft, periodic=True))

    def filters(self):
        """What each band (n_bands) takes of the power in each bin (1 + n_fft // 2)."""
        c = self.config
        return fft_weights(c.n_fft, c.sample_rate, c.n_bands, c.f_min, c.f_max) ** 2

    def energies(self, waves):
        """Band energies before the log, float32 (B, n_bands, frames)."""
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

    def forward(self, waves):
        self._check(waves)  # all of them, so that the message does not name the shape of a block
        # two clips at a time stay in the cache of a CPU; a GPU wants them all at once
        blocks = waves.split(2 if waves.device.type == "cpu" else max(1, len(waves)))
        return torch.cat([self._features(block) for block in blocks])

    def static(self, waves):
        """Channel 0 alone, float32 (B, n_bands, frames): what the feature store keeps."""
        return torch.log(self.energies(waves) + self.config.log_floor)

    def _features(self, waves):
        return with_channels(self.static(waves), self.config)


class LogMel(LogGammatone):
    """The same with triangles on the mel scale, each of height 1: the front end of other systems.

    Shapes, units and errors as for LogGammatone. Notebook: 11_six_systems
    """

    def filters(self):
        from librosa.filters import mel

        c = self.config
        return mel(sr=c.sample_rate, n_fft=c.n_fft, n_mels=c.n_bands, fmin=c.f_min, fmax=c.f_max,
                   norm=None)


def front_end(config):
    """The transform that a FeatureConfig asks for by its ``scale``. Notebook: 11_six_systems"""
    return {"gammatone": LogGammatone, "mel": LogMel}[config.scale](config)


def mfcc(static, n_mfcc=20):
    """Mel-frequency cepstral coefficients: the orthonormal DCT-II of log-mel energies.

    static : (..., n_bands, frames) float. Returns (..., n_mfcc, frames); coefficient 0 is the
    level. Source: Davis and Mermelstein 1980. Notebook: 11_six_systems
    """
    static = torch.as_tensor(static)
    basis = dct_basis(n_mfcc, static.shape[-2]).to(static)
    return basis @ static


def dct_basis(n_coefficients, n_bands):
    """First rows of the orthonormal DCT-II, float64 (n_coefficients, n_bands)."""
    k, b = torch.arange(n_coefficients)[:, None], torch.arange(n_bands)[None]
    basis = torch.cos(math.pi / n_bands * (b.double() + 0.5) * k) * math.sqrt(2 / n_bands)
    basis[0] /= math.sqrt(2)
    return basis


def rgb(level):
    """A spectrogram as the picture that a plotting program would make of it.

    level : (...), 0 (quiet) to 1 (loud), cut there. Returns (..., 3): red, green and blue from 0
    to 1, three overlapping trapezoids along the level, as in the classical "jet" colours. Nothing
    is in the picture that was not in the level: each colour answers to one range of it.
    Notebook: 11_six_systems
    """
    level = torch.as_tensor(level).clamp(0, 1)
    return torch.stack([(1.5 - (4 * level - centre).abs()).clamp(0, 1)
                        for centre in (3.0, 2.0, 1.0)], dim=-1)


def delta(static, width=9):
    """First derivative in time by regression over ``width`` frames (odd), per frame.

    (..., frames) -> same shape: sum_n n (x[t+n] - x[t-n]) / (2 sum_n n^2), edges repeated.
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


def with_channels(static, config):
    """The channels of ``config.channels``, computed from log energies.

    static : (..., n_bands, frames) float32. Returns (..., channels, n_bands, frames), float32.
    Notebook: 02_gammatone_features
    """
    return torch.stack([CHANNELS[name](static, config) for name in config.channels], dim=-3)


def context_frames(config):
    """Frames (int) beside a segment that its channels are computed from, on each side."""
    known = [CONTEXT[name] for name in config.channels]
    return max(frames(config) if callable(frames) else frames for frames in known)


def normalise(x, mean, std):
    """Subtract the training set's mean and divide by its standard deviation.

    x : (B, channels, n_bands, frames); mean, std : (channels,), or (channels, n_bands) where each
    band has its own. Returns x's shape, float32. Notebook: 06_training_on_a_gpu
    """
    channels = x.shape[1]
    return (x - mean.view(1, channels, -1, 1)) / std.view(1, channels, -1, 1)


def frame_times(n_frames, config=None):
    """Centres of frames in seconds, float64 (n_frames,). Notebook: 02_gammatone_features"""
    c = config or FeatureConfig()
    return np.arange(n_frames) * c.hop_length / c.sample_rate


def level_db(static):
    """Level of each frame, in dB: (..., frames), float64 for float64, else float32.

    static : (..., n_bands, frames) natural log energies, which are summed over the bands.
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
