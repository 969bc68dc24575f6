"""Exercises of the notebooks: how a check rejects an answer, and where the solutions are.

Notebook: 00_start_here
"""

import re
from dataclasses import dataclass
from pathlib import Path


class NotRight(AssertionError):
    """A wrong answer to an exercise; the message says what is wrong with it.

    An untouched exercise prints a hint and passes; a wrong answer stops the notebook.

    Notebook: 00_start_here
    """

    def _render_traceback_(self):  # what a notebook shows: the message, not the way to it
        return [f"Not yet. {self}"]


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
