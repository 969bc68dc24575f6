"""Explorers of evidence: attention over time, the clips in a cell of a confusion matrix, results.

Notebook: 07_result_tables, 08_confusion_matrices, 09_seeing_attention
"""

import functools
from collections.abc import Callable, Iterable
from html import escape

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from .. import viz
from ..attention.maps import attention_curve
from ..data import audio
from ..evaluation import confusions, results, tables
from ..experiments import PROFILES
from ..features.segments import audible
from .explorer import FOLLOW, MARGINS, STATES, Explorer, Sheet, picture, sound, with_cursor
from .widgets import unlike_paper

WIDE = {"width": "40em", "max_width": "100%"}
PAGE = 12  # states of attention on a page; each is a picture of 50 kB
SEEN = 3  # clips of a cell whose spectrogram is drawn; all are played
UNHEARD = "<p>No player: the sound is not here, or its licence keeps it out of pages.</p>"
FILLED_IN = 20  # classes; beyond, empty cells have no button: 2,500 would take a browser seconds


def attention(maps: dict[str, dict[str, np.ndarray]],
              waves: dict[str, tuple[np.ndarray, str]] | None = None) -> Explorer:
    """Explorer of attention: a clip, its waveform, its spectrogram and the attention of a run.

    The curve of a second run can be drawn over the same spectrogram.

    Parameters
    ----------
    maps : dict of dict of np.ndarray
        Arrays of ``results.Run.attention`` with the spectrograms of fold 1, by label of the run.
    waves : dict of (np.ndarray, str), optional
        Wave (N,) float32 at 44.1 kHz and credit by clip_id, from ``waves_of``; adds a player with
        a moving cursor.

    Returns
    -------
    Explorer

    Notebook: 09_seeing_attention
    """
    labels = list(maps)
    clips = {label: dict(zip(maps[label]["clip_id"], range(len(maps[label]["clip_id"])),
                             strict=True)) for label in labels}
    shared = [c for c in clips[labels[0]] if all(c in clips[label] for label in labels)]
    if not shared:
        shared, labels = list(clips[labels[0]]), labels[:1]
    controls = {
        "clip": ipywidgets.Dropdown(options=shared, description="clip (fold-recording-take)"),
        "run": ipywidgets.Dropdown(options=labels, description="run", layout=WIDE),
        "beside": ipywidgets.Dropdown(options=["no other run", *labels], layout=WIDE,
                                      description="run to compare with"),
    }
    states = [{"clip": clip, "run": label} for clip in shared for label in labels][:PAGE]

    sheet = functools.cache(_attention_sheet)

    @functools.cache
    def player(clip):
        wave, credit = waves[clip]
        return f"<div>{credit}</div>{sound(wave, attributes=FOLLOW)}"

    def draw(clip, run, beside):
        wave = waves[clip][0] if clip in (waves or {}) else None
        other = None if beside in (run, "no other run") else (beside, maps[beside],
                                                              clips[beside][clip])
        html = _draw_attention(sheet(wave is not None), maps[run], clips[run][clip], clip, run,
                               other, wave)
        return html + UNHEARD if wave is None else f"<div>{html}{player(clip)}</div>"

    def unlike(clip, run, beside):
        shown = dict.fromkeys([run, beside] if beside in labels else [run])
        return list(dict.fromkeys(part for label in shown
                                  for part in unlike_paper(*_named(label))))

    return Explorer(draw, controls, states, "Attention", unlike=unlike)


def _named(label):
    """(experiment, profile) of a label such as "acrnn (esc10, lite, committed)"."""
    name, _, rest = label.partition(" (")
    return name, next((profile for profile in PROFILES if profile in rest.split(", ")), "paper")


def _attention_sheet(with_wave):
    heights = [1, 2.6] if with_wave else [2.6]
    sheet = Sheet((10, 1.3 * sum(heights) + 0.4), len(heights), 1, sharex=True,
                  height_ratios=heights, gridspec_kw=MARGINS | {"left": 0.1, "right": 0.93})
    sheet.right = sheet.axes[-1].twinx()
    sheet.right.yaxis.set_label_coords(1.05, 0.5)  # beyond numbers of any width
    return sheet


def _draw_attention(sheet, found, row, clip, run, other, wave):
    low, high = found["log_range"]
    static = low + found["log_gammatone"][row] / 255 * (high - low)
    seconds = static.shape[1] * float(found["hop_seconds"])
    *above, ax = sheet.blank()
    if wave is not None:
        viz.waveform(wave, above[0])
        above[0].set_xlabel("")
    first = np.rint(found["segment_starts"] / found["hop_seconds"]).astype(int)
    heard = audible(static).numpy()[first]  # silent segments have no vote
    viz.attention_map(static, found["attention"][row][heard], found["segment_starts"][heard],
                      ax=ax, colorbar=False, right=sheet.right)
    title = f"{clip}: {run}"
    if other:
        label, theirs, at = other
        weights = theirs["attention"][at][heard].astype(float)
        curve = attention_curve(first[heard], weights)
        sheet.right.plot(np.arange(len(curve)) * float(found["hop_seconds"]), curve, "--",
                         color="#ffd166", linewidth=2)
        highest = 1.1 * weights.shape[1] * weights.max()
        sheet.right.set_ylim(0, max(sheet.right.get_ylim()[1], highest))
        title += f" (blue, solid)\nbeside {label} (yellow, dashed)"
    ax.set_xlim(0, seconds)
    heading = sheet.fig.suptitle(title, fontsize=10)
    image = sheet.picture(f"Spectrogram of clip {clip} with the attention of {run} over it",
                          [heading, sheet.right.yaxis, *(part.yaxis for part in above)])
    if wave is None:
        return image
    return with_cursor(image, ax, seconds)


def confusion(runs: list[results.Run],
              clip_html: Callable[[str, bool], str] | None = None) -> Explorer:
    """Explorer of a confusion matrix: click a cell to see and hear its clips.

    Parameters
    ----------
    runs : list of results.Run
        Of one experiment.
    clip_html : callable, optional
        HTML of a clip_id and whether to draw it, such as from ``heard_and_seen``: shown for all
        clips of a cell, with a picture for the three of highest predicted probability.

    Returns
    -------
    Explorer

    Notebook: 08_confusion_matrices
    """
    matrix = confusions.confusion(runs)
    names = list(matrix.columns)
    long = results.predictions(runs)
    filled = [(t, p) for t in range(len(names)) for p in range(len(names))
              if matrix.iat[t, p]]
    wrong = sorted((cell for cell in filled if cell[0] != cell[1]),
                   key=lambda cell: -matrix.iat[cell])
    options = {f"{names[t]} called {names[p]}": (t, p)
               for t in range(len(names)) for p in range(len(names))}
    chosen = ipywidgets.Dropdown(options=options, description="true class and prediction",
                                 value=(wrong or filled)[0], layout=WIDE)

    def draw(cell):
        return _draw_cell(long, names, cell, clip_html)

    states = [{"cell": cell} for cell in (wrong or filled)[:STATES]]
    names_of = {cell: name for name, cell in options.items()}
    explorer = Explorer(draw, {"cell": chosen}, states, "Confusions, the fullest cell first",
                        lambda state: names_of[state["cell"]],
                        lambda **_: unlike_paper(runs[0].experiment, runs[0].profile))
    explorer.children = (_grid(matrix, names, chosen), *explorer.children)
    return explorer


def _grid(matrix, names, chosen):
    """The matrix as buttons, rows truth, columns prediction; the darker, the more clips."""
    most = max(1, int(matrix.to_numpy().max()))

    def button(t, p):
        count = int(matrix.iat[t, p])
        shade = int(255 - 160 * count / most)
        made = ipywidgets.Button(description=str(count) if count else "",
                                 tooltip=f"{names[t]} called {names[p]}: {count}",
                                 layout={"width": "auto", "min_width": "2.2em", "margin": "0"},
                                 style={"button_color": f"rgb({shade},{shade},255)"})
        made.on_click(lambda _: setattr(chosen, "value", (t, p)))
        return made

    def text(name, upright=False):
        style = "writing-mode:vertical-rl;transform:rotate(180deg)" if upright else ""
        return ipywidgets.HTML(f'<span style="white-space:nowrap;{style}">{escape(name)}</span>')

    def placed(widget, row, column):
        # by its area: the frontend clears an area that is not set, and row and column with it
        widget.layout.grid_area = f"{row + 1} / {column + 1}"
        return widget

    cells = [placed(text("true class \\ predicted"), 0, 0)]
    for t, name in enumerate(names):
        cells += [placed(text(name, upright=True), 0, t + 1), placed(text(name), t + 1, 0)]
        cells += [placed(button(t, p), t + 1, p + 1) for p in range(len(names))
                  if matrix.iat[t, p] or len(names) <= FILLED_IN]
    columns = f"max-content repeat({len(names)}, minmax(2.2em, 5.5em))"
    return ipywidgets.GridBox(cells, layout={"grid_template_columns": columns,
                                             "overflow": "auto"})


def _draw_cell(long, names, cell, clip_html):
    truth, called = cell
    found = long[(long.target == truth) & (long.predicted == called)]
    found = found.assign(probability=found[f"p_{called}"])
    rows, best = [], found.groupby("clip_id").probability.max().sort_values(ascending=False)
    for k, clip_id in enumerate(best.index):
        own = found[found.clip_id == clip_id].sort_values("seed")
        told = ", ".join(f"{row.probability:.2f} (seed {row.seed})" for row in own.itertuples())
        extra = clip_html(clip_id, k < SEEN) if clip_html else ""
        rows.append(f"<li>{escape(clip_id)}, fold {own.fold.iloc[0]}: probability of "
                    f"{escape(names[called])} {told} {extra}</li>")
    title = f"{names[truth]} called {names[called]}: {len(found)}"
    return (f'<p><b>{escape(title)}</b></p><ul tabindex="0" aria-label="{escape(title)}" '
            f"""style="max-height:34em;overflow:auto">{''.join(rows)}</ul>""")


def heard_and_seen(table: pd.DataFrame) -> Callable[[str, bool], str]:
    """Function that gives the credit, a player and, if wanted, the spectrogram of a clip as HTML.

    It takes the clip_id and whether to draw the spectrogram.

    A sound whose licence keeps it out of pages has no player.

    Parameters
    ----------
    table : pd.DataFrame
        Clip table of ``datasets.load``.

    Returns
    -------
    callable

    Notebook: 08_confusion_matrices
    """
    clips = {row.clip_id: row for row in table.itertuples()}
    sheet = Sheet((5.5, 2.4), 1, 1, gridspec_kw={"left": 0.19, "right": 0.97, "bottom": 0.27,
                                                 "top": 0.96})

    @functools.lru_cache(maxsize=128)
    def html(clip_id, drawn=True):
        clip = clips[clip_id]
        wave, image = audio.read(clip.path, 5.0), ""
        if drawn:
            viz.gammatonegram(viz.log_gammatone(wave), sheet.blank()[0], colorbar=False)
            image = sheet.picture(f"Spectrogram of clip {clip_id}, {clip.category}")
        player = sound(wave) if viz.may_embed(clip) else UNHEARD
        return f"<div>{viz.credit(clip)}</div>{player}<div>{image}</div>"

    return html


def results_of(runs: list[results.Run]) -> Explorer:
    """Explorer of results: accuracies, intervals and paired tests of chosen experiments.

    Parameters
    ----------
    runs : list of results.Run
        Of one data set and profile.

    Returns
    -------
    Explorer

    Notebook: 07_result_tables
    """
    names = list(dict.fromkeys(run.experiment for run in sorted(runs)))
    select = ipywidgets.SelectMultiple(options=names, value=tuple(names[:2]),
                                       rows=min(len(names), 8), layout=WIDE,
                                       description="experiments")

    @functools.lru_cache(maxsize=256)
    def row(name):
        return tables.summary([run for run in runs if run.experiment == name])

    @functools.lru_cache(maxsize=1024)
    def pair(a, b):
        return tables.compare([run for run in runs if run.experiment in (a, b)], a, b)

    def draw(experiments):
        if not experiments:
            return "<p>Choose at least one experiment.</p>"
        fig, _ = viz.accuracies(pd.concat([row(name) for name in experiments]))
        html = picture(fig, "Accuracies with 95 % intervals of " + ", ".join(experiments))
        plt.close(fig)  # else a notebook shows every state once more below the cell
        first, *others = experiments
        compared = [pair(other, first) for other in others]
        if compared:
            table = pd.concat(compared)[["a", "b", "clips", "difference", "lo", "hi", "p",
                                       "mcnemar"]]
            html += table.to_html(index=False, border=0, float_format="{:.3f}".format)
        return html

    states = [{"experiments": (a, b)} for k, a in enumerate(names[:2]) for b in names[k + 1:]]
    states = states[:STATES] or [{"experiments": tuple(names)}]
    def unlike(experiments):
        return list(dict.fromkeys(part for name in experiments
                                  for part in unlike_paper(name, runs[0].profile)))

    return Explorer(draw, {"experiments": select}, states, "Results", unlike=unlike)


def waves_of(table: pd.DataFrame,
             clip_ids: Iterable[str]) -> dict[str, tuple[np.ndarray, str]]:
    """Sounds for ``attention``: of those clips whose licence allows a copy in a page.

    Parameters
    ----------
    table : pd.DataFrame
        Clip table of ``datasets.load``.
    clip_ids : iterable of str

    Returns
    -------
    dict of (np.ndarray, str)
        Wave (N,) float32 at 44.1 kHz and credit, by clip_id.

    Notebook: 09_seeing_attention
    """
    return {row.clip_id: (np.asarray(audio.read(row.path, 5.0)), viz.credit(row))
            for row in table[table.clip_id.isin(clip_ids)].itertuples() if viz.may_embed(row)}
