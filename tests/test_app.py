"""The app: only what it needs runs, and only this computer can reach it."""

from acrnn_lib import app


def test_the_app_is_notebook_13_without_its_lessons():
    made = app.notebook()
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    assert code[0].startswith("DATASET =") and "OwnSounds(" in code[-1]
    assert len(code) == 4 and not any("train.fit" in source for source in code)
    assert made.cells[0].source.startswith("# Your own sounds")


def test_it_is_bound_to_this_computer(tmp_path):
    words, environment = app.command(["--port=8123"], tmp_path)
    assert "--Voila.ip=127.0.0.1" in words and words[-1] == "--port=8123"
    assert (tmp_path / "build" / "your_own_sounds.ipynb").is_file()
    assert environment["JUPYTER_PATH"].startswith(str(tmp_path / "build" / "app"))
