"""For lecturers: notebooks to hand out, grading of those that come back, a notebook as delivered.

An answer is judged in the notebook that holds it, but only the cells that define what the answer
and its check use are run. Each notebook is graded in a process of its own, so that an endless
loop or a crash costs one notebook. Grading runs the students' code: do it where that is safe.

Notebook: 05_attention_from_scratch
"""

import ast
import builtins
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from ..files import arriving, write_bytes
from ..progress import bar
from .exercises import NotRight
from .installed import need_checkout

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
LOCKS = ("requirements.lock", "requirements-torch.txt")  # whose versions notebook 00 compares
DELIVERED = ".delivered"  # folder beside handed-out notebooks
NAME = "[0-9][0-9]*_*.ipynb"
LIMIT = 300  # s for a notebook
COLUMNS = ["student", "notebook", "exercise", "points", "state", "said"]
_PAGE = re.compile(r"\]\(([\w./-]+\.md)[#)]|`((?:book|benchmarks)/\w+\.md)`")  # linked or named
_INCLUDED = re.compile(r"```\{include\} tables/([\w-]+\.md)\n```\n")


def student(out: Path | str) -> list[Path]:
    """Write a folder to hand out: notebooks without outputs and solutions, results, exact versions.

    The pages that a notebook links to are in it, too, with their tables as `recount` gives them.
    The folder appears when it is whole.

    Parameters
    ----------
    out : Path or str
        A new or empty folder.

    Returns
    -------
    list of Path
        The notebooks.

    Raises
    ------
    ValueError
        For a folder that holds something, without a checkout of the kit, and where `results`
        does not give its own tables again.

    Notebook: 05_attention_from_scratch
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: found files in it, expected a new or an empty folder")
    need_checkout(NOTEBOOKS)
    names = [path.name for path in sorted(NOTEBOOKS.glob(NAME))]
    if out.exists():
        out.rmdir()
    with arriving(out) as new:
        for name in names:
            data = _stripped(NOTEBOOKS / name)
            for place in (new / "notebooks", new / "notebooks" / DELIVERED):
                write_bytes(place / name, data)
        shutil.copytree(ROOT / "results", new / "results", dirs_exist_ok=True)
        for name in LOCKS:
            shutil.copy(ROOT / name, new / name)
        _copy_pages([new / "notebooks" / name for name in names], new.resolve())
    return [out / "notebooks" / name for name in names]


def _copy_pages(notebooks, out):
    """Copy the pages that notebooks name, and those that these name; links lead to `out`."""
    from . import recount  # slow to import, and grading needs it nowhere else

    todo = [path.resolve() for path in notebooks]
    with tempfile.TemporaryDirectory() as tables:
        if problems := recount.rebuild(ROOT / "results", tables):
            raise ValueError("\n".join(problems))
        while todo:
            page = todo.pop()
            for linked, named in _PAGE.findall(page.read_text(encoding="utf-8")):
                target = Path(os.path.normpath(page.parent / linked if linked else out / named))
                if not target.exists():
                    text = (ROOT / target.relative_to(out)).read_text(encoding="utf-8")
                    text = _INCLUDED.sub(lambda found: _table(Path(tables, found[1])), text)
                    # in the book, notebooks lie below the pages
                    text = text.replace("](notebooks/", "](../notebooks/")
                    write_bytes(target, text.encode())
                    todo.append(target)


def _table(path):
    return path.read_text(encoding="utf-8") if path.exists() else "(Only a built book has it.)\n"


def reset(number: str, folder: Path | str = "notebooks") -> tuple[Path, Path | None]:
    """Put a notebook back as it was delivered; the present one is kept beside it.

    Parameters
    ----------
    number : str
        Such as "06".
    folder : Path or str
        With the notebooks.

    Returns
    -------
    notebook : Path
    kept : Path or None
        Where the present one went; None if there was none.

    Raises
    ------
    ValueError
        For a number without a notebook, and where nothing delivered can be found.

    Notebook: 05_attention_from_scratch
    """
    folder = Path(folder)
    source = folder / DELIVERED
    if not source.is_dir():
        need_checkout(NOTEBOOKS)
    names = sorted(path.name for path in (source if source.is_dir() else NOTEBOOKS).glob(NAME))
    found = [name for name in names if name.startswith(f"{number}_")]
    if not found:
        raise ValueError(f"{number}: expected one of {', '.join(map(_number, names))}")
    path, kept = folder / found[0], None
    data = (source / path.name).read_bytes() if source.is_dir() else _committed(path)
    if path.exists():
        kept = next(place for n in range(1, 1000)
                    if not (place := path.with_name(f"{path.stem}-mine-{n}.ipynb")).exists())
        os.replace(path, kept)
    write_bytes(path, data)
    return path, kept


def grade(folder: Path | str, limit: float = LIMIT) -> pd.DataFrame:
    """Grade the notebooks of a folder and write `grades.csv` in it.

    Parameters
    ----------
    folder : Path or str
        A folder per student, with notebooks that keep their delivered names.
    limit : float, s
        For a notebook.

    Returns
    -------
    pd.DataFrame
        A row per student and exercise: notebook, exercise (such as 06.2), points (0 or 1), state
        (right, wrong, untouched, missing, or failed: the notebook crashed or took too long), said
        (what the check or the error said).

    Raises
    ------
    ValueError
        For a folder without such notebooks, and without a checkout of the kit.

    Notebook: 05_attention_from_scratch
    """
    need_checkout(NOTEBOOKS)
    folder = Path(folder)
    paths = [path for path in sorted(folder.rglob(NAME)) if DELIVERED not in path.parts
             and path.parent != folder and (NOTEBOOKS / path.name).exists()]
    if not paths:
        raise ValueError(f"{folder}: found no notebooks in folders of students, expected "
                         "STUDENT/00_start_here.ipynb and the like")
    rows = []
    for path in bar(paths, label="notebooks", total=len(paths), unit="notebook"):
        who = path.relative_to(folder).parts[0]
        rows += [{"student": who, "notebook": path.stem, **row} for row in _graded(path, limit)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    write_bytes(folder / "grades.csv", table.to_csv(index=False, lineterminator="\n").encode())
    return table


def _graded(path, limit):
    """Rows of one notebook, from a process of its own."""
    command = [sys.executable, "-m", __name__, str(path.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit,
                              cwd=NOTEBOOKS, encoding="utf-8", env=_environment())
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        said = f"took more than {limit:g} s"
    except (IndexError, ValueError):
        said = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
    asked = exercises(NOTEBOOKS / path.name)
    return [_row(path, n, "failed", said) for n in range(1, len(asked) + 1)]


def _environment():
    given = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *([given] if given else [])]),
                         "MPLBACKEND": "Agg"}


def judged(path: Path) -> list[dict]:
    """Judge each exercise of a notebook, in this process.

    Notebook: 05_attention_from_scratch
    """
    checks, rows = exercises(NOTEBOOKS / path.name), []
    try:
        cells = code_cells(path)
    except (ValueError, KeyError, TypeError) as error:
        return [_row(path, n, "failed", f"no notebook: {error}") for n in range(1, len(checks) + 1)]
    for number, cell in enumerate(checks, 1):
        answer = next((code for name, _, code in cells if name == cell), None)
        rows.append(_row(path, number, "missing", "its cell is gone") if answer is None else
                    _row(path, number, *_judge(path, cell, answer)))
    return rows


def _judge(path, cell, answer):
    """State of an answer and what was said about it."""
    state = "failed"  # if a cell before the exercise, or the answer itself, raises
    try:
        room, check = room_before(path, cell, [answer])
        state = "wrong"
        said = attempt(room, check, answer)
        return ("untouched" if "Hint: " in said else "right"), said
    except NotRight as error:
        return "wrong", str(error)
    except BaseException as error:  # whatever a student's code raises, SystemExit too
        return state, f"{type(error).__name__}: {error}"


def _number(name):
    """Of a notebook, such as 06 or 01b."""
    return name.partition("_")[0]


def _row(path, number, state, said):
    return {"exercise": f"{_number(path.name)}.{number}", "points": int(state == "right"),
            "state": state, "said": " ".join(said.split())}


def code_cells(path: Path) -> list[tuple[str, list[str], str]]:
    """Code cells of a notebook as (id, tags, source)."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["id"], cell["metadata"].get("tags", []), "".join(cell["source"]))
            for cell in cells if cell["cell_type"] == "code"]


def exercises(path: Path) -> list[str]:
    """Ids of a notebook's exercises."""
    return [cell for cell, tags, _ in code_cells(path) if "exercise" in tags]


def room_before(path: Path, cell: str, answers: list[str],
                earlier: dict[str, str] | None = None) -> tuple[dict, str]:
    """Names as they stand where an exercise begins, as far as needed, and the code of its check.

    Parameters
    ----------
    path : Path
        A notebook; the check is taken from the delivered one of the same name.
    cell : str
        Id of the exercise.
    answers : list of str
        Code that will stand in its cell.
    earlier : dict of str, optional
        Answers to other exercises by cell, on whose functions and classes these may build; by
        default those of the notebook.

    Returns
    -------
    names : dict
    check : str
    """
    delivered = code_cells(NOTEBOOKS / path.name)
    at = [identifier for identifier, _, _ in delivered].index(cell)
    _, tags, check = delivered[at + 1]
    if tags != ["check"]:
        raise ValueError(f"{path.stem}: no check after {cell}")
    cells = code_cells(path)
    before = [_as_code(*each, earlier) for each in
              cells[:[identifier for identifier, _, _ in cells].index(cell)]]
    wanted = set().union(*map(needs, (check, *answers)))
    room = {"display": lambda *_: None, "__name__": "exercise"}
    with contextlib.chdir(NOTEBOOKS), contextlib.redirect_stdout(io.StringIO()):
        for code in needed(before, wanted):
            exec(compile(code, path.name, "exec"), room)
    return room, check


def _as_code(identifier, tags, code, earlier):
    """An exercise whose answer is a function or a class becomes a cell like any other."""
    if "exercise" in tags:
        code = code if earlier is None else earlier.get(identifier, "")
        tags = [] if code.startswith(("def ", "class ")) else tags
    return identifier, tags, code


def attempt(room: dict, check: str, answer: str) -> str:
    """What a check prints about an answer; NotRight where it is wrong."""
    here, printed = dict(room), io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(answer, "answer", "exec"), here)
        exec(compile(check, "check", "exec"), here)
    return printed.getvalue()


def _sets(code):
    """Names that code defines."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found


def needs(code: str) -> set[str]:
    """Names that code uses without defining them, and those that it changes in place."""
    nodes = list(ast.walk(ast.parse(code)))
    targets = [node.target for node in nodes if isinstance(node, ast.AugAssign)]
    read = {node.id for node in nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    read -= {node.arg for node in nodes if isinstance(node, ast.arg)}
    set_first = {node.id for node in nodes if isinstance(node, ast.Name)
                 and isinstance(node.ctx, ast.Store) and node not in targets}
    changed = {node.id for node in targets if isinstance(node, ast.Name)} - set_first
    return ((read - _sets(code)) | changed) - set(dir(builtins))


def needed(cells: list[tuple[str, list[str], str]], wanted: set[str]) -> list[str]:
    """The cells, of those given, that define the wanted names, and what these need in turn."""
    kept, missing = [], set(wanted)
    for _, tags, code in reversed(cells):
        if not {"check", "exercise"} & set(tags) and _parses(code) and _sets(code) & missing:
            missing = (missing - _sets(code)) | needs(code)
            kept.insert(0, code)
    return kept


def _parses(code):
    """Whether code is Python; a cell that is not defines nothing."""
    with contextlib.suppress(SyntaxError):
        return bool(ast.parse(code)) or True
    return False


def _stripped(path):
    """A notebook's bytes without outputs and counts."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _committed(path):
    """The notebook as the checkout's last commit has it."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), "show", f"HEAD:notebooks/{path.name}"],
                              capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise ValueError(f"{path}: no delivered notebook beside it and none in git, expected a "
                         "folder made by `student`, or a clone") from None


if __name__ == "__main__":
    print(json.dumps(judged(Path(sys.argv[1]))))
