"""Checks of notebook 04.

Notebook: 04_the_model_layer_by_layer
"""

import functools

import numpy as np
import torch
from torch import nn

from ... import trained
from ...config import ModelConfig
from ...models.acrnn import (
    ACRNN,
    CONVOLUTIONS,
    ConvLayer,
    FrameAttention,
    RecurrentLayer,
    parameter_count,
)
from ..exercises import FUNCTION, LAYER, NUMBER, WHOLE, NotRight, Untouched, exercise


@exercise(WHOLE, "filters x input channels x kernel points, then two parameters per filter.")
def l3_parameters(count):
    """Parameters of l3: its convolution and its batch normalisation."""
    weights = 64 * 32 * 3 * 1
    known = {weights: "These are the weights of the convolution alone.",
             weights + 64: "Batch normalisation has a scale and a shift: two per channel.",
             weights + 3 * 64: "The convolution has no bias here.",
             64 * 3 + 2 * 64: "Each filter has 3 weights for each of the 32 input channels."}
    if count in known:
        raise NotRight(known[count])
    if count != weights + 2 * 64:
        raise NotRight(f"{count:,} is off by {count - weights - 128:+,}. Compare with l2.")
    return f"Right: 64 x 32 x 3 + 2 x 64 = {count:,}."


def textbook_block(in_channels, filters, kernel, pool):
    """One row of the table: the library's layers."""
    return nn.Sequential(*ConvLayer(in_channels, filters, kernel),
                         *([nn.MaxPool2d(pool)] if pool else []))


def textbook_recurrent(in_features):
    """The library's bidirectional GRU layer."""
    return RecurrentLayer(in_features, ModelConfig())


def textbook_attention(features):
    """The library's attention over frames."""
    return FrameAttention(features, "softmax")


@exercise(LAYER, "nn.Conv2d(in_channels, filters, kernel, padding=..., bias=False). The padding is "
          "half of each kernel size, rounded down. Remember `return nn.Sequential(...)`.")
def conv_block(build):
    """The block of each row of the table."""
    channels = 2
    for name, filters, kernel, pool in CONVOLUTIONS:
        reference = textbook_block(channels, filters, kernel, pool)
        _compare(f"{name}, kernel {kernel}, pool {pool}: ", build,
                 (channels, filters, kernel, pool), reference, torch.randn(2, channels, 24, 24),
                 ". The order is convolution (same padding, no bias), batch normalisation, ReLU, "
                 "max pooling.")
        channels = filters
    if any(getattr(part, "padding", 0) == "same" for part in build(2, 32, (3, 5), None).modules()):
        raise NotRight("Give the padding as numbers, not as the word 'same': PyTorch does not "
                       "allow the word with the stride that l1 gets later.")
    return "Right: all eight blocks have the right shape, parameters and values."


@exercise(LAYER, "nn.GRU(in_features, cells, batch_first=True, bidirectional=True) returns two "
          "values; the first has the shape (batch, frames, 2 x cells). Its halves: "
          "states.chunk(2, dim=-1).")
def recurrent_layer(build):
    """The bidirectional GRU layer with summed directions."""
    for features in (1024, 256):  # l9, l10
        reference = textbook_recurrent(features)
        _compare(f"{features} features: ", build, (features,), reference,
                 torch.randn(2, 7, features), ". Expected is one bidirectional GRU, batch first, "
                 "whose directions are summed (not joined, not averaged).")
    return f"Right: l9 has 1,969,152 parameters, l10 {parameter_count(reference):,}."


@exercise(LAYER, "self.score(hidden) has the shape (batch, frames, 1). Use .squeeze(-1), then "
          "torch.softmax over the frames (dim=1). weights[:, :, None] * hidden weights the frames.")
def frame_attention(build):
    """The attention over frames."""
    _compare("", build, (256,), textbook_attention(256), 3 * torch.randn(2, 7, 256),
             ". Expected are the weighted sum over the frames and the weights; the weights of each "
             "segment sum to 1 over its frames (dim=1).",
             {"The softmax goes over the segments of the batch (dim=0). It must go over the frames "
              "of each segment (dim=1).": _AcrossSegments(256, "softmax")})
    return "Right: 257 parameters, and the weights of each segment sum to 1."


class _AcrossSegments(FrameAttention):
    """Softmax over the wrong dimension."""

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(0)
        return (weights[:, :, None] * hidden).sum(1), weights


def _acrnn(classes=10):
    net = ACRNN(ModelConfig(init_std=0.0), classes)
    net.forward = functools.partial(net.forward, return_attention=True)
    return net


@exercise(LAYER, "a loop over acrnn.CONVOLUTIONS can fill self.cnn; self.cnn.values() are its "
          "layers. Between l8 and l9: h.permute(0, 3, 1, 2).flatten(2). Return logits, weights.")
def network(build, x):
    """The whole network; x holds segments, (batch, 2, 128, 128)."""
    swapped, softmax, reshaped = _acrnn(), _acrnn(), _acrnn()
    reshaped.l9.register_forward_pre_hook(lambda _, given: (  # in the memory's order
        given[0].unflatten(2, (256, 4)).permute(0, 2, 3, 1).reshape(given[0].shape),))
    swapped.l9.register_forward_pre_hook(lambda _, given: (  # (channels, bands) in another order
        given[0].unflatten(2, (256, 4)).transpose(2, 3).flatten(2),))
    softmax.classifier.register_forward_hook(lambda _, given, logits: logits.softmax(1))
    _compare("", build, (10,), _acrnn(), x[:2], ".", {
        "The values that l9 reads are in another order: put the channels before the bands, "
        "h.permute(0, 3, 1, 2).flatten(2).": swapped,
        "reshape keeps the order of the memory, in which the frames come last: put them first, "
        "h.permute(0, 3, 1, 2).flatten(2).": reshaped,
        "The logits have passed a softmax. Return them as the classifier gives them.": softmax})
    _compare("for 50 classes (n_classes=50): ", build, (50,), _acrnn(50), x[:1], ".")
    model, shares = build(10).train(), {}
    for name in ("l10", "attention"):  # what they read must come from dropout
        getattr(model, name).register_forward_pre_hook(lambda _, inputs, name=name: shares.update(
            {name: (inputs[0] == 0).float().mean().item()}))
    model(x[:2])
    for name, layer in (("l10", "l9"), ("attention", "l10")):
        if abs(shares.get(name, 0) - 0.5) > 0.05:
            raise NotRight(f"In training, {shares.get(name, 0):.0%} of the values that {name} "
                           f"reads are zero, expected 50 %: dropout of 0.5 after {layer}.")
    total = parameter_count(model)
    return (f"Right: {total:,} parameters = {total - 257:,} + 257 of the attention. Both round to "
            "the paper's 3.81 M.\nShapes, names and values agree with the library's network.")


@exercise(FUNCTION, 'model = MyACRNN(10), then model.cnn["l1"][0].stride = ..., '
          'model.cnn["l2"][3] = ..., model.load_state_dict(tensors), return model.eval().')
def pretrained(build, tensors, x, predictor):
    """The learner's network with the tensors of the pretrained model, a Predictor."""
    model = build(dict(tensors))
    if not isinstance(model, nn.Module):
        raise NotRight(f"Found {_kind_of(model)} in place of a network: return the model itself.")
    if any(part.training for part in model.modules()):
        raise NotRight("The network is in training mode, with dropout and statistics of the batch.")
    if any(getattr(part, "padding", None) == "same" and max(part.stride) > 1
           for part in model.modules()):
        raise NotRight("PyTorch does not allow padding='same' with a stride over 1. Give numbers "
                       "in exercise 2: padding=(kernel[0] // 2, kernel[1] // 2).")
    state, expected = model.state_dict(), trained.answer(x, predictor.model)[0]
    for name, value in tensors.items():
        if name not in state or not torch.equal(state[name], value):
            raise NotRight(f"{name} has not the value of the file: model.load_state_dict(tensors).")
    found = _probabilities(model, x)
    if found.shape != expected.shape or not np.abs(found - expected).max() < 1e-5:
        raise NotRight("The weights are the file's, but the probabilities differ. Is the stride "
                       "of l1 (2, 3), and the pool of l2 (2, 1)?")
    best = [f"  {found.mean(0)[k]:.5f} {predictor.classes[k]}"
            for k in np.argsort(-found.mean(0))[:3]]
    return "\n".join([f"Right: in {len(x)} segments no probability differs by more than "
                      f"{np.abs(found - expected).max():.0e}. Your network's answer:", *best])


def _probabilities(model, x):
    try:
        with torch.no_grad():
            return model(x)[0].softmax(1).numpy()
    except Exception as error:
        raise NotRight(f"The network fails on the clip with {_said(error)}") from None


@exercise(NUMBER, "the layers along time up to l6 have kernels of 5, 5, a pool of 3, kernels of "
          "1, 1, 5, 5, and a pool of 3.")
def seconds_after_l6(seconds):
    """Sound that the receptive field after the pool of l6 covers, without the delta."""
    def span(frames):
        return ((frames - 1) * 512 + 1024) / 44100

    known = {span(41 + 8): "That includes the delta: its 9 frames add 8. Count the first channel "
                           "only.",
             span(35): "That is the width before the pool of l6. The pool adds two steps.",
             span(86): "That is the width after l8. The question is about l6.",
             41 * 512 / 44100: "That is 41 frames of 512 samples. The last window is 1,024 long.",
             41.0: "41 is the width in frames. Convert it to seconds."}
    if abs(seconds - span(41)) >= 0.003:
        near = [text for value, text in known.items() if abs(seconds - value) < 0.003]
        raise NotRight(near[0] if near else f"{seconds:g} s is not right. After l2 and its pool "
                       "the width is 11 frames and the step 3 frames. Continue from there.")
    return f"Right: 41 frames, {span(41):.3f} s. Including the delta it is {span(49):.3f} s."


def _compare(before, build, arguments, reference, x, after, mistakes=()):
    """Compare with a reference; mistakes: references with a known mistake, by message."""
    wrong = difference(build, arguments, reference, x)
    if wrong is None:
        raise Untouched
    for message in mistakes if wrong else ():
        if not difference(build, arguments, mistakes[message], x):
            raise NotRight(message)
    if wrong:
        raise NotRight(before + wrong + after)


def difference(build, arguments, reference, x):
    """How a layer differs from a reference: a sentence, "" where both compute the same.

    Compared are shapes of the outputs, names and shapes of all parameters and, with the
    reference's weights copied into the layer, the outputs in evaluation mode.

    Parameters
    ----------
    build : callable
        Makes the layer from ``arguments``, a tuple.
    reference : nn.Module
    x : torch.Tensor
        Input of both.

    Returns
    -------
    str or None
        None where there is no layer yet: ``build`` or the layer returns None. Whatever fails in
        a learner's code becomes a sentence.
    """
    try:
        layer = build(*arguments)
        if layer is None:
            return None
        if not isinstance(layer, nn.Module):
            return f"found {_kind_of(layer)}, expected an nn.Module such as nn.Sequential(...)"
        with torch.no_grad():
            found, expected = layer.eval()(x), reference.eval()(x)
            if found is None:
                return None
            return (_other_form(found, expected) or _other_parameters(layer, reference)
                    or _other_values(layer, reference, x))
    except Exception as error:  # a learner's code can raise anything
        return _said(error)


def _other_form(found, expected):
    if isinstance(expected, tuple):
        if not isinstance(found, tuple) or len(found) != len(expected):
            return f"found {_kind_of(found)}, expected {len(expected)} outputs"
        return next(filter(None, map(_other_form, found, expected)), "")
    if not isinstance(found, torch.Tensor):
        return f"the output is {_kind_of(found)}, expected a tensor"
    if found.shape != expected.shape:
        return f"the output has the shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    return ""


def _other_parameters(layer, reference):
    mine, right = ({name: tuple(value.shape) for name, value in part.state_dict().items()}
                   for part in (layer, reference))
    for name in {**right, **mine}:
        if mine.get(name) != right.get(name):
            return (f"found {parameter_count(layer):,} parameters, expected "
                    f"{parameter_count(reference):,}. First difference, {name}: found "
                    f"{mine.get(name, 'nothing')}, expected {right.get(name, 'nothing')}")
    return ""


def _other_values(layer, reference, x):
    layer.load_state_dict(reference.state_dict())
    found, expected = (output if isinstance(output, tuple) else (output,)
                       for output in (layer(x), reference(x)))
    for mine, right in zip(found, expected, strict=True):
        if not torch.allclose(mine, right, atol=1e-5):
            factor = (mine * right).sum() / (right * right).sum()
            if torch.allclose(mine, factor * right, atol=1e-5):
                return f"the values are {factor:.3g} times the expected ones"
            return f"with equal weights the values differ by up to {(mine - right).abs().max():.2g}"
    return ""


def _kind_of(value):
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    return f"an object of the type {type(value).__name__}"


def _said(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
