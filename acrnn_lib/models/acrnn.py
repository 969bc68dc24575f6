"""The ACRNN: eight convolutions, two bidirectional recurrent layers, attention over frames.

Read this file beside the paper's table of layers. Feature maps are (batch, channels, frequency,
time); kernels and pools read (frequency, time), as the paper writes them.

Notebook: 04_the_model_layer_by_layer, 05_attention_from_scratch
"""

import torch
from torch import nn

from ..config import ModelConfig
from ..registry import register_network

# name, filters, kernel, pooling after the layer
CONVOLUTIONS = (
    ("l1", 32, (3, 5), None),
    ("l2", 32, (3, 5), (4, 3)),
    ("l3", 64, (3, 1), None),
    ("l4", 64, (3, 1), (4, 1)),
    ("l5", 128, (1, 5), None),
    ("l6", 128, (1, 5), (1, 3)),
    ("l7", 256, (3, 3), None),
    ("l8", 256, (3, 3), (2, 2)),
)
# With early pooling l1 takes most of l2's pooling as its stride: from l3 on all shapes stay but for
# one frame, while l2, more than half of the work, sees a sixth of the points.
EARLY_STRIDE, EARLY_POOL = (2, 3), (2, 1)
INPUT_CHANNELS = 2
INPUT_SHAPE = (128, 128)


class ConvLayer(nn.Sequential):
    """Convolution with 'same' padding, batch norm, ReLU.

    The convolution has no bias of its own: batch norm would subtract it again.
    """

    def __init__(self, in_channels, out_channels, kernel, stride=(1, 1)):
        padding = tuple(size // 2 for size in kernel)
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class RecurrentLayer(nn.Module):
    """One bidirectional GRU or LSTM layer; its directions are summed or concatenated.

    Maps (batch, frames, features) to (batch, frames, size). Summing keeps l10's input at 256
    features, the reading that gives the published number of parameters.
    """

    def __init__(self, in_features, config):
        super().__init__()
        cell = {"gru": nn.GRU, "lstm": nn.LSTM}[config.rnn]
        self.rnn = cell(in_features, config.rnn_cells, batch_first=True, bidirectional=True)
        self.sum = config.directions == "sum"
        self.size = config.rnn_cells * (1 if self.sum else 2)

    def forward(self, x):
        hidden, _ = self.rnn(x)
        if self.sum:
            forwards, backwards = hidden.chunk(2, dim=-1)
            return forwards + backwards
        return hidden


def scale_scores(scores, scaling):
    """Turn scores (batch, frames) into weights that sum to 1 over the frames.

    ``softmax`` lets frames compete exponentially; ``sigmoid`` judges each frame by itself and is
    divided by its sum afterwards, so that both kinds of weights can be compared and drawn alike.
    Computed in float32 whatever the precision around it. Notebook: 05_attention_from_scratch
    """
    scores = scores.float()
    if scaling == "softmax":
        return torch.softmax(scores, dim=1)
    gates = torch.sigmoid(scores)
    return gates / gates.sum(dim=1, keepdim=True)


class FrameAttention(nn.Module):
    """Attention over recurrent states: score each frame, scale, sum.

    (batch, frames, features) -> (batch, features) and the weights (batch, frames).
    Notebook: 05_attention_from_scratch
    """

    def __init__(self, features, scaling):
        super().__init__()
        self.score = nn.Linear(features, 1)
        self.scaling = scaling

    def forward(self, hidden):
        weights = scale_scores(self.score(hidden).squeeze(-1), self.scaling)
        return torch.einsum("bt,btf->bf", weights.to(hidden.dtype), hidden), weights


class MapAttention(nn.Module):
    """Attention over the frames of a convolutional map, which keeps its shape.

    A convolution scores every point; the scores are averaged over frequency (averaging over
    channels is a sum of kernels, so one output channel says the same); each frame of the map is
    multiplied by frames x weight, so that uniform weights leave the map as it was (or, without
    ``keep_scale``, by the weight alone, which divides the map by its frames on average).
    Notebook: 05_attention_from_scratch
    """

    def __init__(self, channels, scaling, keep_scale=True):
        super().__init__()
        self.score = nn.Conv2d(channels, 1, (3, 3), padding="same")
        self.scaling, self.keep_scale = scaling, keep_scale

    def forward(self, x):
        weights = scale_scores(self.score(x).mean(dim=(1, 2)), self.scaling)
        scale = x.shape[-1] if self.keep_scale else 1
        gain = (scale * weights).to(x.dtype)
        return x * gain[:, None, None, :], weights


@register_network("acrnn")
class ACRNN(nn.Module):
    """The network of the paper, with its open points as options of the config.

    Parameters
    ----------
    config : ModelConfig, optional
        Attention placement and scaling, kind of cell, how directions are joined, dropout.
    n_classes : int
        Number of classes C.
    in_channels : int
        Channels of the input: the log-gammatone and its delta.
    convolutions : rows like those of ``CONVOLUTIONS``, to try others.

    Calling it with x (batch, 2, 128, 128) float32 - channels are the log-gammatone and its delta,
    then frequency, then time - gives logits (batch, C). Any number of frames from 18 on works.
    With ``return_attention=True`` the weights (batch, T') come too; they sum to 1 over the frames
    of the layer they act on. Without attention they are uniform, which is what averaging means.

    Source: paper, table of the network. Notebook: 04_the_model_layer_by_layer
    """

    attends = True  # its weights over frames are learnt, or the uniform control of learnt ones

    def __init__(self, config=None, n_classes=10, in_channels=INPUT_CHANNELS,
                 convolutions=None):
        super().__init__()
        self.config = config = config or ModelConfig()
        self.cnn = nn.ModuleDict()
        channels, height = in_channels, INPUT_SHAPE[0]
        for name, filters, kernel, pool in convolutions or CONVOLUTIONS:
            stride = EARLY_STRIDE if config.early_pooling and name == "l1" else (1, 1)
            self.cnn[name] = ConvLayer(channels, filters, kernel, stride)
            channels = filters
            if pool:
                height //= pool[0]
                if config.early_pooling and name == "l2":
                    pool = EARLY_POOL
                self.cnn[f"{name}_pool"] = nn.MaxPool2d(pool)
                if config.attention == name:
                    self.cnn[f"{name}_attention"] = MapAttention(
                        channels, config.scaling, config.keep_scale)
        self.l9 = RecurrentLayer(channels * height, config)
        self.l10 = RecurrentLayer(self.l9.size, config)
        self.dropout = nn.Dropout(config.dropout)
        if config.attention == "l10":
            self.attention = FrameAttention(self.l10.size, config.scaling)
        self.classifier = nn.Linear(self.l10.size, n_classes)
        if config.init_std:
            self._initialise(config.init_std)

    def _initialise(self, std):
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=std)
            elif name.endswith("bias") or "bias_" in name:
                nn.init.zeros_(parameter)

    def forward(self, x, return_attention=False):
        weights = None
        for layer in self.cnn.values():
            x = layer(x)
            if isinstance(layer, MapAttention):
                x, weights = x
        hidden = x.permute(0, 3, 1, 2).flatten(2)  # (batch, frames, channels x frequency)
        hidden = self.dropout(self.l9(hidden))
        hidden = self.dropout(self.l10(hidden))
        if self.config.attention == "l10":
            summary, weights = self.attention(hidden)
        else:
            summary = hidden.mean(dim=1)
        logits = self.classifier(summary)
        if not return_attention:
            return logits
        return logits, uniform_weights(hidden) if weights is None else weights.float()


def uniform_weights(hidden):
    """What averaging states (batch, frames, features) over their frames means: 1 / frames each."""
    return torch.full(hidden.shape[:2], 1 / hidden.shape[1], device=hidden.device)


def parameter_count(module):
    """Number of trainable parameters of a module. Notebook: 04_the_model_layer_by_layer"""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
