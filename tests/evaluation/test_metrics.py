"""Statistics against brute force, scipy and scikit-learn."""

import itertools

import numpy as np
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


def test_interval_is_that_of_the_normal_law_for_many_independent_clips():
    correct = np.arange(1000) % 2
    _, low, high = metrics.accuracy_interval(correct, np.arange(1000), draws=50000)
    spread = stats.norm.ppf(0.975) * np.sqrt(0.25 / 1000)
    np.testing.assert_allclose([low, high], [0.5 - spread, 0.5 + spread], atol=0.0012)
    shifted = metrics.paired_difference(correct, np.zeros(1000), np.arange(1000), draws=50000)
    np.testing.assert_allclose(shifted[:3], [0.5, low, high], atol=1e-12)


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


@QUICK
@given(clips())
def test_interval_holds_the_mean_of_all_draws_and_stays_inside_zero_and_one(drawn):
    correct, source = drawn
    accuracy, low, high = metrics.accuracy_interval(correct, source, draws=200)
    assert accuracy == pytest.approx(correct.mean())
    assert 0 <= low <= high <= 1
    if len(set(source)) == 1:  # one recording: there is nothing to draw
        assert low == high == pytest.approx(accuracy)


def test_interval_equals_the_enumeration_of_every_possible_draw():
    correct, source = np.array([1, 1, 0, 1, 0, 0.0]), np.array(list("aabcdd"))
    groups = [correct[source == name] for name in "abcd"]
    every = [np.concatenate(pick).mean() for pick in itertools.product(groups, repeat=4)]
    _, low, high = metrics.accuracy_interval(correct, source, draws=40000)
    drawn = metrics._bootstrap(correct, source, 40000, 0)
    assert np.mean(every) == pytest.approx(drawn.mean(), abs=0.005)
    assert np.std(every) == pytest.approx(drawn.std(), abs=0.005)
    assert (low, high) == pytest.approx(np.percentile(every, [2.5, 97.5]), abs=0.02)


def test_interval_of_separate_recordings_equals_scipys_bootstrap():
    correct = np.random.default_rng(1).random(200) < 0.8
    ours = metrics.accuracy_interval(correct, np.arange(200))
    theirs = stats.bootstrap((correct.astype(float),), np.mean, method="percentile",
                             n_resamples=10000, rng=np.random.default_rng(2)).confidence_interval
    assert ours[1:] == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_without_a_word_there_are_ten_thousand_draws_of_seed_zero():
    a, b = np.random.default_rng(4).random((2, 50))
    source = np.arange(50)
    said = metrics.accuracy_interval(a, source, draws=10000, seed=0)
    assert metrics.accuracy_interval(a, source) == said
    assert metrics.accuracy_interval(a, source, draws=10001) != said
    said = metrics.paired_difference(a, b, source, draws=10000, seed=0)
    assert metrics.paired_difference(a, b, source) == said
    assert metrics.paired_difference(a, b, source, seed=1) != said
    for draws in (1, 1000, 2500):  # they are made in blocks of a thousand
        assert len(metrics._bootstrap(a, source, draws, 0)) == draws


def test_clips_of_one_recording_widen_the_interval():
    correct = np.repeat(np.random.default_rng(0).random(50) < 0.7, 8)  # eight alike per recording
    _, low, high = metrics.accuracy_interval(correct, np.repeat(np.arange(50), 8))
    _, thin_low, thin_high = metrics.accuracy_interval(correct, np.arange(400))
    assert high - low > 2 * (thin_high - thin_low)


def test_the_same_draws_again_and_several_seeds():
    correct = np.random.default_rng(3).random((3, 40)) < 0.6
    source = np.arange(40) // 2
    assert metrics.accuracy_interval(correct, source) == metrics.accuracy_interval(
        correct.mean(axis=0), source)
    with pytest.raises(ValueError, match="does not fit"):
        metrics.accuracy_interval(correct, source[:-1])


@QUICK
@given(clips(), st.data())
def test_paired_difference_changes_sign_and_is_null_for_equals(drawn, data):
    a, source = drawn
    b = data.draw(hnp.arrays(bool, (2, a.shape[1])))
    d, low, high, p = metrics.paired_difference(a, b, source, draws=300)
    reverse = metrics.paired_difference(b, a, source, draws=300)
    assert d == pytest.approx(a.mean() - b.mean())
    assert reverse == pytest.approx((-d, -high, -low, p), abs=1e-9)
    assert low <= high
    assert 0 < p <= 1
    same = metrics.paired_difference(a, np.concatenate([a, a]), source, draws=300)
    assert same == pytest.approx((0, 0, 0, 1), abs=1e-9)


def test_paired_difference_sees_what_pairing_shows():
    rng = np.random.default_rng(0)
    b = rng.random(300) < 0.7
    a = b | (rng.random(300) < 0.1)  # never worse than b
    d, low, _, p = metrics.paired_difference(a, b, np.arange(300))
    assert d > 0
    assert low > 0
    assert p == pytest.approx(2 / 10001)


def test_p_values_are_even_when_nothing_differs():
    rng = np.random.default_rng(5)
    p = []
    for _ in range(300):
        a, b = rng.random((2, 160)) < 0.6
        p.append(metrics.paired_difference(a, b, np.arange(160) // 2, draws=300)[3])
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


@QUICK
@given(st.integers(1, 500), UNIT)
def test_wilson_equals_its_formula(n, share):
    k = round(share * n)
    z, p = stats.norm.ppf(0.975), k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = max(centre - half, 0), min(centre + half, 1)
    assert metrics.wilson(k, n) == pytest.approx(expected, abs=1e-9)


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
