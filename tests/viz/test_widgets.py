"""Explorers: a moved control changes what is seen; a page needs no kernel and hides nothing."""

import base64
import io
import re
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.signal import resample_poly

from acrnn_lib import viz
from acrnn_lib.data import synth
from acrnn_lib.evaluation import results
from acrnn_lib.models.acrnn import ACRNN, parameter_count
from acrnn_lib.models.summary import layer_table
from acrnn_lib.viz import widgets, widgets_results
from acrnn_lib.viz.explorer import STATES, Explorer, Sheet, sound

matplotlib.use("Agg")
ROOT = Path(__file__).parents[2]
OPEN, CLOSED = (SimpleNamespace(clip_id="1-1-A", category="dog", author="A. N. Other", url="",
                                licence=licence) for licence in ("CC0", "CC BY-NC"))


@pytest.fixture(scope="module")
def wave():
    return synth.render(synth.plan().clip_id[0])[0]


@pytest.fixture(scope="module")
def runs():
    return results.load(ROOT / "results", dataset="esc10", profile="lite")


def holds(explorer, **values):
    """Each of these values, set one after the other, must change the view."""
    for control in explorer.controls.values():
        assert control.style.description_width == "initial", "else a long label is cut off"
        if hasattr(control, "readout"):
            assert int(control.layout.width.removesuffix("px")) >= 600
            assert control.layout.max_width == "100%", "on a phone"
    for name, value in values.items():
        before = explorer.view.value
        explorer.controls[name].value = value
        assert explorer.view.value != before, f"{name} = {value} changed nothing"
    page = explorer.page()
    assert page.count("data-state=") == len(explorer.states) <= STATES
    assert page.count(" hidden>") == len(explorer.states) - 1
    assert not re.search(r'(src|href)="(?!data:)', page), "nothing from elsewhere"
    assert all(re.findall(r'<img[^>]*alt="[^"]{20,}"', image)
               for image in re.findall(r"<img[^>]*>", page)), "pictures say what they show"
    assert "text/html" in explorer._repr_mimebundle_()
    return explorer


@pytest.mark.slow
def test_a_sheet_keeps_nothing_of_the_drawing_before(wave, runs, monkeypatch):
    kept = Sheet.picture

    def painted_anew(sheet, *words):
        sheet.kept = None
        return kept(sheet, *words)

    maps = next({run.experiment: run.attention} for run in runs if run.attention is not None)
    (label, found), = maps.items()
    clips = [str(clip) for clip in found["clip_id"][:2]]
    for explorer, one, other in [
            (widgets.filter_bank(wave), {"bands": 16}, {"bands": 256, "scale": "mel"}),
            (widgets.augmentation(wave, CLOSED), {"rate": 0.8}, {"rate": 1.3}),
            (widgets_results.attention(maps, {clip: (wave, "") for clip in clips}),
             {"clip": clips[0], "run": label}, {"clip": clips[1], "run": label})]:
        def images(values, explorer=explorer):  # an encoded sound has another number each time
            return re.findall(r"<img[^>]*>", explorer.draw(**{**explorer.start, **values}))

        first, second, again = (images(values) for values in (one, other, one))
        assert first == again != second
        with monkeypatch.context() as patch:
            patch.setattr(Sheet, "picture", painted_anew)
            assert images(other) == second, "what is kept fits other values only"


def test_filter_bank(wave):
    explorer = widgets.filter_bank(wave, pd.Series(vars(OPEN)))
    assert "Compared with the paper: <b>no known difference" in explorer.view.value
    assert {state["highest"] for state in explorer.states} == {8000, 22050}, "on a page, too"
    explorer.states = explorer.states[:2]
    holds(explorer, scale="mel", bands=256, lowest=20, highest=8000)
    assert "from 20 to 8000 Hz" in explorer.view.value
    for told in ("mel filters (paper: gammatone filters)", "256 bands (paper: 128)",
                 "20 to 8000 Hz (the paper states no range"):
        assert told in explorer.view.value
    assert explorer.view.value.count("<audio") == 1 and "A. N. Other" in explorer.view.value
    for silent in (widgets.filter_bank(wave), widgets.filter_bank(wave, CLOSED)):
        assert "<audio" not in silent.view.value
    assert "stay empty" in explorer.view.value
    explorer.controls["scale"].value = "ERB"
    assert "stay empty" not in explorer.view.value


def test_augmentation(wave):
    explorer = widgets.augmentation(wave, OPEN)
    explorer.states = explorer.states[:2]
    holds(explorer, rate=1.3, semitones=-3.5)
    assert explorer.view.value.count("<audio") == 2
    assert explorer.view.value.count("A. N. Other") == 2, "the author stands beside each player"
    assert "rate 1.3, -3.5 semitones" in explorer.view.value, "and what was changed"
    assert "one copy gets both changes" in explorer.view.value
    assert "no known difference" in explorer.draw(rate=1.3, semitones=0.0)
    closed = widgets.augmentation(wave, CLOSED).view.value
    assert "<audio" not in closed and "A. N. Other" in closed


@pytest.mark.slow
def test_shapes_follow_the_changed_layer():
    explorer = widgets.shapes()

    def told():
        numbers = re.search(r"<b>([\d,]+) parameters, .* can see (\d+) input", explorer.view.value)
        return [int(number.replace(",", "")) for number in numbers.groups()]

    paper = parameter_count(ACRNN())
    assert told() == [paper, 86] and "no known difference" in explorer.view.value
    assert "output 32" not in explorer.view.value, "no layer differs"
    assert all(output in explorer.view.value for output in layer_table()["output"])
    explorer.controls["kernel width"].value = 7  # of l1
    assert told() == [paper + 2 * 32 * 3 * 2, 88] and "→ l1" in explorer.view.value
    assert "kernel of l1: (3, 7) (paper: (3, 5))" in explorer.view.value
    assert explorer.view.value.count("parameters 1,024") == 1, "what the paper has in that row"
    holds(explorer, layer="l2", frames=256, pool="none", **{"kernel width": 3})


def test_attention_with_a_player_whose_cursor_moves(runs, wave):
    maps = {run.experiment: run.attention for run in runs
            if run.fold == 1 and run.attention is not None}
    labels = list(maps)[:2]
    clip = str(maps[labels[0]]["clip_id"][0])
    explorer = widgets_results.attention({label: maps[label] for label in labels},
                                         {clip: (wave, viz.credit(OPEN))})
    explorer.states = explorer.states[:2]
    assert 'class="cursor"' in explorer.view.value and "onplay=" in explorer.view.value
    assert "A. N. Other" in explorer.view.value
    before = explorer.view.value
    assert widgets_results._named("crnn (esc10, lite, committed)") == ("crnn", "lite")
    explorer.controls["beside"].value = labels[1]
    assert explorer.view.value != before, "two runs, one over the other"
    explorer.controls["beside"].value = labels[0]
    assert re.findall("<img[^>]*>", explorer.view.value) == re.findall("<img[^>]*>", before)
    holds(explorer, run=labels[1], clip=str(maps[labels[0]]["clip_id"][1]))
    assert "<audio" not in explorer.view.value, "no sound was given for this clip"
    assert "No player" in explorer.view.value


def test_confusion_cells_hold_all_mistakes(runs):
    one = [run for run in runs if run.experiment == "acrnn-plus"]
    explorer = widgets_results.confusion(one, lambda clip_id, seen: f"<b>{clip_id} {seen}</b>")
    wrong = results.predictions(one).query("~correct")
    page = explorer.page()
    assert page.count("(seed ") == len(wrong)
    assert page.count("<li>") == len(wrong.groupby(["clip_id", "predicted"]))
    assert re.search(r'data-state="\w+ called \w+"', page) and "cell (" not in page
    grid = explorer.children[0]
    names = [part.value for part in grid.children if isinstance(part, ipywidgets.HTML)]
    assert sum("crackling_fire" in name for name in names) == 2, "whole names, at row and column"
    buttons = [child for child in grid.children if hasattr(child, "click")]
    assert len(buttons) == 100
    before = explorer.view.value
    buttons[0].click()
    assert explorer.view.value != before and explorer.controls["cell"].value == (0, 0)


def test_a_cell_plays_its_clips_where_the_licence_allows(runs, wave, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", wave, 44100)
    one = [run for run in runs if run.experiment == "acrnn-plus"]
    long = results.predictions(one)
    table = pd.DataFrame({"clip_id": long.clip_id, "path": tmp_path / "a.wav", "url": "",
                          "category": "<dog>", "author": "A. N. Other", "licence": "CC0"})
    html = widgets_results.heard_and_seen(table)
    explorer = widgets_results.confusion(one, html)
    shown = explorer.view.value
    explorer.controls["cell"].value = (0, 0)
    view = explorer.view.value
    assert view != shown and view.count("<li>") > widgets_results.SEEN == view.count("<img")
    assert view.count("<li>") == view.count("<audio") == view.count("A. N. Other")
    assert "&lt;dog&gt;" in view and "<dog>" not in view
    closed = widgets_results.heard_and_seen(table.assign(licence="CC Sampling+"))
    assert "<audio" not in closed(long.clip_id[0]) and "<img" in closed(long.clip_id[0])
    assert "No player" in closed(long.clip_id[0])


def test_names_are_shown_and_not_run(runs):
    long = results.predictions(runs[:1])
    long["clip_id"] = "<script>alert(1)</script>"
    row = long.iloc[0]
    html = widgets_results._draw_cell(long, ["<b>"] * 10, (row.target, row.predicted), None)
    assert "<script" not in html and "<b>:" not in html.replace("<p><b>", "")


def test_results_of_chosen_experiments(runs):
    names = list(dict.fromkeys(run.experiment for run in runs))
    drawn = plt.get_fignums()
    explorer = widgets_results.results_of([r for r in runs if r.experiment in names[:3]])
    explorer.states = explorer.states[:2]
    holds(explorer, experiments=(names[0], names[2]))
    assert names[2] in explorer.view.value
    explorer.controls["experiments"].value = ()
    assert "at least one" in explorer.view.value
    assert plt.get_fignums() == drawn, "else a notebook shows each state once more"


def test_a_page_carries_thirty_states_at_most():
    with pytest.raises(ValueError, match="found 31"):
        Explorer(lambda: "", {}, [{}] * 31, "too many")


def test_closed_licences_are_not_embedded(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros(44100), 44100)
    table = pd.DataFrame({"clip_id": ["1-1-A", "1-2-A"], "path": [tmp_path / "a.wav"] * 2,
                          "licence": ["CC0", "CC Sampling+"], "category": "dog",
                          "author": "A. N. Other", "url": ""})
    assert list(widgets_results.waves_of(table, ["1-1-A", "1-2-A"])) == ["1-1-A"]


def test_a_sound_is_flac_of_the_same_bytes_each_time(wave):
    """Which every browser plays; a page's files keep their names from build to build."""
    html = sound(wave)
    assert html == sound(wave) and html.count('src="data:audio/flac;base64,') == 1
    heard, rate = soundfile.read(io.BytesIO(base64.b64decode(re.search(",([^\"]+)", html)[1])))
    expected = resample_poly(wave, 22050, 44100)
    assert rate == 22050 and np.abs(heard - expected).max() <= 2**-15


def test_while_the_next_view_is_computed_the_old_one_is_grey_and_silent(wave):
    explorer = widgets.augmentation(wave, OPEN)
    seen = []
    explorer.view.observe(lambda change: seen.append(change["new"]), "value")
    explorer.controls["rate"].value = 1.3
    between, after = seen
    assert 'aria-busy="true"' in between and "opacity" in between
    assert between.count("<audio") == 2 and "data:audio" not in between
    assert "aria-busy" not in after and after.count("data:audio") == 2


def test_what_an_experiment_has_that_the_paper_has_not():
    assert widgets.unlike_paper("acrnn") == []
    assert widgets.unlike_paper("acrnn", "lite") == ["profile lite: fewer epochs"]
    assert widgets.unlike_paper("crnn") == ["crnn: without attention: the mean over frames"]
    assert widgets.unlike_paper("acrnn+model.attention=l6") == ["acrnn with model.attention=l6"]
    assert "not an experiment" in widgets.unlike_paper("<b>")[0]
