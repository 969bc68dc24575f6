"""The ACRNN: eight convolutions, two bidirectional recurrent layers, attention over frames.

Read this file beside the paper's table of layers. Feature maps are (batch, channels, frequency,
time); kernels and pools read (frequency, time), as the paper writes them.

Notebook: 04_the_model_layer_by_layer, 05_attention_from_scratch
"""

import torch
from torch import nn
from torch.nn import functional as F

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
# With early pooling most of l2's pooling becomes the stride of l1: from l3 on all shapes differ by
# at most one frame, while l2, more than half of the multiply-adds, reads a sixth of the points.
EARLY_STRIDE, EARLY_POOL = (2, 3), (2, 1)
INPUT_CHANNELS = 2
INPUT_SHAPE = (128, 128)


class ConvLayer(nn.Sequential):
    """Convolution with "same" padding, batch norm, ReLU: (batch, in, h, w) to (batch, out, h', w').

    The convolution has no bias, which batch norm would cancel.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel, stride : tuple of int
        (frequency, time).

    Attributes
    ----------
    fused : bool
        Compute norm and ReLU in one while training, for maps that these kernels fit: the same
        values but for rounding.
    """

    fused = False

    def __init__(self, in_channels: int, out_channels: int, kernel: tuple[int, int],
                 stride: tuple[int, int] = (1, 1)):
        padding = tuple(size // 2 for size in kernel)
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in, h, w) to (batch, out, h', w')."""
        if not (self.fused and self.training and self._is_usual()):
            return super().forward(x)
        x, norm, relu = self[0](x), self[1], self[2]
        if x.is_cuda:
            from . import fused as kernels  # needs Triton, which not every machine has
        else:
            from . import fused_cpu as kernels
        return kernels.norm_relu(x, norm) if kernels.fits(x) else relu(norm(x))

    def _is_usual(self):
        """Whether norm and ReLU are as they were made, and no learner's own."""
        norm, relu = self[1], self[-1]
        return (len(self) == 3 and type(norm) is nn.BatchNorm2d and type(relu) is nn.ReLU
                and norm.training and norm.affine and norm.track_running_stats
                and norm.momentum is not None)


class RecurrentLayer(nn.Module):
    """Bidirectional GRU or LSTM layer; its two directions are summed or concatenated.

    The sum keeps l10's input at 256 features, which gives the published number of parameters.

    Parameters
    ----------
    in_features : int
    config : ModelConfig
    """

    def __init__(self, in_features: int, config: ModelConfig):
        super().__init__()
        cell = {"gru": nn.GRU, "lstm": nn.LSTM}[config.rnn]
        self.rnn = cell(in_features, config.rnn_cells, batch_first=True, bidirectional=True)
        self.sum = config.directions == "sum"
        self.size = config.rnn_cells * (1 if self.sum else 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, frames, in_features) to states (batch, frames, size)."""
        hidden, _ = self.rnn(x)
        if self.sum:
            forwards, backwards = hidden.chunk(2, dim=-1)
            return forwards + backwards
        return hidden


def scale_scores(scores: torch.Tensor, scaling: str) -> torch.Tensor:
    """Turn scores into attention weights that sum to 1 over the frames.

    Parameters
    ----------
    scores : torch.Tensor, shape (batch, frames)
    scaling : {"softmax", "sigmoid"}
        Sigmoids are computed for each frame alone, then divided by their sum.

    Returns
    -------
    torch.Tensor, shape (batch, frames), float32 whatever the autocast

    Notebook: 05_attention_from_scratch
    """
    scores = scores.float()
    if scaling == "softmax":
        return torch.softmax(scores, dim=1)
    gates = torch.sigmoid(scores)
    return gates / gates.sum(dim=1, keepdim=True)


class FrameAttention(nn.Module):
    """Attention over recurrent states: score each frame, scale, take the weighted sum.

    Parameters
    ----------
    features : int
    scaling : {"softmax", "sigmoid"}

    Notebook: 05_attention_from_scratch
    """

    def __init__(self, features: int, scaling: str):
        super().__init__()
        self.score = nn.Linear(features, 1)
        self.scaling = scaling

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map states (batch, frames, features) to (batch, features) and weights (batch, frames)."""
        weights = scale_scores(self.score(hidden).squeeze(-1), self.scaling)
        return torch.einsum("bt,btf->bf", weights.to(hidden.dtype), hidden), weights


class MapAttention(nn.Module):
    """Attention over the frames of a convolutional feature map, which keeps its shape.

    A convolution scores every point; scores are averaged over frequency (an average over channels
    would be a sum of kernels, so one output channel gives the same); each frame of the map is
    multiplied by its gain.

    Parameters
    ----------
    channels : int
    scaling : {"softmax", "sigmoid"}
    keep_scale : bool
        The gain is frames x weight, so that uniform weights leave the map as it was; False: the
        weight alone, which divides the map by the number of frames on average.

    Notebook: 05_attention_from_scratch
    """

    def __init__(self, channels: int, scaling: str, keep_scale: bool = True):
        super().__init__()
        self.score = nn.Conv2d(channels, 1, (3, 3), padding="same")
        self.scaling, self.keep_scale = scaling, keep_scale

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (batch, channels, frequency, frames); return it and weights (batch, frames)."""
        weights = scale_scores(self.score(x).mean(dim=(1, 2)), self.scaling)
        scale = x.shape[-1] if self.keep_scale else 1
        gain = (scale * weights).to(x.dtype)
        return x * gain[:, None, None, :], weights


@register_network("acrnn")
class ACRNN(nn.Module):
    """The network of the paper; what the paper does not specify is an option of the config.

    Parameters
    ----------
    config : ModelConfig, optional
        Attention placement and scaling, kind of cell, how directions are joined, dropout.
    n_classes : int
    in_channels : int
        Channels of the input, by default the log-gammatone and its delta.
    convolutions : sequence of (name, filters, kernel, pool), optional
        In place of ``CONVOLUTIONS``.

    References
    ----------
    Paper, table of the network.

    Notebook: 04_the_model_layer_by_layer
    """

    attends = True  # its weights over frames are learnt, or uniform as the control

    def __init__(self, config: ModelConfig | None = None, n_classes: int = 10,
                 in_channels: int = INPUT_CHANNELS, convolutions: tuple | None = None):
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
            if config.parts > 1:
                self.part_attention = FrameAttention(self.l10.size, config.scaling)
        self.classifier = nn.Linear(self.l10.size, n_classes)
        if config.init_std:
            self._initialise(config.init_std)

    def _initialise(self, std):
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=std)
            elif name.endswith("bias") or "bias_" in name:
                nn.init.zeros_(parameter)

    def forward(
        self, x: torch.Tensor, return_attention: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Compute logits and, on request, attention weights.

        Parameters
        ----------
        x : torch.Tensor, shape (batch, in_channels, 128, frames), float32
            Normalised input, at least 18 frames.
        return_attention : bool

        Returns
        -------
        logits : torch.Tensor, shape (batch, n_classes)
        weights : torch.Tensor, shape (batch, T'), float32
            Only if asked for. They sum to 1 over the frames of the layer that has attention;
            uniform without attention.
        """
        weights, parts = None, self.config.parts
        if parts > 1:
            x = in_parts(x, parts)
        for layer in self.cnn.values():
            x = layer(x)
            if isinstance(layer, MapAttention):
                x, weights = x
        hidden = x.permute(0, 3, 1, 2).flatten(2)  # (batch, frames, channels x frequency)
        if self.config.dropout_on == "inputs":
            hidden = self.l10(self.dropout(self.l9(self.dropout(hidden))))
        else:
            hidden = self.dropout(self.l10(self.dropout(self.l9(hidden))))
        if self.config.attention == "l10":
            summary, weights = self.attention(hidden)
        else:
            summary = hidden.mean(dim=1)
        if parts > 1:
            summary, of_parts = self.part_attention(summary.unflatten(0, (-1, parts)))
            weights = (of_parts[..., None] * weights.unflatten(0, (-1, parts))).flatten(1)
        logits = self.classifier(summary)
        if not return_attention:
            return logits
        return logits, uniform_weights(hidden) if weights is None else weights.float()


def in_parts(x: torch.Tensor, parts: int) -> torch.Tensor:
    """Cut segments into parts of equal length, one after another.

    Parameters
    ----------
    x : torch.Tensor, shape (batch, channels, frequency, frames)
        The last frame is repeated until the parts are equal.
    parts : int

    Returns
    -------
    torch.Tensor, shape (batch x parts, channels, frequency, frames / parts)

    Notebook: 05_attention_from_scratch
    """
    x = F.pad(x, (0, -x.shape[-1] % parts, 0, 0), mode="replicate")
    return x.unflatten(3, (parts, -1)).permute(0, 3, 1, 2, 4).flatten(0, 1)


def uniform_weights(hidden: torch.Tensor) -> torch.Tensor:
    """Weights 1 / frames, shape (batch, frames), for states (batch, frames, features)."""
    return torch.full(hidden.shape[:2], 1 / hidden.shape[1], device=hidden.device)


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters of a module.

    Notebook: 04_the_model_layer_by_layer
    """
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
