"""`make reproduce` in small: throw-away notebooks in a throw-away repository."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from acrnn_lib.data import datasets
from acrnn_lib.kit import recount, reproduce
from acrnn_lib.kit.pages import as_page

pytestmark = pytest.mark.slow
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # the same on Windows

PARAMETERS = 'DATASET = "synth"\nPROFILE = "smoke"\nDATA = None\n'
LOG = "from pathlib import Path\nlog = Path('../log.txt')\n"  # cwd is the notebooks' folder


def write_notebook(root, name, code, parameters=PARAMETERS):
    cells = [
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(LOG + code),
    ]
    # a name that no machine has: the environment's own kernel must be used
    kernel = {"kernelspec": {"name": "elsewhere", "display_name": "elsewhere"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel),
                   root / "notebooks" / f"{name}.ipynb")


def writes(word):
    """Return code that adds a line to the log."""
    return f"log.open('a').write(f'{word} {{DATASET}} {{PROFILE}} {{DATA}}\\n')"


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("notebooks", "acrnn_lib", "results", "book"):
        (tmp_path / name).mkdir()
    (tmp_path / "acrnn_lib" / "sound.py").write_text("RATE = 44100\n")
    monkeypatch.setattr(recount, "rebuild", lambda results_dir, out_dir: [])
    monkeypatch.setattr(reproduce, "build_book", lambda *given: "the book")
    monkeypatch.delenv("ACRNN_DATA", raising=False)
    return tmp_path


def logged(root):
    path = root / "log.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_order_parameters_and_what_is_executed_again(root, capsys, monkeypatch):
    write_notebook(root, "02_second", writes("second"))
    write_notebook(root, "01_first", writes("first"))
    assert reproduce.run(root=root) == 0
    assert logged(root) == ["first synth smoke None", "second synth smoke None"]
    out = capsys.readouterr().out
    assert "[1/2] 01_first ... " in out
    assert "book: the book" in out
    assert "make reproduce DATASET=esc10" in out
    done = root / "build" / "notebooks" / "synth-smoke"
    assert sorted(path.suffix for path in done.iterdir()) == [".ipynb", ".ipynb", ".json", ".json"]

    assert reproduce.run(root=root) == 0  # nothing changed: nothing is executed
    assert logged(root) == []
    assert capsys.readouterr().out.count("unchanged, skipped") == 2

    write_notebook(root, "02_second", writes("changed"))  # a cell
    assert reproduce.run(root=root) == 0
    assert logged(root) == ["changed synth smoke None"]

    (root / "acrnn_lib" / "sound.py").write_text("RATE = 48000\n")  # the library
    assert reproduce.run(root=root, only=["01"]) == 0
    assert logged(root) == ["first synth smoke None"]

    data = root / "sounds"  # a parameter; relative names would break in the notebooks' folder
    data.mkdir()
    checked = []
    monkeypatch.setattr(datasets, "load", lambda *given: checked.append(given))
    assert reproduce.run("esc10", "lite", os.path.relpath(data), ["01"], root=root) == 0
    assert logged(root) == [f"first esc10 lite {data}"]
    assert checked == [("esc10", str(data))]


def test_sounds_that_are_not_complete_are_named_before_anything_runs(root, monkeypatch):
    write_notebook(root, "01_first", writes("first"))
    monkeypatch.setenv("ACRNN_CACHE", str(root / "cache"))
    (root / "sounds" / "001 - Dog bark").mkdir(parents=True)
    with pytest.raises(datasets.DatasetError, match=r"400 missing: .*dog: 40 of 40"):
        reproduce.run("esc10", "lite", root / "sounds", root=root)
    with pytest.raises(datasets.DatasetError, match="nowhere: expected the folder of esc10"):
        reproduce.run("esc10", "lite", root / "nowhere", root=root)
    assert logged(root) == []
    assert reproduce.run("esc10", "lite", root=root) == 0  # no sound is here: tables need none
    assert logged(root) == ["first esc10 lite None"]


def test_committed_results_and_force_execute_again(root):
    write_notebook(root, "01_first", writes("first"))
    assert reproduce.run(root=root) == 0
    (root / "results" / "predictions.csv").write_text("p_0\n1\n")
    assert reproduce.run(root=root) == 0
    assert reproduce.run(root=root, force=True) == 0
    assert len(logged(root)) == 3


def test_first_failing_cell_stops_with_traceback_and_path(root, capsys):
    write_notebook(root, "01_first", writes("first"))
    write_notebook(root, "02_broken", "def inner():\n    raise KeyError('no such sound')\ninner()")
    write_notebook(root, "03_third", writes("third"))
    assert reproduce.run(root=root) == 1
    assert logged(root) == ["first synth smoke None"]
    out = capsys.readouterr().out
    failed = root / "build" / "notebooks" / "synth-smoke" / "02_broken.failed.ipynb"
    assert "KeyError: 'no such sound'" in out
    assert "in inner()" in out
    assert str(failed) in out
    assert "no such sound" in failed.read_text()
    assert not failed.with_name("02_broken.ipynb").exists()

    write_notebook(root, "02_broken", writes("mended"))  # it goes on where it stopped
    assert reproduce.run(root=root) == 0
    assert logged(root) == ["mended synth smoke None", "third synth smoke None"]
    assert not failed.exists()


def test_dead_kernel_is_a_failure(root, capsys):
    write_notebook(root, "01_dies", "import os\nos._exit(3)")
    assert reproduce.run(root=root) == 1
    assert "01_dies.failed.ipynb" in capsys.readouterr().out


@pytest.mark.parametrize("parameters", ['DATASET = "synth"\nPROFILE = "smoke"\n', "profile = 1\n"])
def test_parameter_that_a_notebook_does_not_know_fails_before_anything_runs(
        root, capsys, parameters):
    write_notebook(root, "01_first", writes("first"))
    write_notebook(root, "02_second", writes("second"), parameters)
    assert reproduce.run(root=root) == 1
    assert logged(root) == []
    out = capsys.readouterr().out
    assert "02_second.ipynb: unknown parameter" in out
    assert "DATA" in out


def test_unknown_step_names_the_choices(root, capsys):
    write_notebook(root, "01_first", writes("first"))
    assert reproduce.run(root=root, only=["01", "07"]) == 2
    assert logged(root) == []
    assert "no step begins with 07; the steps are 01_first, book" in capsys.readouterr().out


def test_changed_number_in_committed_results_fails(root, capsys, monkeypatch):
    write_notebook(root, "01_first", writes("first"))
    monkeypatch.setattr(recount, "rebuild", lambda *folders: ["acrnn: found 0.91, accepted 0.92"])
    assert reproduce.run(root=root, only=["book"]) == 1
    assert "found 0.91, accepted 0.92" in capsys.readouterr().out


def test_damaged_notebook_is_named(root, capsys):
    (root / "notebooks" / "01_first.ipynb").write_text('{"cells": [')
    assert reproduce.run(root=root) == 1
    assert "01_first.ipynb: not a notebook" in capsys.readouterr().out


def test_no_notebooks_is_one_clear_error(root, capsys):
    assert reproduce.run(root=root) == 1
    assert "no notebooks" in capsys.readouterr().out


@pytest.mark.parametrize("how", [signal.SIGINT, KILL])
def test_interrupted_run_leaves_nothing_half_written(root, how):
    write_notebook(root, "01_slow", writes("slow") + "\nimport time\ntime.sleep(60)")
    # a background job of a shell ignores SIGINT, and so would its children
    code = ("import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
            "import sys, pathlib; from acrnn_lib.kit import reproduce;"
            "sys.exit(reproduce.run(root=pathlib.Path(sys.argv[1])))")
    command = [sys.executable, "-c", code, str(root)]
    log, deadline = root / "log.txt", time.monotonic() + 60
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        while not (log.exists() and "slow" in log.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        run.send_signal(how)
        out = run.communicate(timeout=30)[0]
    done = root / "build" / "notebooks" / "synth-smoke"
    assert not list(done.glob("01_slow*"))
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert "start the same command again" in out
        assert not list(done.iterdir())

    write_notebook(root, "01_slow", writes("quick"))
    logged(root)
    assert reproduce.run(root=root) == 0
    assert logged(root) == ["quick synth smoke None"]
    assert not list(done.glob(".*"))


def test_book_is_refused_when_a_notebook_was_not_executed_as_it_is(tmp_path):
    source = tmp_path / "notebooks" / "01_first.ipynb"
    folder = tmp_path / "build" / "notebooks" / "synth-smoke"
    folder.mkdir(parents=True)
    (folder / "01_first.ipynb").write_text("{}")
    (folder / "01_first.json").write_text(json.dumps({"fingerprint": "old", "seconds": 1}))
    with pytest.raises(reproduce.ReproduceError, match="01_first as it is now has not been exec"):
        reproduce.build_book({source: "new"}, folder, tmp_path)


def test_the_book_folds_a_solution_behind_each_check(tmp_path):
    cells = [nbformat.v4.new_code_cell("mine = None", id="e1", metadata={"tags": ["exercise"]}),
             nbformat.v4.new_code_cell("check(mine)", id="c1", metadata={"tags": ["check"]}),
             nbformat.v4.new_markdown_cell("end", id="m1")]
    (tmp_path / "solutions").mkdir()
    path = tmp_path / "01_first.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    (tmp_path / "solutions" / "01_first.py").write_text(
        "# %% e1\nmine = 5\n\n# %% e1 wrong\nmine = 6\n")
    made = json.loads(as_page(path, tmp_path))["cells"]
    assert [cell["id"] for cell in made] == ["e1", "c1", "c1-solution", "m1"]
    text = "".join(made[2]["source"])
    assert "mine = 5" in text and "mine = 6" not in text and text.startswith(":::{dropdown}")


def test_headers_of_a_page_s_tables_say_something_and_names_of_clips_stay_whole(tmp_path):
    html = ('<th class="blank level0">&nbsp;</th><th>\n</th><th>sea_waves</th><thead></thead>'
            '<td id="c">1-17367-A</td><td>1-17367-A, rain</td>')
    cell = nbformat.v4.new_code_cell("table", outputs=[
        nbformat.v4.new_output("display_data", {"text/html": html})])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "01_first.ipynb")
    (made,) = json.loads(as_page(tmp_path / "01_first.ipynb", tmp_path))["cells"]
    assert "".join(made["outputs"][0]["data"]["text/html"]) == (
        '<td class="blank level0"></td><td></td><th>sea_<wbr>waves</th><thead></thead>'
        '<td id="c"><span class="clip">1-17367-A</span></td><td>1-17367-A, rain</td>')


def test_a_page_has_no_progress_and_no_folder_of_this_machine(tmp_path):
    epoch = "acrnn seed 0 fold 1  epoch 1/4  accuracy 0.3, 9 segments/s, 2.0 min left\n"
    outputs = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in (
        ("stderr", "features: 4 of 400 clips, 00:03 left\n"),
        ("stderr", epoch + epoch),
        ("stderr", "features: 4 of 400 clips, 00:03 left\nUserWarning: look here\n"),
        ("stdout", "what is left\n"))]
    cells = [nbformat.v4.new_code_cell('PROFILE = "lite"\nDATA = "/home/me/ESC-10"\n',
                                       metadata={"tags": ["injected-parameters"]}),
             nbformat.v4.new_code_cell("train()", outputs=outputs)]
    path = tmp_path / "01_first.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    first, second = json.loads(as_page(path, tmp_path))["cells"]
    assert "".join(first["source"]) == 'PROFILE = "lite"\nDATA = "/path/to/the/recordings"\n'
    assert [output["name"] for output in second["outputs"]] == ["stderr", "stdout"]
    assert "look here" in "".join(second["outputs"][0]["text"])


def test_a_page_folds_imports_and_long_code_and_shows_parameters_once(tmp_path):
    def code(text, *tags):
        return nbformat.v4.new_code_cell(text, metadata={"tags": list(tags)})

    lines = ["x = 1\n" * 14 + "x", "x = 1\n" * 15 + "x"]
    cells = [code("A = 1", "parameters"), code("A = 2", "injected-parameters"), code("import os"),
             code("from os import path"), *map(code, lines), code(lines[1], "exercise"),
             code("important = 1"),
             nbformat.v4.new_markdown_cell("see [here](../book/glossary.md), [00](00_a.ipynb)")]
    path = tmp_path / "01_first.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    made = json.loads(as_page(path, tmp_path))["cells"]
    assert "".join(made.pop()["source"]) == "see [here](../glossary.md), [00](00_a.ipynb)"
    folded = ["hide-input" in cell["metadata"]["tags"] for cell in made]
    assert folded == [False, True, True, False, True, False, False]
    assert "".join(made[0]["source"]) == "A = 2"
    scrolled = []
    for html in ("<tr>" * 20, "<tr>" * 21, '<div class="explorer">' + "<tr>" * 21):
        cell = code("table")
        cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": html})]
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
        tags = json.loads(as_page(path, tmp_path))["cells"][0]["metadata"]["tags"]
        scrolled.append("output_scroll" in tags)
    assert scrolled == [False, True, False]
    nbformat.write(nbformat.v4.new_notebook(cells=cells[:1]), path)
    assert len(json.loads(as_page(path, tmp_path))["cells"]) == 1


@pytest.mark.parametrize("names", [{"dataset": "../../x"}, {"profile": "../x"}])
def test_folders_are_named_by_known_words_only(root, names):
    with pytest.raises(ValueError, match=r"unknown (data set|profile) '\.\./"):
        reproduce.run(root=root, **names)
    assert not (root / "build").exists()
