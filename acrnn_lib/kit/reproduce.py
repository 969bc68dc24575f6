"""Reproduce all results: execute the notebooks, recount the committed tables, build the book.

A notebook whose cells, parameters, library and committed results are unchanged is not executed
again. An executed copy gets its final name only when its last cell has run.

Notebook: 00_start_here
"""

import ast
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

from ..config import DATASETS, known, trainable
from ..data import datasets
from ..experiments import PROFILES
from ..files import dataset_dir, locked
from . import book, demo
from .installed import need
from .pages import as_page

ROOT = Path(__file__).resolve().parents[2]
KERNEL = "python3"  # the environment's own, whatever name a notebook was saved with
FIRST = "00_start_here.ipynb"  # whose sounds are on the book's first page
BOOK = "book"  # the last step's name for `only`


class ReproduceError(RuntimeError):
    """A step failed; the message says which one, why, and where to look."""


def run(dataset: str = "synth", profile: str = "smoke", data: Path | str | None = None,
        only: Sequence[str] | None = None, force: bool = False, scheduler: str | None = None,
        root: Path = ROOT) -> int:
    """Execute the notebooks, recount the committed results, build the book.

    Executed copies go to ``build/notebooks/<dataset>-<profile>/``.

    Parameters
    ----------
    dataset : one of config.DATASETS
    profile : smoke, lite or paper
    data : Path or str, optional
        The data set's folder (else ACRNN_DATA, then the cache).
    only : sequence of str, optional
        First characters of the steps to run, such as ``["02", "08", "book"]``.
    force : bool
        Execute unchanged notebooks too.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers run the cross-validation.
    root : Path
        Checkout of the kit.

    Returns
    -------
    int
        Exit status: 0 (done), 1 (a step failed, its reason is printed), 2 (`only` names no step) or
        130 (interrupted).

    Raises
    ------
    ValueError
        For an unknown data set or profile, a data set without training data, and a missing
        extra of the kit.

    Notebook: 00_start_here
    """
    trainable(known("data set", dataset, DATASETS))
    known("profile", profile, PROFILES)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel before the user's
    if os.environ.get("ACRNN_DATA"):  # made absolute, as notebooks run in their own folder
        os.environ["ACRNN_DATA"] = str(Path(os.environ["ACRNN_DATA"]).expanduser().resolve())
    if scheduler:
        os.environ["ACRNN_SCHEDULER"] = scheduler  # which crossval reads, inside the notebooks
    data = str(Path(data).expanduser().resolve()) if data else None
    if dataset != "synth" and dataset_dir(dataset, data).is_dir():
        datasets.load(dataset, data)  # what is wrong with it is said before anything runs
    parameters = {"DATASET": dataset, "PROFILE": profile, "DATA": data}
    folder = root / "build" / "notebooks" / f"{dataset}-{profile}"
    try:
        marks = fingerprints(root, parameters)
        steps = [path.stem for path in marks] + [BOOK]
        if unknown := [o for o in only or [] if not any(s.startswith(o) for s in steps)]:
            print(f"no step begins with {', '.join(unknown)}; the steps are {', '.join(steps)}")
            return 2
        wanted = [step for step in steps if not only or step.startswith(tuple(only))]
        need("papermill", "nbformat", *["jupyter_book"] * (BOOK in wanted))
        with locked(root / "build"):
            execute({p: m for p, m in marks.items() if p.stem in wanted}, folder, parameters,
                    force)
            recount(root)
            if BOOK in wanted:
                print(f"book: {build_book(marks, folder, root)}")
    except ReproduceError as error:
        print(error)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: finished notebooks are kept; start the same command again to go on")
        return 130
    print("real sound: make reproduce DATASET=esc10 PROFILE=lite DATA=/path/to/ESC-10")
    print("            (the same for esc50; `python -m acrnn_lib data esc10` fetches the sounds)")
    return 0


def notebooks(root: Path = ROOT) -> list[Path]:
    """Paths of the notebooks in the order in which they are read and executed."""
    return sorted((root / "notebooks").glob("[0-9][0-9]*_*.ipynb"))


def fingerprints(root: Path, parameters: dict) -> dict[Path, str]:
    """SHA-256 (hex) of all that a notebook depends on, by its path, in the order of execution.

    Parameters
    ----------
    root : Path
        Checkout of the kit.
    parameters : dict
        Parameters of the notebooks by name.

    Returns
    -------
    dict of str

    Raises
    ------
    ReproduceError
        For a folder without notebooks, a damaged one, and one without a parameter.
    """
    library = folder_hash(root / "acrnn_lib", root / "results")
    marks = {}
    for path in notebooks(root):
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            check_parameters(path, cells, parameters)
        except (ValueError, KeyError, SyntaxError) as error:
            raise ReproduceError(f"{path}: not a notebook of Python cells ({error})") from error
        sources = [[c["cell_type"], c["metadata"], "".join(c["source"])] for c in cells]
        text = json.dumps([sources, parameters, library], sort_keys=True)
        marks[path] = hashlib.sha256(text.encode()).hexdigest()
    if not marks:
        raise ReproduceError(f"{root / 'notebooks'}: no notebooks; run this from a full clone")
    return marks


def folder_hash(*folders: Path) -> str:
    """One SHA-256 (hex) over the names and bytes of all files in `folders`."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if "__pycache__" not in path.parts and path.suffix != ".lock":
                digest.update(path.relative_to(folder.parent).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def check_parameters(path: Path, cells: list[dict], parameters: dict) -> None:
    """Check that the one cell tagged "parameters" sets every parameter.

    papermill only warns about a name that the notebook does not know; it would have no effect.

    Parameters
    ----------
    path : Path
        Of the notebook, for the message.
    cells : list of dict
        Its cells.
    parameters : dict

    Raises
    ------
    ReproduceError
        For no or several such cells, and for an unknown parameter.
    """
    tagged = ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise ReproduceError(f"{path}: {len(tagged)} cells are tagged 'parameters', expected one")
    names = (node for node in ast.walk(ast.parse(tagged[0])) if isinstance(node, ast.Name))
    known = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    if unknown := sorted(set(parameters) - known):
        has = ", ".join(sorted(known))
        raise ReproduceError(f"{path}: unknown parameter {', '.join(unknown)} (it has {has})")


def finished(target: Path, mark: str) -> dict | None:
    """Record of an executed copy, if it was made from exactly this state.

    Parameters
    ----------
    target : Path
        The executed copy.
    mark : str
        The notebook's fingerprint.

    Returns
    -------
    dict or None
    """
    stamp = target.with_suffix(".json")
    try:
        record = json.loads(stamp.read_text(encoding="utf-8")) if target.is_file() else {}
    except (OSError, ValueError):  # missing or damaged: it is executed again
        return None
    return record if record.get("fingerprint") == mark else None


def execute(marks: dict[Path, str], folder: Path, parameters: dict, force: bool = False) -> None:
    """Execute notebooks in order and print a line for each; skip the unchanged ones.

    Parameters
    ----------
    marks : dict of str
        Fingerprints by path.
    folder : Path
        Of the executed copies.
    parameters : dict
    force : bool
        Execute unchanged notebooks too.

    Raises
    ------
    ReproduceError
        At the first failing cell, with its traceback.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, (path, mark) in enumerate(marks.items(), 1):
        target = folder / path.name
        print(f"[{number}/{len(marks)}] {path.stem} ... ", end="", flush=True)
        if not force and (record := finished(target, mark)):
            print(f"unchanged, skipped (it took {record['seconds']:.0f} s)", flush=True)
            continue
        started, start = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), time.monotonic()
        execute_one(path, target, parameters)
        seconds = time.monotonic() - start
        made_with = book.made_with(parameters["DATASET"], parameters["PROFILE"],
                                    path.parents[1])
        partial = folder / f".{path.stem}.partial.json"
        record = {"fingerprint": mark, "seconds": seconds, "started": started,
                  "made with": made_with}
        partial.write_text(json.dumps(record), encoding="utf-8")
        os.replace(partial, target.with_suffix(".json"))
        print(f"{seconds:.0f} s", flush=True)


def execute_one(path: Path, target: Path, parameters: dict) -> None:
    """Execute one notebook in its own folder; `target` appears when all of it has run.

    Parameters
    ----------
    path, target : Path
        The notebook and its executed copy.
    parameters : dict

    Raises
    ------
    ReproduceError
        For a failing cell or a dead kernel.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    partial = target.with_name(f".{target.stem}.partial.ipynb")
    failed = target.with_name(f"{target.stem}.failed.ipynb")
    failed.unlink(missing_ok=True)
    try:
        settings = {"kernel_name": KERNEL, "language": "python", "start_timeout": 300}
        settings |= {"cwd": path.parent, "progress_bar": False,
                     "iopub_timeout": 120}  # s; widgets on a busy machine take over 4
        papermill.execute_notebook(path, partial, parameters, **settings)
        os.replace(partial, target)
    except (papermill.PapermillExecutionError, DeadKernelError) as error:
        os.replace(partial, failed)
        message = f"failed\n{error}\n{path.name} failed; as far as it ran: {failed}"
        raise ReproduceError(message) from error
    finally:
        partial.unlink(missing_ok=True)


def recount(root: Path) -> None:
    """Rebuild the tables from the committed predictions; ReproduceError if a number differs."""
    from . import recount

    out = root / "build" / "tables"
    if problems := recount.rebuild(root / "results", out):
        raise ReproduceError("\n".join(["results/ does not give its own tables again:", *problems]))
    print(f"tables recounted from results/: {out}", flush=True)


def include_parts(marks: dict[Path, str], folder: Path, root: Path,
                  runtime: Path | None) -> None:
    """Write what pages of the book include: tables, diagrams, the card of this run.

    Parameters
    ----------
    marks : dict of str
        Fingerprints by path of the notebook.
    folder : Path
        Of the executed copies.
    root : Path
        Checkout of the kit.
    runtime : Path or None
        Of the network in the browser.
    """
    from ..models import summary  # torch takes seconds to load
    from ..viz import diagrams

    parts = root / "book" / "tables"
    shutil.rmtree(parts, ignore_errors=True)
    shutil.copytree(root / "build" / "tables", parts)
    shutil.copy2(root / "acrnn_lib" / "assets" / "MODEL_CARD.md", parts)
    records = {path.stem: (folder / path.name).with_suffix(".json") for path in marks}
    (parts / "card.md").write_text(book.card(records), encoding="utf-8")
    (parts / "landing.md").write_text(book.landing(folder / FIRST), encoding="utf-8")
    for name, drawn in {"clip_path": diagrams.clip_path(),
                        "network": diagrams.network(summary.layer_table())}.items():
        text = f'```{{raw}} html\n<div class="diagram" tabindex="0">{drawn}</div>\n```\n'
        (parts / f"{name}.md").write_text(text, encoding="utf-8")
    (parts / "demo.md").write_text(demo.page_part(runtime), encoding="utf-8")


def _runtime():
    """Runtime of the network in the browser, or None where this machine cannot build that page."""
    if importlib.util.find_spec("onnx") is None:
        return None
    try:
        return demo.fetched()
    except ValueError as error:
        print(f"book: without the network in the browser ({error})", flush=True)


def build_book(marks: dict[Path, str], folder: Path, root: Path) -> Path:
    """Build the book from the executed copies.

    Parameters
    ----------
    marks : dict of str
        Fingerprints by path of the notebook.
    folder : Path
        Of the executed copies.
    root : Path
        Checkout of the kit.

    Returns
    -------
    Path
        The book's first page.

    Raises
    ------
    ReproduceError
        For a copy that is missing or older than its notebook, and on any warning.
    """
    copies = root / "book" / "notebooks"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(parents=True)
    for path, mark in marks.items():
        if not finished(folder / path.name, mark):
            message = f"book not built: {path.stem} as it is now has not been executed for"
            raise ReproduceError(f"{message} {folder.name}; run `make reproduce` without --only")
        text = as_page(folder / path.name, path.parent)
        (copies / path.name).write_text(text, encoding="utf-8")
    runtime = _runtime()  # once, as it may print why there is none
    include_parts(marks, folder, root, runtime)
    # an older build would leave its pictures, and change how pages name what is there already
    shutil.rmtree(root / "book" / "_build", ignore_errors=True)
    log = root / "build" / "book.log"
    program = shutil.which("jupyter-book", path=sysconfig.get_path("scripts"))  # .exe on Windows
    command = [program, "build", root / "book", "--warningiserror", "--keep-going"]
    with log.open("w", encoding="utf-8") as stream:
        status = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT).returncode
    if status:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [line for line in said if re.search("WARNING|ERROR|CRITICAL", line)]
        raise ReproduceError("\n".join([*lines, f"jupyter-book failed ({status}); log: {log}"]))
    pages = root / "book" / "_build" / "html"
    book.lighten(pages, root / "notebooks")
    if runtime:
        demo.demo(pages / "demo", root / "book" / "demo", runtime)
        (pages / "demo" / "index.html").unlink()  # of the page that stands alone
    return pages / "index.html"
