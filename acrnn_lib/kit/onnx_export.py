"""Export a trained network to ONNX, for programs and browsers without PyTorch.

Notebook: 13_your_own_sounds
"""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..files import write_bytes
from ..inference import Predictor
from ..trained import all_outputs
from .installed import need

OPSET = 17  # of ONNX 1.12, which every runtime of today reads
INPUT, OUTPUTS = "segments", ("logits", "attention", "summaries")


class _AllOutputs(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return all_outputs(x, self.model)


def export(path: Path | str, predictor: Predictor) -> Path:
    """Write a network as ONNX: normalised segments in; logits, attention and summaries out.

    Weights that float16 holds exactly, as those of the pretrained model, are stored in it, which
    halves the file; the arithmetic is float32.

    Parameters
    ----------
    path : Path or str
        The .onnx file.
    predictor : Predictor

    Returns
    -------
    Path
        The input ``segments`` is float32 (batch, channels, n_bands, segment_frames); outputs are
        ``logits`` (batch, classes), ``attention`` (batch, T') and ``summaries`` (batch, features),
        what the layer ``classifier`` reads; the last only of a network that has this layer.

    Raises
    ------
    ValueError
        Where the package onnx is missing.

    Notebook: 13_your_own_sounds
    """
    need("onnx")
    import onnx

    segment, buffer = _silent_segment(predictor.config), io.BytesIO()
    names = output_names(predictor)
    with warnings.catch_warnings():
        # the newer exporter needs one more package and unrolls the recurrent layers
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # PyTorch's own checks of shapes
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        # recurrent layers start from zeros, whatever the batch
        warnings.filterwarnings("ignore", message="Exporting a model to ONNX with a batch_size")
        torch.onnx.export(
            _AllOutputs(predictor.model).eval(), (segment,), buffer, dynamo=False,
            opset_version=OPSET, input_names=[INPUT], output_names=list(names),
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *names)},
            # batch norm stays a layer of its own: merged weights would need float32
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    model = onnx.load_from_string(buffer.getvalue())
    _halve(model.graph)
    onnx.checker.check_model(model)
    write_bytes(path, model.SerializeToString(deterministic=True))
    return Path(path)


def output_names(predictor: Predictor) -> tuple[str, ...]:
    """Those of OUTPUTS that a network has.

    Notebook: 13_your_own_sounds
    """
    return OUTPUTS[: len(all_outputs(_silent_segment(predictor.config), predictor.model))]


def _silent_segment(config):
    return torch.zeros(1, len(config.channels), config.n_bands, config.segment_frames)


def _halve(graph):
    """Store what float16 holds exactly in float16, and cast it back where it is used."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and np.array_equal(values, values.astype(np.float16)):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.float16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
