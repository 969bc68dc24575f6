"""Figures: axes in seconds and Hz, drawn where they were asked to be."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from acrnn_lib import viz
from acrnn_lib.features import gammatone
from acrnn_lib.features.frontend import LogGammatone
from acrnn_lib.models.summary import layer_table

RNG = np.random.default_rng(0)
STATIC = RNG.normal(size=(128, 431)).astype(np.float32)
WEIGHTS = np.full((6, 7), 1 / 7)
STARTS = np.array([0, 64, 128, 192, 256, 303])
HISTORY = pd.DataFrame({"epoch": [1, 2, 3], "loss": [2.0, 1.5, 1.2]})

FIGURES = {
    "waveform": (lambda ax: viz.waveform(RNG.normal(size=4410), ax, events=[(0.01, 0.05)]),
                 "time (s)", "amplitude"),
    "stft": (lambda ax: viz.stft(RNG.normal(size=22050).astype(np.float32), ax), "time (s)",
             "frequency (Hz)"),
    "gammatonegram": (lambda ax: viz.gammatonegram(STATIC, ax), "time (s)", "band centre (Hz)"),
    "filter_responses": (lambda ax: viz.filter_responses(gammatone.centre_frequencies(8), ax=ax),
                         "frequency (Hz)", "gain (dB)"),
    "band_widths": (lambda ax: viz.band_widths(ax), "band centre (Hz)", "width (Hz)"),
    "segments": (lambda ax: viz.segments(STATIC, STARTS, np.arange(6) < 3, ax), "time (s)",
                 "band centre (Hz)"),
    "layer_costs": (lambda ax: viz.layer_costs(layer_table(), ax), "layer", "share (%)"),
    "learning_curves": (lambda ax: viz.learning_curves(HISTORY, ax), "epoch", "training loss"),
    "attention_bars": (lambda ax: viz.attention_bars(np.full(7, 1 / 7), ax), "frame of the layer",
                       "weight"),
    "attention_map": (lambda ax: viz.attention_map(STATIC, WEIGHTS, STARTS * 512 / 44100, ax,
                                                   events=[(1, 2)]),
                      "time (s)", "band centre (Hz)"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_labelled_axes_and_takes_an_ax(name):
    draw, x, y = FIGURES[name]
    own, given = plt.subplots()
    fig, ax = draw(given)
    assert fig is own and ax is given
    assert (ax.get_xlabel(), ax.get_ylabel()) == (x, y)
    new, _ = draw(None)
    assert new is not own
    new.canvas.draw()
    plt.close("all")


def test_every_figure_takes_a_title():
    titled = {
        "waveform": STATIC[0], "stft": STATIC.ravel()[:9000], "gammatonegram": STATIC,
        "filter_responses": [1000.0], "layer_costs": layer_table(), "learning_curves": HISTORY,
        "attention_bars": WEIGHTS[0],
    }
    for name, first in titled.items():
        assert getattr(viz, name)(first, title="why?")[1].get_title() == "why?", name
    assert viz.band_widths(title="why?")[1].get_title() == "why?"
    assert viz.segments(STATIC, STARTS, STARTS < 9, title="why?")[1].get_title() == "why?"
    assert viz.attention_map(STATIC, WEIGHTS, STARTS, title="why?")[1].get_title() == "why?"
    plt.close("all")


CLIP = pd.Series({"category": "dog", "clip_id": "1-2-A", "author": "A <b>", "licence": "CC0",
                  "url": "https://example.org/s/2/"})


def test_a_player_credits_its_sound_and_says_what_was_changed():
    html = viz.player(CLIP, STATIC[0], "slower").data
    assert "<audio" in html and "A &lt;b&gt;" in html and "CC0" in html and "slower" in html
    assert 'href="https://example.org/s/2/"' in html


@pytest.mark.parametrize("licence", ["CC Sampling+ 1.0", "CC BY-NC 3.0 (collection)"])
def test_sounds_that_are_not_open_are_never_embedded(licence):
    html = viz.player(pd.concat([CLIP.drop("licence"), pd.Series({"licence": licence})])).data
    assert "<audio" not in html and licence in html and "not embedded" in html.lower()


def test_ticks_of_bands_stand_at_their_frequencies():
    _, ax = viz.gammatonegram(STATIC)
    centres = gammatone.centre_frequencies()
    for position, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True):
        assert np.interp(position, np.arange(128), centres) == pytest.approx(
            float(label.get_text()), rel=1e-6)
    plt.close("all")


def test_attention_is_drawn_where_it_was_paid():
    weights = np.zeros((1, 7))
    weights[0, 3] = 1
    fig, _ = viz.attention_map(STATIC[:, :128], weights, [0.0])
    right = fig.axes[-1]
    seconds, curve = right.lines[0].get_data()
    assert seconds[curve.argmax()] == pytest.approx(3 * 18 * 512 / 44100, abs=0.02)
    assert curve.max() == pytest.approx(7)
    plt.close("all")


def test_a_live_curve_shows_one_run_at_a_time_and_the_time_left(capsys):
    curve = viz.LiveCurve("two epochs", 2)
    assert not curve.ax.axison, "axes without a curve would look like a result"
    row = {"epoch": 1, "loss": 2.0, "accuracy": 0.5, "seconds": 60.0, "segments_per_second": 7.0}
    curve(row)
    assert curve.ax.get_title() == "two epochs: epoch 1 of 2, 7 segments/s, 1.0 min left"
    assert curve.ax.axison
    curve(row | {"epoch": 2, "loss": 1.0})
    assert list(curve.ax.lines[0].get_ydata()) == [2.0, 1.0]
    curve(row | {"loss": 3.0, "run": "acrnn seed 0 fold 1", "epochs": 9, "seconds_left": 30.0})
    assert list(curve.ax.lines[0].get_ydata()) == [3.0]
    assert curve.ax.get_title().startswith("acrnn seed 0 fold 1: epoch 1 of 9")
    assert curve.ax.get_title().endswith("0.5 min left") and curve.ax.get_xlim()[1] == 9.5


def test_spectrograms_in_rows_share_their_axes_and_leave_no_empty_one():
    fig, grid = viz.gammatonegrams([STATIC] * 3, "abc", 2, title="why?", vmin=0, vmax=2)
    shown = [ax for ax in grid.flat if ax.figure is fig]
    assert [ax.get_title() for ax in shown] == list("abc") and grid.shape == (2, 2)
    assert fig.get_suptitle() == "why?" and {ax.images[0].get_clim() for ax in shown} == {(0, 2)}
    shown[0].set_xlim(1, 2)
    assert shown[2].get_xlim() == (1, 2)
    plt.close(fig)


def test_the_log_gammatone_of_one_wave_is_that_of_the_front_end():
    wave = RNG.normal(size=22050)
    own = LogGammatone()(torch.tensor(wave, dtype=torch.float32)[None])[0, 0].numpy()
    np.testing.assert_array_equal(viz.log_gammatone(wave), own)


@pytest.mark.parametrize("place", [100, 40_000, 88_100])
def test_the_loudest_part_holds_the_loudest_moment_and_is_as_long_as_asked(place):
    wave = 0.01 * RNG.normal(size=88200)
    wave[place] = 5
    part = viz.loudest(wave, 0.5)
    assert len(part) == 22050 and part.max() == 5
    assert len(viz.loudest(wave, 2)) == 88200


def test_players_stand_side_by_side():
    html = viz.side_by_side(viz.player(CLIP, STATIC[0]), viz.player(CLIP, STATIC[1], "slower")).data
    assert html.count("<audio") == 2 and html.count("https://example.org/s/2/") == 2
    assert "auto-fit" in html and "slower" in html


def test_a_spectrogram_has_the_scale_that_was_asked_for():
    for scale in ("log", "linear"):
        fig, ax = viz.stft(STATIC.ravel()[:9000], scale=scale, colorbar=False)
        assert (ax.get_yscale() == "linear") == (scale == "linear") and fig.axes == [ax]
    plt.close("all")
