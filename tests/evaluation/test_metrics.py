"""Statistics against brute force, scipy and scikit-learn."""

import itertools
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from acrnn_lib.evaluation import metrics

QUICK = settings(max_examples=40, deadline=None)
UNIT = st.floats(0, 1, allow_subnormal=False)


@st.composite
def clips(draw, most=12):
    n = draw(st.integers(1, most))
    correct = draw(hnp.arrays(bool, (draw(st.integers(1, 3)), n)))
    return correct, draw(hnp.arrays(np.int64, n, elements=st.integers(0, 4)))


@st.composite
def attended(draw):
    shape = (draw(st.integers(1, 5)), draw(st.integers(2, 7)))
    # few different weights, so that ties are common
    attention = draw(hnp.arrays(float, shape, elements=st.sampled_from([0.1, 0.2, 0.5, 1.0])))
    return attention, draw(hnp.arrays(bool, shape))


@QUICK
@given(st.data())
def test_vote_is_the_mean_of_each_clips_segments(data):
    n, extra = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 8))
    more = data.draw(st.lists(st.integers(0, n - 1), min_size=extra, max_size=extra))
    index = np.array(data.draw(st.permutations([*range(n), *more])))
    probabilities = data.draw(hnp.arrays(float, (len(index), 3), elements=UNIT))
    voted = metrics.vote(probabilities, index)
    expected = [probabilities[index == clip].mean(axis=0) for clip in range(n)]
    np.testing.assert_allclose(voted, expected, atol=1e-12)


def test_vote_refuses_a_clip_without_segments():
    with pytest.raises(ValueError, match="clip 1 has no segment"):
        metrics.vote(np.ones((2, 2)) / 2, [0, 2])


def test_majority_counts_segments_and_the_mean_decides_ties():
    segments = [[0.6, 0.4, 0.0], [0.5, 0.2, 0.3], [0.0, 1.0, 0.0], [0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]
    voted = metrics.vote(segments, [0, 0, 0, 1, 1], majority=True)
    means = [[1.1 / 3, 1.6 / 3, 0.1], [0.4, 0.2, 0.4]]
    shares = [[2 / 3, 1 / 3, 0], [1 / 2, 0, 1 / 2]]
    np.testing.assert_allclose(voted, 0.99 * np.array(shares) + 0.01 * np.array(means), atol=1e-12)
    assert voted[0].argmax() == 0  # though the mean is for class 1
    tied = metrics.vote([[0.9, 0.1], [0.4, 0.6]], [0, 0], majority=True)
    assert tied[0].argmax() == 0


def test_attention_takes_lists_and_refuses_what_cannot_be_weighed():
    weights, events = [[0, 1, 3], [1, 0, 0]], [[0, 2, 1], [0, 3, 0]]
    np.testing.assert_allclose(metrics.attention_share(weights, events, average=False), [1, 0])
    np.testing.assert_allclose(metrics.attention_auc(weights, events, average=False), [1, 0.25])
    halves = np.full((1, 300), 300, np.float16)  # their sum is more than a float16 holds
    assert metrics.attention_share(halves, np.arange(300)[None] < 150) == 0.5
    for wrong in ([[0, 1, 3]], [[[0, 1, 3]], [[1, 0, 0]]], [[0, 1], [1, 0]]):
        with pytest.raises(ValueError, match=r"attention .* and events .*: expected two of"):
            metrics.attention_share(wrong, events)
    with pytest.raises(ValueError, match="expected two of"):
        metrics.attention_share([0, 1, 3], [0, 1, 1])
    for wrong in ([[0, 1, 3], [0, 0, 0]], [[0, 1, 3], [1, -1, 1]], [[0, 1, 3], [1, np.nan, 1]]):
        with pytest.raises(ValueError, match=r"^attention: a segment has a negative weight"):
            metrics.attention_share(wrong, events)
    with pytest.raises(ValueError, match=r"^no segment holds both event and background$"):
        metrics.attention_auc(weights, np.ones((2, 3)))


def test_recall_of_a_class_without_clips_is_not_a_number():
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(metrics.recall([[3, 1], [0, 0]]), [0.75, np.nan])


def esc10_clips(seed=0, correlation=0.5):
    """Correctness (400,) at 90 %, alike for clips of the same recording, and their recordings."""
    with (files("acrnn_lib") / "assets" / "esc10.csv").open(encoding="utf-8") as file:
        source = pd.read_csv(file, dtype=str)["source"].to_numpy()
    group, rng = np.unique(source, return_inverse=True)[1], np.random.default_rng(seed)
    alike, own = rng.normal(size=group.max() + 1)[group], rng.normal(size=len(group))
    difficulty = np.sqrt(correlation) * alike + np.sqrt(1 - correlation) * own
    return difficulty < stats.norm.ppf(0.9), source


def drawn_means(values, source, draws):
    """Means of clustered bootstrap draws, one draw at a time: recordings with all their clips."""
    rng, groups = np.random.default_rng(0), [values[source == name] for name in np.unique(source)]
    every = rng.integers(len(groups), size=(draws, len(groups)))
    return np.array([np.concatenate([groups[k] for k in drawn]).mean() for drawn in every])


@pytest.mark.parametrize("correlation", [0, 0.5, 1])
def test_standard_error_is_the_spread_of_a_clustered_bootstrap(correlation):
    correct, source = esc10_clips(correlation=correlation)
    drawn = drawn_means(correct, source, 4000).std()
    assert metrics.standard_error(correct, source) == pytest.approx(drawn, rel=0.04)
    if correlation == 1:  # clip by clip it would be too small
        assert metrics.standard_error(correct, np.arange(400)) < 0.88 * drawn


def test_standard_error_equals_the_enumeration_of_every_possible_draw():
    # equal sizes, where the ratio is a mean: its bootstrap variance is exactly (G - 1) / G of ours
    correct, source = np.array([1, 1, 0, 1, 0, 0, 1, 0.0]), np.array(list("aabbccdd"))
    groups = [correct[source == name] for name in "abcd"]
    every = [np.concatenate(pick).mean() for pick in itertools.product(groups, repeat=4)]
    error = metrics.standard_error(correct, source)
    assert error == pytest.approx(np.std(every) * np.sqrt(4 / 3))


@QUICK
@given(clips())
def test_standard_error_equals_its_formula(drawn):
    correct, source = drawn
    means, names = correct.mean(axis=0), np.unique(source)
    error = metrics.standard_error(correct, source)
    if len(names) == 1:
        assert np.isnan(error)
        return
    mean, n, groups = means.mean(), len(source), len(names)
    total = sum((means[source == name].sum() - mean * np.sum(source == name)) ** 2
                for name in names)
    variance = groups / (groups - 1) * total / n**2
    if len(correct) > 1:
        variance += np.var([row.mean() for row in correct], ddof=1) / len(correct)
    assert error == pytest.approx(np.sqrt(variance), abs=1e-12)


def test_standard_error_of_a_recording_per_clip_is_the_binomial_one():
    correct = np.random.default_rng(1).random(200) < 0.8
    p = correct.mean()
    found = metrics.standard_error(correct, np.arange(200))
    assert found == pytest.approx(np.sqrt(p * (1 - p) / 199))  # n / (n - 1) of p (1 - p) / n
    assert found == pytest.approx(stats.sem(correct))


def test_standard_error_of_clusters_equals_that_of_least_squares_with_robust_errors():
    # the sandwich of a regression on a constant, (X'X)^-1 X' S X (X'X)^-1, times G / (G - 1)
    correct, source = esc10_clips(3)
    x, residual = np.ones((400, 1)), correct - correct.mean()
    same = source[:, None] == source[None]
    bread = np.linalg.inv(x.T @ x)
    sandwich = bread @ x.T @ (np.outer(residual, residual) * same) @ x @ bread
    assert metrics.standard_error(correct, source) == pytest.approx(
        np.sqrt(304 / 303 * sandwich[0, 0]))


@QUICK
@given(clips())
def test_interval_holds_the_accuracy_and_stays_inside_zero_and_one(drawn):
    correct, source = drawn
    accuracy, low, high = metrics.accuracy_interval(correct, source)
    assert accuracy == pytest.approx(correct.mean())
    if len(np.unique(source)) == 1:  # one observation
        assert (low, high) == pytest.approx(metrics.wilson(accuracy, 1))
    assert -1e-12 <= low <= accuracy + 1e-12
    assert accuracy - 1e-12 <= high <= 1 + 1e-12
    assert high - low > 0.05


def test_interval_is_wilsons_for_the_effective_number_of_clips():
    correct, source = esc10_clips(2)
    p, t = correct.mean(), stats.t.ppf(0.975, 303)
    effective = p * (1 - p) / metrics.standard_error(correct, source) ** 2
    assert 200 < effective < 380
    ends = [(p + t**2 / (2 * effective) + sign * t * np.sqrt(
        p * (1 - p) / effective + t**2 / (4 * effective**2))) / (1 + t**2 / effective)
        for sign in (-1, 1)]
    assert metrics.accuracy_interval(correct, source) == pytest.approx((p, *ends))


def test_the_effective_number_is_at_most_that_of_the_answers():
    correct, source = np.tile([True, False], 20), np.arange(40) // 2  # each recording: one right
    correct[:2] = True
    p, t = correct.mean(), stats.t.ppf(0.975, 19)
    assert p * (1 - p) / metrics.standard_error(correct, source) ** 2 > 100
    _, low, high = metrics.accuracy_interval(correct, source)
    width = 2 * t / (1 + t**2 / 40) * np.sqrt(p * (1 - p) / 40 + t**2 / (4 * 40**2))
    assert high - low == pytest.approx(width)
    correct[:2] = True, False  # no spread at all: each recording counts once
    _, low, high = metrics.accuracy_interval(correct, source)
    assert high - low == pytest.approx(2 * t / (1 + t**2 / 20) * np.sqrt(
        1 / 80 + t**2 / (4 * 20**2)))


@pytest.mark.parametrize("right", [0, 1])
def test_all_right_or_all_wrong_counts_each_recording_once(right):
    t = stats.t.ppf(0.975, 19)
    expected = (1, 20 / (20 + t**2), 1) if right else (0, 0, t**2 / (20 + t**2))
    found = metrics.accuracy_interval(np.full((3, 40), right), np.arange(40) // 2)
    assert found == pytest.approx(expected)


def test_one_recording_has_a_wide_interval_or_none():
    source = np.zeros(20)
    correct = np.arange(20) < 15
    assert np.isnan(metrics.standard_error(correct, source))
    _, low, high = metrics.accuracy_interval(correct, source)
    assert high - low > 0.7
    assert metrics.mean_interval(correct, source)[0] == 0.75
    assert np.isnan(metrics.mean_interval(correct, source)[1:]).all()
    difference, *unknown = metrics.paired_difference(correct, ~correct, source)
    assert difference == 0.5
    assert np.isnan(unknown).all()


def test_clips_of_one_recording_widen_the_interval():
    correct = np.repeat(np.random.default_rng(0).random(50) < 0.7, 8)  # eight alike per recording
    _, low, high = metrics.accuracy_interval(correct, np.repeat(np.arange(50), 8))
    _, thin_low, thin_high = metrics.accuracy_interval(correct, np.arange(400))
    assert high - low > 2 * (thin_high - thin_low)


def test_seeds_that_differ_widen_every_interval():
    rng, source = np.random.default_rng(3), np.arange(400) // 2
    correct = rng.random((3, 400)) < np.array([[0.7], [0.8], [0.9]])
    alike = correct.mean(axis=0)
    for interval in (metrics.accuracy_interval, metrics.mean_interval):
        (_, low, high), (_, thin_low, thin_high) = (interval(c, source) for c in (correct, alike))
        assert high - low > 2 * (thin_high - thin_low)
    other = rng.random(400) < 0.8
    wide = metrics.paired_difference(correct, other, source)
    thin = metrics.paired_difference(alike, other, source)
    assert wide[0] == pytest.approx(thin[0])
    assert wide[1] < thin[1] < thin[2] < wide[2]
    assert wide[3] > thin[3]
    one, source = esc10_clips()  # given thrice, it is no more than once
    assert metrics.accuracy_interval([one] * 3, source) == pytest.approx(
        metrics.accuracy_interval(one, source))


@pytest.mark.parametrize("function", [metrics.standard_error, metrics.accuracy_interval,
                                      metrics.mean_interval,
                                      lambda x, s: metrics.paired_difference(x, x, s)])
@pytest.mark.parametrize("shape", [(3, 39), (39,), (2, 40, 3), (0, 40)])
def test_shapes_that_do_not_fit_are_refused(function, shape):
    with pytest.raises(ValueError, match=r"^values \(.*\) do not fit 40 clips$"):
        function(np.ones(shape), np.arange(40))


def test_mean_interval_of_a_clip_per_recording_is_students():
    values = np.random.default_rng(6).normal(3, 2, 30)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert metrics.mean_interval(values, np.arange(30)) == pytest.approx(
        (values.mean(), theirs.low, theirs.high))


def test_paired_difference_of_a_clip_per_recording_is_students_paired_test():
    a, b = np.random.default_rng(7).normal([[0.4], [0]], 1, (2, 25))
    theirs = stats.ttest_rel(a, b)
    ends = theirs.confidence_interval()
    assert metrics.paired_difference(a, b, np.arange(25)) == pytest.approx(
        (a.mean() - b.mean(), ends.low, ends.high, theirs.pvalue))


@QUICK
@given(clips(), st.data())
def test_paired_difference_changes_sign_and_is_null_for_equals(drawn, data):
    a, source = drawn
    b = data.draw(hnp.arrays(bool, (2, a.shape[1])))
    d, low, high, p = metrics.paired_difference(a, b, source)
    reverse = metrics.paired_difference(b, a, source)
    assert d == pytest.approx(a.mean() - b.mean(), abs=1e-9)
    assert reverse == pytest.approx((-d, -high, -low, p), abs=1e-9, nan_ok=True)
    if len(np.unique(source)) > 1:
        assert low <= d <= high
        assert 2.0 ** (1 - len(np.unique(source))) <= p <= 1
        one = a[:1]
        assert metrics.paired_difference(one, one, source) == (0, 0, 0, 1)
        # the mean of three equal seeds is inexact in floats
        assert metrics.paired_difference(one[[0] * 3], one, source) == (0, 0, 0, 1)


def test_thirds_that_cancel_are_no_difference():
    a = np.tile([1, 0], 6)  # in each recording one clip of two, as for each seed of b
    b = np.tile([[1, 0], [1, 0], [0, 1]], 6)
    b = np.stack([np.roll(pair, k, axis=0) for k, pair in enumerate(np.hsplit(b, 6))], 1)
    found = metrics.paired_difference(a, b.reshape(3, 12), np.arange(12) // 2)
    assert found == (0, 0, 0, 1)


def test_paired_difference_sees_what_pairing_shows():
    rng = np.random.default_rng(0)
    b = rng.random(300) < 0.7
    a = b | (rng.random(300) < 0.1)  # never worse than b
    d, low, _, p = metrics.paired_difference(a, b, np.arange(300))
    assert d > 0
    assert low > 0
    assert p < 0.01
    assert stats.ttest_ind(a, b).pvalue > 0.3  # unpaired


def test_p_is_never_below_that_of_a_sign_test_over_recordings():
    for recordings in (2, 5, 12):
        source = np.arange(recordings)
        found = metrics.paired_difference(np.ones(recordings), np.zeros(recordings), source)
        assert found == (1, 1, 1, 2.0 ** (1 - recordings))
        assert found[3] == pytest.approx(stats.binomtest(recordings, recordings).pvalue)


def test_false_alarms_are_one_in_twenty_when_nothing_differs():
    rng, p = np.random.default_rng(5), []
    for _ in range(1500):
        alike = rng.normal(size=(2, 80))[:, np.arange(160) // 2]
        a, b = alike + rng.normal(size=(2, 160)) < 1
        p.append(metrics.paired_difference(a, b, np.arange(160) // 2)[3])
    assert 0.035 < np.mean(np.array(p) < 0.05) < 0.065  # 5 % and 2.7 standard errors
    assert 0.45 < np.mean(np.array(p) < 0.5) < 0.55


@QUICK
@given(st.integers(1, 500), UNIT)
def test_wilson_equals_scipys(n, share):
    k = round(share * n)
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert metrics.wilson(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@QUICK
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_confusion_and_recall_equal_scikit_learns(pairs):
    target, predicted = np.array(pairs).T
    matrix = metrics.confusion(target, predicted, 4)
    np.testing.assert_array_equal(
        matrix, sklearn.metrics.confusion_matrix(target, predicted, labels=range(4)))
    expected = sklearn.metrics.recall_score(target, predicted, labels=range(4), average=None,
                                    zero_division=np.nan)
    np.testing.assert_allclose(metrics.recall(matrix), expected)


@pytest.mark.parametrize("wrong", [-1, 4])
def test_confusion_refuses_an_unknown_class(wrong):
    with pytest.raises(ValueError, match="invalid entry"):
        metrics.confusion([0, 1], [0, wrong], 4)


@QUICK
@given(clips(40), st.data())
def test_mcnemar_equals_the_binomial_sum(drawn, data):
    a = drawn[0][0]
    b = data.draw(hnp.arrays(bool, len(a)))
    p, only_a, only_b = metrics.mcnemar(a, b)
    n, k = only_a + only_b, min(only_a, only_b)
    assert (only_a, only_b) == (sum(a > b), sum(b > a))
    assert p == pytest.approx(min(1, 2 * stats.binom.cdf(k, n, 0.5)) if n else 1)
    assert metrics.mcnemar(b, a) == (p, only_b, only_a)


def test_mcnemar_takes_numbers_for_truth_and_refuses_other_shapes():
    assert metrics.mcnemar([1, 1, 0, 1], [0.0, 1.0, 1.0, 0.0]) == (1.0, 2, 1)
    assert metrics.mcnemar([0.0, 1.0, 1.0, 0.0], [1, 1, 0, 1]) == (1.0, 1, 2)
    for a, b in (([True], [True, False]), ([[True]], [[False]]), (True, False)):
        with pytest.raises(ValueError, match=r"found shapes \(.*\) and \(.*\), expected two"):
            metrics.mcnemar(a, b)


def test_holm_takes_text_and_whole_numbers():
    assert metrics.holm(["0.01", "1"]).tolist() == [0.02, 1.0]
    assert metrics.holm([1, 0]).tolist() == [1.0, 0.0]


@QUICK
@given(st.lists(UNIT, max_size=8))
def test_holm_equals_its_definition(p_values):
    adjusted, m = metrics.holm(p_values), len(p_values)
    order = sorted(range(m), key=lambda i: p_values[i])
    for rank, i in enumerate(order):
        expected = max((m - j) * p_values[order[j]] for j in range(rank + 1))
        assert adjusted[i] == pytest.approx(min(1, expected))


@QUICK
@given(attended())
def test_attention_measures_equal_a_loop_over_segments(drawn):
    attention, events = drawn
    share = metrics.attention_share(attention, events, average=False)
    auc = metrics.attention_auc(attention, events, average=False)
    for weights, inside, s, a in zip(attention, events, share, auc, strict=True):
        if inside.all() or not inside.any():
            assert np.isnan(s)
            assert np.isnan(a)
        else:
            assert s == pytest.approx(weights[inside].sum() / weights.sum())
            assert a == pytest.approx(sklearn.metrics.roc_auc_score(inside, weights))
    if np.isfinite(share).any():
        assert metrics.attention_share(attention, events) == pytest.approx(np.nanmean(share))
        assert metrics.attention_auc(attention, events) == pytest.approx(np.nanmean(auc))
    else:
        with pytest.raises(ValueError, match="no segment"):
            metrics.attention_auc(attention, events)


@QUICK
@given(attended())
def test_uniform_attention_is_the_control(drawn):
    _, events = drawn
    events[0, 0], events[0, 1] = True, False
    uniform = np.full(events.shape, 1 / events.shape[1])
    mixed = events.any(axis=1) & ~events.all(axis=1)
    assert metrics.attention_auc(uniform, events) == 0.5
    assert metrics.attention_share(uniform, events) == pytest.approx(events[mixed].mean())


@pytest.mark.parametrize("weights", [[0, 0, 0], [1, -1, 1], [1, np.nan, 1]])
def test_attention_that_is_no_weight_is_refused(weights):
    with pytest.raises(ValueError, match="a negative weight, a NaN, or no weight"):
        metrics.attention_share([weights], [[True, False, True]])
