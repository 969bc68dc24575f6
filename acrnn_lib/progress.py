"""Progress of long work: a bar on a terminal, a plain line every ten seconds elsewhere.

Notebook: 06_training_on_a_gpu
"""

import sys
from collections.abc import Iterable

from tqdm import tqdm

PLAIN = "{desc}: {n_fmt} of {total_fmt} {unit}s, {remaining} left"


def bar(
    parts: Iterable | None = None, *, label: str, total: int, unit: str, done: int = 0,
    show: bool = True,
) -> tqdm:
    """A tqdm progress bar, in a form that stays readable in a log file.

    Parameters
    ----------
    parts : Iterable, optional
        What to iterate over; by default the caller calls ``update``.
    label : str
    total, done : int
        Number of units, and of those done before.
    unit : str
        Singular, e.g. "clip".
    show : bool

    Returns
    -------
    tqdm

    Notebook: 06_training_on_a_gpu
    """
    plain = {} if sys.stderr.isatty() else {
        "file": _Lines(), "bar_format": PLAIN, "mininterval": 10, "maxinterval": 10}
    return tqdm(parts, label, total, initial=done, unit=unit, disable=not show, **plain)


class _Lines:
    """A stream for tqdm that prints each state as a line of its own."""

    def write(self, text):
        if text := text.strip("\r\n "):
            print(text, file=sys.stderr, flush=True)

    def flush(self):
        pass
