"""The card of a run: what the notebooks in the book were executed with.

Notebook: 00_start_here
"""

import json
import platform
from importlib import metadata
from pathlib import Path

from ..device import processor_name
from ..training.crossval import git_state

PACKAGES = ("torch", "numpy", "librosa", "gammatone", "scikit-learn", "pandas", "matplotlib",
            "jupyterlab", "papermill", "jupyter-book")


def made_with(dataset, profile, root) -> dict:
    """What notebooks are executed with, {what: text}: settings, data, commit, machine, versions.

    The data hash and the precision are those of the runs under ``root/runs``, where there are any.
    Notebook: 00_start_here
    """
    import torch

    state = git_state()
    made = {"data set": dataset, "profile": profile, "seed": "0, where no other is named",
            "commit": state["git_commit"] or "not in a git checkout",
            "library changed since": {True: "yes", False: "no", None: "unknown"}[
                state["git_dirty"]]}
    for path in sorted(Path(root).glob(f"runs/{dataset}/{profile}/*/seed*/fold*/manifest.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        made |= {"data hash (SHA-256)": run.get("data_hash"), "trained on": run.get("device"),
                 "precision": run.get("precision")}
        break
    return made | {
        "processor": processor_name(), "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES}}


def card(executed) -> str:
    """Markdown of how this book was made, from what was noted when its notebooks were executed.

    executed : the records beside the executed notebooks, {name: path of its JSON}. Where notebooks
    were executed with different things, all of them are named. Notebook: 00_start_here
    """
    records = {name: json.loads(Path(path).read_text(encoding="utf-8"))
               for name, path in executed.items()}
    found = {}  # what: its different values, in order
    for record in records.values():
        for what, value in record["made with"].items():
            found.setdefault(what, {})[str(value)] = True
    started = sorted(record["started"] for record in records.values())
    rows = [("executed (UTC)", " to ".join(dict.fromkeys([started[0], started[-1]])))]
    rows += [(what, " or ".join(values)) for what, values in found.items()]
    rows += [(f"notebook {name}", f"{record['seconds']:.0f} s") for name, record in records.items()]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| what | value |", "|---|---|", *lines]) + "\n"
