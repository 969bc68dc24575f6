"""Figures of results on a few runs made up for the test."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from acrnn_lib import viz
from acrnn_lib.evaluation import claims, metrics, results, tables


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root, made = tmp_path_factory.mktemp("runs"), []
    rng = np.random.default_rng(0)
    for experiment in ("acrnn", "crnn"):
        for fold in (1, 2):
            n = 20
            chances = rng.dirichlet(np.ones(3), n).round(6)
            chances[:, 2] = 1 - chances[:, 0] - chances[:, 1]
            table = pd.DataFrame({"filename": [f"{k}.wav" for k in range(n)],
                                  "clip_id": [f"{fold}-{k // 2}-{'AB'[k % 2]}" for k in range(n)],
                                  "fold": fold, "target": rng.integers(0, 3, n)})
            for k in range(3):
                table[f"p_{k}"] = chances[:, k]
            folder = results.run_folder(root, "esc10", "lite", experiment, 0, fold)
            results.append_history(folder, {"epoch": 1, "loss": 1.0})
            made.append(results.write(folder, table, {"config_hash": experiment,
                                                      "classes": ["a", "b", "c"]}))
    return made


def test_figures_are_drawn_on_the_ax_given(runs):
    summary, crnn = tables.summary(runs), [r for r in runs if r.experiment == "crnn"]
    drawings = {
        "accuracy (%)": lambda ax: viz.accuracies(summary, ax, {"the paper": 0.937}),
        "difference in accuracy (percentage points)":
            lambda ax: viz.differences(tables.comparisons(runs), ax),
        "predicted": lambda ax: viz.confusion(tables.confusion(crnn), ax),
        "recall (%)": lambda ax: viz.recalls(tables.recall(runs), ax),
        "accuracy of a fold (%)": lambda ax: viz.fold_spread(runs, ax),
        "recordings with more than one clip":
            lambda ax: viz.same_recording(results.predictions(crnn), ax),
        "true difference (percentage points)":
            lambda ax: viz.resolution({"40 clips": 40, "90 clips": 90}, 0.2, ax),
    }
    for label, draw in drawings.items():
        _, given = plt.subplots()
        fig, ax = draw(given)
        assert ax is given and ax.get_xlabel() == label
        fig.canvas.draw()
        plt.close("all")


def test_points_stand_at_the_counted_values(runs):
    summary = tables.summary(runs)
    _, ax = viz.accuracies(summary)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), 100 * summary.accuracy)
    plt.close("all")


def test_published_recalls_cover_the_classes_and_average_to_the_published_accuracy():
    from acrnn_lib.data import synth

    table = claims.published_recall()
    assert set(table.category) == set(synth.CLASSES)
    assert table.recall.mean() == pytest.approx(0.8025, abs=0.002)


def test_clips_of_a_recording_are_drawn_once_each_and_single_clips_not_at_all():
    long = pd.DataFrame({"source": list("aabbbc"), "correct": [1, 0, 1, 1, 1, 0]})
    _, ax = viz.same_recording(long)
    right, wrong = (spots.get_offsets().tolist() for spots in ax.collections)
    assert wrong == [[0, 1]] and right == [[0, 2], [1, 1], [1, 2], [1, 3]]
    _, ax = viz.same_recording(long.iloc[5:])  # no recording has two clips
    assert not any(len(spots.get_offsets()) for spots in ax.collections)
    plt.close("all")


def test_chance_to_notice_is_how_often_mcnemar_notices():
    rng, clips, difference, disagree = np.random.default_rng(0), 60, 0.15, 0.3
    draws = rng.multinomial(clips, [0.225, 0.075, 0.7], 2000)
    found = [metrics.mcnemar(np.arange(a + b) < a, np.arange(a + b) >= a)[0] <= 0.05
             for a, b, _ in draws]
    chance = viz.chance_to_notice(clips, difference, disagree)
    assert chance == pytest.approx(np.mean(found), abs=0.035)
    assert viz.chance_to_notice(clips, 0, disagree) < 0.05
    assert viz.chance_to_notice(10 * clips, difference, disagree) > 0.99


def test_many_systems_become_a_map_with_every_recall_in_its_cell():
    frame = pd.DataFrame(np.linspace(0, 1, 27).reshape(3, 9), list("abc"),
                         [f"system {k}" for k in range(9)])
    _, ax = viz.recalls(frame, title="nine")
    written = [f"{100 * v:.0f}" for v in frame.to_numpy().ravel()]
    assert [text.get_text() for text in ax.texts] == written
    assert [t.get_text() for t in ax.get_xticklabels()] == list(frame.columns)
    assert ax.get_title() == "nine" and len(ax.figure.axes) == 2  # the map and its colour bar
    plt.close("all")
