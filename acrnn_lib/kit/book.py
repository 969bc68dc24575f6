"""Pages of the book that are made anew with it: the reference of all functions, the card of a run.

Notebook: 00_start_here
"""

import ast
import json
import platform
from importlib import metadata
from pathlib import Path

from ..device import processor_name
from ..training.crossval import git_state

PACKAGES = ("torch", "numpy", "librosa", "gammatone", "scikit-learn", "pandas", "matplotlib",
            "jupyterlab", "papermill", "jupyter-book")


def reference(library=Path(__file__).parents[1]) -> str:
    """Markdown of every public function, class and method, room by room, from their docstrings.

    The source is parsed, not imported, so that the page needs none of the packages.
    Notebook: 00_start_here
    """
    parts = []
    for path in sorted(Path(library).glob("[a-z]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        about = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
        parts.append(f"## {path.stem}\n\n{about}\n")
        for node in tree.body:
            if text := _documented(node):
                parts.append(f"### `{_signature(node)}`\n\n```text\n{text}\n```\n")
                for method in node.body if isinstance(node, ast.ClassDef) else ():
                    if text := _documented(method):
                        name = f"{node.name}.{_signature(method, method=True)}"
                        parts.append(f"#### `{name}`\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


def _documented(node):
    """The docstring of a public function, method or class; None for all else."""
    public = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"
    return ast.get_docstring(node) if public else None


def _signature(node, method=False):
    """Name and arguments; a method's first one is the object, which nobody hands over."""
    if isinstance(node, ast.ClassDef):
        made = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
        return f"{node.name}({_signature(made[0], True).partition('(')[2]}" if made else (
            f"{node.name}()")
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    if any(mark.endswith("property") for mark in marks):
        return node.name
    arguments = ast.unparse(node.args)
    if method and "staticmethod" not in marks:
        arguments = arguments.partition(",")[2].lstrip()
    return f"{node.name}({arguments})"


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
