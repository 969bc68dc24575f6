"""Does this machine train faster in bf16? A GPU does; a CPU has to be measured.

Some CPUs multiply bf16 two or three times as fast as float32, others emulate it many times slower;
their names do not tell. One convolution of the size of the network's largest is timed in both
precisions, and the times are kept in the cache. Where they are close, float32 is used, so that
noise in the timing does not decide between two runs that should be the same.

Notebook: 06_training_on_a_gpu
"""

import hashlib
import json
import sys
import time

import torch
from torch import nn

from ..config import PRECISIONS, wanted_precision
from ..device import LAYOUTS, pick_layout, processor_name, return_freed_memory
from ..evaluation.results import ResultsError
from ..files import cached, locked, read_json, write_bytes

AHEAD = 1.3  # bf16 must be so many times as fast; it is either twice, or a fraction
BATCH = 8  # maps like those of l2
REPEATS = 3


def pick_precision(device: torch.device) -> str:
    """The wanted precision, else bf16 where it makes training on a device faster, else float32.

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


def measured() -> dict[str, float]:
    """Time of a convolution's training step on this CPU in each precision, in s.

    Measured at the first call on a CPU model with a version of torch, read from the cache
    afterwards; processes that start together wait for one measurement. A changed note is reported
    and measured again.

    Returns
    -------
    dict
        {"float32": s, "bf16": s}

    Notebook: 06_training_on_a_gpu
    """
    machine = f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}, {torch.__version__}"
    path = cached(f"probe/{_digest(machine)[:12]}.json", _noted)
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
    """Shortest of some steps in each precision, in turn: disturbances only make a step longer."""
    with torch.random.fork_rng(devices=[]):
        steps = {precision: _step(precision) for precision in PRECISIONS}
    times = {precision: [] for precision in PRECISIONS}
    for _ in range(1 + REPEATS):  # the first one warms up
        for precision, step in steps.items():
            started = time.perf_counter()
            step()
            times[precision].append(time.perf_counter() - started)
    del steps, step
    return_freed_memory()
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
