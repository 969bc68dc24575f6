"""How this machine trains fastest: which precision, and which layout of maps in memory.

A GPU is known to want bf16 and channels last. CPUs differ: some multiply bf16 two or three times as
fast as float32, others only imitate it and lose. So a convolution like the network's largest is
timed once on each kind of CPU, and its times are kept in the cache.

Notebook: 06_training_on_a_gpu
"""

import hashlib
import json
import os
import time

import torch
from torch import nn

from .config import known
from .device import LAYOUTS, processor_name
from .paths import cache_dir, locked
from .results import ResultsError, read_json, write_bytes

WAYS = (("float32", "contiguous"), ("float32", "channels_last"), ("bf16", "channels_last"))
AHEAD = 1.2  # a later way must be so many times as fast: noise alone must not decide
BATCH = 8  # maps like those of l2
REPEATS = 3


def pick_arithmetic(device):
    """(precision, layout) to train with on a torch device.

    precision is bf16 or float32, layout a name of ``device.LAYOUTS``. ACRNN_PRECISION in the
    environment sets the precision, to repeat a run that was made with it elsewhere; ValueError for
    another word. Notebook: 06_training_on_a_gpu
    """
    wanted = os.environ.get("ACRNN_PRECISION") or "auto"
    known("ACRNN_PRECISION", wanted, ("auto", "float32", "bf16"))
    if device.type == "cuda":
        bf16 = wanted == "bf16" or (wanted == "auto" and torch.cuda.is_bf16_supported())
        return ("bf16" if bf16 else "float32"), "channels_last"
    if device.type == "mps":
        return ("float32", "contiguous") if wanted != "bf16" else ("bf16", "channels_last")
    ways = [way for way in WAYS if wanted in ("auto", way[0])]
    seconds = measured()
    best = ways[0]
    for way in ways[1:]:
        if seconds[_name(way)] * AHEAD < seconds[_name(best)]:
            best = way
    return best


def measured():
    """{"float32 contiguous": seconds, ...} of a convolution's step in each of WAYS on this CPU.

    Timed at the first call on a kind of CPU with a version of torch, read from the cache
    afterwards; processes that start together wait for one clock. Notebook: 06_training_on_a_gpu
    """
    machine = f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}, {torch.__version__}"
    digest = hashlib.sha256(machine.encode()).hexdigest()[:12]
    path = cache_dir() / "probe" / f"{digest}.json"
    with locked(path.parent):
        try:
            seconds = read_json(path)["seconds"]
            if set(seconds) == set(map(_name, WAYS)) and min(seconds.values()) > 0:
                return seconds
        except (ResultsError, KeyError, TypeError, ValueError, AttributeError):
            pass  # none yet, or not one of ours: a second's work, done again
        seconds = {_name(way): _seconds(*way) for way in WAYS}
        note = {"machine": machine, "seconds": seconds}
        write_bytes(path, (json.dumps(note, indent=1) + "\n").encode())
    return seconds


def _name(way):
    return " ".join(way)


def _seconds(precision, layout):
    """Shortest of some steps, forward and backward: whatever disturbs a clock makes it longer."""
    with torch.random.fork_rng(devices=[]):
        maps = torch.randn(BATCH, 32, 128, 128).contiguous(memory_format=LAYOUTS[layout])
        layer = nn.Conv2d(32, 32, (3, 5), padding=(1, 2), bias=False)
    maps.requires_grad_()
    layer.to(memory_format=LAYOUTS[layout])
    times = []
    for _ in range(1 + REPEATS):  # the first one warms up
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            result = layer(maps)
        result.sum().backward()
        times.append(time.perf_counter() - started)
    return min(times[1:])
