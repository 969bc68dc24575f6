"""The `predict` command: classify files, print what is found as text or as JSON.

Notebook: 13_your_own_sounds
"""

import json
import sys
from pathlib import Path

from .data.audio import AudioError
from .files import printable
from .inference import Predictor

SPANS = 10  # attended spans that are printed


def command(paths: list[str], checkpoint: Path | str | None = None, as_json: bool = False) -> int:
    """Run the `predict` command: print the result of each file.

    Parameters
    ----------
    paths : list of str
    checkpoint : Path or str, optional
        Default: the pretrained model.
    as_json : bool
        Print one JSON object instead of text.

    Returns
    -------
    int
        Exit status: 1 if any file was unusable, else 0.
    """
    predictor = Predictor(checkpoint)
    outcomes = []
    for path in paths:
        try:
            outcome = predictor.file(path, progress=not as_json)
        except AudioError as error:
            outcome = {"file": str(path), "seconds": None, "classes": [], "attended": [],
                       "note": None, "error": str(error)}
        outcomes.append(outcome)
        if not as_json:
            _print(outcome)
    if as_json:
        print(json.dumps({"files": outcomes}))
    return int(any(outcome["error"] for outcome in outcomes))


def _print(outcome):
    if outcome["error"]:
        print(f"error: {outcome['error']}", file=sys.stderr)
        return
    print(f"{printable(outcome['file'])}  ({outcome['seconds']:.2f} s)")
    if outcome["note"]:
        print(f"  note: {outcome['note']}")
    for row in outcome["classes"]:
        print(f"  {row['probability']:6.1%}  {row['name']}")
    spans = outcome["attended"]
    if spans:
        more = f"{len(spans)} spans, --json lists all; the first {SPANS}: " * (len(spans) > SPANS)
        shown = ", ".join(f"{start:.2f}-{end:.2f} s" for start, end in spans[:SPANS])
        print(f"  attended: {more}{shown}")
