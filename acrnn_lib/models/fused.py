"""Batch norm and ReLU in one, for training on an NVIDIA GPU.

The maps of the first layers fit no cache, so each pass over them takes the time to read them from
memory. Norm and ReLU by themselves pass over a map five times forward and eight times backward,
together three and five times. The kernels are written in Triton, which torch brings along for
NVIDIA GPUs on Linux; ``device.can_fuse`` says where they are used.

Notebook: 06_training_on_a_gpu
"""

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

TILE = 8192  # numbers that a program holds at once
PROGRAMS = 4  # of a sum, on each multiprocessor
WARPS = 8  # of a program: the tiles of a sum just fit its registers


def norm_relu(x: torch.Tensor, norm: torch.nn.BatchNorm2d) -> torch.Tensor:
    """Compute relu(norm(x)) in training mode: the same values but for rounding.

    Parameters
    ----------
    x : torch.Tensor, shape (B, C, H, W), float32 or bfloat16
        On a GPU; C a power of 2, at most ``TILE``.
    norm : torch.nn.BatchNorm2d
        Its running statistics are updated, as by its own forward pass.

    Returns
    -------
    torch.Tensor
        Shape and dtype of ``x``, channels last.

    Notebook: 06_training_on_a_gpu
    """
    x = x.contiguous(memory_format=torch.channels_last)
    norm.num_batches_tracked += 1
    return NormReLU.apply(x, norm.weight, norm.bias, norm.running_mean, norm.running_var,
                          norm.momentum, norm.eps)


def fits(x: torch.Tensor) -> bool:
    """Whether a map has as many channels as ``norm_relu`` asks for, and values to normalise.

    Notebook: 06_training_on_a_gpu
    """
    channels = x.shape[1]
    return channels <= TILE and channels.bit_count() == 1 and x.numel() > channels


class NormReLU(torch.autograd.Function):
    """``norm_relu`` for autograd: keeps its input and computes the rest again backward.

    References
    ----------
    Ioffe and Szegedy 2015 (batch norm and its gradient).
    """

    @staticmethod
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor,
                running_mean: torch.Tensor, running_var: torch.Tensor, momentum: float,
                eps: float) -> torch.Tensor:
        """Normalise ``x`` by its own statistics; update the running ones."""
        rows, channels, programs, tile = _sizes(x)
        sums = x.new_empty(programs, 2, channels, dtype=torch.float32)
        _sums[(programs,)](x, sums, rows, channels, tile, num_warps=WARPS)
        sums = sums.sum(0)
        y = torch.empty_like(x)
        _normalise[(triton.cdiv(rows, tile),)](
            x, sums, weight, bias, running_mean, running_var, y, rows, momentum, eps, channels,
            tile, num_warps=WARPS)
        ctx.save_for_backward(x, sums, weight, bias)
        ctx.eps = eps
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of ``x``, weight and bias."""
        x, sums, weight, bias = ctx.saved_tensors
        rows, channels, programs, tile = _sizes(x)
        dy = dy.contiguous(memory_format=torch.channels_last)
        slopes = x.new_empty(programs, 2, channels, dtype=torch.float32)
        _slopes[(programs,)](x, dy, sums, weight, bias, slopes, rows, ctx.eps, channels, tile,
                             num_warps=WARPS)
        slopes = slopes.sum(0)
        dx = torch.empty_like(x)
        _backward[(triton.cdiv(rows, tile),)](
            x, dy, sums, weight, bias, slopes, dx, rows, ctx.eps, channels, tile, num_warps=WARPS)
        return dx, slopes[1], slopes[0], None, None, None, None


def _sizes(x):
    """Rows and channels of a map as a matrix, programs that share a sum, rows of a tile."""
    channels = x.shape[1]
    processors = (torch.cuda.get_device_properties(x.device).multi_processor_count
                  if x.is_cuda else 1)  # Triton's interpreter, for tests
    return x.numel() // channels, channels, PROGRAMS * processors, TILE // channels


@triton.jit
def _tile(rows, first, C: tl.constexpr, N: tl.constexpr):
    """Places of N rows of C channels from row ``first`` on, and which of them exist."""
    row = first + tl.arange(0, N)[:, None]
    return row.to(tl.int64) * C + tl.arange(0, C)[None, :], row < rows


@triton.jit
def _moments(x, sums, rows, eps, C: tl.constexpr):
    """Mean, variance and 1 / deviation of each channel, from the two sums of ``_sums``."""
    channel = tl.arange(0, C)
    shift = tl.load(sums + channel) / rows
    variance = tl.maximum(tl.load(sums + C + channel) / rows - shift * shift, 0.0)
    return tl.load(x + channel).to(tl.float32) + shift, variance, 1 / tl.sqrt(variance + eps)


@triton.jit
def _affine(weight, bias, mean, inverse, C: tl.constexpr):
    """Factor and offset that normalise each channel."""
    channel = tl.arange(0, C)
    factor = tl.load(weight + channel) * inverse
    return factor, tl.load(bias + channel) - mean * factor


@triton.jit
def _sums(x, sums, rows, C: tl.constexpr, N: tl.constexpr):
    """Sums of the values and of their squares by each program, (programs, 2, C).

    Values are taken relative to the channel's first one: in float32 the variance would be lost
    among squares of numbers far from 0.
    """
    pivot = tl.load(x + tl.arange(0, C)).to(tl.float32)
    total = tl.zeros((N, C), tl.float32)
    square = tl.zeros((N, C), tl.float32)
    for first in range(tl.program_id(0) * N, rows, tl.num_programs(0) * N):
        at, exists = _tile(rows, first, C, N)
        value = tl.load(x + at, exists, 0.0).to(tl.float32)
        value = tl.where(exists, value - pivot[None, :], 0.0)
        total += value
        square += value * value
    place = sums + tl.program_id(0) * 2 * C + tl.arange(0, C)
    tl.store(place, tl.sum(total, 0))
    tl.store(place + C, tl.sum(square, 0))


@triton.jit
def _normalise(x, sums, weight, bias, running_mean, running_var, y, rows, momentum, eps,
               C: tl.constexpr, N: tl.constexpr):
    """A tile of the result; the first program updates the running statistics, too."""
    channel = tl.arange(0, C)
    mean, variance, inverse = _moments(x, sums, rows, eps, C)
    factor, offset = _affine(weight, bias, mean, inverse, C)
    at, exists = _tile(rows, tl.program_id(0) * N, C, N)
    value = tl.load(x + at, exists, 0.0).to(tl.float32)
    value = value * factor[None, :] + offset[None, :]
    tl.store(y + at, tl.where(value <= 0, 0.0, value), exists)  # NaN stays NaN
    if tl.program_id(0) == 0:
        before = tl.load(running_mean + channel)
        tl.store(running_mean + channel, before + momentum * (mean - before))
        before = tl.load(running_var + channel)
        unbiased = variance * (rows / tl.maximum(rows - 1, 1))
        tl.store(running_var + channel, before + momentum * (unbiased - before))


@triton.jit
def _passed(x, dy, at, exists, mean, inverse, factor, offset):
    """Normalised values, and the gradient where the ReLU is open."""
    value = tl.load(x + at, exists, 0.0).to(tl.float32)
    gradient = tl.load(dy + at, exists, 0.0).to(tl.float32)
    gradient = tl.where(value * factor[None, :] + offset[None, :] <= 0, 0.0, gradient)
    return (value - mean[None, :]) * inverse[None, :], gradient


@triton.jit
def _slopes(x, dy, sums, weight, bias, slopes, rows, eps, C: tl.constexpr, N: tl.constexpr):
    """Each program's part of the gradients of bias and weight, (programs, 2, C)."""
    mean, _, inverse = _moments(x, sums, rows, eps, C)
    factor, offset = _affine(weight, bias, mean, inverse, C)
    of_bias = tl.zeros((N, C), tl.float32)
    of_weight = tl.zeros((N, C), tl.float32)
    for first in range(tl.program_id(0) * N, rows, tl.num_programs(0) * N):
        at, exists = _tile(rows, first, C, N)
        unit, gradient = _passed(x, dy, at, exists, mean, inverse, factor, offset)
        of_bias += gradient
        of_weight += gradient * unit
    place = slopes + tl.program_id(0) * 2 * C + tl.arange(0, C)
    tl.store(place, tl.sum(of_bias, 0))
    tl.store(place + C, tl.sum(of_weight, 0))


@triton.jit
def _backward(x, dy, sums, weight, bias, slopes, dx, rows, eps, C: tl.constexpr, N: tl.constexpr):
    """A tile of the gradient of the input: what passes, less the part of mean and deviation."""
    channel = tl.arange(0, C)
    mean, _, inverse = _moments(x, sums, rows, eps, C)
    factor, offset = _affine(weight, bias, mean, inverse, C)
    at, exists = _tile(rows, tl.program_id(0) * N, C, N)
    unit, gradient = _passed(x, dy, at, exists, mean, inverse, factor, offset)
    of_mean = tl.load(slopes + channel) / rows
    of_deviation = tl.load(slopes + C + channel) / rows
    gradient -= of_mean[None, :] + unit * of_deviation[None, :]
    tl.store(dx + at, gradient * factor[None, :], exists)
