"""Does this machine train faster in bf16? A GPU does. Of a CPU one has to ask.

Some CPUs multiply bf16 two or three times as fast as float32, others only imitate it and lose many
times; their names do not tell. So a convolution like the network's largest is timed once in both,
and the times are kept in the cache. Where they are close, it stays at float32: a clock may not
decide between two runs that should be the same.

Notebook: 06_training_on_a_gpu
"""

import hashlib
import json
import sys
import time

import torch
from torch import nn

from ..config import PRECISIONS, wanted_precision
from ..device import LAYOUTS, pick_layout, processor_name
from ..evaluation.results import ResultsError
from ..files import cache_dir, locked, read_json, write_bytes

AHEAD = 1.3  # bf16 must be so many times as fast; it is either twice, or a fraction
BATCH = 8  # maps like those of l2
REPEATS = 3


def pick_precision(device):
    """bf16 where it makes training on a torch device faster, else float32; or the wanted one.

    Notebook: 06_training_on_a_gpu
    """
    if (wanted := wanted_precision()) != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    if device.type == "mps":
        return "float32"
    seconds = measured()
    return "bf16" if seconds["bf16"] * AHEAD < seconds["float32"] else "float32"


def measured():
    """{"float32": seconds, "bf16": seconds} of a convolution's step on this CPU.

    Timed at the first call on a kind of CPU with a version of torch, read from the cache
    afterwards; processes that start together wait for one clock. A note that changed since it was
    written is said to have, and made anew. Notebook: 06_training_on_a_gpu
    """
    machine = f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}, {torch.__version__}"
    path = cache_dir() / "probe" / f"{_digest(machine)[:12]}.json"
    if seconds := _noted(path):
        return seconds
    with locked(path.parent):
        if not (seconds := _noted(path)):  # nor has another process measured meanwhile
            if path.exists():
                print(f"{path}: not as it was written; measured again", file=sys.stderr, flush=True)
            seconds = _clock()
            note = {"machine": machine, "seconds": seconds, "sha256": _digest(machine, seconds)}
            write_bytes(path, (json.dumps(note, indent=1) + "\n").encode())
    return seconds


def _noted(path):
    """The times that a note holds, or None where it is missing or not as it was written."""
    try:
        note = read_json(path)
        whole = note["sha256"] == _digest(note["machine"], note["seconds"])
        return note["seconds"] if whole else None
    except (ResultsError, KeyError):
        return None


def _digest(*content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _clock():
    """Shortest of some steps in each precision, in turn: what disturbs a clock makes it longer."""
    with torch.random.fork_rng(devices=[]):
        steps = {precision: _step(precision) for precision in PRECISIONS}
    times = {precision: [] for precision in PRECISIONS}
    for _ in range(1 + REPEATS):  # the first one warms up
        for precision, step in steps.items():
            started = time.perf_counter()
            step()
            times[precision].append(time.perf_counter() - started)
    return {precision: min(found[1:]) for precision, found in times.items()}


def _step(precision):
    """A function that goes forward and backward through one convolution."""
    layout = LAYOUTS[pick_layout(precision)]
    maps = torch.randn(BATCH, 32, 128, 128).contiguous(memory_format=layout).requires_grad_()
    layer = nn.Conv2d(32, 32, (3, 5), padding=(1, 2), bias=False).to(memory_format=layout)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            result = layer(maps)
        result.sum().backward()

    return step
