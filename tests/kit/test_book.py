"""Pages made with the book: every module is on the reference, the card is true."""

import base64
import importlib
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
import yaml
from PIL import Image

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
    folder = str(ROOT / "book" / "_ext")
    if folder not in sys.path:  # as Sphinx finds them, and they each other
        sys.path.append(folder)
    return importlib.import_module(name)


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


def test_definitions_are_plain_and_terms_are_found_however_they_are_written():
    glossary = extension_of("glossary_terms")
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    said = glossary.definitions(text)
    assert len(said) == len(re.findall(r"^: ", text, re.M))
    assert said["ablation"].endswith("what the part is worth.")
    assert not [name for name, words in said.items() if re.search(r"\]\(|[`*$]", words)]
    known = glossary.names(term for term, _ in glossary.ENTRY.findall(text))
    assert {known["segments"], known["segment"]} == {"segment"}
    assert known["mfcc"] == known["cepstral coefficients"] == "cepstral-coefficients-mfcc"
    assert known["clustered bootstrap"] == "bootstrap-clustered"


def test_citations_lead_to_the_entry_that_is_meant():
    citations = extension_of("citations")
    text = (ROOT / "book" / "bibliography.md").read_text(encoding="utf-8")
    found = citations.entries(text)
    assert len(found) == len(re.findall(r"^\d+\. ", text, re.M))
    line, anchor_of = citations.patterns(found)
    for said, anchor in {"Park et al. 2019": "park-2019", "Zhang et al. 2018": "zhang-2018-2",
                         "Piczak 2015": "piczak-2015", "Zhang et al. (2021)": "zhang-2021",
                         "Jain and Wallace 2019": "jain-2019",
                         "Petsiuk, Das and Saenko (“RISE”, 2018)": "petsiuk-2018",
                         "Jain and Wallace (“Attention is not Explanation”, 2019)": "jain-2019",
                         "arXiv:1907.02230": "zhang-2019"}.items():
        match = line.search(f"as they say ({said}) there")
        assert anchor_of(match[0]) == anchor and anchor in found
    assert not line.search("in 2019, a park")


def test_captions_are_whole_sentences_beside_an_alternative_text():
    many = 0
    for path in ROOT.glob("notebooks/*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if caption := cell["metadata"].get("caption"):
                many += 1
                assert cell["cell_type"] == "code" and caption.endswith("."), (path, cell["id"])
                assert caption[0].isupper() and caption.count("`") % 2 == 0
                assert caption != cell["metadata"].get("mystnb", {}).get("image", {}).get("alt")
    assert many > 80


def test_what_pages_embed_becomes_smaller_files_without_loss(tmp_path):
    wave = (np.sin(np.arange(6000)) * 3e4).astype(np.int16)
    sound, picture = io.BytesIO(), io.BytesIO()
    soundfile.write(sound, wave, 6000, format="WAV", subtype="PCM_16")  # no rate of MP3
    pixels = np.random.default_rng(0).integers(0, 255, (1, 60, 3), np.uint8).repeat(40, 0)
    Image.fromarray(pixels).save(picture, "PNG")
    data = [base64.b64encode(part.getvalue()).decode() for part in (sound, picture)]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_images").mkdir()
    Image.fromarray(pixels).save(tmp_path / "_images" / "ab.png")
    page = tmp_path / "notebooks" / "01_a.html"
    text = (f'<source src="data:audio/wav;base64,{data[0]}" type="audio/wav" />'
            f'<img alt="" src="data:image/png;base64,{data[1]}"><img src="../_images/ab.png">')
    page.write_text(text)
    book.extract_media(tmp_path)
    names = re.findall(r'src="([^"]+)"', page.read_text())
    assert [Path(name).suffix for name in names] == [".flac", ".webp", ".webp"]
    assert "audio/wav" not in page.read_text() and not (tmp_path / "_images" / "ab.png").exists()
    heard, rate = soundfile.read(page.parent / names[0], dtype="int16")
    assert rate == 6000 and np.array_equal(heard, wave)
    for name in names[1:]:
        assert np.array_equal(np.asarray(Image.open(page.parent / name).convert("RGB")), pixels)
    made = {path.name: path.read_bytes() for path in (tmp_path / "_media").iterdir()}
    page.write_text(text)
    book.extract_media(tmp_path)
    assert made == {path.name: path.read_bytes() for path in (tmp_path / "_media").iterdir()}


def test_the_search_reads_sentences_and_no_furniture(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "search.html").write_text("<html><head></head><body></body></html>")
    (tmp_path / "a.html").write_text(
        "<nav>Contents</nav><article><h1>Bats<a class='headerlink'>#</a></h1><p>They hear "
        "</script>.</p><pre>import os</pre><audio>no player</audio>"
        "<details class='hide'><summary>Show code</summary></details></article>")
    book.index_text(tmp_path)
    text = (tmp_path / "_static" / "page_texts.js").read_text()
    assert json.loads(text.removeprefix("const PAGE_TEXTS = ").rstrip(";\n")) == {
        "a": "Bats They hear ."}
    assert 'src="_static/page_texts.js"' in (tmp_path / "search.html").read_text()


def test_every_page_of_the_reference_is_in_the_contents():
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    listed = {section["file"] for part in toc["parts"] for chapter in part["chapters"]
              for section in chapter.get("sections", [])}
    assert listed == {f"reference/{path.stem}"
                      for path in (ROOT / "book" / "reference").glob("*.md")}


def test_the_line_of_notebooks_becomes_links_behind_the_last_section():
    extension = extension_of("notebook_lines")
    lines = ["Do.", "", "Raises", "------", "ValueError", "",
             "Notebook: 01b_samples_to_spectra,",
             "05_attention_from_scratch", ""]
    extension.link(None, None, None, None, None, lines)
    assert lines[5:] == ["", "", "", "Taught in :doc:`/notebooks/01b_samples_to_spectra`, "
                                     ":doc:`/notebooks/05_attention_from_scratch`.", ""]


def test_what_is_returned_becomes_a_list_and_a_property_keeps_its_sentence():
    mend = extension_of("docstrings").mend
    lines = ["Do.", "", "Returns", "-------", "dict", "    a, b : counts", "    c : the rest,",
             "    which goes on", "", "Raises", "------", "KeyError", "    d : no part"]
    mend(None, "function", "f", None, None, lines)
    assert lines[4:9] == ["dict", "", "    * ``a, b``: counts", "    * ``c``: the rest,",
                          "      which goes on"]
    assert lines[-1] == "    d : no part"
    lines = ["Do.", "", "Returns", "-------", "x : np.ndarray", "    Its shape."]
    mend(None, "function", "f", None, None, lines)
    assert lines[4:] == ["x : np.ndarray", "    Its shape."]
    lines = ["A row per clip: its name."]
    mend(None, "property", "f", None, None, lines)
    napoleon = pytest.importorskip("sphinx.ext.napoleon", reason="Sphinx is not installed")
    read = napoleon.NumpyDocstring(lines, napoleon.Config(), what="property", name="f").lines()
    assert ":type:" not in "".join(read) and "A row per clip: its name." in read


def test_attributes_that_share_a_line_get_one_each():
    lines = ["A run.", "", "Attributes", "----------", "mean, std : float, dB", "    Of all.",
             "epoch : int", "", "Raises", "------", "a, b : no attributes"]
    extension_of("docstrings").mend(None, "class", "Run", None, None, lines)
    assert lines[4:] == ["mean : float, dB", "    Of all.", "std : float, dB", "    Of all.",
                         "epoch : int", "", "Raises", "------", "a, b : no attributes"]


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
                 "| precision | bf16 |", f"| commit | `{made['commit']}` or another |",
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
