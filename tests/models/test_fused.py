"""Batch norm and ReLU in one against the two: on a GPU, else in Triton's interpreter."""

import copy
import importlib.util
import os

import pytest
import torch

from acrnn_lib.device import can_fuse
from acrnn_lib.models.acrnn import ACRNN, ConvLayer
from acrnn_lib.training import loop
from tests import tiny

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None,
                                  reason="no Triton, which comes with torch for NVIDIA GPUs")


@pytest.fixture(scope="module")
def norm_relu():
    if DEVICE == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported
    from acrnn_lib.models.fused import norm_relu

    return norm_relu


def outcome(function, x, dy, norm):
    """[result, gradients of x, weight and bias, statistics] of one pass, float64."""
    x = x.detach().requires_grad_()
    y = function(x, norm)
    y.backward(dy.to(y.dtype))
    return [value.detach().double() for value in (
        y, x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var)]


@needs_triton
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 32, 16, 128), (5, 256, 8, 14), (1, 64, 1, 2),
                                   (7, 128, 3, 5)])
def test_norm_and_relu_in_one_are_as_exact_as_the_two(norm_relu, shape, kind):
    """Compared in float64, as two float32 sums in different orders are both a little wrong.

    In a channel of two nearly equal values, 1 / deviation multiplies that error; so the bound is a
    multiple of the error that PyTorch's own layers make.
    """
    drawn = torch.Generator(DEVICE).manual_seed(0)
    x, dy = (torch.randn(shape, generator=drawn, device=DEVICE).to(kind)
             .contiguous(memory_format=torch.channels_last) for _ in range(2))
    norm = torch.nn.BatchNorm2d(shape[1], device=DEVICE)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(-1, 2, shape[1]))
        norm.bias.copy_(torch.linspace(1, -1, shape[1]))
    x = 3 * x + 1
    plain, exact = copy.deepcopy(norm), copy.deepcopy(norm).double()

    def two(x, norm):
        return torch.relu(norm(x))

    # next to the ReLU's corner, rounding decides whether a gradient passes
    dy *= copy.deepcopy(exact)(x.double()).abs() > 0.02
    right = outcome(two, x.double(), dy.double(), exact)
    found, usual = outcome(norm_relu, x, dy, norm), outcome(two, x, dy, plain)
    for ours, theirs, value in zip(found, usual, right, strict=True):
        scale = value.abs().max()
        error, own = ((one - value).abs().max() / scale for one in (ours, theirs))
        assert error < 4 * own + 2e-6
    assert norm.num_batches_tracked == 1


@needs_triton
def test_a_network_learns_the_same_with_them_in_one(norm_relu):
    torch.manual_seed(0)
    network = ACRNN(n_classes=3).to(DEVICE).train()
    fused = copy.deepcopy(network)
    layers = [layer for layer in fused.modules() if isinstance(layer, ConvLayer)]
    for layer in layers:
        layer.fused = True
    x = torch.randn(2, 2, 128, 128, device=DEVICE).contiguous(memory_format=torch.channels_last)
    for model in (network, fused):
        model.to(memory_format=torch.channels_last)
        torch.manual_seed(1)  # of the dropout
        model(x).square().mean().backward()
    assert len(layers) == 8
    for (name, one), other in zip(network.named_parameters(), fused.parameters(), strict=True):
        # one value of 14,336 next to the corner of l8 is 0.8 %
        assert (other.grad - one.grad).norm() < 0.03 * one.grad.norm() + 1e-7, name


def test_they_are_one_by_rule_only(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr("acrnn_lib.device.find_spec", lambda name: name)
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert can_fuse(gpu, "channels_last") and not can_fuse(cpu, "channels_last")
    assert not can_fuse(gpu, "contiguous")
    assert not can_fuse(gpu, "channels_last", early_pooling=True)
    monkeypatch.setattr("acrnn_lib.device.find_spec", lambda name: None)
    assert not can_fuse(gpu, "channels_last")
    monkeypatch.setattr("acrnn_lib.device.find_spec", lambda name: name)
    monkeypatch.setattr(torch.version, "cuda", None)  # AMD
    assert not can_fuse(gpu, "channels_last")


@pytest.mark.parametrize("rule", [True, False])
def test_a_trainer_follows_the_rule_and_its_manifest_says_so(monkeypatch, rule, tmp_path):
    monkeypatch.setattr(loop, "can_fuse", lambda *_: rule)
    settings = tiny.settings("acrnn")
    trainer, data = tiny.trainer(settings, *tiny.task())
    layers = [m for m in trainer.model.modules() if isinstance(m, ConvLayer)]
    assert len(layers) == 8 and {layer.fused for layer in layers} == {rule}
    monkeypatch.setattr(loop.results, "read_history", lambda _: {
        "segments_per_second": torch.ones(1)})
    assert loop.manifest_of(trainer, data, tmp_path)["fused_norm"] is rule


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")
@needs_triton
def test_a_gpu_trains_with_them_in_one(monkeypatch):
    monkeypatch.setenv("ACRNN_PRECISION", "bf16")
    settings = tiny.settings("acrnn", **{"model.early_pooling": False})
    trainer, data = tiny.trainer(settings, *tiny.task(), "cuda")
    assert trainer.fused
    losses = [loop.run_epoch(trainer, data, epoch)["loss"] for epoch in (1, 2, 3)]
    assert losses[-1] < losses[0]
