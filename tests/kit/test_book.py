"""Pages made with the book: every public function is on the reference, the card is true."""

import ast
import json
from pathlib import Path

import torch

from acrnn_lib.kit import book

LIBRARY = Path(__file__).parents[2] / "acrnn_lib"


def test_reference_has_every_room_and_function_with_its_documentation():
    text = book.reference()
    for path in LIBRARY.glob("[a-z]*.py"):
        assert f"## {path.stem}\n" in text
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
                assert (f"### `{node.name}(" in text) == (not node.name.startswith("_"))
    assert "### `ACRNN(config=None, n_classes=10)`" in text
    assert "### `AudioError()`" in text
    assert text.count("```") % 2 == 0


def test_reference_has_the_public_methods_under_their_class():
    text = book.reference()
    below = text.split("### `Predictor(checkpoint=None)`\n")[1].split("\n### ")[0]
    assert "#### `Predictor.file(path, top=3, progress=False)`\n" in below
    assert "Predict one audio file of any length, read in blocks." in below
    assert "#### `Predictor.wave(wave)`\n" in below
    for name in ("key", "manifest"):
        assert f"#### `Run.{name}`\n" in text, "a property is not called"
    assert "#### `Run.at(folder" in text, "nor is a class handed over"
    assert "`Predictor._" not in text and ".__init__(" not in text


def test_card_says_what_the_run_was_made_with(tmp_path):
    record = tmp_path / "01_first.json"
    run = tmp_path / "runs" / "synth" / "smoke" / "acrnn" / "seed0" / "fold1" / "manifest.json"
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"data_hash": "abc", "device": "cpu", "precision": "bf16"}))
    made = book.made_with("synth", "smoke", tmp_path)
    record.write_text(json.dumps({"fingerprint": "f", "seconds": 12.3, "made with": made,
                                  "started": "2026-01-01 12:00"}))
    later = tmp_path / "02_second.json"
    later.write_text(json.dumps({"seconds": 3, "made with": made | {"commit": "another"},
                                 "started": "2026-01-01 12:05"}))
    text = book.card({"01_first": record, "02_second": later})
    for line in (f"| torch | {torch.__version__} |", "| notebook 01_first | 12 s |",
                 "| data set | synth |", "| profile | smoke |", "| data hash (SHA-256) | abc |",
                 "| precision | bf16 |", f"| commit | {made['commit']} or another |",
                 "| executed (UTC) | 2026-01-01 12:00 to 2026-01-01 12:05 |"):
        assert line in text
