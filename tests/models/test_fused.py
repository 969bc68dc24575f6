"""Batch norm and ReLU in one against the two: on a GPU, else in Triton's interpreter; on a CPU."""

import copy
import importlib.util
import os

import numpy as np
import pytest
import torch

from acrnn_lib.device import can_fuse
from acrnn_lib.models import fused_cpu
from acrnn_lib.models.acrnn import ACRNN, ConvLayer
from acrnn_lib.training import loop
from tests import tiny

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None,
                                  reason="no Triton, which comes with torch for NVIDIA GPUs")


KINDS = [pytest.param("triton", torch.float32, marks=needs_triton),
         pytest.param("triton", torch.bfloat16, marks=needs_triton),
         pytest.param("cpu", torch.bfloat16)]


def in_one(way):
    """(function, device) of a way to compute them in one."""
    if way == "cpu":
        return fused_cpu.norm_relu, "cpu"
    if DEVICE == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported
    from acrnn_lib.models.fused import norm_relu

    return norm_relu, DEVICE


def outcome(function, x, dy, norm):
    """[result, gradients of x, weight and bias, statistics] of one pass, float64."""
    x = x.detach().requires_grad_()
    y = function(x, norm)
    y.backward(dy.to(y.dtype))
    return [value.detach().double() for value in (
        y, x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var)]


@pytest.mark.parametrize(("way", "kind"), KINDS)
@pytest.mark.parametrize("shape", [(3, 32, 16, 128), (5, 256, 8, 14), (1, 64, 1, 2),
                                   (7, 128, 3, 5)])
def test_norm_and_relu_in_one_are_as_exact_as_the_two(shape, way, kind):
    """Compared in float64, as two float32 sums in different orders are both a little wrong.

    In a channel of two nearly equal values, 1 / deviation multiplies that error; so the bound is a
    multiple of the error that PyTorch's own layers make.
    """
    norm_relu, device = in_one(way)
    drawn = torch.Generator(device).manual_seed(0)
    x, dy = (torch.randn(shape, generator=drawn, device=device).to(kind)
             .contiguous(memory_format=torch.channels_last) for _ in range(2))
    norm = torch.nn.BatchNorm2d(shape[1], device=device)
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


@pytest.mark.parametrize(("way", "kind"), KINDS)
def test_nan_stays_nan(way, kind):
    norm_relu, device = in_one(way)
    x = torch.randn(2, 32, 4, 4, device=device).to(kind)
    x[1, 3, 2, 1] = torch.nan
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    norm = torch.nn.BatchNorm2d(32, device=device)
    y = norm_relu(x, norm)
    y.backward(torch.ones_like(y))
    for found in (y, x.grad):
        assert found[:, 3].isnan().all() and found.isnan().sum() == 2 * 4 * 4
    assert norm.weight.grad.isnan().nonzero().tolist() == [[3]]


def test_several_threads_compute_what_one_does(monkeypatch):
    monkeypatch.setattr(fused_cpu, "SMALLEST", 1000)
    shape, found = (3, 32, 7, 9), []
    x, dy = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)).bfloat16()
    threads = torch.get_num_threads()
    for number in (1, 3):
        torch.set_num_threads(number)
        try:
            found.append(outcome(fused_cpu.norm_relu, x, dy, torch.nn.BatchNorm2d(32)))
        finally:
            torch.set_num_threads(threads)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-5)  # rounded to bf16


def test_float32_is_rounded_to_bf16_as_by_torch():
    drawn = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    ties = drawn[:10_000] & np.uint32(0xFFFF0000) | np.uint32(0x8000)
    values = np.concatenate([drawn, ties]).view(np.float32)
    ours = torch.as_tensor([fused_cpu._narrow(value) for value in values], dtype=torch.int32)
    theirs = torch.as_tensor(values).bfloat16().view(torch.uint16).int()
    numbers = ~np.isnan(values)
    assert torch.equal(ours[numbers], theirs[numbers])
    assert ours[~numbers].to(torch.uint16).view(torch.bfloat16).isnan().all()


@pytest.mark.parametrize(("way", "kind"), KINDS)
def test_a_gradient_of_their_gradient_is_refused_and_not_wrong(way, kind):
    norm_relu, device = in_one(way)
    x = torch.randn(2, 32, 4, 4, device=device).to(kind).requires_grad_()
    y = norm_relu(x, torch.nn.BatchNorm2d(32, device=device))
    slope, = torch.autograd.grad(y.float().square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.float().square().sum().backward()


@pytest.mark.parametrize("x", [torch.ones(2, 32, 4, 4), torch.ones(1, 32, 1, 1).bfloat16()])
def test_on_a_cpu_they_are_for_several_values_in_bf16(x):
    with pytest.raises(ValueError, match=r"expected torch\.bfloat16 and more than one value"):
        fused_cpu.norm_relu(x, torch.nn.BatchNorm2d(32))


@pytest.mark.parametrize(("way", "shape", "kind"), [
    ("cpu", (2, 32, 4, 4), torch.float32), ("cpu", (1, 32, 1, 1), torch.bfloat16),
    pytest.param("triton", (2, 24, 4, 4), torch.float32, marks=needs_triton),
    pytest.param("triton", (1, 32, 1, 1), torch.float32, marks=needs_triton)])
def test_some_maps_are_left_to_torch(way, shape, kind):
    """As in a network of a learner's own; torch refuses one value per channel."""
    in_one(way)
    kernels = importlib.import_module(f"acrnn_lib.models.fused{'_cpu' * (way == 'cpu')}")
    assert not kernels.fits(torch.ones(shape, dtype=kind))
    assert kernels.fits(torch.ones(2, 32, 4, 4, dtype=torch.bfloat16))


def frozen(layer):
    layer[1].eval()


def other_norm(layer):
    layer[1] = torch.nn.GroupNorm(4, 32)


def one_more(layer):
    layer.append(torch.nn.Dropout2d(0.0))


@pytest.mark.parametrize("change", [frozen, other_norm, one_more])
def test_a_layer_that_a_learner_changed_computes_what_its_parts_do(change):
    layer = ConvLayer(2, 32, (3, 3)).train()
    change(layer)
    plain = copy.deepcopy(layer)
    layer.fused = True
    x = torch.randn(2, 2, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found, wanted = layer(x), plain(x)
    assert torch.equal(found, wanted)
    for one, other in zip(layer.buffers(), plain.buffers(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("way", "kind"), KINDS[::2])
def test_a_network_learns_the_same_with_them_in_one(monkeypatch, way, kind):
    """In bf16, next to ReLUs' corners, either is off: the bound is what the two are off float32."""
    norm_relu, device = in_one(way)
    calls = []

    def counted(*given):
        calls.append(given)
        return norm_relu(*given)

    kernels = importlib.import_module(f"acrnn_lib.models.fused{'_cpu' * (device == 'cpu')}")
    monkeypatch.setattr(kernels, "norm_relu", counted)
    monkeypatch.setattr(kernels, "fits", lambda x: True)  # Triton's interpreter is for float32
    torch.manual_seed(0)
    exact = ACRNN(n_classes=3).to(device).train()
    two, one = copy.deepcopy(exact), copy.deepcopy(exact)
    layers = [layer for layer in one.modules() if isinstance(layer, ConvLayer)]
    for layer in layers:
        layer.fused = True
    x = torch.randn(2, 2, 128, 128, device=device).contiguous(memory_format=torch.channels_last)
    for model, rounded in ((exact, False), (two, True), (one, True)):
        model.to(memory_format=torch.channels_last)
        torch.manual_seed(1)  # of the dropout
        with torch.autocast(device, torch.bfloat16, rounded and kind == torch.bfloat16):
            logits = model(x)
        logits.float().square().mean().backward()
    assert len(layers) == len(calls) == 8
    for (name, right), usual, found in zip(exact.named_parameters(), two.parameters(),
                                           one.parameters(), strict=True):
        bound = 1.2 * (usual.grad - right.grad).norm() + 0.03 * right.grad.norm() + 1e-7
        # one value of 14,336 next to the corner of l8 is 0.8 %
        assert (found.grad - right.grad).norm() < bound, name


def test_they_are_one_by_rule_only(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr("acrnn_lib.device.find_spec", lambda name: name)
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert can_fuse(gpu, "float32", "channels_last") and can_fuse(gpu, "bf16", "channels_last")
    assert not can_fuse(gpu, "bf16", "contiguous")
    assert not can_fuse(gpu, "bf16", "channels_last", early_pooling=True)
    assert can_fuse(cpu, "bf16", "channels_last", early_pooling=True)
    assert not can_fuse(cpu, "float32", "channels_last")
    assert not can_fuse(cpu, "bf16", "contiguous")
    assert not can_fuse(torch.device("mps"), "bf16", "channels_last")
    monkeypatch.setattr("acrnn_lib.device.find_spec", lambda name: None)
    assert not can_fuse(gpu, "bf16", "channels_last")
    monkeypatch.setattr("acrnn_lib.device.find_spec", lambda name: name)
    monkeypatch.setattr(torch.version, "cuda", None)  # AMD
    assert not can_fuse(gpu, "bf16", "channels_last")


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


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[
    needs_triton, pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")])])
def test_a_network_trains_with_them_in_one(monkeypatch, device):
    monkeypatch.setenv("ACRNN_PRECISION", "bf16")
    settings = tiny.settings("acrnn", **{"model.early_pooling": False})
    trainer, data = tiny.trainer(settings, *tiny.task(), device)
    assert trainer.fused
    losses = [loop.run_epoch(trainer, data, epoch)["loss"] for epoch in (1, 2, 3)]
    assert losses[-1] < losses[0]
