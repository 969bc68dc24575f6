"""Attention drawn as bars, and over the bands of a clip.

Notebook: 05_attention_from_scratch, 09_seeing_attention
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..config import FeatureConfig
from .sounds import PALETTE, axes, gammatonegram


def attention_bars(weights: np.ndarray, ax: Axes | None = None, title: str | None = None,
                   labels: Sequence[str] | None = None) -> tuple[Figure, Axes]:
    """Draw attention weights as bars, with the uniform weight as a line.

    Parameters
    ----------
    weights : np.ndarray, shape (T',)
    ax : Axes, optional
    title : str, optional
    labels : sequence of str, optional
        Of the bars.

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 05_attention_from_scratch
    """
    fig, ax = axes(ax, (6, 2.5))
    weights = np.asarray(weights)
    ax.bar(np.arange(len(weights)), weights, color=PALETTE[0])
    ax.axhline(1 / len(weights), color=PALETTE[1], linestyle="--", label="uniform")
    ax.set_xticks(np.arange(len(weights)), labels if labels is not None else None)
    ax.set(xlabel="frame of the layer", ylabel="weight", title=title)
    ax.legend()
    return fig, ax


def attention_map(static: np.ndarray, weights: np.ndarray, starts: np.ndarray,
                  ax: Axes | None = None, config: FeatureConfig | None = None,
                  title: str | None = None, events: Sequence[tuple[float, float]] | None = None,
                  colorbar: bool = True, right: Axes | None = None) -> tuple[Figure, Axes]:
    """Draw a clip's bands with attention over them, a step line per segment and their mean.

    The right axis is T' x weight: 1 is uniform attention. Each of the T' frames of the layer spans
    18 input frames (0.21 s); its receptive field is about 1 s in the convolutions and the whole
    segment in the GRU.

    Parameters
    ----------
    static : np.ndarray, shape (n_bands, frames)
        Log energies.
    weights : np.ndarray, shape (S, T')
        Attention of the segments, rows summing to 1.
    starts : np.ndarray, shape (S,), s
        Start of each segment.
    ax : Axes, optional
    config : config.FeatureConfig, optional
    title : str, optional
    events : sequence of (onset, offset), s, optional
        Drawn as bars at the bottom.
    colorbar : bool
    right : Axes, optional
        Twin of ``ax`` for the weights, by default a new one.

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 09_seeing_attention
    """
    from ..attention.maps import attention_curve

    config = config or FeatureConfig()
    fig, ax = gammatonegram(static, ax, config, title, colorbar=colorbar)
    hop = config.hop_length / config.sample_rate
    first = np.rint(np.asarray(starts) / hop).astype(int)
    right = right or ax.twinx()
    span = config.segment_frames // weights.shape[1] * hop
    for start, row in zip(starts, weights, strict=True):
        edges = start + span * np.arange(len(row) + 1)
        right.stairs(row * len(row), edges, color="white", alpha=0.5, linewidth=0.8)
    curve = attention_curve(first, np.asarray(weights, dtype=float), config.segment_frames)
    right.plot(np.arange(len(curve)) * hop, curve, color="#7fdbff", linewidth=2)
    right.axhline(1, color="white", linestyle=":", linewidth=1)
    right.set(ylabel="attention (1 = uniform)", ylim=(0, max(3, 1.1 * weights.shape[1]
                                                            * float(np.max(weights)))))
    for onset, offset in events or ():
        right.plot([onset, offset], [0.06, 0.06], color="#ffd166", linewidth=5,
                   solid_capstyle="butt")
    ax.set_xlim(0, static.shape[1] * hop)
    return fig, ax
