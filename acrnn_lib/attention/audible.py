"""The attended sound: attention as a volume control, and what the network hears in either part.

Notebook: 10_is_attention_right
"""

import numpy as np

from ..config import FeatureConfig
from ..features.frontend import level_db
from .explain import segments_of, step_energy
from .maps import attention_curve, step_frames

PARTS = "attended", "rest"
SHIFTS = 4  # places, evenly over the clip, that the shifted control is an average over


def volume(curve, n_samples, n_steps=7, config=None):
    """Attention over a clip as a volume control: float32 (n_samples,), 0 to 1.

    curve : (frames,) >= 0 from ``maps.attention_curve``, NaN where no segment is, which counts
    as 0, as does what lies beyond its end. Smoothed over one step so that no edge clicks, and
    divided by its peak: 1 throughout for uniform attention over the whole clip. Raises ValueError
    for a curve without any weight. Notebook: 10_is_attention_right
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


def shifted(curve, count=SHIFTS):
    """The curve moved round in a circle, within the frames that segments cover: a list of curves.

    curve : (frames,), NaN where no segment is. The k-th of count is moved by k / (count + 1) of
    these frames. Each is as narrow and as steep as the curve, but knows nothing of the sound: the
    control that a pointer has to beat. Notebook: 10_is_attention_right
    """
    covered = ~np.isnan(curve)
    curves = []
    for k in range(1, count + 1):
        moved = np.array(curve, float)
        moved[covered] = np.roll(curve[covered], round(k * covered.sum() / (count + 1)))
        curves.append(moved)
    return curves


def account(predictor, wave, target, habit):
    """What the network hears in a clip whose attended part is kept, or only the rest: dicts.

    predictor : inference.Predictor; wave : (N,) float32 at 44.1 kHz; target : the true class;
    habit : (T',) the network's mean weights over other recordings. A dict per mask: ``attention``;
    ``shifted``, the mean over four shifts of it; ``attention, level`` and ``shifted, level``, the
    same once more, but in each pair the louder sound is turned down to the softer one; ``habit``,
    the same weights in each segment; ``energy``; and ``softer``, no mask at all: the whole clip,
    once as soft as the attended part and once as the rest. Each has the mask's name, gain (mean
    over time), loud_gain (mean over the energy: above gain where the mask follows what is loud),
    attended_db and rest_db (levels under the whole), and chances of the true class: whole,
    attended (that part alone), rest (alone). A chance is the mean over the segments that are
    audible in the whole. audible : share of frames less than ``silence_db`` under the loudest.
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
    """A row of ``account`` for one volume control."""
    power = np.square(wave, dtype=float)
    row = {"gain": gain.mean(dtype=float), "loud_gain": np.average(gain, weights=power)}
    for part, sound in _parts(wave, gain).items():
        share = np.square(sound, dtype=float).sum() / power.sum()
        row |= {f"{part}_db": 10 * np.log10(share + 1e-12), part: chance(sound)}
    return row


def _levelled(wave, gains, found, chance):
    """Attention and its shifts with the louder of each pair turned down: rows of ``account``.

    Attention tends to lie where a clip is loud, so its attended part is louder than that of a
    shift, and its rest softer. A network that names by level would be credited with pointing.
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
    """Mean chance of the class over the segments that begin at starts, silent or not."""
    chances, _, at = predictor.wave(sound)
    return float(chances[np.isin(at, starts), target].mean())
