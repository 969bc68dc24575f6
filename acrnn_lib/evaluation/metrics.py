"""Statistics of clips: the vote, accuracy with its interval, paired tests, attention measures.

ESC-10's 400 clips were cut from 304 recordings, and clips of one recording succeed and fail
together: intervals are bootstrapped over recordings, not over clips. Arrays in, numbers out.

Notebook: 07_result_tables
"""

import numpy as np
from scipy.stats import binomtest, rankdata


def vote(probabilities, clip_index, majority=False) -> np.ndarray:
    """Clip probabilities: the mean over each clip's segments.

    probabilities : (S, C), a row per segment; clip_index : (S,) int, all of 0 ... n-1
    majority : let each segment name one class; a clip's row is then the shares of the votes,
        and the mean counts for a hundredth beside them, which decides ties
    Returns (n, C) float64. Raises ValueError for a clip without segments.
    """
    probabilities, clip_index = np.asarray(probabilities, float), np.asarray(clip_index)
    if majority:
        named = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
        # a hundredth is less than one vote of any clip under 100 segments
        return 0.99 * vote(named, clip_index) + 0.01 * vote(probabilities, clip_index)
    counts = np.bincount(clip_index)
    if np.any(counts == 0):
        raise ValueError(f"clip {int(np.argmin(counts))} has no segment")
    sums = np.zeros((len(counts), probabilities.shape[1]))
    np.add.at(sums, clip_index, probabilities)
    return sums / counts[:, None]


def accuracy_interval(correct, source, draws=10000, seed=0) -> tuple[float, float, float]:
    """Accuracy and its 95 % percentile interval, bootstrapped over source recordings.

    correct : (n,) or (seeds, n); several seeds are first averaged per clip, so the interval says
        what other recordings would give with these seeds, not what other seeds would give
    source : (n,), the recording that each clip was cut from

    A draw takes as many recordings as there are, with replacement, and all clips of each.
    Returns (accuracy, low, high). Source: Davison and Hinkley, Bootstrap Methods (1997), 3.8.
    """
    mean = _per_clip(correct, source)
    low, high = np.percentile(_bootstrap(mean, source, draws, seed), [2.5, 97.5])
    return float(mean.mean()), float(low), float(high)


def paired_difference(correct_a, correct_b, source, draws=10000, seed=0):
    """Accuracy of a minus b on the same clips, with interval and two-sided p.

    correct_a, correct_b : (n,) or (seeds, n), seeds need not be as many; source : (n,)

    Both are averaged over seeds per clip, and the per-clip difference is bootstrapped over
    recordings; p = 2 (1 + min(#draws <= 0, #draws >= 0)) / (draws + 1), at most 1, so the smallest
    p is set by the draws. Returns (difference, low, high, p).
    """
    difference = _per_clip(correct_a, source) - _per_clip(correct_b, source)
    drawn = _bootstrap(difference, source, draws, seed)
    low, high = np.percentile(drawn, [2.5, 97.5])
    tail = min(np.sum(drawn <= 0), np.sum(drawn >= 0))
    p = min(1.0, 2 * (1 + tail) / (draws + 1))
    return float(difference.mean()), float(low), float(high), float(p)


def _per_clip(correct, source):
    correct = np.atleast_2d(np.asarray(correct, float))
    if correct.ndim != 2 or correct.shape[1] != len(source) or correct.size == 0:
        raise ValueError(f"correct {correct.shape} does not fit {len(source)} clips")
    return correct.mean(axis=0)


def _bootstrap(values, source, draws, seed):
    """(draws,) means of `values` over clips, drawing whole recordings."""
    _, cluster = np.unique(np.asarray(source), return_inverse=True)
    sums, sizes = np.bincount(cluster, weights=values), np.bincount(cluster)
    rng, means = np.random.default_rng(seed), []
    for start in range(0, draws, 1000):  # in blocks, so that memory stays small for ESC-50
        drawn = rng.integers(len(sizes), size=(min(1000, draws - start), len(sizes)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    # sums of thirds are not exact; a difference of zero has to be zero when p counts it
    return np.round(np.concatenate(means), 12)


def wilson(k, n) -> tuple[float, float]:
    """95 % Wilson score interval of k correct of n. It takes clips for independent: it ignores
    that clips of one recording go together, and is too narrow where they do.
    """
    interval = binomtest(int(k), int(n)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def confusion(target, predicted, n_classes) -> np.ndarray:
    """(C, C) int counts: row = truth, column = prediction. ValueError outside 0 ... C-1."""
    pairs = np.ravel_multi_index((np.asarray(target), np.asarray(predicted)), (n_classes,) * 2)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def recall(matrix) -> np.ndarray:
    """(C,) share of each class that was found; NaN for a class without clips."""
    matrix = np.asarray(matrix, float)
    clips = matrix.sum(axis=1)
    return np.divide(np.diag(matrix), clips, out=np.full(len(clips), np.nan), where=clips > 0)


def mcnemar(correct_a, correct_b) -> tuple[float, int, int]:
    """Exact McNemar test of two systems on the same clips, (n,) bool each, one seed.

    Returns (p, only_a, only_b): how many clips only a, and only b, got right, and the two-sided
    binomial p that they are halves of one heap. Source: McNemar, Psychometrika 12 (1947).
    """
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"found shapes {a.shape} and {b.shape}, expected two of (n,)")
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return float(p), only_a, only_b


def holm(p_values) -> np.ndarray:
    """Holm's adjusted p-values, in the order given: the sorted p times m, m-1, ... 1, made rising
    and cut at 1. Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def attention_share(attention, event_mask, average=True):
    """Share of the attention that falls on frames inside events.

    attention : (S, T') weights >= 0, a row per segment, any scale; event_mask : (S, T') bool
    Segments that are all event or all background say nothing and are left out. Returns the mean
    over the others; with average=False (S,), NaN where left out. Compare with the same call for
    uniform weights (the share of the frames) and for frame energies.
    Notebook: 09_seeing_attention
    """
    attention, event_mask, mixed = _attended(attention, event_mask)
    share = np.sum(attention * event_mask, axis=1) / attention.sum(axis=1)
    return _mean_of(share, mixed, average)


def attention_auc(attention, event_mask, average=True):
    """Chance that an event frame has more attention than a background frame of its segment.

    Arguments and result as in `attention_share`. A tie counts half, so uniform weights give 0.5:
    AUC = (R - m (m + 1) / 2) / (m (T' - m)), R the sum of the mean ranks of the m event frames.
    Source: Hanley and McNeil, Radiology 143 (1982). Notebook: 09_seeing_attention
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
