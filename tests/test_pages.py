"""Pages made with the book: every public function is on the reference, the card is true."""

import ast
import json
from pathlib import Path

import torch

from acrnn_lib import pages

LIBRARY = Path(__file__).parents[1] / "acrnn_lib"


def test_reference_has_every_room_and_function_with_its_documentation():
    text = pages.reference()
    for path in LIBRARY.glob("[a-z]*.py"):
        assert f"## {path.stem}\n" in text
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
                assert (f"### `{node.name}(" in text) == (not node.name.startswith("_"))
    assert "### `ACRNN(config=None, n_classes=10)`" in text
    assert "### `AudioError()`" in text
    assert text.count("```") % 2 == 0


def test_reference_has_the_public_methods_under_their_class():
    text = pages.reference()
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
    record.write_text(json.dumps({"fingerprint": "f", "seconds": 12.3}))
    text = pages.card({"01_first": record})
    assert f"| torch | {torch.__version__} |" in text
    assert "| notebook 01_first | 12 s |" in text
