"""Progress of long work: a bar on a terminal, a plain line every ten seconds elsewhere.

Notebook: 06_training_on_a_gpu
"""

import sys

from tqdm import tqdm

PLAIN = "{desc}: {n_fmt} of {total_fmt} {unit}s, {remaining} left"


def bar(parts=None, *, label, total, unit, done=0, show=True):
    """A tqdm bar over parts (or for ``update``) that stays readable in a file.

    total, done : in units, e.g. of ``unit="clip"``; show : False for silence.
    Notebook: 06_training_on_a_gpu
    """
    plain = {} if sys.stderr.isatty() else {
        "file": _Lines(), "bar_format": PLAIN, "mininterval": 10, "maxinterval": 10}
    return tqdm(parts, label, total, initial=done, unit=unit, disable=not show, **plain)


class _Lines:
    """tqdm rewrites one line; here each state becomes a line of its own."""

    def write(self, text):
        if text := text.strip("\r\n "):
            print(text, file=sys.stderr, flush=True)

    def flush(self):
        pass
