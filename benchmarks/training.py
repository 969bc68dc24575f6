"""A training step of the ACRNN: ours against the same network as a user would first write it."""

import json
import statistics
import sys
import time

import torch
from torch.nn import functional as F

from acrnn_lib.device import LAYOUTS, keep_freed_memory, pick_device, pick_layout
from acrnn_lib.models.acrnn import ACRNN
from acrnn_lib.models.summary import layer_table
from acrnn_lib.training.probe import pick_precision

from .common import ceilings, child, rows

BATCH = 64
KINDS = (("conv", "convolutions"), ("batch_norm", "batch norm"), ("pool", "pooling"),
         ("threshold", "ReLU"), ("clamp", "ReLU"), ("mm", "GRU and classifier"),
         ("optim", "optimiser"))


def run(repeats):
    """Rows of the step, and where its time goes."""
    found = {name: [] for name in ("ours", "float32, contiguous, default allocator")}
    for _ in range(repeats):
        for name, times in found.items():
            times.append(float(child("training", "ours" if name == "ours" else "plain")))
    timed = {name: (statistics.median(times), BATCH) for name, times in found.items()}
    work = 3 * 2 * layer_table()["multiply_adds"].sum() * BATCH / 1e12
    best = ceilings()
    peak = max(value for name, value in best.items() if "TFLOP/s" in name)
    device = pick_device()
    precision = pick_precision(device)
    notes = {"ours": f"{BATCH / timed['ours'][0]:.0f} segments/s on {device.type}, {precision}, "
                     f"{pick_layout(precision)}; floor {1e3 * work / peak / BATCH:.1f} ms: "
                     "three times the forward multiply-adds at the measured matrix speed"}
    yield from rows("training step, one of 64 segments", timed, notes=notes,
                    targets={"float32, contiguous, default allocator": "7"})
    shares = json.loads(child("training", "shares"))
    yield {"stage": "where ours spends it", "way": "", "ms": "", "ours is faster by": "",
           "target": "", "notes": ", ".join(f"{k} {v:.0%}" for k, v in shares.items())}


def step_of(plain):
    """A function that takes one step, with our settings or with those of a first attempt."""
    device = pick_device()
    precision = "float32" if plain else pick_precision(device)
    layout = LAYOUTS[pick_layout(precision)]
    if not plain:
        keep_freed_memory()
    torch.manual_seed(0)
    model = ACRNN().to(device, memory_format=layout).train()
    x = torch.randn(BATCH, 2, 128, 128, device=device).contiguous(memory_format=layout)
    y = torch.randint(0, 10, (BATCH,), device=device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True)

    def step():
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = model(x)
        loss = F.cross_entropy(logits.float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()  # waits for a GPU

    return step


def seconds(plain):
    """Median seconds of a step in this process."""
    step, times = step_of(plain), []
    for k in range(6):
        started = time.perf_counter()
        step()
        times += [time.perf_counter() - started] * (k > 1)
    return statistics.median(times)


def shares():
    """{kind of operation: its share of the time of one of our steps}."""
    step = step_of(plain=False)
    step()
    with torch.profiler.profile() as profile:
        step()
    times = dict.fromkeys([name for _, name in KINDS] + ["everything else"], 0.0)
    for event in profile.key_averages():
        kind = next((name for part, name in KINDS if part in event.key.lower()), "everything else")
        times[kind] += event.self_cpu_time_total + event.self_device_time_total
    total = sum(times.values())
    return {kind: time / total for kind, time in times.items()}


if __name__ == "__main__":
    what = sys.argv[1]
    print(json.dumps(shares()) if what == "shares" else seconds(what == "plain"))
