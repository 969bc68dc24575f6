"""What the committed measurements say about attention: a table for each question.

tools/attention_evidence.py makes the files that are read here.

Notebook: 10_is_attention_right
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import FeatureConfig
from ..evaluation import metrics
from .events import event_share, inside_events, mixed_segments

ORDERS = ["attention", "energy", "mean profile", "random", "effect", "best"]
BASELINES = ["energy", "mean profile", "random"]  # orders that know nothing of the prediction
FILLINGS = {"mean": "mean of the training data", "quiet": "the clip's quietest frames"}
NAMES = {"habit": "mean profile", "softer": "attenuated", "attention, level":
         "attention, equal level", "shifted, level": "shifted, equal level"}  # of the files
WHOLE = 0.99  # share of audible frames of a clip without silence


def committed(folder: Path | str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Occlusion curves, and probabilities of attention-weighted audio, of the committed networks.

    Parameters
    ----------
    folder : Path or str
        ``results/attention``.

    Returns
    -------
    curves : pd.DataFrame
        A row per network, filling, clip and order: deletion, insertion (areas), d0 ... i7.
    sounds : pd.DataFrame
        A row per network, clip and mask, as ``audible.account`` gives them.
        Both with the columns network, clip_id, source (the recording), class; both are empty where
        nothing is committed.

    Notebook: 10_is_attention_right
    """
    curves, sounds = [], []
    for path in sorted(Path(folder).glob("*.json"), key=lambda path: path.stem):
        made = json.loads(path.read_text(encoding="utf-8"))
        folds = made["folds"]
        where = f"fold {folds[0]}" if len(folds) == 1 else f"folds {folds[0]} to {folds[-1]}"
        network = f"{made['experiment']} ({made['profile']}, seed {made['seed']}), ESC-10 {where}"
        for found, kind in ((curves, ""), (sounds, "-sound")):
            table = pd.read_csv(path.with_name(f"{path.stem}{kind}.csv"), dtype={"clip_id": str})
            table = table.replace({"order": NAMES, "mask": NAMES, "fill": FILLINGS})
            found.append(table.assign(network=network, source=table.clip_id.str.split("-").str[1],
                                      **{"class": [made["classes"][k] for k in table.target]}))
    return tuple(pd.concat(found, ignore_index=True) if found else pd.DataFrame(
        columns=["network"]) for found in (curves, sounds))


def inside_known_events(runs: list, events: dict[str, list[tuple[float, float]]],
                        config: FeatureConfig | None = None) -> pd.DataFrame:
    """Share inside events and AUC of attention, uniform weights and energy, over recordings.

    Of segments that events fill from a fifth to a half; a step is inside when at least half of it
    is.

    Parameters
    ----------
    runs : list of results.Run
        Of one experiment, with the attention of every test segment.
    events : dict of list of (onset, offset), s
        By clip_id.
    config : FeatureConfig, optional

    Returns
    -------
    pd.DataFrame
        As ``events.inside_events``; ``attrs["filled"]`` is the mean share of event steps.

    Raises
    ------
    ValueError
        If no segment holds both event and background.

    Notebook: 10_is_attention_right
    """
    parts = []
    for run in runs:
        clips, starts, weights, energy = (run.attention[f"all_{name}"] for name in
                                          ("clips", "starts", "weights", "energy"))
        first = np.rint(starts / run.attention["hop_seconds"]).astype(int)
        share = np.concatenate([event_share(events[clip], [start], weights.shape[1], config)
                                for clip, start in zip(clips, first, strict=True)])
        use, source = mixed_segments(share), np.array([clip.split("-")[1] for clip in clips])
        parts.append([weights[use].astype(float), energy[use].astype(float), share[use] >= 0.5,
                      source[use]])
    weights, energy, inside, source = (np.concatenate(part) for part in zip(*parts, strict=True))
    compared = {"attention": weights, "uniform": np.ones(weights.shape), "energy": energy}
    table = inside_events(compared, inside, source)
    table.attrs["filled"] = float(inside.mean())
    return table


def with_events(runs: list) -> dict[str, list]:
    """Runs whose attention can be compared with events, by a label of experiment and profile.

    Left out: runs that saved the attention of a few clips only, and uniform attention.

    Notebook: 10_is_attention_right
    """
    known = {}
    for run in runs:
        kept = run.attention or {}
        if "all_weights" in kept and np.ptp(kept["all_weights"]) > 1e-6:
            known.setdefault(f"{run.experiment} ({run.profile}, synthetic)", []).append(run)
    return known


def occlusion_gains(curves: pd.DataFrame) -> pd.DataFrame:
    """Areas under the curves of each order, and how far attention is ahead of it.

    Parameters
    ----------
    curves : pd.DataFrame
        From ``committed``.

    Returns
    -------
    pd.DataFrame
        A row per network, filling, kind and order: area with interval (lo, hi in area_lo,
        area_hi); gain with lo, hi and p, the paired difference to attention over recordings,
        positive where attention ranks the important steps earlier.

    Notebook: 10_is_attention_right
    """
    rows = []
    for (network, filling), part in curves.groupby(["network", "fill"], sort=False):
        ours = part[part.order == "attention"].set_index("clip_id")
        for order in ORDERS:
            other = part[part.order == order].set_index("clip_id").loc[ours.index]
            for kind, sign in (("deletion", -1), ("insertion", 1)):  # a low deletion area is good
                gain = (np.nan,) * 4 if order == "attention" else metrics.paired_difference(
                    sign * ours[kind], sign * other[kind], ours.source)
                rows.append([network, filling, kind, order,
                             *metrics.mean_interval(other[kind], other.source), *gain])
    return pd.DataFrame(rows, columns=["network", "filling", "kind", "order", "area", "area_lo",
                                       "area_hi", "gain", "lo", "hi", "p"])


def relative_gains(gains: pd.DataFrame) -> pd.DataFrame:
    """Mean gain over random order as a share of the best order's, lowest and highest.

    Parameters
    ----------
    gains : pd.DataFrame
        From ``occlusion_gains``.

    Returns
    -------
    pd.DataFrame
        A row per network and order: lowest and highest over fillings and kinds of curve.

    Notebook: 10_is_attention_right
    """
    area = gains.pivot(index=["network", "filling", "kind"], columns="order", values="area")
    share = area.sub(area["random"], axis=0).div(area["best"] - area["random"], axis=0)
    long = share[["attention", "energy", "mean profile"]].melt(ignore_index=False,
                                                               value_name="share").reset_index()
    return long.groupby(["network", "order"], sort=False).share.agg(
        lowest="min", highest="max").reset_index()


def shift_gains(sounds: pd.DataFrame) -> pd.DataFrame:
    """Attention-weighted audio compared with that of shifted attention, clip by clip.

    Parameters
    ----------
    sounds : pd.DataFrame
        From ``committed``.

    Returns
    -------
    pd.DataFrame
        A row per network, group of clips (about), part and baseline: difference in the probability
        of the true class with lo, hi, p. Positive: attended part more probable, rest less.

    Notebook: 10_is_attention_right
    """
    rows = []
    for network, table in sounds.groupby("network", sort=False):
        whole = table.audible >= WHOLE
        for about, part in (("all clips", table), ("no silence", table[whole]),
                            ("with silence", table[~whole])):
            for what, sign in (("attended", 1), ("rest", -1)) if len(part) else ():
                for mask in ("shifted", "shifted, equal level"):
                    rows.append([network, about, part.clip_id.nunique(), what, mask,
                                 *mask_gain(part, what, mask, sign)])
    return pd.DataFrame(rows, columns=["network", "about", "clips", "part", "baseline",
                                       "difference", "lo", "hi", "p"])


def mask_gain(table: pd.DataFrame, part: str, mask: str = "shifted, equal level",
              sign: int = 1) -> tuple[float, float, float, float]:
    """Difference, lo, hi and p: probability with the mask of attention minus that with another.

    Parameters
    ----------
    table : pd.DataFrame
        Rows of ``committed`` of one network.
    part : {"attended", "rest"}
    mask : str
        A mask at equal level is compared with attention at equal level.
    sign : {1, -1}
        -1 where a low probability is good.

    Notebook: 10_is_attention_right
    """
    mine = "attention, equal level" if mask.endswith("equal level") else "attention"
    ours, other = (table[table["mask"] == name].set_index("clip_id") for name in (mine, mask))
    return metrics.paired_difference(sign * ours[part], sign * other[part].loc[ours.index],
                                     ours.source)


def masks(sounds: pd.DataFrame) -> pd.DataFrame:
    """Mean gain, level and probability of the true class for each mask of attention-weighted audio.

    Parameters
    ----------
    sounds : pd.DataFrame
        From ``committed``.

    Returns
    -------
    pd.DataFrame
        A row per network and mask; levels in dB relative to the whole clip.

    Notebook: 10_is_attention_right
    """
    shown = ["gain", "loud_gain", "whole", "attended", "rest", "attended_db", "rest_db"]
    return sounds.groupby(["network", "mask"], sort=False)[shown].mean().reset_index()


def answers(events: dict[str, pd.DataFrame], gains: pd.DataFrame,
            shifts: pd.DataFrame) -> pd.DataFrame:
    """All questions about attention with one answer each, corrected for their number.

    Holm's correction is made once over all of them. Orders that use the prediction are no
    baselines; of the masks only the comparison at equal level is fair, and not for clips with
    silence.

    Parameters
    ----------
    events : dict of pd.DataFrame
        From ``inside_known_events``, by network.
    gains, shifts : pd.DataFrame
        From ``occlusion_gains`` and ``shift_gains``.

    Returns
    -------
    pd.DataFrame
        question, network, baseline, difference, lo, hi, "p (Holm)" and answer: "yes", "no: less"
        or "not significant" (corrected p above 0.05).

    Notebook: 10_is_attention_right
    """
    rows = [[f"{row.measure}: more than {row.weights}?", label, row.weights, row.ahead,
             row.ahead_lo, row.ahead_hi, row.p]
            for label, table in events.items()
            for row in table.dropna(subset=["ahead"]).itertuples()]
    rows += [[f"{row.kind}: better than {row.order}? Filling: {row.filling}", row.network,
              row.order, row.gain, row.lo, row.hi, row.p]
             for row in gains[gains.order.isin(BASELINES)].itertuples()]
    fair = (shifts.baseline == "shifted, equal level") & (shifts.about != "with silence")
    for row in shifts[fair].itertuples():
        direction = "higher" if row.part == "attended" else "lower"
        rows.append([f"{row.part} alone: probability {direction} than {row.baseline}? "
                     f"({row.about})", row.network, "shifted", row.difference, row.lo, row.hi,
                     row.p])
    table = pd.DataFrame(rows, columns=["question", "network", "baseline", "difference", "lo",
                                        "hi", "p (Holm)"])
    table["p (Holm)"] = metrics.holm(table["p (Holm)"])
    clear = table["p (Holm)"] <= 0.05
    table["answer"] = np.select([clear & (table.difference > 0), clear], ["yes", "no: less"],
                                "not significant")
    return table


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """Answers counted by baseline and network, with the range of the differences.

    Parameters
    ----------
    table : pd.DataFrame
        From ``answers``.

    Returns
    -------
    pd.DataFrame

    Notebook: 10_is_attention_right
    """
    rows = []
    for (baseline, network), part in table.groupby(["baseline", "network"], sort=False):
        given = part.answer.value_counts()
        rows.append({"baseline": baseline, "network": network}
                    | {word: given.get(word, 0) for word in ("yes", "not significant", "no: less")}
                    | {"differences": f"{part.difference.min():+.3f} to "
                                      f"{part.difference.max():+.3f}"})
    return pd.DataFrame(rows)
