"""Exercises of the notebooks: kinds of answers, how a check judges them, where the solutions are.

The checks are functions in ``kit.checks``, a file per notebook, so that no answer can be read above
its exercise. `check` runs one, its method `show` prints it.

Notebook: 00_start_here
"""

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NUMBER, WHOLE, TEXT = "a number", "a whole number", "a text"
NUMBERS, TEXTS, FUNCTION = "an array of numbers", "a list of texts", "a function"
NAMES, PATH = "a dict of texts", "the path of a file as text"
LAYER = "a function or class that makes a layer"


class NotRight(AssertionError):
    """A wrong answer to an exercise; the message says what is wrong with it.

    An untouched exercise prints a hint and passes; a wrong answer stops the notebook.

    Notebook: 00_start_here
    """

    def _render_traceback_(self):  # what a notebook shows: the message, not the way to it
        return [f"Not yet. {self}"]


class Untouched(Exception):
    """Nothing to judge yet, such as a function that still returns None; the hint is printed.

    Notebook: 00_start_here
    """


@dataclass(frozen=True)
class Exercise:
    """An exercise: what kind of answer it wants, a hint, and the function that judges one.

    Attributes
    ----------
    kind : str
        NUMBER, WHOLE, TEXT, PATH, NUMBERS, TEXTS, NAMES, FUNCTION or LAYER.
    hint : str
        Printed while the exercise is untouched.
    judge : callable
        Takes an answer of this kind and what else `check` is given; returns what to say about a
        right one, raises NotRight for a wrong one.

    Notebook: 00_start_here
    """

    kind: str
    hint: str
    judge: Callable[..., str]

    def show(self) -> None:
        """Print the source of the check. It holds the answer."""
        print(inspect.getsource(self.judge))


def exercise(kind: str, hint: str) -> Callable[[Callable[..., str]], Exercise]:
    """Make an `Exercise` of the function below, which judges answers.

    Notebook: 00_start_here
    """
    return lambda judge: Exercise(kind, hint, judge)


def check(asked: Exercise, answer: Any, *given: Any) -> None:
    """Judge an answer and print what there is to say: a hint for None, praise for a right one.

    Parameters
    ----------
    asked : Exercise
    answer
        Any object; None, or a function that returns None, counts as untouched.
    *given
        Further arguments of the exercise's function, such as a table of the notebook.

    Raises
    ------
    NotRight
        For a wrong answer and for one of another kind, with a sentence and without a traceback.

    Notebook: 00_start_here
    """
    try:
        said = "Hint: " + asked.hint if answer is None else asked.judge(
            _read(answer, asked.kind), *given)
    except Untouched:
        said = "Hint: " + asked.hint
    except NotRight:
        raise
    except Exception as error:  # whatever an answer of a strange form brings about
        raise NotRight(f"Expected {asked.kind}; {_short(answer)} could not be compared with the "
                       f"right answer ({type(error).__name__}: {error}).") from None
    print(said)


def used(asked: Exercise, answer: Callable, library: Callable) -> Callable:
    """The learner's function or class, or the library's where the exercise is untouched.

    Raises
    ------
    NotRight
        For a wrong answer.

    Notebook: 04_the_model_layer_by_layer, 06_training_on_a_gpu
    """
    try:
        asked.judge(_read(answer, asked.kind))
    except Untouched:
        return library
    return answer


def _read(answer, kind):
    """The answer as text, list, function, float, int or array; NotRight for another kind."""
    if kind == FUNCTION and inspect.isroutine(answer):
        return _watched(answer)
    if (kind in (TEXT, PATH) and isinstance(answer, str)) or (
            kind == PATH and isinstance(answer, Path)) or (
            kind == NAMES and isinstance(answer, dict) and answer
            and all(isinstance(value, str | None) for value in answer.values())) or (
            kind == LAYER and callable(answer)):
        return answer
    if kind == TEXTS and isinstance(answer, list | tuple | set) and answer and all(
            isinstance(part, str) for part in answer):
        return list(answer)
    if kind in (NUMBER, WHOLE, NUMBERS) and not callable(answer):
        try:
            found = np.asarray(answer)
            numeric = found.dtype.kind in "iuf" and (kind == NUMBERS or found.shape == ())
        except (ValueError, TypeError, RuntimeError):  # ragged lists, tensors that have a gradient
            numeric = False
        if numeric and not np.isfinite(found).all():
            raise NotRight(f"Found {_short(answer)}: not every value is a finite number.")
        if numeric and (kind != WHOLE or found == np.round(found)):
            return {NUMBER: float, WHOLE: int, NUMBERS: np.array}[kind](found)
    raise NotRight(f"Found {_short(answer)}, expected {kind}.")


def _watched(function):
    """The learner's function; an error in it becomes a sentence."""
    @functools.wraps(function)
    def call(*arguments):
        try:
            value = function(*arguments)
        except NotRight:  # of a check that forbids something
            raise
        except Exception as error:
            raise NotRight(f"Your function {function.__name__} raised {type(error).__name__}: "
                           f"{error}") from None
        if value is None:
            raise Untouched
        return value
    return call


def _short(answer):
    text = " ".join(repr(answer).split())
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Answer:
    """One answer to an exercise.

    Attributes
    ----------
    cell : str
        Id of the exercise's cell.
    code : str
        Content of that cell.
    wrong : bool
        Whether the check must reject it.

    Notebook: 00_start_here
    """

    cell: str
    code: str
    wrong: bool


def answers(path: Path | str) -> list[Answer]:
    """Read the answers to a notebook's exercises from its file in ``notebooks/solutions``.

    Parameters
    ----------
    path : Path or str
        Python file in cells, each headed by ``# %% <cell id>`` or ``# %% <cell id> wrong``.

    Returns
    -------
    list of Answer

    Raises
    ------
    ValueError
        For a file of another form.

    Notebook: 00_start_here
    """
    head, *parts = re.split(r"^# %% ", Path(path).read_text(encoding="utf-8"), flags=re.M)
    if head.strip():
        raise ValueError(f"{path}: found {head.strip()[:40]!r}, expected '# %% <cell id>'")
    found = []
    for part in parts:
        title, _, code = part.partition("\n")
        cell, _, kind = title.strip().partition(" ")
        if kind not in ("", "wrong"):
            raise ValueError(f"{path}: found {title.strip()!r}, expected '<cell id>' or "
                             "'<cell id> wrong'")
        found.append(Answer(cell, code.strip() + "\n", kind == "wrong"))
    return found
