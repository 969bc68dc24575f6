"""Progress is a line each time where nobody watches a terminal."""

from acrnn_lib.progress import bar
from acrnn_lib.training import crossval


def test_plain_lines_where_there_is_no_terminal(capsys):
    assert list(bar(range(3), label="clips", total=3, unit="clip")) == [0, 1, 2]
    said = capsys.readouterr().err
    assert "\r" not in said
    assert said.splitlines()[-1] == "clips: 3 of 3 clips, 00:00 left"


def test_an_interrupted_work_goes_on_from_where_it_was(capsys):
    with bar(label="features", total=10, unit="clip", done=4) as shown:
        shown.update(6)
    assert capsys.readouterr().err.splitlines()[-1].startswith("features: 10 of 10 clips")


def test_silence_when_asked(capsys):
    assert list(bar(range(3), label="clips", total=3, unit="clip", show=False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_report_is_told_what_is_trained_and_the_time_left(capsys):
    told = []
    row = {"epoch": 2, "loss": 1.0, "accuracy": 0.5, "seconds": 3.0, "segments_per_second": 9.0}
    with crossval.Progress("[1/1] acrnn", 5, show=False, report=told.append) as progress:
        progress(row)
    assert told == [row | {"run": "[1/1] acrnn", "epochs": 5, "seconds_left": 9.0}]
    assert capsys.readouterr().err == ""
