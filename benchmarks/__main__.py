"""Run the benchmarks and write ``benchmarks/results/<machine>.md``."""

import argparse
import datetime
import os
import re

import torch

from acrnn_lib.crossval import git_state
from acrnn_lib.device import keep_freed_memory, pick_device, processor_name

from . import augment, common, features, scale, store, training, use

STAGES = {"features": features, "augment": augment, "training": training, "use": use,
          "store": store, "scale": scale}


def main():
    """Print each stage's table as it is done; write all of them at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="NAME", help=", ".join(STAGES))
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if unknown := set(options.stages) - STAGES.keys():
        parser.error(f"unknown {', '.join(unknown)}; known: {', '.join(STAGES)}")
    keep_freed_memory()  # as the kit does when it works; all ways profit
    device = torch.cuda.get_device_name() if pick_device().type == "cuda" else processor_name()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    state = git_state()
    parts = [
        f"# {device}, {cores} cores\n\n{datetime.date.today()}, commit {state['git_commit']}"
        f"{' (changed)' if state['git_dirty'] else ''}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads; medians of {options.repeats} rounds.\n\n"
        "Ceilings: " + "; ".join(f"{k} {v:.2f}" for k, v in common.ceilings().items()) + "."]
    print(parts[0], flush=True)
    for name in options.stages or STAGES:
        parts.append(f"## {name}\n\n" + common.markdown(list(STAGES[name].run(options.repeats))))
        print("\n" + parts[-1], flush=True)
    if not options.stages:
        name = re.sub(r"\W+", "-", f"{device} {cores} cores").strip("-").lower()
        path = common.ROOT / "benchmarks" / "results" / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
