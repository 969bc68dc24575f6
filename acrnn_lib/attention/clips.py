"""Attention over a whole clip, in blocks of time: for segments of any length, or for one of all.

Notebook: 09_seeing_attention
"""

import dataclasses
import math

import numpy as np
import torch
from numpy.typing import ArrayLike

from .explain import event_share, segments_of
from .maps import attention_curve

BLOCK = 36  # frames, 0.42 s: two attention steps
ORDERS = "attention", "energy", "effect", "random"
RANDOM = 2  # random orders that are averaged


def block_means(curve: ArrayLike, n_frames: int, block: int = BLOCK) -> np.ndarray:
    """Mean of a curve in each block of a clip.

    Parameters
    ----------
    curve : array-like, shape (frames,), float
        NaN, and missing frames at the end, count as 0.
    n_frames : int
        Of the clip.
    block : int, frames
        The last block may be shorter.

    Returns
    -------
    np.ndarray, shape (blocks,), float64

    Notebook: 09_seeing_attention
    """
    curve = np.nan_to_num(np.asarray(curve, float))
    curve = np.pad(curve, (0, n_frames - len(curve)))
    firsts = np.arange(0, n_frames, block)
    return np.add.reduceat(curve, firsts) / np.diff([*firsts, n_frames])


def block_events(events: list[tuple[float, float]], n_frames: int, config) -> np.ndarray:
    """Blocks of a clip of which at least half lies inside an event.

    Parameters
    ----------
    events : list of (onset, offset), s
    n_frames : int
        Of the clip.
    config : FeatureConfig

    Returns
    -------
    np.ndarray, shape (blocks,), bool

    Notebook: 09_seeing_attention
    """
    count = math.ceil(n_frames / BLOCK)
    whole = dataclasses.replace(config, segment_frames=count * BLOCK,
                                clip_seconds=max(config.clip_seconds, count * BLOCK *
                                                 config.hop_length / config.sample_rate))
    return event_share(events, [0], count, whole)[0] >= 0.5


def deletion(predictor, wave: np.ndarray, target: int,
             rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Deletion curves of a clip: blocks are hidden from all segments, one after another.

    A hidden frame is replaced by the mean of the training data. The answer is the vote of the
    segments, so that networks with segments of different length can be compared.

    Parameters
    ----------
    predictor : inference.Predictor
    wave : np.ndarray, shape (N,), float32, 44.1 kHz
    target : int
        The true class.
    rng : np.random.Generator
        Of the random orders.

    Returns
    -------
    scores : dict of np.ndarray, shape (blocks,)
        attention, energy, and effect: the fall of the probability if this block alone is hidden.
    curves : dict of np.ndarray, shape (blocks + 1,)
        By ORDERS: probability of the true class after the first k blocks of the order are hidden,
        those with the highest score first; random is a mean.

    References
    ----------
    Petsiuk, Das and Saenko, RISE (2018).

    Notebook: 09_seeing_attention
    """
    length = predictor.config.segment_frames
    x, starts, static = segments_of(predictor, wave)
    n_frames = static.shape[-1]
    block_of = (starts[:, None] + np.arange(length)) // BLOCK

    def probability(hidden):
        with torch.inference_mode():
            mask = torch.from_numpy(hidden[block_of])[:, None, None, :]
            logits = predictor.model(x.masked_fill(mask, 0.0))
        return logits.double().softmax(dim=1)[:, target].mean().item()

    with torch.inference_mode():
        weights = predictor.model(x, return_attention=True)[1].double().numpy()
    scores = {
        "attention": block_means(attention_curve(starts, weights, length), n_frames),
        "energy": block_means(np.exp(static.astype(float)).sum(axis=0), n_frames)}
    blocks = np.arange(len(scores["energy"]))
    scores["effect"] = (probability(blocks < 0)
                        - np.array([probability(blocks == block) for block in blocks]))

    def along(order):
        return np.array([probability(np.isin(blocks, order[:k])) for k in range(len(order) + 1)])

    curves = {name: along(np.argsort(-values, kind="stable")) for name, values in scores.items()}
    curves["random"] = np.mean([along(rng.permutation(blocks)) for _ in range(RANDOM)], axis=0)
    return scores, curves
