"""Every exercise: untouched it passes with a hint, a right answer passes, a wrong one fails.

A check needs only some of the cells before it. These are found by the names it uses, so that no
notebook has to run as a whole.
"""

import ast
import builtins
import contextlib
import io
import json
import re
from pathlib import Path

import matplotlib
import pytest

from acrnn_lib.kit.exercises import NotRight, answers

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SOLUTIONS = ROOT / "notebooks" / "solutions"


def code_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["id"], cell["metadata"].get("tags", []), "".join(cell["source"]))
            for cell in cells if cell["cell_type"] == "code"]


def exercises(path):
    return [cell for cell, tags, _ in code_cells(path) if "exercise" in tags]


EXERCISES = [(path, cell) for path in NOTEBOOKS for cell in exercises(path)]


def sets(code):
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


def needs(code):
    """Names that code uses without defining them, and those that it changes in place."""
    nodes = list(ast.walk(ast.parse(code)))
    targets = [node.target for node in nodes if isinstance(node, ast.AugAssign)]
    read = {node.id for node in nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    read -= {node.arg for node in nodes if isinstance(node, ast.arg)}
    set_first = {node.id for node in nodes if isinstance(node, ast.Name)
                 and isinstance(node.ctx, ast.Store) and node not in targets}
    changed = {node.id for node in targets if isinstance(node, ast.Name)} - set_first
    return ((read - sets(code)) | changed) - set(dir(builtins))


def needed(cells, wanted):
    """The cells, of those given, that define the wanted names, and what these need in turn."""
    kept, missing = [], set(wanted)
    for _, tags, code in reversed(cells):
        if not {"check", "exercise"} & set(tags) and sets(code) & missing:
            missing = (missing - sets(code)) | needs(code)
            kept.insert(0, code)
    return kept


def room_before(path, cell, codes):
    """(names as they stand where an exercise begins, its check), as far as any of codes needs."""
    cells = code_cells(path)
    at = [identifier for identifier, _, _ in cells].index(cell)
    _, tags, check = cells[at + 1]
    assert tags == ["check"], f"{path.stem}: no check after {cell}"
    # an answer may build on functions and classes of earlier answers
    earlier = {answer.cell: answer.code for answer in answers(SOLUTIONS / f"{path.stem}.py")
               if not answer.wrong and answer.code.startswith(("def ", "class "))}
    cells = [(name, [] if name in earlier else tags, earlier.get(name, code))
             for name, tags, code in cells]
    wanted = set().union(*map(needs, (check, *codes)))
    room = {"display": lambda *_: None, "__name__": "exercise"}
    matplotlib.use("Agg")
    with contextlib.chdir(path.parent), contextlib.redirect_stdout(io.StringIO()):
        for code in needed(cells[:at], wanted):
            exec(compile(code, path.name, "exec"), room)
    matplotlib.pyplot.close("all")
    return room, check


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_exercises_are_numbered_and_say_their_level(path):
    text = "".join("".join(cell["source"]) + "\n" for cell in
                   json.loads(path.read_text(encoding="utf-8"))["cells"]
                   if cell["cell_type"] == "markdown")
    level = r"\((?:warm-up|practice|challenge)\)"
    announced = re.findall(rf"^\*\*(\d)\. [^*]+\*\* {level}\. ", text, re.MULTILINE)
    assert [int(n) for n in announced] == list(range(1, len(exercises(path)) + 1))


def test_there_are_enough_exercises_of_each_level():
    text = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)
    assert len(EXERCISES) >= 30
    for level in ("warm-up", "practice", "challenge"):
        assert text.count(f"** ({level}). ") >= 10


def attempt(room, check, answer):
    """What is printed when an answer stands in an exercise's cell; NotRight where it is wrong."""
    here, printed = dict(room), io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(answer, "answer", "exec"), here)
        exec(compile(check, "check", "exec"), here)
    return printed.getvalue()


def test_there_are_thirty_exercises_each_with_answers():
    assert len(EXERCISES) >= 30
    for path in NOTEBOOKS:
        given = answers(SOLUTIONS / f"{path.stem}.py")
        assert {answer.cell for answer in given} == set(exercises(path)), path.stem
        assert [a.cell for a in given if not a.wrong] == exercises(path), path.stem


@pytest.mark.parametrize(("path", "cell"), EXERCISES, ids=[c for _, c in EXERCISES])
def test_exercise(path, cell):
    untouched = next(code for identifier, _, code in code_cells(path) if identifier == cell)
    given = [answer for answer in answers(SOLUTIONS / f"{path.stem}.py") if answer.cell == cell]
    room, check = room_before(path, cell, [answer.code for answer in given])
    assert "Hint" in attempt(room, check, untouched)
    assert any(answer.wrong for answer in given), "at least one wrong answer that must fail"
    for answer in given:
        if answer.wrong:
            with pytest.raises(NotRight) as caught:
                attempt(room, check, answer.code)
            assert len(str(caught.value)) > 15, "say what is wrong"
        else:
            assert "Hint" not in attempt(room, check, answer.code)


def test_a_wrong_answer_shows_one_line_in_a_notebook():
    assert NotRight("Too large.")._render_traceback_() == ["Not yet. Too large."]


@pytest.mark.parametrize("text", ["x = 1\n# %% a\n", "# %% a maybe\nx = 1\n"])
def test_a_file_of_answers_has_a_form(tmp_path, text):
    path = tmp_path / "a.py"
    path.write_text(text)
    with pytest.raises(ValueError, match="expected"):
        answers(path)
