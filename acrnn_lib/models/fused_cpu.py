"""Batch norm and ReLU in one, for training in bf16 on a CPU.

The maps of the first layers fit no cache, so a pass over them takes the time to read them from
memory, and PyTorch's norm in bf16 takes several times that. Where the convolutions run on matrix
units (AMX), norm and ReLU by themselves took half of a training step of ``acrnn``. Here they pass
over a map three times forward and five times backward, as in ``fused``. ``device.can_fuse`` says
where they are used.

Kept apart because importing numba is slow.

Notebook: 06_training_on_a_gpu
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from ..features.compiled import compiled

SUMMED = 256  # rows that are summed in float32, before float64 takes their sum
SAMPLED = 64  # rows at most that give a first guess of the mean
SMALLEST = 2**18  # numbers that are worth a thread


def norm_relu(x: torch.Tensor, norm: torch.nn.BatchNorm2d) -> torch.Tensor:
    """Compute relu(norm(x)) in training mode: the same values but for rounding.

    Parameters
    ----------
    x : torch.Tensor, shape (B, C, H, W), bfloat16
        Channels last, or it is copied.
    norm : torch.nn.BatchNorm2d
        Its running statistics are updated, as by its own forward pass.

    Returns
    -------
    torch.Tensor
        Shape and dtype of ``x``, channels last.

    Raises
    ------
    ValueError
        For a map that does not fit.

    Notebook: 06_training_on_a_gpu
    """
    if not fits(x):
        raise ValueError(f"x: found {x.dtype} of shape {tuple(x.shape)}, expected torch.bfloat16 "
                         "and more than one value per channel")
    norm.num_batches_tracked += 1
    return NormReLU.apply(x, norm.weight, norm.bias, norm.running_mean, norm.running_var,
                          norm.momentum, norm.eps)


def fits(x: torch.Tensor) -> bool:
    """Whether a map has the dtype that ``norm_relu`` asks for, and values to normalise.

    Notebook: 06_training_on_a_gpu
    """
    return x.dtype == torch.bfloat16 and x.numel() > x.shape[1]


class NormReLU(torch.autograd.Function):
    """``norm_relu`` for autograd: keeps its input and computes the rest again backward.

    References
    ----------
    Ioffe and Szegedy 2015 (batch norm and its gradient).
    """

    @staticmethod
    @np.errstate(invalid="ignore", over="ignore")  # training has an error of its own for those
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor,
                running_mean: torch.Tensor, running_var: torch.Tensor, momentum: float,
                eps: float) -> torch.Tensor:
        """Normalise ``x`` by its own statistics; update the running ones."""
        x, values = _rows(x)
        rows = len(values)
        pivot = _widened(values[::1 + rows // SAMPLED]).mean(0)
        shift, square = sum(_side_by_side(partial(_sums, values, pivot), values)) / rows
        mean, variance = pivot + shift, np.maximum(square - shift**2, 0)
        inverse = 1 / np.sqrt(variance + eps)
        factor = weight.detach().double().numpy() * inverse
        offset = bias.detach().double().numpy() - mean * factor
        ctx.of_channel = [one.astype(np.float32) for one in (factor, offset, mean, inverse)]
        ctx.save_for_backward(x)
        y = torch.empty_like(x)
        _side_by_side(partial(_normalise, values, *ctx.of_channel[:2], _bits(y)), values)
        unbiased = variance * rows / max(rows - 1, 1)
        for running, now in ((running_mean, mean), (running_var, unbiased)):
            running.lerp_(torch.as_tensor(now, dtype=running.dtype), momentum)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of ``x``, weight and bias."""
        x, = ctx.saved_tensors
        values, (_, slopes) = _bits(x), _rows(dy)
        factor, offset, mean, inverse = ctx.of_channel
        of_bias, of_weight = sum(_side_by_side(
            partial(_slopes, values, slopes, factor, offset, mean), values))
        of_weight *= inverse
        constant = factor * of_bias / len(values)
        linear = factor * inverse * of_weight / len(values)
        dx = torch.empty_like(x)
        _side_by_side(partial(_backward, values, slopes, factor, offset, mean,
                              constant.astype(np.float32), linear.astype(np.float32), _bits(dx)),
                      values)
        found = (torch.as_tensor(one, dtype=torch.float32) for one in (of_weight, of_bias))
        return dx.permute(0, 3, 1, 2), *found, None, None, None, None


def _rows(x):
    """A map as (B, H, W, C), and its bits as a matrix with a row per point, (B x H x W, C)."""
    x = x.permute(0, 2, 3, 1).contiguous()
    return x, _bits(x)


def _bits(x):
    return x.view(-1, x.shape[-1]).view(torch.uint16).numpy()


def _widened(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _side_by_side(kernel: Callable, values: np.ndarray) -> list:
    """Results of kernel(first, last) for parts of the rows, on no more threads than torch has."""
    parts = max(1, min(torch.get_num_threads(), values.size // SMALLEST))
    edges = [len(values) * part // parts for part in range(parts + 1)]
    others = [_pool(os.getpid()).submit(kernel, first, last)
              for first, last in pairwise(edges[1:])]
    return [kernel(0, edges[1]), *(other.result() for other in others)]


@cache
def _pool(process):
    """The threads of a process, which start when needed; a fork does not have its parent's."""
    return ThreadPoolExecutor(os.cpu_count())


@compiled(nogil=True)
def _wide(bits):
    """The float32 of bf16's bits, which are its upper half."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@compiled(nogil=True)
def _narrow(value):
    """The bits of the nearest bf16; ties go to the even one, NaN stays NaN."""
    if value != value:
        return np.uint16(0x7FC0)
    bits = np.float32(value).view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    return np.uint16((bits + np.uint32(0x7FFF) + even) >> np.uint32(16))


@compiled(nogil=True)
def _passed(slope, normalised):
    """The gradient where the ReLU is open."""
    return np.float32(0) if normalised <= 0 else slope


@compiled(nogil=True)
def _sums(x, pivot, first, last):
    """Sums over rows of the values and of their squares, (2, C), float64.

    Values are taken relative to a guess of their mean: in float32 the variance would be lost among
    squares of numbers far from 0.
    """
    total, channels = np.zeros((2, len(pivot))), len(pivot)
    value, square = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for begin in range(first, last, SUMMED):
        value[:] = square[:] = 0
        for at in range(begin, min(begin + SUMMED, last)):
            row = x[at]
            for c in range(channels):
                apart = _wide(row[c]) - pivot[c]
                value[c] += apart
                square[c] += apart * apart
        total[0] += value
        total[1] += square
    return total


@compiled(nogil=True)
def _normalise(x, factor, offset, y, first, last):
    """Rows of the result."""
    for at in range(first, last):
        row, result = x[at], y[at]
        for c in range(len(factor)):
            value = _wide(row[c]) * factor[c] + offset[c]
            result[c] = _narrow(_passed(value, value))


@compiled(nogil=True)
def _slopes(x, dy, factor, offset, mean, first, last):
    """Sums over rows of the gradient and of its product with x - mean, (2, C), float64."""
    total, channels = np.zeros((2, len(mean))), len(mean)
    plain, product = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for begin in range(first, last, SUMMED):
        plain[:] = product[:] = 0
        for at in range(begin, min(begin + SUMMED, last)):
            row, slopes = x[at], dy[at]
            for c in range(channels):
                value = _wide(row[c])
                slope = _passed(_wide(slopes[c]), value * factor[c] + offset[c])
                plain[c] += slope
                product[c] += slope * (value - mean[c])
        total[0] += plain
        total[1] += product
    return total


@compiled(nogil=True)
def _backward(x, dy, factor, offset, mean, constant, linear, dx, first, last):
    """Rows of the gradient of x: what passes the ReLU, less the part of mean and deviation."""
    for at in range(first, last):
        row, slopes, result = x[at], dy[at], dx[at]
        for c in range(len(mean)):
            value = _wide(row[c])
            slope = _passed(_wide(slopes[c]), value * factor[c] + offset[c])
            result[c] = _narrow(factor[c] * slope - constant[c] - linear[c] * (value - mean[c]))
