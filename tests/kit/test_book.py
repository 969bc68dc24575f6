"""Pages made with the book: every module is on the reference, the card is true."""

import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace

import torch

import acrnn_lib
from acrnn_lib.kit import book

ROOT = Path(__file__).parents[2]


def test_the_reference_has_every_module_and_every_public_name():
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(
        [ROOT / "book" / "reference.md", *(ROOT / "book" / "reference").glob("*.md")]))
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts)
               for path in (ROOT / "acrnn_lib").rglob("[a-z]*.py")
               if path.parent.name != "checks"}  # which hold answers
    assert set(re.findall(r"automodule:: (\S+)", text)) == modules
    rows = re.findall(r"\| `(\w+)` \| `acrnn_lib\.(\S+)` \|", text)
    assert rows == [(name, ".".join(where)) for name, where in acrnn_lib._EXPORTS.items()]


def extension_of(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    return extension


def test_every_term_of_the_glossary_has_an_anchor_and_every_link_a_term():
    from docutils import nodes
    from docutils.utils import new_document

    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(\S.*)\n: ", text, re.M)
    assert len(terms) > 80 and terms == sorted(terms, key=str.lower)
    doctree = new_document("glossary")
    doctree += [nodes.term("", term) for term in terms]
    app = SimpleNamespace(env=SimpleNamespace(docname="glossary", metadata={"glossary": {}}))
    extension_of("glossary_terms").anchors(app, doctree)
    known = app.env.metadata["glossary"]["myst_slugs"]
    assert len(known) == len(terms) and {"overfitting", "mcnemars-test"} <= set(known)
    assert [term["ids"] for term in doctree] == [[name] for name in known]
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("book/*.md")]:
        linked = set(re.findall(r"glossary\.md#([\w-]+)", path.read_text(encoding="utf-8")))
        assert linked <= set(known), f"{path.name}: {linked - set(known)}"


def test_the_line_of_notebooks_becomes_links_behind_the_last_section():
    extension = extension_of("notebook_lines")
    lines = ["Do.", "", "Raises", "------", "ValueError", "",
             "Notebook: 01b_samples_to_spectra,",
             "05_attention_from_scratch", ""]
    extension.link(None, None, None, None, None, lines)
    assert lines[5:] == ["", "", "", "Taught in :doc:`/notebooks/01b_samples_to_spectra`, "
                                     ":doc:`/notebooks/05_attention_from_scratch`.", ""]


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


KEPT = ["index.html", "_static/page.js", "_static/mathjax/tex-chtml.js",
        "_static/mathjax/output/chtml/fonts/woff-v2/a.woff",
        "_static/mathjax/input/tex/extensions/braket.js", "_static/mathjax/sre/mathmaps/en.json"]
DROPPED = ["_static/page.js.map", "_static/mathjax/tex-svg.js",
           "_static/mathjax/sre/mathmaps/de.json", "_static/mathjax/output/svg/fonts/tex.js"]


def test_bundles_that_no_page_loads_go(tmp_path):
    for name in [*KEPT, *DROPPED, "_sources/notebooks/00_a.ipynb"]:
        (tmp_path / "html" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "html" / name).write_text("executed")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_a.ipynb").write_text("as delivered")
    book.lighten(tmp_path / "html", tmp_path / "notebooks")
    left = {path.relative_to(tmp_path / "html").as_posix()
            for path in (tmp_path / "html").rglob("*") if path.is_file()}
    assert left == {*KEPT, "_sources/notebooks/00_a.ipynb"}
    assert not (tmp_path / "html/_static/mathjax/output/svg").exists()
    assert (tmp_path / "html/_sources/notebooks/00_a.ipynb").read_text() == "as delivered"
