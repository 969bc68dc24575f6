"""Every exercise: untouched it passes with a hint, a right answer passes, a wrong one fails.

A check needs only some of the cells before it. These are found by the names it uses, so that no
notebook has to run as a whole.
"""

import itertools
import json
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from acrnn_lib.kit.exercises import (
    FUNCTION,
    NUMBER,
    NUMBERS,
    TEXT,
    WHOLE,
    NotRight,
    answers,
    check,
    exercise,
)
from acrnn_lib.kit.grading import attempt, code_cells, exercises, room_before

matplotlib.use("Agg")
ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]*_*.ipynb"))
SOLUTIONS = ROOT / "notebooks" / "solutions"


EXERCISES = [(path, cell) for path in NOTEBOOKS for cell in exercises(path)]


# those whose check is in the library
CHECKED = [(path, cell) for path, cell in EXERCISES for (at, _, _), (_, _, code) in
           itertools.pairwise(code_cells(path)) if at == cell and code.startswith("check(")]


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
    assert len(EXERCISES) >= 50
    for level in ("warm-up", "practice", "challenge"):
        assert text.count(f"** ({level}). ") >= 10


def test_there_are_fifty_exercises_each_with_answers():
    assert len(EXERCISES) >= 50
    for path in NOTEBOOKS:
        given = answers(SOLUTIONS / f"{path.stem}.py")
        assert {answer.cell for answer in given} == set(exercises(path)), path.stem
        assert [a.cell for a in given if not a.wrong] == exercises(path), path.stem


@pytest.mark.parametrize(("path", "cell"), EXERCISES, ids=[c for _, c in EXERCISES])
def test_exercise(path, cell):
    untouched = next(code for identifier, _, code in code_cells(path) if identifier == cell)
    every = answers(SOLUTIONS / f"{path.stem}.py")
    given = [answer for answer in every if answer.cell == cell]
    # an answer may build on functions and classes of earlier answers
    earlier = {answer.cell: answer.code for answer in every if not answer.wrong}
    room, check = room_before(path, cell, [answer.code for answer in given], earlier)
    assert "Hint" in attempt(room, check, untouched)
    assert any(answer.wrong for answer in given), "at least one wrong answer that must fail"
    for answer in given:
        if answer.wrong:
            with pytest.raises(NotRight) as caught:
                attempt(room, check, answer.code)
            assert len(str(caught.value)) > 15, "say what is wrong"
        else:
            assert "Hint" not in attempt(room, check, answer.code)


NONSENSE = ["'0.5 or so'", "float('nan')", "[0.1, float('inf')]", "[[1, 2], [3]]", "{'a': 1}",
            "True", "object()", "-10**9", "lambda *given: 'text'", "lambda *given: 1 / 0",
            "lambda: 0.5", "int", "[]"]


@pytest.mark.parametrize(("path", "cell"), CHECKED, ids=[c for _, c in CHECKED])
def test_nonsense_gets_a_sentence(path, cell):
    """Text, NaN, infinity, ragged lists, objects, functions that fail: never a traceback."""
    untouched = next(code for identifier, _, code in code_cells(path) if identifier == cell)
    room, check = room_before(path, cell, [untouched])
    name = re.search(r"^(?:(?:def|class) )?(\w+)(?:\(| =)", untouched, re.M)[1]
    for answer in NONSENSE:
        with pytest.raises(NotRight) as caught:
            attempt(room, check, f"{name} = {answer}")
        assert len(str(caught.value)) > 15 and "Traceback" not in str(caught.value), answer


def test_an_answer_is_read_as_its_kind():
    seen = []
    def judge(answer):
        seen.append(answer)
        return "Right."

    for kind, answer, read in ((NUMBER, np.float32(2), 2.0), (WHOLE, 3.0, 3), (TEXT, "a", "a"),
                               (NUMBER, torch.tensor(2), 2.0)):
        check(exercise(kind, "h")(judge), answer)
        assert seen[-1] == read and type(seen[-1]) is type(read)
    check(exercise(NUMBERS, "h")(judge), [[1, 2]])
    assert seen[-1].shape == (1, 2)
    for kind, answer in ((WHOLE, 2.5), (NUMBER, [1]), (TEXT, 1), (FUNCTION, 1), (NUMBERS, "1"),
                         (NUMBER, len), (FUNCTION, int)):
        with pytest.raises(NotRight, match=f"expected {kind}"):
            check(exercise(kind, "h")(judge), answer)


def test_untouched_answers_get_the_hint_and_the_check_can_be_shown(capsys):
    asked = exercise(FUNCTION, "think")(lambda given: given() or "never")
    for untouched in (None, lambda: None):
        check(asked, untouched)
        assert capsys.readouterr().out == "Hint: think\n"
    asked.show()
    assert "never" in capsys.readouterr().out


def test_a_wrong_answer_shows_one_line_in_a_notebook():
    assert NotRight("Too large.")._render_traceback_() == ["Not yet. Too large."]


@pytest.mark.parametrize("text", ["x = 1\n# %% a\n", "# %% a maybe\nx = 1\n"])
def test_a_file_of_answers_has_a_form(tmp_path, text):
    path = tmp_path / "a.py"
    path.write_text(text)
    with pytest.raises(ValueError, match="expected"):
        answers(path)
