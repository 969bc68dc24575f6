"""Clip-level statistics: vote, accuracy with interval, paired tests, attention metrics.

ESC-10's 400 clips were cut from 304 recordings, and clips from the same recording are correlated:
standard errors are computed over recordings, not over clips. Arrays in, numbers out.

Notebook: 07_result_tables
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, norm, rankdata
from scipy.stats import t as student


def vote(probabilities: ArrayLike, clip_index: ArrayLike, majority: bool = False) -> np.ndarray:
    """Combine segment probabilities into clip probabilities.

    Parameters
    ----------
    probabilities : array-like, shape (S, C), float
        A row per segment.
    clip_index : array-like, shape (S,), int
        Clip of each segment; every value of 0 ... n-1 occurs.
    majority : bool
        False: mean over the clip's segments. True: shares of the segments' predicted classes,
        weighted 0.99, plus the mean, weighted 0.01, which decides ties.

    Returns
    -------
    np.ndarray, shape (n, C), float64

    Raises
    ------
    ValueError
        For a clip without segments.
    """
    probabilities, clip_index = np.asarray(probabilities, float), np.asarray(clip_index)
    if majority:
        named = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
        # 0.01 is less than one vote of any clip with fewer than 100 segments
        return 0.99 * vote(named, clip_index) + 0.01 * vote(probabilities, clip_index)
    counts = np.bincount(clip_index)
    if np.any(counts == 0):
        raise ValueError(f"clip {int(np.argmin(counts))} has no segment")
    sums = np.zeros((len(counts), probabilities.shape[1]))
    np.add.at(sums, clip_index, probabilities)
    return sums / counts[:, None]


def accuracy_interval(correct: ArrayLike, source: ArrayLike) -> tuple[float, float, float]:
    """Accuracy and its 95 % interval: Wilson's, for the effective number of clips.

    Clips of one recording, and the answers of networks that differ in their seed only, count for
    less than as many independent ones. With the standard error s of `standard_error`, an accuracy p
    is as uncertain as that of p (1 - p) / s^2 independent clips; Wilson's interval is that of so
    many. If all clips are right, or all wrong, each recording counts once.

    Parameters
    ----------
    correct : array-like, shape (n,) or (seeds, n), bool or float in 0 ... 1
    source : array-like, shape (n,)
        The recording that each clip was cut from.

    Returns
    -------
    accuracy, low, high : float

    Raises
    ------
    ValueError
        For shapes that do not fit.

    References
    ----------
    Wilson, Journal of the American Statistical Association 22 (1927); Korn and Graubard, Survey
    Methodology 24 (1998), for the effective number.
    """
    values, recordings = _shaped(correct, source), len(np.unique(source))
    p, error = values.mean(), standard_error(correct, source)
    clips = min(p * (1 - p) / error**2, values.size) if error > 0 else recordings
    return float(p), *_wilson(p, clips, _quantile(recordings))


def mean_interval(values: ArrayLike, source: ArrayLike) -> tuple[float, float, float]:
    """Mean over clips of any quantity, and its 95 % interval.

    The interval is mean +- t x `standard_error`, with the 97.5 % quantile t of Student's t
    distribution; degrees of freedom: the number of recordings minus 1.
    Arguments and errors are those of `accuracy_interval`.

    Returns
    -------
    mean, low, high : float
        low and high are NaN for a single recording.

    Notebook: 10_is_attention_right
    """
    mean, spread = _shaped(values, source).mean(), standard_error(values, source)
    spread *= _quantile(len(np.unique(source)))
    return float(mean), float(mean - spread), float(mean + spread)


def paired_difference(correct_a: ArrayLike, correct_b: ArrayLike,
                      source: ArrayLike) -> tuple[float, float, float, float]:
    """Accuracy of a minus b on the same clips, with 95 % interval and two-sided p-value.

    The standard error s joins that of the differences by clip over recordings and the seeds' of a
    and of b. The interval is difference +- t s, p is that of Student's t test of difference / s.

    Parameters
    ----------
    correct_a, correct_b : array-like, shape (n,) or (seeds, n), bool or float
        The numbers of seeds may differ.
    source : array-like, shape (n,)
        The recording that each clip was cut from.

    Returns
    -------
    difference, low, high, p : float
        p is at least 2^(1 - recordings), the smallest that a sign test over recordings can give.
        low, high and p are NaN for a single recording.

    Raises
    ------
    ValueError
        For shapes that do not fit.
    """
    a, b = _shaped(correct_a, source), _shaped(correct_b, source)
    by_clip, recordings = a.mean(axis=0) - b.mean(axis=0), len(np.unique(source))
    # sums of thirds are inexact; a zero difference must be exactly zero for p
    difference = round(float(by_clip.mean()), 12)
    variance = _of_recordings(by_clip, source) + _of_seeds(a) + _of_seeds(b)
    error = round(float(np.sqrt(variance)), 12)
    spread = _quantile(recordings) * error
    t = difference / error if error else np.inf * np.sign(difference) if difference else 0.0
    p = max(2 * student.sf(abs(t), recordings - 1), 2.0 ** (1 - recordings)) if t == t else np.nan
    return difference, float(difference - spread), float(difference + spread), float(p)


def standard_error(values: ArrayLike, source: ArrayLike) -> float:
    """Standard error of a mean over clips, from the choice of recordings and of seeds.

    The variance over recordings is that of a ratio: G / (G - 1) x sum of (y - mean x m)^2 / n^2,
    over G recordings with m clips and sum y each. With several seeds the variance of their means,
    over their number, is added; a part of it is then counted twice, which errs on the safe side.

    Parameters
    ----------
    values : array-like, shape (n,) or (seeds, n), bool or float
    source : array-like, shape (n,)
        The recording that each clip was cut from.

    Returns
    -------
    float
        NaN for a single recording.

    Raises
    ------
    ValueError
        For shapes that do not fit.

    References
    ----------
    Davison and Hinkley, Bootstrap Methods and Their Application (1997), section 2.7.2, for the
    ratio; Owen, Annals of Applied Statistics 1 (2007), for two kinds of draws at a time.
    """
    values = _shaped(values, source)
    return float(np.sqrt(_of_recordings(values.mean(axis=0), source) + _of_seeds(values)))


def _of_recordings(values, source):
    """Variance of the mean of `values`, shape (n,), over the choice of recordings."""
    _, cluster = np.unique(np.asarray(source), return_inverse=True)
    residual = np.bincount(cluster, weights=values - values.mean())
    groups = len(residual)
    if groups == 1:
        return np.nan
    return groups / (groups - 1) * np.square(residual).sum() / len(values)**2


def _of_seeds(values):
    """Variance of the mean of `values`, shape (seeds, n), over the choice of seeds."""
    return values.mean(axis=1).var(ddof=1) / len(values) if len(values) > 1 else 0.0


def _quantile(recordings):
    return student.ppf(0.975, recordings - 1) if recordings > 1 else norm.ppf(0.975)


def _shaped(values, source):
    values = np.atleast_2d(np.asarray(values, float))
    if values.ndim != 2 or values.shape[1] != len(source) or values.size == 0:
        raise ValueError(f"values {values.shape} do not fit {len(source)} clips")
    return values


def wilson(k: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion.

    It assumes independent clips; with several clips per recording it is too narrow.

    Parameters
    ----------
    k : int
        Correct clips.
    n : int
        All clips.

    Returns
    -------
    low, high : float
    """
    return _wilson(k / n, n, norm.ppf(0.975))


def _wilson(p, n, z):
    middle, spread = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (float(max(0.0, (middle - spread) / (1 + z**2 / n))),
            float(min(1.0, (middle + spread) / (1 + z**2 / n))))


def confusion(target: ArrayLike, predicted: ArrayLike, n_classes: int) -> np.ndarray:
    """Confusion matrix.

    Parameters
    ----------
    target, predicted : array-like, shape (n,), int
        Classes, 0 ... C-1.
    n_classes : int
        Number of classes, C.

    Returns
    -------
    np.ndarray, shape (C, C), int
        Counts: row = true class, column = predicted class.

    Raises
    ------
    ValueError
        For a class outside 0 ... C-1.
    """
    pairs = np.ravel_multi_index((np.asarray(target), np.asarray(predicted)), (n_classes,) * 2)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def recall(matrix: ArrayLike) -> np.ndarray:
    """Recall of each class.

    Parameters
    ----------
    matrix : array-like, shape (C, C)
        Confusion matrix, row = true class.

    Returns
    -------
    np.ndarray, shape (C,), float64
        0 to 1; NaN for a class without clips.
    """
    matrix = np.asarray(matrix, float)
    clips = matrix.sum(axis=1)
    return np.divide(np.diag(matrix), clips, out=np.full(len(clips), np.nan), where=clips > 0)


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> tuple[float, int, int]:
    """Exact McNemar test of two systems on the same clips.

    Parameters
    ----------
    correct_a, correct_b : array-like, shape (n,), bool
        One seed each.

    Returns
    -------
    p : float
        Two-sided binomial p-value; 1 without discordant clips.
    only_a, only_b : int
        Clips that only a, or only b, classified correctly.

    Raises
    ------
    ValueError
        For shapes that differ or are not (n,).

    References
    ----------
    McNemar, Psychometrika 12 (1947).
    """
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"found shapes {a.shape} and {b.shape}, expected two of (n,)")
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return float(p), only_a, only_b


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's adjusted p-values: the sorted p times m, m-1, ... 1, cumulative maximum, at most 1.

    Parameters
    ----------
    p_values : array-like, shape (m,), float

    Returns
    -------
    np.ndarray, shape (m,), float64
        In the order given.

    References
    ----------
    Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def attention_share(attention: ArrayLike, event_mask: ArrayLike,
                    average: bool = True) -> float | np.ndarray:
    """Share of the attention that falls on frames inside events.

    Compare with the same call for uniform weights (the share of the frames) and frame energies.

    Parameters
    ----------
    attention : array-like, shape (S, T'), float
        Weights >= 0 of any scale, a row per segment.
    event_mask : array-like, shape (S, T'), bool
    average : bool
        Return the mean over segments.

    Returns
    -------
    float, or np.ndarray, shape (S,), float64
        0 to 1. Segments that are all event or all background are excluded: no part of the mean, NaN
        without it.

    Raises
    ------
    ValueError
        For shapes that differ, weights that are negative, NaN or all zero, and if all segments are
        excluded from a mean.

    Notebook: 09_seeing_attention
    """
    attention, event_mask, mixed = _attended(attention, event_mask)
    share = np.sum(attention * event_mask, axis=1) / attention.sum(axis=1)
    return _mean_of(share, mixed, average)


def attention_auc(attention: ArrayLike, event_mask: ArrayLike,
                  average: bool = True) -> float | np.ndarray:
    """Probability that an event frame has more attention than a background frame of its segment.

    AUC = (R - m (m + 1) / 2) / (m (T' - m)), R: sum of the mean ranks of the m event frames.
    A tie counts half, so uniform weights give 0.5. Parameters, result and errors are those of
    `attention_share`.

    References
    ----------
    Hanley and McNeil, Radiology 143 (1982).

    Notebook: 09_seeing_attention
    """
    attention, event_mask, mixed = _attended(attention, event_mask)
    ranks, inside = rankdata(attention, axis=1), event_mask.sum(axis=1)
    wins = np.sum(ranks * event_mask, axis=1) - inside * (inside + 1) / 2
    pairs = np.where(mixed, inside * (event_mask.shape[1] - inside), 1)
    return _mean_of(wins / pairs, mixed, average)


def _attended(attention, event_mask):
    attention, event_mask = np.asarray(attention, float), np.asarray(event_mask, bool)
    if attention.shape != event_mask.shape or attention.ndim != 2:
        raise ValueError(f"attention {attention.shape} and events {event_mask.shape}: "
                         "expected two of (segments, frames)")
    if not (np.all(attention >= 0) and np.all(attention.sum(axis=1) > 0)):
        raise ValueError("attention: a segment has a negative weight, a NaN, or no weight at all")
    return attention, event_mask, event_mask.any(axis=1) & ~event_mask.all(axis=1)


def _mean_of(values, mixed, average):
    if not average:
        return np.where(mixed, values, np.nan)
    if not mixed.any():
        raise ValueError("no segment holds both event and background")
    return float(values[mixed].mean())
