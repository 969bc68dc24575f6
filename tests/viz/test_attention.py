"""Figures of the evaluation of attention: what is drawn are the numbers of the tables."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from acrnn_lib import viz
from acrnn_lib.attention import clips, events, evidence
from tests.tools import ROOT

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def committed():
    return evidence.committed(ROOT / "results" / "attention")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def points(ax):
    """The (x, y) of every marker with an interval."""
    return [tuple(part.lines[0].get_xydata()[0]) for part in ax.containers]


def test_inside_events_draws_each_mean_in_its_row():
    rng = np.random.default_rng(0)
    inside, source = rng.random((30, 7)) < 0.3, np.arange(30)
    weights = {"attention": rng.random((30, 7)), "uniform": np.ones((30, 7))}
    table = events.inside_events(weights, inside, source)
    _, panels = viz.inside_events({"a network": table})
    assert panels.shape == (1, 2)
    for ax, (_, rows) in zip(panels[0], table.groupby("measure", sort=False), strict=True):
        assert points(ax) == [(value, place) for place, value in enumerate(rows.value)]
    names = [text.get_text() for text in panels[0, 0].get_yticklabels()]
    assert names == ["attention", "uniform"]


def test_curves_and_gains_are_those_of_the_tables(committed):
    curves, _ = committed
    one = curves[curves.network == curves.network.iloc[0]]
    _, panels = viz.occlusion_curves(one)
    attention = one[(one.order == "attention") & (one.fill == evidence.FILLINGS["mean"])]
    drawn = {line.get_label(): line.get_ydata() for line in panels[0, 1].lines}
    assert list(drawn) == evidence.ORDERS
    np.testing.assert_allclose(drawn["attention"], attention[[f"i{k}" for k in range(8)]].mean())
    gains = evidence.occlusion_gains(curves)
    _, panels = viz.occlusion_gains(gains)
    for ax, kind in zip(panels[0], ("deletion", "insertion"), strict=True):
        expected = gains[gains.kind == kind].gain.dropna()
        assert sorted(x for x, _ in points(ax)) == pytest.approx(sorted(expected))


def test_classes_are_in_one_order_and_every_clip_has_a_dot(committed):
    curves, sounds = committed
    _, panels = viz.occlusion_by_class(curves)
    assert panels.shape == (1, curves.network.nunique())
    for ax, network in zip(panels[0], curves.network.unique(), strict=True):
        dots = sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() == ".")
        assert dots == 3 * curves[curves.network == network].clip_id.nunique()
    one = sounds[sounds.network == sounds.network.iloc[0]]
    _, panels = viz.parts_by_class(one)
    labels = [text.get_text() for text in panels[0, 0].get_yticklabels()]
    assert sorted(labels) == sorted(one["class"].unique())
    assert len(points(panels[0, 1])) == 2 * len(labels)


def test_shift_gains_has_a_row_per_group_and_a_marker_per_baseline(committed):
    shifts = evidence.shift_gains(committed[1])
    _, panels = viz.shift_gains(shifts)
    for ax, part in zip(panels[0], ("attended", "rest"), strict=True):
        rows = shifts[shifts.part == part]
        assert sorted(x for x, _ in points(ax)) == pytest.approx(sorted(rows.difference))
        assert len(ax.get_yticks()) == len(rows) / 2


def test_gradients_and_profiles():
    values = np.random.default_rng(0).random((7, 128))
    field = np.stack([18 * np.arange(7) - 34, 18 * np.arange(7) + 52], axis=1)
    _, panels = viz.gradient_map({"convolutions": values, "weights": values}, field)
    assert panels[0, 0].images[0].get_array().max() == 0, "the peak of each row"
    weights = np.array([[0.4, *[0.1] * 6], [0.2, 0.3, *[0.1] * 5]])
    _, ax = viz.attention_profiles({"silence": weights[:1], "noise": weights})
    means = [part.lines[0].get_ydata() for part in ax.containers]
    np.testing.assert_allclose(means, [7 * weights[0], 7 * weights.mean(axis=0)])


def test_curves_over_whole_clips_are_the_means_of_the_table():
    table = clips.committed("results/whole-clip/clips.csv")
    _, panels = viz.clip_deletion(table)
    assert [ax.get_title() for ax in panels[0]] == ["segments", "whole clip"]
    for ax in panels[0]:
        rows = table[(table.dataset == "esc10") & (table.network == ax.get_title())]
        for line in ax.lines:
            own = rows[rows.order == line.get_label()]
            np.testing.assert_allclose(line.get_ydata(), [own[f"d{k}"].mean() for k in range(13)])
            assert line.get_xdata()[-1] == pytest.approx(12 * 36 * 512 / 44100)
