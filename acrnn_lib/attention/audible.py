"""Attention-weighted audio, and the network's output for the attended part and for the rest.

Notebook: 10_is_attention_right
"""

import numpy as np

from ..config import FeatureConfig
from ..features.frontend import level_db
from .explain import segments_of, step_energy
from .maps import attention_curve, step_frames

PARTS = "attended", "rest"
SHIFTS = 4  # circular shifts, evenly over the clip, that the shifted control is averaged over


def volume(curve: np.ndarray, n_samples: int, n_steps: int = 7,
           config: FeatureConfig | None = None) -> np.ndarray:
    """Turn the attention over a clip into a gain per sample.

    The curve is smoothed over one attention step, to avoid clicks, and divided by its maximum:
    uniform attention over the whole clip gives 1 throughout.

    Parameters
    ----------
    curve : np.ndarray, shape (frames,), float
        Weights >= 0 from ``maps.attention_curve``; NaN and frames past its end count as 0.
    n_samples : int
    n_steps : int
        T'.
    config : FeatureConfig, optional

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
        0 to 1.

    Raises
    ------
    ValueError
        For a curve of another form, with negative weights or without any weight.

    Notebook: 10_is_attention_right
    """
    c, curve = config or FeatureConfig(), np.nan_to_num(np.asarray(curve, float))
    if not (curve.ndim == 1 and curve.size and curve.min() >= 0 and curve.max() > 0):
        raise ValueError(f"curve: found shape {curve.shape}, expected weights >= 0, some above 0")
    span, frames = step_frames(c.segment_frames, n_steps), 1 + n_samples // c.hop_length
    curve = np.pad(curve, (0, max(0, frames - len(curve))))
    window = np.hanning(span + 2)[1:-1]
    padded = np.pad(curve, (span // 2, span - 1 - span // 2), mode="edge")
    smooth = np.convolve(padded, window / window.sum(), mode="valid")
    gain = np.interp(np.arange(n_samples) / c.hop_length, np.arange(len(smooth)), smooth)
    return (gain / gain.max()).astype(np.float32)


def shifted(curve: np.ndarray, count: int = SHIFTS) -> list[np.ndarray]:
    """Circular shifts of an attention curve: a control of the same shape, unrelated to the sound.

    Parameters
    ----------
    curve : np.ndarray, shape (frames,), float
        NaN where no segment is; these frames stay.
    count : int
        Shift k of count is by k / (count + 1) of the other frames.

    Returns
    -------
    list of np.ndarray, shape (frames,), float64

    Notebook: 10_is_attention_right
    """
    covered = ~np.isnan(curve)
    curves = []
    for k in range(1, count + 1):
        moved = np.array(curve, float)
        moved[covered] = np.roll(curve[covered], round(k * covered.sum() / (count + 1)))
        curves.append(moved)
    return curves


def account(predictor, wave: np.ndarray, target: int, habit: np.ndarray) -> list[dict]:
    """Probability of the true class for a clip's attended part, and for the rest, under each mask.

    Masks: ``attention``; ``shifted``, the mean over its shifts; ``attention, level`` and
    ``shifted, level``, where the louder of each pair is attenuated to the level of the softer;
    ``habit``, the same weights in each segment; ``energy``; and ``softer``, the unmasked clip,
    attenuated to the level of the attended part and of the rest.

    Parameters
    ----------
    predictor : inference.Predictor
    wave : np.ndarray, shape (N,), float32, 44.1 kHz
    target : int
        The true class.
    habit : np.ndarray, shape (T',), float
        The network's mean attention weights over other recordings.

    Returns
    -------
    list of dict, one per mask
        mask : str
        audible : share of frames less than ``silence_db`` below the loudest
        whole, attended, rest : probability of the true class for the whole clip and each part
        alone, mean over the segments that are audible in the whole
        gain, loud_gain : mean over time, and over energy: higher if the mask follows loudness
        attended_db, rest_db : level relative to the whole, dB

    Notebook: 10_is_attention_right
    """
    c, (_, starts, static) = predictor.config, segments_of(predictor, wave)
    chances, weights, at = predictor.wave(wave)
    heard = np.isin(at, starts)
    weights = weights[heard]
    level = level_db(static)
    common = {"audible": float((level > level.max() - c.silence_db).float().mean()),
              "whole": float(chances[heard, target].mean())}

    def curve(steps):
        return attention_curve(starts, steps, c.segment_frames)

    attended = curve(weights)
    masks = {"attention": [attended], "shifted": shifted(attended),
             "habit": [curve(np.tile(habit, (len(starts), 1)))],
             "energy": [curve(step_energy(static, starts, weights.shape[1], c))]}
    gains = {mask: [volume(one, len(wave), weights.shape[1], c) for one in curves]
             for mask, curves in masks.items()}

    def chance(sound):
        return _chance(predictor, sound, starts, target)

    found = {mask: [_heard(wave, gain, chance) for gain in volumes]
             for mask, volumes in gains.items()}
    rows = {mask: _means(parts) for mask, parts in found.items()}
    for mask, parts in _levelled(wave, gains, found, chance).items():
        rows[f"{mask}, level"] = rows[mask] | _means(parts)
    softer = {part: 10 ** (rows["attention"][f"{part}_db"] / 20) for part in PARTS}
    rows["softer"] = rows["attention"] | {
        "gain": softer["attended"], "loud_gain": softer["attended"],
        **{part: chance(gain * wave) for part, gain in softer.items()}}
    return [{"mask": mask, **common, **row} for mask, row in rows.items()]


def _parts(wave, gain):
    return dict(zip(PARTS, (wave * gain, wave * (1 - gain)), strict=True))


def _heard(wave, gain, chance):
    """A row of ``account`` for one gain curve."""
    power = np.square(wave, dtype=float)
    row = {"gain": gain.mean(dtype=float), "loud_gain": np.average(gain, weights=power)}
    for part, sound in _parts(wave, gain).items():
        share = np.square(sound, dtype=float).sum() / power.sum()
        row |= {f"{part}_db": 10 * np.log10(share + 1e-12), part: chance(sound)}
    return row


def _levelled(wave, gains, found, chance):
    """Attention and its shifts, the louder of each pair attenuated: rows of ``account``.

    Attention tends to be high where a clip is loud, so its attended part is louder than that of a
    shift, and its rest softer: a network that relies on level would seem to attend correctly.
    """
    ours = {"attention": [], "shifted": []}
    for k, other in enumerate(found["shifted"]):
        pair = {"attention": (found["attention"][0], gains["attention"][0]),
                "shifted": (other, gains["shifted"][k])}
        level = {part: min(row[f"{part}_db"] for row, _ in pair.values()) for part in PARTS}
        for mask, (row, gain) in pair.items():
            new = {f"{part}_db": db for part, db in level.items()}
            for part, sound in _parts(wave, gain).items():
                down = 10 ** ((level[part] - row[f"{part}_db"]) / 20)
                new[part] = chance(down * sound) if down < 1 else row[part]
            ours[mask].append(new)
    return ours


def _means(rows):
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _chance(predictor, sound, starts, target):
    """Mean probability of the class over the segments that begin at starts, silent or not."""
    chances, _, at = predictor.wave(sound)
    return float(chances[np.isin(at, starts), target].mean())
