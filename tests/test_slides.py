"""Slides: what of a notebook is on them, and that a page needs nothing from elsewhere."""

import base64
import re

import nbformat
import pytest

from acrnn_lib.kit.reproduce import notebooks

from .tools import tool

make_slides = tool("make_slides")
DOT = base64.b64encode(bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
    "789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082")).decode()


def executed(path):
    """A notebook as if it had run: each figure is one point."""
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if "mystnb" in cell.metadata:
            cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": DOT})]
    return notebook


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_deck_has_the_idea_questions_with_figures_and_the_summary(path):
    parts = make_slides.slides(executed(path))
    assert 3 <= len(parts) <= make_slides.MOST
    assert parts[0].startswith("<h1>") and parts[-1].startswith("<h2>Summary")
    for part in parts[1:-1]:
        assert part.startswith("<h2>") and 'class="question"' in part
        assert re.search('<img alt="[^"]{9}', part)


def test_an_answer_is_two_sentences_and_links_are_text():
    cell = nbformat.v4.new_markdown_cell(
        "One is [here](01_a.ipynb). Two. Three.\n\n## More\n\nFour.")
    assert make_slides.answer(cell) == "<p>One is here. Two.</p>"
    for other in ("## More\n\nOne.", "**3. Cross-entropy** (practice). Write it.", "- a list"):
        assert make_slides.answer(nbformat.v4.new_markdown_cell(other)) == ""


def test_a_page_asks_for_nothing_but_the_formulas_beside_it(tmp_path, capsys):
    source = tmp_path / "executed"
    source.mkdir()
    path = notebooks()[5]
    nbformat.write(executed(path), source / path.name)
    make_slides.main(source, tmp_path / "slides")
    page = (tmp_path / "slides" / f"{path.stem}.html").read_text(encoding="utf-8")
    page = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r'\b(?:src|href)="(?!data:)([^"]*)"', page) == ["mathjax.js"]
    assert not re.findall(r"@import|url\((?!data:)", page)
    assert {p.name for p in (tmp_path / "slides").iterdir()} == {
        "index.html", f"{path.stem}.html", "mathjax.js", "LICENSE-reveal"}
    assert "1 decks" in capsys.readouterr().out


def test_without_executed_notebooks_a_sentence_says_what_to_run(tmp_path):
    with pytest.raises(SystemExit, match="run `make reproduce` first"):
        make_slides.main(tmp_path, tmp_path / "slides")
