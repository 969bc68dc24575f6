"""Figures of results on a few runs made up for the test."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from acrnn_lib import viz
from acrnn_lib.data import esc
from acrnn_lib.evaluation import claims, confusions, metrics, recalls, results, tables


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
        "predicted": lambda ax: viz.confusion(confusions.confusion(crnn), ax),
        "recall (%)": lambda ax: viz.recalls(recalls.recall(runs), ax),
        "recordings with more than one clip":
            lambda ax: viz.same_recording(results.predictions(crnn), ax),
        "true difference (percentage points)":
            lambda ax: viz.power({"40 clips": 40, "90 clips": 90}, 0.2, ax),
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
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        f"{name} (esc10, lite, 2 of 5 folds)" for name in summary.experiment]
    _, ax = viz.accuracies(summary.assign(folds=5, dataset="esc50-16k"))
    assert ax.get_yticklabels()[0].get_text() == "acrnn (esc50-16k (16 kHz, 8-bit copy), lite)"
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


def test_differences_are_drawn_with_their_p_values(runs):
    table = tables.comparisons(runs)
    _, ax = viz.differences(table)
    row = table.iloc[0]
    assert ax.texts[0].get_text() == f"p = {row.p:.2g}; {row.p_holm:.2g} after Holm"
    plt.close("all")


def test_the_training_curve_and_the_test_accuracy_at_its_end(tmp_path):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    for epoch in (1, 2):
        results.append_history(folder, {"epoch": epoch, "accuracy": epoch / 2})
        results.append_history(folder, {"epoch": epoch, "clips": 4, "last": 1 + epoch},
                               results.WATCHED["test"])
    table = pd.DataFrame({"filename": list("abcd"), "clip_id": [f"1-{k}-A" for k in range(4)],
                          "fold": 1, "target": [0, 1, 0, 1], "p_0": [1.0, 0, 0, 0],
                          "p_1": [0.0, 1, 1, 1]})
    run = results.write(folder, table, {"config_hash": "h", "watched": "so", "config": {}})
    _, ax = viz.training_and_test([run], [run], title="a")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [50, 100])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [50, 75])
    np.testing.assert_allclose(ax.containers[0].lines[0].get_xydata(), [[2, 75]])
    plt.close("all")


def test_many_systems_become_a_map_with_every_recall_in_its_cell():
    frame = pd.DataFrame(np.linspace(0, 1, 27).reshape(3, 9), list("abc"),
                         [f"system {k}" for k in range(9)])
    _, ax = viz.recalls(frame, title="nine")
    written = [f"{100 * v:.0f}" for v in frame.to_numpy().ravel()]
    assert [text.get_text() for text in ax.texts] == written
    assert [t.get_text() for t in ax.get_xticklabels()] == list(frame.columns)
    assert ax.get_title() == "nine" and len(ax.figure.axes) == 2  # the map and its colour bar
    plt.close("all")


def fifty():
    """A confusion matrix of ESC-50's classes in the order of the alphabet: 30 to 40 of 40 right,
    the others taken for the next class."""
    names = sorted(" ".join(esc.FAMILIES.values()).split())
    right = 30 + np.arange(50) % 11
    counts = np.diag(right) + np.roll(np.diag(40 - right), 1, axis=1)
    return pd.DataFrame(counts, pd.Index(names, name="truth"), names)


def test_fifty_classes_are_ordered_by_family_and_drawn_as_shares():
    frame = fifty()
    fig, ax = viz.confusion(frame, title="fifty")
    fig.canvas.draw()
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == [text.get_text() for text in ax.get_xticklabels()]
    assert sorted(labels) == list(frame) and [esc.family(name) for name in labels] == [
        name for name in esc.FAMILIES for _ in range(10)]
    drawn = ax.images[0].get_array()
    expected = frame.loc[labels, labels].to_numpy() / 40
    np.testing.assert_allclose(drawn.filled(0), expected)
    assert drawn.mask.sum() == (expected == 0).sum() > 2300, "empty cells stay white"
    for lines in (0, 1):  # horizontal and vertical
        at = [line.get_xydata()[0, 1 - lines] for line in ax.lines[lines::2]]
        assert at == [9.5, 19.5, 29.5, 39.5]
    assert [text.get_text() for text in ax.texts] == list(esc.FAMILIES)
    assert ax.get_title() == "fifty" and "share" in fig.axes[1].get_ylabel()
    tall = min(text.get_window_extent().height for text in ax.get_yticklabels())
    apart = np.ptp(ax.transData.transform([(0, 0), (0, 1)])[:, 1])
    assert tall < 1.3 * apart and fig.get_size_inches().max() < 11, "names that can be read"
    plt.close("all")


def test_many_classes_without_families_are_drawn_without_borders():
    names = [f"class {k}" for k in range(21)]
    _, ax = viz.confusion(pd.DataFrame(np.eye(21, dtype=int), names, names))
    assert not ax.lines and [text.get_text() for text in ax.get_xticklabels()] == names
    assert not any(text.get_text() for text in ax.texts)
    plt.close("all")


@pytest.mark.parametrize("classes", [50, 10])
def test_recall_by_class_is_sorted_and_has_intervals_and_colours_of_families(classes):
    recall = pd.Series(metrics.recall(fifty()), list(fifty()))[:classes]
    table = pd.DataFrame({"class": recall.index, "recall": recall.to_numpy()})
    table = table.assign(lo=table.recall - 0.2, hi=table.recall + 0.05)
    beside = {"published": recall / 2} if classes == 10 else None
    fig, ax = viz.recall_by_class(table, beside=beside, title="which?")
    fig.canvas.draw()
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert recall[labels].is_monotonic_increasing and ax.get_ylim()[0] > ax.get_ylim()[1]
    seen, colours = {}, {}
    for container in ax.containers:
        points, bars = container.lines[0], container.lines[2][0].get_segments()
        for (x, y), bar in zip(points.get_xydata(), bars, strict=True):
            name = labels[round(y)]
            seen[name] = (x, *bar[:, 0])
            colours.setdefault(esc.family(name), set()).add(points.get_color())
    for row in table.itertuples():
        np.testing.assert_allclose(seen[row[1]], [100 * row.recall, 100 * row.lo, 100 * row.hi])
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    if classes == 50:
        assert len(set.union(*colours.values())) == 5 and legend == list(esc.FAMILIES)
    else:
        assert set(legend) == {"published", "recall, 95 % interval"}
        np.testing.assert_allclose(ax.lines[-1].get_xdata(), 50 * recall[labels])
    plt.close("all")

