"""What every notebook keeps to, checked without running it (``make reproduce`` runs them)."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

from .tools import tool

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]*_*.ipynb"))
NO_FIGURE = "player|credit|may_embed|side_by_side|loudest|log_gammatone"
DRAWING = re.compile(rf"\bviz(_results)?\.(?!{NO_FIGURE})\w+\(|plt\.subplots\(")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def test_the_notebooks_are_numbered_without_a_gap():
    numbers = [path.name.partition("_")[0] for path in NOTEBOOKS]  # 01b follows 01
    assert [int(n) for n in numbers if n.isdigit()] == list(range(int(numbers[-1]) + 1))
    assert all(n.isdigit() or (re.fullmatch(r"\d\d[b-z]", n) and n[:2] in numbers) for n in numbers)
    assert len(NOTEBOOKS) >= 10


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    cells = read(path)
    assert source(cells[0]).startswith("# "), "a notebook starts with its title"
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    first = code[0]
    assert first["metadata"].get("tags") == ["parameters"]
    assert [line.split(" = ")[0] for line in source(first).splitlines() if " = " in line] == [
        "DATASET", "PROFILE", "DATA"]
    for cell in code:
        assert len(source(cell).splitlines()) <= 25, source(cell)[:200]
    identifiers = [cell.get("id") for cell in cells]
    assert None not in identifiers and len(set(identifiers)) == len(cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_teaching(path):
    prose = "\n".join(source(cell) for cell in read(path) if cell["cell_type"] == "markdown")
    headings = re.findall(r"^## (.+)$", prose, re.M)
    goals = prose.partition("you will be able to do")[2].partition("\n## ")[0]
    assert len(re.findall(r"^- ", goals, re.M)) >= 2, "what one will be able to do, as a list"
    assert re.search(r"\*\*Before you run this:\*\*", prose), "a question to predict"
    assert headings[-1] == "Summary", headings
    following = prose.partition("**Where to go next:**")[2]
    assert re.search(r"\]\(\d\d[a-z]?_\w+\.ipynb\)|\]\(\.\./|book", following), "a link to go on"
    assert len(prose.split()) > 600


def minutes(path):
    """Minutes to read, and for the exercises, as a notebook's head estimates them."""
    form = r"\*\*Time:\*\* (\d+) minutes to read[^,.]*(?:, (\d+) for the exercises)?"
    return [number for number in re.search(form, source(read(path)[0])).groups() if number]


def test_the_first_notebook_has_the_times_of_all_heads():
    heads = {path.name.partition("_")[0]: " + ".join(minutes(path)) for path in NOTEBOOKS}
    table = "\n".join(map(source, read(NOTEBOOKS[0])))
    assert dict(re.findall(r"^\| (?:\*\*|\[)(\d\d[a-z]?) .*\| ([\d +]+) \|$", table, re.M)) == heads


def test_the_sessions_of_the_course_take_the_minutes_of_their_notebooks():
    table = re.findall(r"^\| \d\. [^|]*\|([^|]*)\| (\d+), (\d+) \|",
                       (ROOT / "book" / "teaching.md").read_text(encoding="utf-8"), re.M)
    assert len(table) == 4
    for notebooks, *said in table:
        paths = re.findall(r"\((notebooks/[^)]+)\)", notebooks)
        times = zip(*(minutes(ROOT / path) for path in paths), strict=True)
        assert [str(sum(map(int, column))) for column in times] == said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_answers_a_question_asked_before(path):
    """The prose before a figure or player, and before the cells that lead to it, asks one.

    Cells of code that follow each other belong together: what they show answers the last prose.
    """
    asked = after_prose = False
    for cell in read(path):
        if prose := cell["cell_type"] == "markdown":
            question = re.search(r"\*\*Before you (run|listen)[^*]*:\*\*", source(cell))
            asked = bool(question) or (asked and after_prose)
        elif DRAWING.search(source(cell)) or "mystnb" in cell["metadata"]:
            assert asked, f"{cell['id']} shows what nobody was asked to predict"
        after_prose = prose


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_has_an_alternative_text(path):
    for cell in read(path):
        if cell["cell_type"] == "code" and DRAWING.search(source(cell)):
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) > 20, source(cell)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_prints_what_a_call_to_draw_returns(path):
    for cell in read(path):
        if cell["cell_type"] == "code" and not source(cell).rstrip().endswith(";"):
            last = ast.parse(source(cell)).body[-1]
            drawn = isinstance(last, ast.Expr) and re.match(r"(ax|axes|fig)\b", ast.unparse(last))
            assert not drawn, f"{cell['id']}: a semicolon is missing at the end"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_personal_or_absolute(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|tmp|work|Users)/|C:\\\\", text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_time_that_a_notebook_states_is_about_that_of_its_length(path):
    estimate = tool("notebook_costs").minutes(nbformat.read(path, 4))
    stated = re.search(r"\*\*Time:\*\* (\d+) minutes to read[^,.]*(?:, (\d+) for the exercises)?",
                       source(read(path)[0]))
    total = sum(int(part) for part in stated.groups() if part)
    assert 0.6 < total / estimate < 1.7, f"{stated[0]} is about {estimate:.0f} in all"
