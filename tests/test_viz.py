"""Figures: axes in seconds and Hz, drawn where they were asked to be."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from acrnn_lib import gammatone, viz
from acrnn_lib.acrnn import layer_table

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
