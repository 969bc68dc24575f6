"""Attention against known event times.

Arrays in, numbers out: nothing here trains or plots.

Notebook: 10_is_attention_right
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..config import FeatureConfig
from ..evaluation import metrics
from .maps import step_frames

MEASURES = {"share inside": metrics.attention_share, "AUC": metrics.attention_auc}


def event_share(events: list[tuple[float, float]], starts: ArrayLike, n_steps: int = 7,
                config: FeatureConfig | None = None) -> np.ndarray:
    """Share of each attention step that lies inside an event.

    Frame k covers one hop around its centre at k hops. Frames after the last step's are ignored.

    Parameters
    ----------
    events : list of (onset, offset), s
        Not overlapping, as ``synth.render`` gives them.
    starts : array-like, shape (S,), int, frames
        First frame of each segment.
    n_steps : int
        T'.
    config : FeatureConfig, optional

    Returns
    -------
    np.ndarray, shape (S, n_steps), float64
        0 to 1.

    Notebook: 10_is_attention_right
    """
    c, starts = config or FeatureConfig(), np.asarray(starts)
    hop, span = c.hop_length / c.sample_rate, step_frames(c.segment_frames, n_steps)
    owned = starts[:, None] + np.arange(span * n_steps)  # (S, frames)
    left = (owned - 0.5) * hop
    on = np.zeros(owned.shape)
    for onset, offset in events:
        on += np.clip(np.minimum(left + hop, offset) - np.maximum(left, onset), 0, None) / hop
    on[:, c.segment_frames :] = np.nan  # with early pooling the last step may reach that far
    return np.nanmean(on.reshape(len(starts), n_steps, span), axis=-1)


def event_mask(events: list[tuple[float, float]], starts: ArrayLike, n_steps: int = 7,
               config: FeatureConfig | None = None) -> np.ndarray:
    """Attention steps of which at least half lies inside an event.

    Parameters as for ``event_share``.

    Returns
    -------
    np.ndarray, shape (S, n_steps), bool

    Notebook: 10_is_attention_right
    """
    return event_share(events, starts, n_steps, config) >= 0.5


def mixed_segments(share: ArrayLike, low: float = 0.2, high: float = 0.5) -> np.ndarray:
    """Segments with enough event and enough background to test where attention lies.

    Parameters
    ----------
    share : array-like, shape (S, n_steps), float
        From ``event_share``.
    low, high : float
        Lowest and highest share of the segment that events fill, 0 to 1.

    Returns
    -------
    np.ndarray, shape (S,), bool

    Notebook: 10_is_attention_right
    """
    filled = np.asarray(share).mean(axis=1)
    return (filled >= low) & (filled <= high)


def inside_events(weights: dict[str, ArrayLike], mask: ArrayLike,
                  source: ArrayLike) -> pd.DataFrame:
    """Share inside events and AUC of several weights, with 95 % intervals over recordings.

    Segments whose steps are all inside or all outside events are excluded.

    Parameters
    ----------
    weights : dict of name -> array-like, shape (S, T'), float
        Weights >= 0; the first is compared with each of the others.
    mask : array-like, shape (S, T'), bool
        From ``event_mask``.
    source : array-like, shape (S,)
        The recording of each segment.

    Returns
    -------
    pd.DataFrame
        A row per measure and name: value, lo, hi; in all but the first the paired difference, first
        minus this one: ahead, ahead_lo, ahead_hi, p. ``attrs`` counts segments and recordings used.

    Raises
    ------
    ValueError
        If no segment is left.

    Notebook: 10_is_attention_right
    """
    mask, source, rows = np.asarray(mask, bool), np.asarray(source), []
    use = mask.any(axis=1) & ~mask.all(axis=1)
    if not use.any():
        raise ValueError("no segment holds both event and background")
    for measure, score in MEASURES.items():
        first = None
        for name, values in weights.items():
            values = score(np.asarray(values)[use], mask[use], average=False)
            value, lo, hi = metrics.mean_interval(values, source[use])
            row = {"measure": measure, "weights": name, "value": value, "lo": lo, "hi": hi}
            if first is None:
                first = values
            else:
                ahead = metrics.paired_difference(first, values, source[use])
                row |= dict(zip(("ahead", "ahead_lo", "ahead_hi", "p"), ahead, strict=True))
            rows.append(row)
    table = pd.DataFrame(rows)
    table.attrs = {"segments": int(use.sum()), "recordings": len(np.unique(source[use]))}
    return table
