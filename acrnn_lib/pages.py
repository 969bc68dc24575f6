"""Pages of the book that are made anew with it: the reference of all functions, the card of a run.

Notebook: 00_start_here
"""

import ast
import json
import platform
from importlib import metadata
from pathlib import Path

from .crossval import git_state
from .device import processor_name

PACKAGES = ("torch", "numpy", "librosa", "gammatone", "scikit-learn", "pandas", "matplotlib",
            "jupyterlab", "papermill", "jupyter-book")


def reference(library=Path(__file__).parent) -> str:
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


def card(executed) -> str:
    """Markdown of how this book was made: versions, machine, commit, minutes of each notebook.

    executed : the records beside the executed notebooks, {name: path of its JSON}
    Notebook: 00_start_here
    """
    state, rows = git_state(), []
    changed = {True: "yes", False: "no", None: "unknown"}[state["git_dirty"]]
    rows += [("commit", state["git_commit"] or "not in a git checkout"),
             ("library changed since", changed), ("processor", processor_name()),
             ("system", f"{platform.system()} {platform.machine()}"),
             ("Python", platform.python_version())]
    rows += [(name, metadata.version(name)) for name in PACKAGES]
    for name, path in executed.items():
        seconds = json.loads(Path(path).read_text(encoding="utf-8"))["seconds"]
        rows.append((f"notebook {name}", f"{seconds:.0f} s"))
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| what | value |", "|---|---|", *lines]) + "\n"
