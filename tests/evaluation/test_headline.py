"""The first page's results: counted from the committed runs, with words that follow the numbers."""

import numpy as np
import pytest

from acrnn_lib import viz
from acrnn_lib.evaluation import claims, headline, results, selection, tables
from tests.evaluation.test_tables import make

ROOT = "results"


@pytest.fixture(scope="module")
def text():
    return headline.as_markdown(ROOT)


def test_every_number_of_ours_is_that_of_the_tables(text):
    summary = tables.summary(results.load(ROOT)).set_index(["dataset", "profile", "experiment"])
    for key in (("esc10", "paper", "acrnn"), ("esc10", "paper", "acrnn-plus"),
                ("esc50-16k", "lite", "acrnn-plus"), ("esc50-16k", "lite", "acrnn")):
        assert tables.interval_text(summary.loc[key]) in text, key
    assert tables.interval_text(selection.nested("paper", ROOT)[1]) in text
    assert text.count("\n") == 3 and "93.7%" in text and "86.1%" in text


@pytest.mark.parametrize(("ours", "words"), [
    (0.9, "3.7 points below the paper"), (0.95, "1.3 points above the paper")])
def test_by_how_much_follows_the_sign(ours, words):
    assert headline._short({"accuracy": ours}, 0.937) == words


@pytest.mark.parametrize(("lo", "hi", "words"), [
    (0.01, 0.03, "it helps"), (-0.03, -0.01, "it harms"), (-0.01, 0.02, "no effect is shown")])
def test_the_judgement_follows_the_interval(lo, hi, words):
    assert words in headline._judged({"lo": lo, "hi": hi})


def test_the_figure_has_published_values_without_and_ours_with_intervals():
    table = headline.accuracies(ROOT)
    assert set(table.dataset) == {"esc10", "esc50-16k (16 kHz, 8-bit copy)"}
    ours = table.dropna(subset="lo")
    assert ours.lo.lt(ours.accuracy).all() and ours.hi.gt(ours.accuracy).all()
    paper = claims.published().query("experiment == 'acrnn'").accuracy
    assert set(paper) <= set(table.accuracy[table.lo.isna()])
    fig, panels = viz.headline(table)
    drawn = np.concatenate([line.get_xdata() for ax in panels for line in ax.lines
                            if line.get_marker() in ("D", "o")])
    np.testing.assert_allclose(sorted(drawn), sorted(100 * table.accuracy))
    assert [len(ax.get_yticklabels()) for ax in panels] == [5, len(table) - 5]
    viz.results.plt.close(fig)


def test_missing_runs_are_named(tmp_path):
    make(tmp_path, "acrnn", 1)
    with pytest.raises(results.ResultsError, match="no complete runs of esc10/paper/acrnn-plus"):
        headline.as_markdown(tmp_path)
