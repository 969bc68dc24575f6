"""A training step: ours against the same network as a user would first write it."""

import json
import statistics
import sys
import time

import torch
from torch.nn import functional as F

from acrnn_lib.device import keep_freed_memory, pick_device
from acrnn_lib.experiments import experiment
from acrnn_lib.models.baselines import network
from acrnn_lib.models.summary import layer_table
from acrnn_lib.training.loop import Trainer
from acrnn_lib.training.optim import make_optimizer

from .common import ceilings, child, rows

PLAIN = "float32, contiguous, default allocator"
TARGETS = {"cpu": {"acrnn": "7"}, "cuda": {"acrnn": "4", "acrnn-plus": "3"}}
STEPS = {"cpu": (2, 1, 4), "cuda": (20, 50, 5)}  # to warm up; in a round; rounds
KINDS = (("conv", "convolutions"), ("norm", "batch norm"), ("pool", "pooling"),
         ("threshold", "ReLU"), ("clamp", "ReLU"), ("mm", "GRU and classifier"),
         ("rnn", "GRU and classifier"), ("optim", "optimiser"), ("adam", "optimiser"))


def run(repeats):
    """Rows of the step of two networks, and where its time goes."""
    device = pick_device().type
    for name in ("acrnn", "acrnn-plus"):
        batch, found = batch_size(name), {"ours": [], PLAIN: []}
        for _ in range(repeats):
            for way, times in found.items():
                times.append(float(child("training", name, "ours" if way == "ours" else "plain")))
        timed = {way: (statistics.median(times), batch) for way, times in found.items()}
        about = json.loads(child("training", name, "about"))
        notes = {"ours": f"{batch / timed['ours'][0]:.0f} segments/s on {device}, "
                         f"{', '.join(about['made'])}{floor(batch) if name == 'acrnn' else ''}"}
        yield from rows(f"training step of {name}, one of {batch} segments", timed, notes=notes,
                        targets={PLAIN: TARGETS[device].get(name, "")})
        yield {"stage": f"where ours spends it, {name}", "way": "", "ms": "",
               "ours is faster by": "", "target": "",
               "notes": ", ".join(f"{k} {v:.0%}" for k, v in about["shares"].items())}


def floor(batch):
    """What the multiply-adds of a step of `acrnn` take at the speed of a large matrix product."""
    work = 3 * 2 * layer_table()["multiply_adds"].sum() / 1e12
    peak = max(value for name, value in ceilings().items() if "TFLOP/s" in name)
    return (f"; floor {1e3 * work / peak:.1f} ms: three times the forward multiply-adds at the "
            "measured matrix speed")


def batch_size(name):
    """That of the profile `paper` on a GPU; a CPU takes its time with 64 segments."""
    return experiment(name, "paper").train.batch_size if pick_device().type == "cuda" else 64


def inputs(name):
    """Inputs and targets of a step, on the device."""
    torch.manual_seed(0)
    labels = torch.arange(batch_size(name)) % 10
    x = torch.randn(len(labels), 2, 128, 128)
    return x.to(pick_device()), F.one_hot(labels, 10).float().to(pick_device())


def ours(name):
    """The kit's trainer, and a function that takes one of its steps."""
    keep_freed_memory()
    trainer, given = Trainer(experiment(name, "paper"), 10, 0, 1, pick_device()), inputs(name)
    trainer.model.train()
    return trainer, lambda: trainer.step(*given)


def plain(name):
    """A function that takes a step with PyTorch's defaults, and asks for its loss."""
    chosen = experiment(name, "paper")
    model = network(chosen.model, 10, 2).to(pick_device()).train()
    optimizer, (x, y) = make_optimizer(model, chosen.train), inputs(name)

    def step():
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def seconds(step):
    """Median seconds of a step in this process, each round waited for at its end."""
    warm_up, number, rounds = STEPS[pick_device().type]
    times = []
    for _ in range(warm_up):
        step()
    for _ in range(rounds):
        wait()
        started = time.perf_counter()
        for _ in range(number):
            step()
        wait()
        times.append((time.perf_counter() - started) / number)
    return statistics.median(times)


def wait():
    """Until a GPU has done all that it was asked for."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def about(name):
    """How our steps are made, and {kind of operation: its share of the time of one of them}."""
    trainer, step = ours(name)
    made = [trainer.precision, trainer.layout, *["norm and ReLU in one"] * trainer.fused,
            *["recorded"] * bool(trainer.recorded)]
    trainer.recorded = None  # a profile sees the operations only where each is asked for
    step()
    with torch.profiler.profile() as profile:
        step()
        wait()
    times = dict.fromkeys([kind for _, kind in KINDS] + ["everything else"], 0.0)
    for event in profile.key_averages():
        if event.device_type != torch.autograd.DeviceType.CPU:
            continue  # a kernel, whose time its operation has, too
        spent = event.self_device_time_total if trainer.device.type == "cuda" else (
            event.self_cpu_time_total)
        kind = next((kind for part, kind in KINDS if part in event.key.lower()), "everything else")
        times[kind] += spent
    return {"made": made, "shares": {kind: time / sum(times.values())
                                     for kind, time in times.items()}}


if __name__ == "__main__":
    name, what = sys.argv[1:]
    print(json.dumps(about(name)) if what == "about"
          else seconds(ours(name)[1] if what == "ours" else plain(name)))
