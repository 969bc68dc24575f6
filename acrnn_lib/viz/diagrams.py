"""Diagrams as SVG, drawn from the settings and the table of layers: they cannot disagree with code.

Lines and letters have the colour of the page around them, so a diagram is readable in the dark and
on paper.

Notebook: 04_the_model_layer_by_layer
"""

from html import escape

import pandas as pd

from ..config import FeatureConfig

WIDTH = 760  # px
FILLS = {"convolution": "#0072b2", "recurrent": "#009e73", "attention": "#d55e00",
         "output": "#cc79a7", "signal": "#999999"}  # at low opacity, on any ground


def clip_path(features: FeatureConfig | None = None, n_classes: int = 10) -> str:
    """The way of a clip, from the waveform to the class, as SVG.

    Parameters
    ----------
    features : FeatureConfig, optional
        By default those of the paper.
    n_classes : int

    Returns
    -------
    str

    Notebook: 00_start_here
    """
    f = features or FeatureConfig()
    samples = round(f.clip_seconds * f.sample_rate)
    frames = samples // f.hop_length + 1
    size = f"{f.n_bands} × {f.segment_frames}"
    steps = [("waveform", f"{f.clip_seconds:g} s, {samples:,} samples", "signal"),
             ("log-gammatone", f"{f.n_bands} bands × {frames} frames", "signal"),
             ("segments", f"each {len(f.channels)} × {size}", "signal"),
             ("network", f"{n_classes} probabilities", "convolution"),
             ("vote", "largest mean: the class", "output")]
    between = [f"{f.n_fft} samples, every {f.hop_length}", f"every {f.segment_hop} frames",
               "silent ones left out", "for each segment"]
    gap, wide = 22, (WIDTH - 4 * 22) / 5
    parts = []
    for k, (name, size, kind) in enumerate(steps):
        x = k * (wide + gap)
        parts.append(_box(x, 30, wide, 52, kind, name, size))
        if k:
            parts.append(_arrow(x - gap, 56, x - 1, 56))
            parts.append(_text(x - gap / 2, 14 if k % 2 else 104, between[k - 1], 11))
    return _svg(parts, 112, "The way of a clip: " + "; ".join(
        f"{name}, {size}" for name, size, _ in steps))


def network(layers: pd.DataFrame) -> str:
    """A network from top to bottom, as SVG: kernels, pools, sizes and parameters.

    Parameters
    ----------
    layers : pd.DataFrame
        Of ``models.summary.layer_table``.

    Returns
    -------
    str

    Notebook: 04_the_model_layer_by_layer
    """
    rows = [_row(row) for row in layers.itertuples()]
    high, step, parts, told = 28, 38, [], []
    for k, (name, what, size, kind, many) in enumerate(rows):
        y = 8 + k * step
        pool = name.endswith("pool")
        parts.append(_box(40 if pool else 0, y, 340 if pool else 420, high,
                          "signal" if pool else kind, f"{name}: {what}" if what else name))
        parts.append(_text(440, y + 18, size, 13, "start"))
        if many:
            parts.append(_text(WIDTH, y + 18, f"{many:,} parameters", 12, "end"))
        if k:
            parts.append(_arrow(210, y - step + high, 210, y - 1))
        told.append(f"{name} {what} gives {size}")
    return _svg(parts, 8 + len(rows) * step, "The network, layer by layer: " + "; ".join(told))


def _row(row):
    """Name, what it does, size of its output, kind and parameters of a row of the table."""
    shape = row.output.replace(" x ", " × ")
    name = row.layer.replace("_", " ")
    channels = row.output.split(" x ")[0]
    if row.layer.endswith("_pool"):
        return name, f"maximum over {row.kernel}", shape, "signal", row.parameters
    if row.output.count(" x ") == 2:
        what = f"{channels} filters {row.kernel}, batch norm, ReLU"
        return name, what, shape, "convolution", row.parameters
    if row.layer in ("l9", "l10"):
        return name, "recurrent, both directions", f"{shape} (steps × features)", "recurrent", \
            row.parameters
    kind = "attention" if row.layer == "attention" else "output"
    what = "weighted mean of the steps" if kind == "attention" else "one score for each class"
    return name, what, shape, kind, row.parameters


def _box(x, y, wide, high, kind, *lines):
    """A rounded box with one or two lines of text."""
    middle = y + high / 2
    places = [middle + 5] if len(lines) == 1 else [middle - 4, middle + 15]
    texts = [_text(x + wide / 2, place, line, 13 if k == 0 else 11)
             for k, (line, place) in enumerate(zip(lines, places, strict=True))]
    return (f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" rx="5" '
            f'fill="{FILLS[kind]}" fill-opacity="0.2" stroke="{FILLS[kind]}"/>{"".join(texts)}')


def _text(x, y, said, size, anchor="middle"):
    return (f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="currentColor">{escape(said)}</text>')


def _arrow(x1, y1, x2, y2):
    head = (f"M {x2 - 5:g} {y2 - 4:g} L {x2:g} {y2:g} L {x2 - 5:g} {y2 + 4:g}" if y1 == y2 else
            f"M {x2 - 4:g} {y2 - 5:g} L {x2:g} {y2:g} L {x2 + 4:g} {y2 - 5:g}")
    return (f'<path d="M {x1:g} {y1:g} L {x2:g} {y2:g} {head}" fill="none" '
            'stroke="currentColor"/>')


def _svg(parts, high, said):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 0 {WIDTH + 2} {high}" role="img" '
            f'font-family="sans-serif" aria-label="{escape(said)}">{"".join(parts)}</svg>')
