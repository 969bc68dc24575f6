"""Batch norm and ReLU in one go on a GPU, which spends half of a step of the plain ones waiting
for its memory.

A map of a large layer does not fit any cache: each pass over it costs the time of reading it. Norm
and ReLU by themselves pass over it five times forwards and eight backwards; together three and
five times. The kernels are written in Triton, which comes with torch for NVIDIA GPUs on Linux.

Notebook: 06_training_on_a_gpu
"""

import torch
import triton
import triton.language as tl

TILE = 8192  # numbers that a program holds at once
PROGRAMS = 4  # of a sum on each multiprocessor
WARPS = 8  # of a program: the tiles of a sum just fit its registers


def norm_relu(x, norm):
    """relu(norm(x)) in training: the same numbers, but for the order of rounding.

    x : (B, C, H, W) float32 or bfloat16 on a GPU, channels last, C a power of 2
    norm : nn.BatchNorm2d, whose statistics follow as its own forward would let them

    Returns the kind that came in. Notebook: 06_training_on_a_gpu
    """
    x = x.contiguous(memory_format=torch.channels_last)
    norm.num_batches_tracked += 1
    return NormReLU.apply(x, norm.weight, norm.bias, norm.running_mean, norm.running_var,
                          norm.momentum, norm.eps)


class NormReLU(torch.autograd.Function):
    """``norm_relu`` for autograd: keeps its input, and works the rest out again backwards."""

    @staticmethod
    def forward(ctx, x, weight, bias, running_mean, running_var, momentum, eps):
        rows, channels, programs, tile = _shape(x)
        sums = x.new_empty(programs, 2, channels, dtype=torch.float32)
        _sums[(programs,)](x, sums, rows, channels, tile, num_warps=WARPS)
        sums = sums.sum(0)
        y = torch.empty_like(x)
        _normalise[(triton.cdiv(rows, tile),)](x, sums, weight, bias, running_mean, running_var, y,
                                               rows, momentum, eps, channels, tile,
                                               num_warps=WARPS)
        ctx.save_for_backward(x, sums, weight, bias)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx, dy):
        x, sums, weight, bias = ctx.saved_tensors
        rows, channels, programs, tile = _shape(x)
        dy = dy.contiguous(memory_format=torch.channels_last)
        slopes = x.new_empty(programs, 2, channels, dtype=torch.float32)
        _slopes[(programs,)](x, dy, sums, weight, bias, slopes, rows, ctx.eps, channels, tile,
                            num_warps=WARPS)
        slopes = slopes.sum(0)
        dx = torch.empty_like(x)
        _back[(triton.cdiv(rows, tile),)](x, dy, sums, weight, bias, slopes, dx, rows, ctx.eps,
                                          channels, tile, num_warps=WARPS)
        return dx, slopes[1], slopes[0], None, None, None, None


def _shape(x):
    """A map as a matrix: (rows, channels), programs that share a sum, rows at once."""
    channels = x.shape[1]
    processors = (torch.cuda.get_device_properties(x.device).multi_processor_count
                  if x.is_cuda else 1)  # Triton's interpreter has one
    return x.numel() // channels, channels, PROGRAMS * processors, TILE // channels


@triton.jit
def _tile(rows, first, C: tl.constexpr, N: tl.constexpr):
    """Where N rows of C channels lie, and which of them there are."""
    row = first + tl.arange(0, N)[:, None]
    return row.to(tl.int64) * C + tl.arange(0, C)[None, :], row < rows


@triton.jit
def _moments(sums, rows, eps, C: tl.constexpr):
    """Mean, variance and one over the deviation of each channel, from its two sums."""
    channel = tl.arange(0, C)
    mean = tl.load(sums + channel) / rows
    variance = tl.maximum(tl.load(sums + C + channel) / rows - mean * mean, 0.0)
    return mean, variance, 1 / tl.sqrt(variance + eps)


@triton.jit
def _sums(x, sums, rows, C: tl.constexpr, N: tl.constexpr):
    """Each program's sums of the values and of their squares, (programs, 2, C)."""
    total = tl.zeros((N, C), tl.float32)
    square = tl.zeros((N, C), tl.float32)
    for first in range(tl.program_id(0) * N, rows, tl.num_programs(0) * N):
        at, there = _tile(rows, first, C, N)
        value = tl.load(x + at, there, 0.0).to(tl.float32)
        total += value
        square += value * value
    place = sums + tl.program_id(0) * 2 * C + tl.arange(0, C)
    tl.store(place, tl.sum(total, 0))
    tl.store(place + C, tl.sum(square, 0))


@triton.jit
def _normalise(x, sums, weight, bias, running_mean, running_var, y, rows, momentum, eps,
               C: tl.constexpr, N: tl.constexpr):
    """The result, and once the running statistics."""
    channel = tl.arange(0, C)
    mean, variance, inverse = _moments(sums, rows, eps, C)
    scale = tl.load(weight + channel) * inverse
    offset = tl.load(bias + channel) - mean * scale
    at, there = _tile(rows, tl.program_id(0) * N, C, N)
    value = tl.load(x + at, there, 0.0).to(tl.float32)
    tl.store(y + at, tl.maximum(value * scale[None, :] + offset[None, :], 0.0), there)
    if tl.program_id(0) == 0:
        before = tl.load(running_mean + channel)
        tl.store(running_mean + channel, before + momentum * (mean - before))
        before = tl.load(running_var + channel)
        unbiased = variance * (rows / tl.maximum(rows - 1, 1))
        tl.store(running_var + channel, before + momentum * (unbiased - before))


@triton.jit
def _passed(x, dy, at, there, mean, inverse, scale, offset):
    """Normalised values, and the gradient where the ReLU lets it through."""
    value = tl.load(x + at, there, 0.0).to(tl.float32)
    gradient = tl.load(dy + at, there, 0.0).to(tl.float32)
    gradient = tl.where(value * scale[None, :] + offset[None, :] > 0, gradient, 0.0)
    return (value - mean[None, :]) * inverse[None, :], gradient


@triton.jit
def _slopes(x, dy, sums, weight, bias, slopes, rows, eps, C: tl.constexpr, N: tl.constexpr):
    """Each program's share of the gradients of bias and weight, (programs, 2, C)."""
    channel = tl.arange(0, C)
    mean, _, inverse = _moments(sums, rows, eps, C)
    scale = tl.load(weight + channel) * inverse
    offset = tl.load(bias + channel) - mean * scale
    of_bias = tl.zeros((N, C), tl.float32)
    of_weight = tl.zeros((N, C), tl.float32)
    for first in range(tl.program_id(0) * N, rows, tl.num_programs(0) * N):
        at, there = _tile(rows, first, C, N)
        unit, gradient = _passed(x, dy, at, there, mean, inverse, scale, offset)
        of_bias += gradient
        of_weight += gradient * unit
    place = slopes + tl.program_id(0) * 2 * C + channel
    tl.store(place, tl.sum(of_bias, 0))
    tl.store(place + C, tl.sum(of_weight, 0))


@triton.jit
def _back(x, dy, sums, weight, bias, slopes, dx, rows, eps, C: tl.constexpr, N: tl.constexpr):
    """The gradient of the input: what passes, less what mean and deviation take from it."""
    channel = tl.arange(0, C)
    mean, _, inverse = _moments(sums, rows, eps, C)
    scale = tl.load(weight + channel) * inverse
    offset = tl.load(bias + channel) - mean * scale
    at, there = _tile(rows, tl.program_id(0) * N, C, N)
    unit, gradient = _passed(x, dy, at, there, mean, inverse, scale, offset)
    of_mean = tl.load(slopes + channel) / rows
    of_deviation = tl.load(slopes + C + channel) / rows
    gradient -= of_mean[None, :] + unit * of_deviation[None, :]
    tl.store(dx + at, gradient * scale[None, :], there)
