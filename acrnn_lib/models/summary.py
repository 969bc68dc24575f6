"""Networks in tables: the layers with their costs, the published count, what a frame can see.

Notebook: 04_the_model_layer_by_layer
"""

import numpy as np
import pandas as pd
import torch
from torch import nn

from ..config import ModelConfig
from .acrnn import (
    ACRNN,
    INPUT_CHANNELS,
    INPUT_SHAPE,
    ConvLayer,
    FrameAttention,
    MapAttention,
    RecurrentLayer,
    parameter_count,
)

PURPOSES = {
    "l3": "local patterns along frequency",
    "l5": "local patterns along time",
    "l7": "joint time-frequency patterns",
    "l9": "temporal summary",
}
PUBLISHED_PARAMETERS = 3.81e6


def layer_table(config=None, n_classes=10, input_shape=INPUT_SHAPE, convolutions=None):
    """The network as a table: a row per layer with output shape, parameters, multiply-adds.

    The numbers are measured on a real forward pass, not derived from formulas that could drift away
    from the code.

    Parameters
    ----------
    config : ModelConfig, optional
    n_classes : int
    input_shape : tuple of int
        (bands, frames).
    convolutions : sequence of tuple, optional
        As for ``ACRNN``.

    Returns
    -------
    pd.DataFrame
        Columns layer, kernel, output, parameters, multiply_adds (per segment), purpose.

    Notebook: 04_the_model_layer_by_layer
    """
    model = ACRNN(config, n_classes, convolutions=convolutions).eval()
    rows, hooks = [], []

    def record(name, module):
        def hook(_, inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            rows.append({
                "layer": name,
                "kernel": _kernel(module),
                "output": " x ".join(map(str, output.shape[1:])),
                "parameters": parameter_count(module),
                "multiply_adds": _multiply_adds(module, inputs[0], output),
                "purpose": PURPOSES.get(name, ""),
            })
        hooks.append(module.register_forward_hook(hook))

    for name, module in [*model.cnn.items(), *model.named_children()]:
        if name not in ("cnn", "dropout"):
            record(name, module)
    with torch.inference_mode():
        model(torch.zeros(1, INPUT_CHANNELS, *input_shape))
    for hook in hooks:
        hook.remove()
    return pd.DataFrame(rows)


def _kernel(module):
    part = module[0] if isinstance(module, ConvLayer) else module
    size = getattr(part, "kernel_size", None)
    return f"({size[0]}, {size[1]})" if isinstance(size, tuple) else ""


def _multiply_adds(module, x, output):
    if isinstance(module, ConvLayer):
        return module[0].weight.numel() * output.shape[2] * output.shape[3]
    if isinstance(module, RecurrentLayer):
        weights = sum(p.numel() for p in module.parameters() if p.dim() > 1)
        return weights * output.shape[1]
    if isinstance(module, nn.Linear):
        return module.weight.numel()
    if isinstance(module, FrameAttention):
        return 2 * x[0].numel()  # a dot product for each frame's score, then the weighted sum
    if isinstance(module, MapAttention):
        return module.score.weight.numel() * output.shape[2] * output.shape[3]
    return 0


def published_readings(n_classes=10):
    """Compare the published 3.81 M parameters with each reading of the recurrent layers.

    Parameters
    ----------
    n_classes : int

    Returns
    -------
    pd.DataFrame
        Cell, directions, biases per gate (PyTorch has two, Keras in 2019 one), parameters, and
        whether they round to 3.81 M.

    Notebook: 04_the_model_layer_by_layer
    """
    rows = []
    for rnn in ("gru", "lstm"):
        for directions in ("sum", "concat"):
            model = ACRNN(ModelConfig(rnn=rnn, directions=directions), n_classes)
            count = parameter_count(model)
            second_biases = sum(
                p.numel() for name, p in model.named_parameters() if "bias_hh" in name
            )
            for biases, parameters in ((2, count), (1, count - second_biases)):
                rows.append({
                    "cell": rnn.upper(),
                    "directions": directions,
                    "biases_per_gate": biases,
                    "parameters": parameters,
                    "rounds_to_published": round(parameters / 1e6, 2) == PUBLISHED_PARAMETERS / 1e6,
                })
    return pd.DataFrame(rows)


def receptive_field(model, n_steps=7):
    """Input frames that each step's convolutions see.

    Left out are attention inside the CNN, whose softmax sees all frames, and the recurrent layers,
    which do as well.

    Parameters
    ----------
    model : ACRNN
        Its kernels, strides and pools are read.
    n_steps : int

    Returns
    -------
    np.ndarray, shape (n_steps, 2), int
        First frame and last + 1; numbers under 0 or over the segment's length mean padding.

    Notebook: 04_the_model_layer_by_layer
    """
    return reach(model.cnn.values(), n_steps)


def reach(layers, columns):
    """Frames that reach each column of the last of some layers: int (columns, 2), as above."""
    first, last = np.arange(columns), np.arange(columns)
    for size, step, pad in reversed(along_time(layers)):
        first, last = first * step - pad, last * step - pad + size - 1
    return np.stack([first, last + 1], axis=1)


def along_time(layers):
    """(size, stride, padding) along time of every convolution and pool, in their order."""
    parts = [part for layer in layers if not isinstance(layer, MapAttention)
             for part in layer.modules() if isinstance(part, nn.Conv2d | nn.MaxPool2d)]
    return [tuple(value[1] if isinstance(value, tuple) else value
                  for value in (part.kernel_size, part.stride, part.padding)) for part in parts]
