"""Figures that evaluate attention: known events, occlusion, gradients, attention-weighted audio.

Each draws a table of ``attention.evidence`` or an array of ``attention.explain``.

Notebook: 10_is_attention_right
"""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..attention.clips import BLOCK
from ..attention.clips import ORDERS as CLIP_ORDERS
from ..attention.evidence import FILLINGS, ORDERS
from ..config import FeatureConfig
from ..evaluation import metrics
from .sounds import PALETTE

if TYPE_CHECKING:
    import pandas as pd

MARKERS = "osPd^v"
LINES = ["-", "--", ":", "-.", ":", "-"]
SHORT = {filling: key for key, filling in FILLINGS.items()}  # for legends


def inside_events(tables: "dict[str, pd.DataFrame]") -> tuple[Figure, np.ndarray]:
    """Draw the share inside events and the AUC of attention and its baselines.

    Parameters
    ----------
    tables : dict of pd.DataFrame
        From ``evidence.inside_known_events``, by network: a row of panels each.

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 10_is_attention_right
    """
    fig, panels = _panels(len(tables), 2, (10, 2.2), sharey=True)
    for across, (label, table) in zip(panels, tables.items(), strict=True):
        for ax, (measure, rows) in zip(across, table.groupby("measure", sort=False), strict=True):
            for place, row in enumerate(rows.itertuples()):
                _interval(ax, row.value, row.lo, row.hi, place, place)
            _rows(ax, rows.weights)
            ax.set(xlabel={"AUC": "AUC within a segment (0.5: no information)"}.get(
                measure, "share of the weight inside events"))
        across[0].set_title(f"{label}: 95 % intervals over recordings", loc="left", fontsize=10)
    return fig, panels


def occlusion_curves(curves: "pd.DataFrame", filling: str = FILLINGS["mean"]
                     ) -> tuple[Figure, np.ndarray]:
    """Draw mean deletion and insertion curves of each order of attention steps.

    Parameters
    ----------
    curves : pd.DataFrame
        Rows of ``evidence.committed`` of one network.
    filling : str
        What hidden steps are filled with.

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 10_is_attention_right
    """
    fig, panels = _panels(1, 2, (11, 3.6), sharey=True)
    used = curves[curves.fill == filling]
    for ax, kind, done in zip(panels[0], ("deletion", "insertion"), ("hidden", "shown"),
                              strict=True):
        for k, order in enumerate(ORDERS):
            mean = used[used.order == order][[f"{kind[0]}{n}" for n in range(8)]].mean()
            ax.plot(range(8), mean, MARKERS[k] + LINES[k], color=PALETTE[k], label=order,
                    markersize=5, linewidth=1.3)
        ax.set(title=kind, xlabel=f"steps {done}, of 7 (0.21 s each)", ylim=(0, 1))
        ax.grid(alpha=0.3)
    panels[0, 0].set_ylabel("probability of the true class")
    panels[0, 1].legend(frameon=False, bbox_to_anchor=(1, 1), loc="upper left")
    fig.suptitle(f"{curves.network.iloc[0]}; hidden steps: {filling}", fontsize=11)
    return fig, panels


def clip_deletion(table: "pd.DataFrame", dataset: str = "esc10") -> tuple[Figure, np.ndarray]:
    """Draw mean deletion curves over whole clips, a panel per network.

    Parameters
    ----------
    table : pd.DataFrame
        From ``clips.committed``.
    dataset : str

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 09_seeing_attention
    """
    groups = list(table[table.dataset == dataset].groupby("network", sort=False))
    fig, panels = _panels(1, len(groups), (11, 3.6), sharey=True)
    points = [name for name in table if name[0] == "d" and name[1:].isdigit()]
    c = FeatureConfig()
    seconds = np.arange(len(points)) * BLOCK * c.hop_length / c.sample_rate
    for ax, (network, rows) in zip(panels[0], groups, strict=True):
        for k, order in enumerate(CLIP_ORDERS):
            ax.plot(seconds, rows[rows.order == order][points].mean(), MARKERS[k] + LINES[k],
                    color=PALETTE[k], label=order, markersize=5, linewidth=1.3)
        ax.set(title=network, xlabel="hidden (s)", ylim=(0, 1))
        ax.grid(alpha=0.3)
    panels[0, 0].set_ylabel("probability of the true class")
    panels[0, -1].legend(frameon=False, bbox_to_anchor=(1, 1), loc="upper left")
    return fig, panels


def occlusion_gains(gains: "pd.DataFrame") -> tuple[Figure, np.ndarray]:
    """Draw how far attention is ahead of each other order, with intervals over recordings.

    Parameters
    ----------
    gains : pd.DataFrame
        From ``evidence.occlusion_gains``.

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 10_is_attention_right
    """
    fig, panels = _panels(1, 2, (11, 3.8), sharey=True)
    groups = list(gains.dropna(subset="gain").groupby(["network", "filling"], sort=False))
    for ax, kind in zip(panels[0], ("deletion", "insertion"), strict=True):
        for k, ((network, filling), part) in enumerate(groups):
            rows = part[part.kind == kind]
            label = f"{network.split(' (')[0]}, filling: {SHORT[filling]}"
            for place, row in enumerate(rows.itertuples()):
                _interval(ax, row.gain, row.lo, row.hi, place + 0.18 * (k - 1.5), k,
                          None if place else label)
            _rows(ax, rows.order)
        ax.axvline(0, color="0.4", linestyle=":")
        ax.set(title=kind, xlabel="area: attention better (right) or worse (left)")
    panels[0, 0].set_ylabel("attention compared with")
    panels[0, 1].legend(frameon=False, bbox_to_anchor=(1, 1), loc="upper left", fontsize=9)
    return fig, panels


def occlusion_by_class(curves: "pd.DataFrame") -> tuple[Figure, np.ndarray]:
    """Draw the gain over random order by class: a dot per clip, a marker for the mean.

    Parameters
    ----------
    curves : pd.DataFrame
        From ``evidence.committed``; the mean of deletion and insertion is drawn.

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 10_is_attention_right
    """
    shown = ["attention", "energy", "best"]
    used = curves[curves.fill == FILLINGS["mean"]]
    gain = used.assign(gain=(used.insertion - used.deletion) / 2).pivot(
        index=["network", "class", "clip_id"], columns="order", values="gain")
    gain = gain[shown].sub(gain["random"], axis=0)
    ranked = gain.best.groupby("class").mean().sort_values(ascending=False).index
    networks = curves.network.unique()
    fig, panels = _panels(1, len(networks), (12, 5), sharey=True, sharex=True)
    for ax, network in zip(panels[0], networks, strict=True):
        for k, order in enumerate(shown):
            color = PALETTE[ORDERS.index(order)]
            for place, name in enumerate(ranked):
                values, at = gain.loc[network].loc[name][order], place + 0.25 * (k - 1)
                ax.plot(values, np.full(len(values), at), ".", color=color, alpha=0.4, markersize=4)
                ax.plot(values.mean(), at, MARKERS[ORDERS.index(order)], color=color,
                        markeredgecolor="black", label=None if place else order)
        _rows(ax, ranked)
        ax.axvline(0, color="0.4", linestyle=":")
        ax.set_title(network, fontsize=10)
    fig.supxlabel("gain over random order (area, mean of deletion and insertion)", fontsize=11)
    panels[0, -1].legend(frameon=False, bbox_to_anchor=(1, 1), loc="upper left")
    return fig, panels


def gradient_map(gradients: dict[str, np.ndarray], field: np.ndarray,
              config: FeatureConfig | None = None) -> tuple[Figure, np.ndarray]:
    """Draw how strongly each step depends on each input frame, with its computed receptive field.

    Parameters
    ----------
    gradients : dict of np.ndarray, shape (T', frames)
        From ``explain.sensitivity``, by what they are of.
    field : np.ndarray, shape (T', 2), int, frames
        From ``models.summary.receptive_field``.
    config : FeatureConfig, optional

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 10_is_attention_right
    """
    c = config or FeatureConfig()
    hop, span = c.hop_length / c.sample_rate, c.segment_frames // len(field)
    fig, panels = _panels(1, len(gradients), (12, 3.4), sharey=True)
    for ax, (of, values) in zip(panels[0], gradients.items(), strict=True):
        scaled = np.maximum(values / values.max(axis=1, keepdims=True), 1e-4)
        image = ax.imshow(np.log10(scaled), aspect="auto", cmap="viridis", vmin=-3, vmax=0,
                          interpolation="nearest",
                          extent=(0, c.segment_frames * hop, len(field) + 0.5, 0.5))
        for t, reached in enumerate(field):
            for frames, color in ((reached, "white"), ((t * span, (t + 1) * span), "black")):
                left, right = np.clip(frames, 0, c.segment_frames) * hop
                ax.plot([left, left, right, right, left],
                        t + 1 + np.array([-0.4, 0.4, 0.4, -0.4, -0.4]), color=color, linewidth=1)
        ax.set(xlabel="time in the segment (s)", title=f"gradient of the {of}")
    panels[0, 0].set_ylabel("step")
    fig.colorbar(image, ax=panels, label="log10 of the gradient,\npeak of the row = 0")
    return fig, panels


def shift_gains(shifts: "pd.DataFrame") -> tuple[Figure, np.ndarray]:
    """Draw attention-weighted audio compared with shifted attention, with intervals.

    Parameters
    ----------
    shifts : pd.DataFrame
        From ``evidence.shift_gains``.

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 10_is_attention_right
    """
    fig, panels = _panels(1, 2, (10, 3.6), sharey=True, sharex=True)
    for ax, part, change in zip(panels[0], ("attended", "rest"), ("more", "less"), strict=True):
        for k, (baseline, rows) in enumerate(shifts[shifts.part == part].groupby("baseline",
                                                                                 sort=False)):
            for place, row in enumerate(rows.itertuples()):
                _interval(ax, row.difference, row.lo, row.hi, place + 0.24 * k - 0.12, k,
                          None if place else f"attention minus {baseline}")
            _rows(ax, [f"{row.network.split(' (')[0]}: {row.about} ({row.clips})"
                       for row in rows.itertuples()])
        ax.axvline(0, color="0.4", linestyle=":")
        ax.set(title=f"{part} alone", xlabel=f"how much {change} probable")
    fig.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
               frameon=False)
    return fig, panels


def parts_by_class(sounds: "pd.DataFrame") -> tuple[Figure, np.ndarray]:
    """Draw the probability of the true class for attended part and rest, by class, at equal level.

    Parameters
    ----------
    sounds : pd.DataFrame
        Rows of ``evidence.committed`` of one network.

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 10_is_attention_right
    """
    fig, panels = _panels(1, 2, (10, 4.4), sharey=True)
    masks = ["attention, equal level", "shifted, equal level"]
    rest = sounds.pivot_table(index="class", columns="mask", values="rest")
    ranked = (rest[masks[1]] - rest[masks[0]]).sort_values().index
    for ax, what in zip(panels[0], ("attended", "rest"), strict=True):
        for k, mask in enumerate(masks):
            for place, name in enumerate(ranked):
                clips = sounds[(sounds["mask"] == mask) & (sounds["class"] == name)]
                _interval(ax, *metrics.mean_interval(clips[what], clips.source),
                          place + 0.3 * k - 0.15, k, None if place else mask)
        _rows(ax, ranked)
        ax.set(xlim=(0, 1.02), xlabel="probability of the true class", title=f"{what} alone")
    panels[0, 1].legend(frameon=False, bbox_to_anchor=(1, 1), loc="upper left", title="gain from")
    fig.suptitle(sounds.network.iloc[0], fontsize=11)
    return fig, panels


def attention_profiles(weights: dict[str, np.ndarray], ax: Axes | None = None
                       ) -> tuple[Figure, Axes]:
    """Draw the attention of each step, as a multiple of uniform weights: a line per input.

    Parameters
    ----------
    weights : dict of np.ndarray, shape (S, T')
        Attention of the segments by name of the input; bars span all segments.
    ax : Axes, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 10_is_attention_right
    """
    fig, ax = plt.subplots(figsize=(9, 3.4), layout="constrained") if ax is None else (ax.figure,
                                                                                      ax)
    for k, (name, rows) in enumerate(weights.items()):
        rows = rows.shape[1] * rows
        mean, at = rows.mean(axis=0), np.arange(1, len(rows[0]) + 1) + 0.07 * (k - len(weights) / 2)
        ax.errorbar(at, mean, yerr=[mean - rows.min(axis=0), rows.max(axis=0) - mean],
                    fmt=MARKERS[k] + LINES[k], color=PALETTE[k], label=name, capsize=2,
                    linewidth=1.3, markersize=5)
    ax.axhline(1, color="0.4", linestyle="--")
    ax.set(xlabel="step of the segment (0.21 s each)", ylabel="weight (1 = uniform)",
           ylim=(0, None))
    ax.legend(frameon=False, bbox_to_anchor=(1, 1), loc="upper left")
    return fig, ax


def _panels(rows, columns, size, **options):
    width, height = size
    return plt.subplots(rows, columns, figsize=(width, height * rows), layout="constrained",
                        squeeze=False, **options)


def _interval(ax, value, lo, hi, place, style, label=None):
    """A mean with its interval, lying in a row of the panel."""
    ax.errorbar(value, place, xerr=[[value - lo], [hi - value]], fmt=MARKERS[style],
                color=PALETTE[style], capsize=3, label=label)


def _rows(ax, names):
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="x", alpha=0.3)
