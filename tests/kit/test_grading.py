"""What a lecturer hands out and gets back: notebooks without outputs, a row per exercise."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from acrnn_lib.commands import main
from acrnn_lib.kit import exercises, grading, recount

NAME = "05_attention_from_scratch.ipynb"
RIGHT = {answer.cell: answer.code for answer in exercises.answers(
    grading.NOTEBOOKS / "solutions" / "05_attention_from_scratch.py") if not answer.wrong}
CELLS = grading.exercises(grading.NOTEBOOKS / NAME)


def hand_in(folder, changes, drop=(), first=None):
    """A student's copy of notebook 05 with some cells changed, dropped, or one put in front."""
    notebook = json.loads((grading.NOTEBOOKS / NAME).read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["id"] not in drop]
    for cell in cells:
        if cell["id"] in changes:
            cell["source"] = changes[cell["id"]]
        if first and cell["cell_type"] == "code" and "parameters" not in str(cell["metadata"]):
            cell["source"], first = first, None
    folder.mkdir(parents=True)
    (folder / NAME).write_text(json.dumps(notebook | {"cells": cells}), encoding="utf-8")
    return folder / NAME


def states(path):
    return [row["state"] for row in grading.judged(path)]


def test_right_wrong_untouched_and_missing_answers(tmp_path):
    path = hand_in(tmp_path / "a", {CELLS[0]: RIGHT[CELLS[0]], CELLS[1]: "my_weights = 'all'"})
    assert states(path) == ["right", "wrong", "untouched"]
    first, second, _ = grading.judged(path)
    assert first["exercise"] == "05.1" and first["points"] == 1 and second["points"] == 0
    assert "expected an array of numbers" in second["said"]
    path = hand_in(tmp_path / "b", RIGHT, drop=CELLS[2:])
    assert states(path) == ["right", "right", "missing"]


def test_a_notebook_between_two_others_keeps_its_letter():
    rows = grading.judged(grading.NOTEBOOKS / "01b_samples_to_spectra.ipynb")
    assert [(row["exercise"], row["state"]) for row in rows] == [
        (f"01b.{n}", "untouched") for n in (1, 2, 3)]


def test_an_answer_that_raises_or_leaves_is_wrong_and_the_others_count(tmp_path):
    path = hand_in(tmp_path / "a", {**RIGHT, CELLS[0]: "my_factor = 1 / 0",
                                    CELLS[2]: "def my_scale(scores):\n    raise SystemExit"})
    assert states(path) == ["wrong", "right", "wrong"]


def test_a_check_is_the_delivered_one(tmp_path):
    notebook = json.loads((grading.NOTEBOOKS / NAME).read_text(encoding="utf-8"))
    checks = [cell["id"] for cell in notebook["cells"]
              if "check" in cell["metadata"].get("tags", [])]
    path = hand_in(tmp_path / "a", {CELLS[0]: "my_factor = 2",
                                    **dict.fromkeys(checks, "print('Right!')")})
    assert states(path)[0] == "wrong"


def test_grading_has_a_row_for_each_exercise_of_each_student(tmp_path, capsys):
    hand_in(tmp_path / "ada", RIGHT)
    hand_in(tmp_path / "bob", {}, first="import sys\nimport os\nos._exit(3)  # np, torch, H")
    (tmp_path / "cyd").mkdir()
    (tmp_path / "cyd" / NAME).write_text("{", encoding="utf-8")
    hand_in(tmp_path / "dan", {CELLS[1]: "while True:\n    pass"})
    shutil.copy(tmp_path / "ada" / NAME, tmp_path / "ada" / "05_attention-mine-1.ipynb")
    assert main(["grade", str(tmp_path), "--limit", "25"]) == 0
    table = pd.read_csv(tmp_path / "grades.csv")
    assert table.groupby("student").size().to_dict() == dict.fromkeys("ada bob cyd dan".split(), 3)
    by = table.groupby("student").state.agg(list)
    assert by["ada"] == ["right"] * 3
    assert set(by["cyd"]) == {"failed"}
    assert table.said[table.student == "cyd"].str.startswith("no notebook").all()
    assert set(by["dan"]) == {"failed"} and "more than 25 s" in table.said.iloc[-1]
    assert "ada" in capsys.readouterr().out


def test_a_folder_without_students_is_refused(tmp_path, capsys):
    shutil.copy(grading.NOTEBOOKS / NAME, tmp_path)
    assert main(["grade", str(tmp_path)]) == 1
    assert "expected STUDENT/00_start_here.ipynb" in capsys.readouterr().err


@pytest.fixture
def one_table(monkeypatch):
    """All tables take a while; here the pages get one of them."""
    monkeypatch.setattr(recount, "rebuild", lambda _, out: Path(out, "claims.md").write_text(
        "| claim |\n") and [])


def markdown(page):
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"]
                     if cell["cell_type"] == "markdown")


@pytest.mark.usefixtures("one_table")
def test_every_link_of_what_is_handed_out_leads_to_a_file_of_it(tmp_path):
    out = tmp_path / "out"
    pages = grading.student(out)
    pages += [*out.glob("book/*.md"), *out.glob("benchmarks/*.md")]
    assert {"glossary.md", "ledger.md", "recipes.md", "register.md", "README.md"} <= {
        page.name for page in pages}
    for page in pages:
        text = markdown(page)
        links = set(re.findall(r"\]\((?!https?:|#)([^)\s#]+)", text))
        named = set(re.findall(r"`((?:book|benchmarks|results|solutions)/[\w./]+)`", text))
        dead = {link for link in links if not (page.parent / link).exists()} | {
            name for name in named if not (out / name).exists()}
        assert not dead, f"{page.name}: {dead}"
    ledger = (out / "book" / "ledger.md").read_text(encoding="utf-8")
    assert "| claim |" in ledger and "{include}" not in ledger
    assert not [path for path in out.rglob("*") if "solution" in path.name]


def test_nothing_is_handed_out_whose_tables_are_not_those_of_its_results(
        tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recount, "rebuild", lambda *_: ["esc10/lite: a number differs"])
    assert main(["student", str(tmp_path / "out")]) == 1
    assert "a number differs" in capsys.readouterr().err


@pytest.mark.slow
def test_the_pages_handed_out_have_their_tables(tmp_path):
    grading.student(tmp_path)
    lacking = {page.name for page in tmp_path.glob("book/*.md")
               if "Only a built book" in page.read_text(encoding="utf-8")}
    assert lacking <= {"card.md"}, "what the book was executed with"
    register = (tmp_path / "book" / "register.md").read_text(encoding="utf-8")
    assert "| effect of another option |" in register


@pytest.mark.usefixtures("one_table")
def test_what_is_handed_out_has_no_solutions_and_can_be_reset(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["student", str(out)]) == 0
    assert len(list((out / "notebooks").glob("*.ipynb"))) == 16
    assert not list(out.rglob("solutions")) and (out / "results" / "README.md").exists()
    texts = [path.read_text(encoding="utf-8") for path in out.glob("notebooks/*.ipynb")]
    named = {name for text in texts for name in re.findall(r"requirements[-.]\w[\w.]*", text)}
    assert named and all((out / name).is_file() for name in named), "notebook 00 reads them"
    path = out / "notebooks" / NAME
    delivered = path.read_bytes()
    path.write_text("mine")
    for n in (1, 2):
        assert main(["reset", "05", "--folder", str(path.parent)]) == 0
        assert path.read_bytes() == delivered
        assert (path.parent / f"{path.stem}-mine-{n}.ipynb").exists()
    assert (path.parent / f"{path.stem}-mine-1.ipynb").read_text() == "mine"
    for number, name in (("01b", "01b_samples_to_spectra"), ("01", "01_listen_and_look")):
        assert grading.reset(number, out / "notebooks")[0].stem == name
    assert main(["reset", "55", "--folder", str(path.parent)]) == 1
    assert main(["student", str(out)]) == 1
    assert "expected a new or an empty folder" in capsys.readouterr().err


def test_a_clone_resets_to_its_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(grading.subprocess, "run", lambda words, **_: type("Done", (), {
        "stdout": words[-1].encode()})())
    path, kept = grading.reset("05", tmp_path)
    assert path.read_bytes() == f"HEAD:notebooks/{NAME}".encode() and kept is None

    def no_git(*_, **__):
        raise OSError

    monkeypatch.setattr(grading.subprocess, "run", no_git)
    with pytest.raises(ValueError, match="no delivered notebook"):
        grading.reset("05", tmp_path)
