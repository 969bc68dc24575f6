"""The other networks of the field's line: four of the six systems, beside the ACRNN itself.

All read what the ACRNN reads, (batch, 2, n_bands, frames) of a log spectrogram and its delta, and
answer alike: logits, on request with weights over frames (uniform where nothing attends). The
literature names these systems without one fixed design; here each is the plainest network that
deserves its name, of the ACRNN's order of size.

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
RGB_RANGE = 3.0  # standard deviations around the mean that the colours span
# filters, kernel, stride, pooling after the layer; a fifth of the ACRNN's multiply-adds
IMAGE_LAYERS = (
    (32, (5, 5), (2, 2), None),
    (64, (3, 3), (1, 1), (2, 2)),
    (128, (3, 3), (1, 1), (2, 2)),
    (256, (3, 3), (1, 1), (2, 2)),
    (256, (3, 3), (1, 1), None),
)


def network(config=None, n_classes=10, in_channels=INPUT_CHANNELS):
    """Build the network that ``config.network`` names, the ACRNN or another.

    Returns a module (batch, in_channels, n_bands, frames) -> logits (batch, n_classes); called with
    ``return_attention=True`` also weights (batch, T'), each row summing to 1. Raises ValueError
    for a system that is no network. Notebook: 11_six_systems
    """
    config = config or ModelConfig()
    known("network", config.network, NETWORKS)
    return NETWORKS[config.network](config, n_classes, in_channels)


class System(nn.Module):
    """What the four share: a summary of the segment, dropout, a linear classifier.

    A system's own part is ``summarise``: (batch, 2, n_bands, frames) to features (batch, size)
    and weights (batch, T').
    """

    attends = False  # weights that are always uniform say nothing

    def __init__(self, size, config, n_classes):
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(size, n_classes)

    def forward(self, x, return_attention=False):
        summary, weights = self.summarise(x)
        logits = self.classifier(self.dropout(summary))
        return (logits, weights.float()) if return_attention else logits


class Frames(nn.Sequential):
    """Two bidirectional recurrent layers, as in the ACRNN, but over the frames of the input."""

    def __init__(self, n_features, config):
        first = RecurrentLayer(n_features, config)
        second = RecurrentLayer(first.size, config)
        super().__init__(first, nn.Dropout(config.dropout), second)
        self.size = second.size


@register_network("mfcc-rnn")
class MfccRnn(System):
    """Cepstral coefficients and their deltas, read frame by frame; the mean state decides."""

    def __init__(self, config, n_classes, in_channels=INPUT_CHANNELS):
        recurrent = Frames(in_channels * N_MFCC, config)
        super().__init__(recurrent.size, config, n_classes)
        # the first coefficients are many times as large as the last ones
        self.scale = nn.BatchNorm1d(in_channels * N_MFCC)
        self.recurrent = recurrent
        # as frontend.mfcc; kept, since a recorded step may not fetch constants from the CPU
        with torch.device("cpu"):  # also where a checkpoint's network is built without memory
            basis = dct_basis(N_MFCC, INPUT_SHAPE[0]).float()
        self.register_buffer("basis", basis, persistent=False)

    def summarise(self, x):
        coefficients = self.scale((self.basis @ x).flatten(1, 2))  # the DCT of a delta is its delta
        hidden = self.recurrent(coefficients.transpose(1, 2))
        return hidden.mean(dim=1), uniform_weights(hidden)


@register_network("attention-rnn")
class AttentionRnn(System):
    """The bands of each frame, read frame by frame; attention sums the states.

    The ACRNN without its convolutions: 128 frames of 12 ms compete instead of 7 of 0.2 s.
    """

    attends = True

    def __init__(self, config, n_classes, in_channels=INPUT_CHANNELS):
        recurrent = Frames(in_channels * INPUT_SHAPE[0], config)
        super().__init__(recurrent.size, config, n_classes)
        self.recurrent = recurrent
        self.attention = FrameAttention(recurrent.size, config.scaling)

    def summarise(self, x):
        return self.attention(self.recurrent(x.flatten(1, 2).transpose(1, 2)))


class Picture(nn.Sequential):
    """Five convolutions and the mean over the picture: (batch, channels, height, width) to
    (batch, size).
    """

    def __init__(self, channels):
        layers = []
        for filters, kernel, stride, pool in IMAGE_LAYERS:
            layers.append(ConvLayer(channels, filters, kernel, stride))
            layers += [nn.MaxPool2d(pool)] if pool else []
            channels = filters
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.size = channels


@register_network("rgb-cnn")
class RgbCnn(System):
    """The log-mel spectrogram as a coloured picture, classified as a picture; the delta is unused.

    Source of the idea: Boddapati et al. 2017, who gave such pictures to networks made for photos.
    """

    def __init__(self, config, n_classes, in_channels=INPUT_CHANNELS):
        picture = Picture(3)
        super().__init__(picture.size, config, n_classes)
        self.picture = picture

    def summarise(self, x):
        level = (x[:, 0] / RGB_RANGE + 1) / 2
        image = 2 * rgb(level).movedim(-1, 1) - 1
        summary = self.picture(image.contiguous())
        return summary, uniform_weights(summary[:, None])


@register_network("parallel")
class Parallel(System):
    """A recurrent network and a convolutional one read the same segment side by side."""

    def __init__(self, config, n_classes, in_channels=INPUT_CHANNELS):
        recurrent = Frames(in_channels * INPUT_SHAPE[0], config)
        picture = Picture(in_channels)
        super().__init__(recurrent.size + picture.size, config, n_classes)
        self.recurrent, self.picture = recurrent, picture

    def summarise(self, x):
        hidden = self.recurrent(x.flatten(1, 2).transpose(1, 2))
        both = torch.cat([hidden.mean(dim=1), self.picture(x)], dim=1)
        return both, uniform_weights(hidden)
