"""Attention over a whole clip, in blocks of time: for segments of any length, or for one of all.

Notebook: 09_seeing_attention
"""

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from ..evaluation import metrics
from ..files import ResultsError
from .events import event_share
from .explain import segments_of
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


def committed(path: Path | str) -> pd.DataFrame:
    """Deletion curves and areas under the ROC curve that ``tools/clip_attention.py`` measured.

    Parameters
    ----------
    path : Path or str
        ``results/whole-clip/clips.csv``.

    Returns
    -------
    pd.DataFrame
        A row per network, data set, clip and order: area under the deletion curve, its points d0
        to d12, and auc: the probability that a block inside an event has a higher score than one
        outside (NaN where events are not known).

    Raises
    ------
    ResultsError
        For a file that its manifest does not describe.

    Notebook: 09_seeing_attention
    """
    content = Path(path).read_bytes()
    about = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
    if hashlib.sha256(content).hexdigest() != about["sha256"]:
        raise ResultsError(f"{path}: its SHA-256 is not that of its manifest")
    return pd.read_csv(path, dtype={"source": str})


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """How far attention is ahead of other scores, with intervals over recordings.

    Parameters
    ----------
    table : pd.DataFrame
        From ``committed``.

    Returns
    -------
    pd.DataFrame
        A row per data set, measure (area under the deletion curve, or AUC of known events), network
        and baseline (energy, random order): gain, positive where attention is better, lo, hi, p and
        clips. With two networks the baseline may be the first network: the gain over random order
        (or the AUC) of the second minus that of the first, on the same clips.

    Notebook: 09_seeing_attention
    """
    rows = []
    for dataset, part in table.groupby("dataset", sort=False):
        ahead = {}
        for network, of in part.groupby("network", sort=False):
            area, auc = (of.pivot(index=["clip_id", "source"], columns="order", values=name)
                         for name in ("area", "auc"))
            auc = auc.dropna(subset=["attention"])
            pairs = [("deletion", base, area[base], area["attention"])
                     for base in ("energy", "random")]
            if len(auc):
                pairs.append(("AUC", "energy", auc["attention"], auc["energy"]))
            rows += [_gain(dataset, measure, network, base, better, worse)
                     for measure, base, better, worse in pairs]
            ahead[network] = {"deletion": area["random"] - area["attention"],
                              "AUC": auc["attention"]}
        for first, second in zip(list(ahead)[:-1], list(ahead)[1:], strict=True):
            rows += [_gain(dataset, measure, second, first, *pair)
                     for measure in ("deletion", "AUC") if len(ahead[second][measure])
                     for pair in [ahead[second][measure].align(ahead[first][measure], "inner")]]
    return pd.DataFrame(rows)


def _gain(dataset, measure, network, baseline, better, worse):
    gain = metrics.paired_difference(better, worse, better.index.get_level_values("source"))
    return {"dataset": dataset, "measure": measure, "network": network, "baseline": baseline,
            **dict(zip(("gain", "lo", "hi", "p"), gain, strict=True)), "clips": len(better)}
