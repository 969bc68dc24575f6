"""What all benchmarks share: sounds, clocks, ceilings of the machine, and the table they print.

A comparison runs its ways in turn, A B C A B C ..., on the same input in one process and quotes
medians: a shared machine slows down for minutes at a time, which hits all of them alike.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from acrnn_lib.data import audio, datasets
from acrnn_lib.training.probe import pick_precision

ROOT = Path(__file__).parents[1]
SAMPLE_RATE = 44100  # Hz
SETTLE = 0.1  # s before each way: threads of the one before still spin for a while


def in_turn(ways, repeats=5, best=False):
    """{name: median seconds, or the least} of functions without arguments, warmed up once.

    A way that returns a float has clocked itself, say in a process of its own.
    """
    times = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(repeats):
        for name, way in ways.items():
            time.sleep(SETTLE)
            started = time.perf_counter()
            clocked = way()
            times[name].append(clocked if isinstance(clocked, float)
                               else time.perf_counter() - started)
    return {name: (min if best else statistics.median)(found) for name, found in times.items()}


def rows(stage, per_way, unit=1, targets=None, notes=None):
    """Table rows: ms of each way per unit of work, and how many times ours is as fast.

    per_way : {name: (seconds, units of work)}, ours first
    """
    ours = next(iter(per_way.values()))
    ours = ours[0] / ours[1]
    for name, (seconds, units) in per_way.items():
        each = seconds / units
        yield {"stage": stage, "way": name, "ms": f"{1e3 * each:.3g}",
               "ours is faster by": "" if each == ours else f"{each / ours:.1f}",
               "target": (targets or {}).get(name, ""), "notes": (notes or {}).get(name, "")}


def clips(count):
    """(what they are, table) of so many real clips, or generated ones where there are none."""
    try:
        name, table = "ESC-10", datasets.load("esc10")
    except datasets.DatasetError:
        name, table = "synth", datasets.load("synth")
    step = max(1, len(table) // count)
    return name, table.iloc[::step].head(count).reset_index(drop=True)


def waves(count):
    """(what they are, float32 (count, 220500)) of five-second clips."""
    name, table = clips(count)
    return name, np.stack([audio.read(path, 5) for path in table.path])


def ceilings():
    """What this machine does at best: multiply-adds and bytes per second, measured."""
    a, b = torch.randn(2, 1536, 1536)
    big = torch.zeros(2**26)  # 256 MiB
    other = torch.zeros_like(big)
    found = {"float32 matrix product (TFLOP/s)": (lambda: a @ b, 2 * 1536**3 / 1e12),
             "copy (GB/s, read and written)": (lambda: other.copy_(big), 2 * big.nbytes / 1e9)}
    if pick_precision(torch.device("cpu")) == "bf16":
        c, d = a.bfloat16(), b.bfloat16()
        found["bf16 matrix product (TFLOP/s)"] = (lambda: c @ d, 2 * 1536**3 / 1e12)
    with torch.inference_mode():
        times = in_turn({name: way for name, (way, _) in found.items()}, 15, best=True)
    return {name: work / times[name] for name, (_, work) in found.items()}


def child(script, *arguments):
    """Run a script of this folder in a process of its own; its last line of output."""
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{script}", *map(str, arguments)],
                          cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1]


def markdown(table):
    """Rows as a Markdown table."""
    names = list(table[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in table]
    return "\n".join(lines)
