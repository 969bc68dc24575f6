"""Baseline networks: four of the six systems that the ACRNN is compared with.

All have the ACRNN's interface: (batch, 2, n_bands, frames) of a log spectrogram and its delta to
logits, on request with weights over frames (uniform without attention). The literature gives these
systems no fixed design; each one here is a plain network of the ACRNN's order of size.

Notebook: 11_six_systems
"""

import torch
from torch import nn

from ..config import ModelConfig, known
from ..features.frontend import dct_basis, rgb
from ..registry import NETWORKS, register_network
from .acrnn import (
    INPUT_CHANNELS,
    INPUT_SHAPE,
    ConvLayer,
    FrameAttention,
    RecurrentLayer,
    uniform_weights,
)

N_MFCC = 20
RGB_RANGE = 3.0  # standard deviations on each side of the mean that the colours span
# filters, kernel, stride, pooling after the layer; a fifth of the ACRNN's multiply-adds
IMAGE_LAYERS = (
    (32, (5, 5), (2, 2), None),
    (64, (3, 3), (1, 1), (2, 2)),
    (128, (3, 3), (1, 1), (2, 2)),
    (256, (3, 3), (1, 1), (2, 2)),
    (256, (3, 3), (1, 1), None),
)


def network(
    config: ModelConfig | None = None, n_classes: int = 10, in_channels: int = INPUT_CHANNELS
) -> nn.Module:
    """Build the network that ``config.network`` names, the ACRNN or another.

    Parameters
    ----------
    config : ModelConfig, optional
    n_classes : int
    in_channels : int

    Returns
    -------
    nn.Module
        Called like `ACRNN`.

    Raises
    ------
    ValueError
        A system that is no network.

    Notebook: 11_six_systems
    """
    config = config or ModelConfig()
    known("network", config.network, NETWORKS)
    return NETWORKS[config.network](config, n_classes, in_channels)


class System(nn.Module):
    """Base class of the four: features of the segment, dropout, a linear classifier.

    A subclass defines ``summarise``: (batch, 2, n_bands, frames) to features (batch, size) and
    weights (batch, T').

    Parameters
    ----------
    size : int
    config : ModelConfig
    n_classes : int
    """

    attends = False  # its weights are always uniform

    def __init__(self, size: int, config: ModelConfig, n_classes: int):
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(size, n_classes)

    def forward(
        self, x: torch.Tensor, return_attention: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Compute logits (batch, n_classes) and, on request, weights (batch, T'); see `ACRNN`."""
        summary, weights = self.summarise(x)
        logits = self.classifier(self.dropout(summary))
        return (logits, weights.float()) if return_attention else logits


class Frames(nn.Sequential):
    """Two bidirectional recurrent layers, as in the ACRNN, over the frames of the input.

    Maps (batch, frames, n_features) to (batch, frames, size).
    """

    def __init__(self, n_features: int, config: ModelConfig):
        first = RecurrentLayer(n_features, config)
        second = RecurrentLayer(first.size, config)
        super().__init__(first, nn.Dropout(config.dropout), second)
        self.size = second.size


@register_network("mfcc-rnn")
class MfccRnn(System):
    """Two recurrent layers on MFCCs and their deltas; the mean state is classified."""

    def __init__(self, config: ModelConfig, n_classes: int, in_channels: int = INPUT_CHANNELS):
        recurrent = Frames(in_channels * N_MFCC, config)
        super().__init__(recurrent.size, config, n_classes)
        # the first coefficients are many times as large as the last ones
        self.scale = nn.BatchNorm1d(in_channels * N_MFCC)
        self.recurrent = recurrent
        # as frontend.mfcc; a buffer, since CUDA graph capture allows no copy from the CPU
        with torch.device("cpu"):  # also where a checkpoint's network is built on the meta device
            basis = dct_basis(N_MFCC, INPUT_SHAPE[0]).float()
        self.register_buffer("basis", basis, persistent=False)

    def summarise(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean state (batch, size) and uniform weights (batch, frames)."""
        coefficients = self.scale((self.basis @ x).flatten(1, 2))  # the DCT of a delta is its delta
        hidden = self.recurrent(coefficients.transpose(1, 2))
        return hidden.mean(dim=1), uniform_weights(hidden)


@register_network("attention-rnn")
class AttentionRnn(System):
    """Two recurrent layers on the bands of each frame, then attention over frames.

    The ACRNN without its convolutions: 128 frames of 12 ms instead of 7 of 0.2 s.
    """

    attends = True

    def __init__(self, config: ModelConfig, n_classes: int, in_channels: int = INPUT_CHANNELS):
        recurrent = Frames(in_channels * INPUT_SHAPE[0], config)
        super().__init__(recurrent.size, config, n_classes)
        self.recurrent = recurrent
        self.attention = FrameAttention(recurrent.size, config.scaling)

    def summarise(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Weighted sum of states (batch, size) and weights (batch, frames)."""
        return self.attention(self.recurrent(x.flatten(1, 2).transpose(1, 2)))


class Picture(nn.Sequential):
    """Five convolutions and global average pooling: (batch, channels, h, w) to (batch, size)."""

    def __init__(self, channels: int):
        layers = []
        for filters, kernel, stride, pool in IMAGE_LAYERS:
            layers.append(ConvLayer(channels, filters, kernel, stride))
            layers += [nn.MaxPool2d(pool)] if pool else []
            channels = filters
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.size = channels


@register_network("rgb-cnn")
class RgbCnn(System):
    """A CNN on the log-mel spectrogram as an RGB image; the delta is unused.

    References
    ----------
    Boddapati et al. 2017, who used such images with networks for photographs.
    """

    def __init__(self, config: ModelConfig, n_classes: int, in_channels: int = INPUT_CHANNELS):
        picture = Picture(3)
        super().__init__(picture.size, config, n_classes)
        self.picture = picture

    def summarise(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of the image (batch, size) and uniform weights (batch, 1)."""
        level = (x[:, 0] / RGB_RANGE + 1) / 2
        image = 2 * rgb(level).movedim(-1, 1) - 1
        summary = self.picture(image.contiguous())
        return summary, uniform_weights(summary[:, None])


@register_network("parallel")
class Parallel(System):
    """A recurrent network beside a convolutional one; their features are concatenated."""

    def __init__(self, config: ModelConfig, n_classes: int, in_channels: int = INPUT_CHANNELS):
        recurrent = Frames(in_channels * INPUT_SHAPE[0], config)
        picture = Picture(in_channels)
        super().__init__(recurrent.size + picture.size, config, n_classes)
        self.recurrent, self.picture = recurrent, picture

    def summarise(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean state and image features (batch, size), and uniform weights (batch, frames)."""
        hidden = self.recurrent(x.flatten(1, 2).transpose(1, 2))
        both = torch.cat([hidden.mean(dim=1), self.picture(x)], dim=1)
        return both, uniform_weights(hidden)
