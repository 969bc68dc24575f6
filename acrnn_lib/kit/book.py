"""What the book was made with, on a page of its own, and what its files need not carry.

Notebook: 00_start_here
"""

import json
import platform
import shutil
from importlib import metadata
from pathlib import Path

from ..device import processor_name
from ..training.crossval import git_state

PACKAGES = ("torch", "numpy", "librosa", "gammatone", "scikit-learn", "pandas", "matplotlib",
            "jupyterlab", "papermill", "jupyter-book")

# Of MathJax: the one bundle that pages load, its fonts, what it fetches for rare macros, its menu,
# and speech in the book's language.
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/", "input/tex/extensions/", "ui/", "a11y/",
           "sre/mathmaps/base.json", "sre/mathmaps/en.json")


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


def landing(executed: Path) -> str:
    """Markdown of the sounds on the first page: the players of an executed notebook.

    executed : its cells with the tag ``landing`` show them. Notebook: 00_start_here
    """
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    pages = ["".join(output["data"]["text/html"]) for cell in notebook["cells"]
             if "landing" in cell["metadata"].get("tags", []) for output in cell["outputs"]
             if "<audio" in "".join(output.get("data", {}).get("text/html", ""))]
    if len(pages) != 2:
        raise ValueError(f"{executed}: found {len(pages)} players in cells with the tag landing, "
                         "expected 2")
    sure, unsure = (f"```{{raw}} html\n{page}\n```\n" for page in pages)
    return f"{sure}\n:::{{dropdown}} The hardest of the bundled recordings\n" \
           f"{unsure}:::\n"


def lighten(pages: Path, notebooks: Path) -> None:
    """Remove what no page of a built book loads, and offer notebooks as they were delivered.

    Parameters
    ----------
    pages : Path
        The book's HTML.
    notebooks : Path
        Folder of the notebooks without outputs, which replace the executed ones that a page offers
        to download.

    Notebook: 00_start_here
    """
    static = pages / "_static"
    for path in [*static.rglob("*.map"), *(path for path in (static / "mathjax").rglob("*")
                                           if not _needed(path, static / "mathjax"))]:
        if path.is_file():
            path.unlink()
    for folder in sorted((static / "mathjax").rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    for executed in (pages / "_sources" / "notebooks").glob("*.ipynb"):
        shutil.copyfile(notebooks / executed.name, executed)


def _needed(path, root):
    return path.relative_to(root).as_posix().startswith(MATHJAX)
