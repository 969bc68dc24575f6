"""Run the benchmarks and write ``benchmarks/results/<machine>.md``."""

import argparse
import datetime
import os
import re

import torch

from acrnn_lib.device import keep_freed_memory, pick_device, processor_name
from acrnn_lib.training.crossval import git_state

from . import augment, common, features, scale, store, training, use

STAGES = {"features": features, "augment": augment, "training": training, "use": use,
          "store": store, "scale": scale}


def main():
    """Print each stage's table and write it; stages measured before stay as they were."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="NAME", help=", ".join(STAGES))
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if unknown := set(options.stages) - STAGES.keys():
        parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(STAGES)}")
    keep_freed_memory()  # as the kit does when it works; all ways profit
    device = torch.cuda.get_device_name() if pick_device().type == "cuda" else processor_name()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    title = f"# {device}, {cores} cores"
    name = re.sub(r"\W+", "-", f"{device} {cores} cores").strip("-").lower()
    path = common.ROOT / "benchmarks" / "results" / f"{name}.md"
    path.parent.mkdir(exist_ok=True)
    parts = sections(path)
    for stage in options.stages or STAGES:
        ceilings = "; ".join(f"{k} {v:.2f}" for k, v in common.ceilings().items())
        table = common.markdown(list(STAGES[stage].run(options.repeats)))
        parts[stage] = f"{stamp(options.repeats)} Ceilings: {ceilings}.\n\n{table}\n"
        print(f"\n## {stage}\n\n{parts[stage]}", flush=True)
        text = "".join(f"\n## {known}\n\n{parts[known]}" for known in STAGES if known in parts)
        path.write_text(f"{title}\n{text}", encoding="utf-8")
    print(f"written to {path}")


def sections(path):
    """{stage: its text} of what was measured on this machine before."""
    if not path.exists():
        return {}
    parts = path.read_text(encoding="utf-8").split("\n## ")[1:]
    return {name: text for name, _, text in (part.partition("\n\n") for part in parts)}


def stamp(repeats):
    """When, from which commit, with what a stage was measured."""
    state = git_state()
    return (f"{datetime.date.today()}, commit {state['git_commit']}"
            f"{' (changed)' if state['git_dirty'] else ''}, torch {torch.__version__}, "
            f"{torch.get_num_threads()} threads; medians of {repeats} rounds.")


if __name__ == "__main__":
    main()
