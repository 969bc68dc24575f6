"""Figures of sounds, features, the network and its attention; and a player with its credit.

Every figure takes ``ax`` (a new figure without it) and returns (fig, ax); times are in seconds,
frequencies in Hz; colour maps are readable without colour vision and in grey.

Notebook: 01_listen_and_look, 01b_samples_to_spectra, 02_gammatone_features, 09_seeing_attention
"""

import functools
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..config import FeatureConfig
from ..data.audio import SAMPLE_RATE
from ..features import gammatone
from ..features.frontend import LogGammatone, frame_times

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML

    from ..evaluation.results import Run
CLOSED = ("NC", "Sampling+")  # licences whose sounds are credited but stay out of pages
PALETTE = sns.color_palette("colorblind")
DYNAMIC_RANGE = 18  # in the natural logarithm of energy
FINEST = 4000  # pieces of a wave that are drawn, finer than a page's pixels
HERTZ = (100, 300, 1000, 3000, 10000)


def axes(ax: Axes | None = None, size: tuple[float, float] = (8, 3)) -> tuple[Figure, Axes]:
    """The given axes with their figure, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax.figure, ax
    return plt.subplots(figsize=size, layout="constrained")


def player(clip: "pd.Series | NamedTuple", wave: np.ndarray | None = None,
           change: str | None = None, rate: int = 22050) -> "HTML":
    """A sound with its author, licence and link, for display in a notebook.

    Sounds under a licence of CLOSED are not embedded, as a notebook may become a public page.

    Parameters
    ----------
    clip : row of the clip table
    wave : np.ndarray, shape (N,), 44.1 kHz, float32, optional
        By default all of the clip's file.
    change : str, optional
        What was done to the sound; licences require it to be stated.
    rate : int, Hz
        Sampling rate of the embedded copy.

    Returns
    -------
    IPython.display.HTML

    Notebook: 01_listen_and_look
    """
    from IPython.display import HTML, Audio
    from scipy.signal import resample_poly

    from ..data import audio

    text = f"<div>{credit(clip, change)}</div>"
    if not may_embed(clip):
        return HTML(f"{text}<div>Not embedded, as its licence is not open: play the file.</div>")
    wave = audio.read(clip.path) if wave is None else wave
    return HTML(text + Audio(resample_poly(wave, rate, SAMPLE_RATE), rate=rate)._repr_html_())


def side_by_side(*players: "HTML") -> "HTML":
    """Players beside each other where the page is wide enough, else below each other.

    Parameters
    ----------
    *players : IPython.display.HTML

    Returns
    -------
    IPython.display.HTML

    Notebook: 01_listen_and_look
    """
    from IPython.display import HTML

    grid = "display: grid; gap: 0.6em; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr))"
    return HTML(f'<div style="{grid}">'
                + "".join(f"<div>{player._repr_html_()}</div>" for player in players) + "</div>")


def loudest(wave: np.ndarray, seconds: float) -> np.ndarray:
    """The part of a wave around its loudest moment (power over 0.1 s).

    Parameters
    ----------
    wave : np.ndarray, shape (N,), 44.1 kHz
    seconds : float, s
        Length of the part, at most that of the wave.

    Returns
    -------
    np.ndarray, shape (n,)

    Notebook: 01_listen_and_look
    """
    length = round(seconds * SAMPLE_RATE)
    power = np.convolve(np.square(wave), np.ones(SAMPLE_RATE // 10), "same")
    start = np.clip(int(power.argmax()) - length // 2, 0, len(wave) - length)
    return wave[start : start + length]


def may_embed(clip: "pd.Series | NamedTuple") -> bool:
    """Whether the licence of a clip (row of the clip table) allows its sound in a page.

    Notebook: 01_listen_and_look
    """
    return not any(mark in str(clip.licence) for mark in CLOSED)


def credit(clip: "pd.Series | NamedTuple", change: str | None = None) -> str:
    """Class, author, licence and link of a clip as HTML.

    Parameters
    ----------
    clip : row of the clip table
    change : str, optional
        What was done to the sound.

    Returns
    -------
    str

    Notebook: 01_listen_and_look
    """
    text = f"{clip.category}, clip {clip.clip_id}, by {clip.author}, {clip.licence}"
    page = f' (<a href="{escape(clip.url)}">link</a>)' if clip.url else ""
    return f"{escape(text)}{page}{escape(f'; {change}' if change else '')}"


def waveform(wave: np.ndarray, ax: Axes | None = None, sample_rate: int = SAMPLE_RATE,
             events: Sequence[tuple[float, float]] | None = None,
             title: str | None = None) -> tuple[Figure, Axes]:
    """Draw a waveform over time.

    Parameters
    ----------
    wave : np.ndarray, shape (N,)
    ax : Axes, optional
    sample_rate : int, Hz
    events : sequence of (onset, offset), s, optional
        Shaded intervals.
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 01_listen_and_look
    """
    fig, ax = axes(ax, (8, 2))
    wave, step = np.asarray(wave), max(1, len(wave) // FINEST)
    parts = wave[: len(wave) // step * step].reshape(-1, step)
    ends = np.stack([parts.min(axis=1), parts.max(axis=1)], 1)  # all that a pixel can show of them
    ax.plot(np.repeat(np.arange(len(parts)) * step / sample_rate, 2), ends.ravel(), linewidth=0.4,
            color=PALETTE[0])
    for onset, offset in events or ():
        ax.axvspan(onset, offset, color=PALETTE[1], alpha=0.25, linewidth=0)
    ax.set(xlabel="time (s)", ylabel="amplitude", xlim=(0, len(wave) / sample_rate), title=title)
    return fig, ax


def stft(wave: np.ndarray, ax: Axes | None = None, sample_rate: int = SAMPLE_RATE,
         title: str | None = None, n_fft: int = 1024, hop_length: int = 512,
         scale: str = "log", colorbar: bool = True) -> tuple[Figure, Axes]:
    """Draw a spectrogram in dB below its peak.

    Parameters
    ----------
    wave : np.ndarray, shape (N,), float
    ax : Axes, optional
    sample_rate : int, Hz
    title : str, optional
    n_fft, hop_length : int, samples
    scale : str
        Of the frequency axis, "log" or "linear".
    colorbar : bool

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 01b_samples_to_spectra
    """
    import librosa
    import librosa.display

    fig, ax = axes(ax)
    spectrum = np.abs(librosa.stft(wave, n_fft=n_fft, hop_length=hop_length, window="hamming"))
    levels = librosa.amplitude_to_db(spectrum, ref=np.max, top_db=80)
    image = librosa.display.specshow(levels, sr=sample_rate, hop_length=hop_length, x_axis="time",
                                     y_axis=scale, cmap="magma", ax=ax, rasterized=True)
    if colorbar:
        fig.colorbar(image, ax=ax, label="dB under the peak")
    ax.set(xlabel="time (s)", ylabel="frequency (Hz)", title=title)
    return fig, ax


def gammatonegram(static: np.ndarray, ax: Axes | None = None, config: FeatureConfig | None = None,
                  title: str | None = None, label: str = "log energy", colorbar: bool = True,
                  cmap: str = "magma", **limits: float) -> tuple[Figure, Axes]:
    """Draw band values over time, with the centre frequencies of the bands in Hz.

    Parameters
    ----------
    static : np.ndarray, shape (n_bands, frames)
    ax : Axes, optional
    config : config.FeatureConfig, optional
    title : str, optional
    label : str
        Of the colour bar.
    colorbar : bool
    cmap : str
    **limits : float
        ``vmin`` and ``vmax``; by default values 18 (78 dB) below the maximum are as dark as
        silence, which would otherwise take most of the contrast.

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 02_gammatone_features
    """
    config = config or FeatureConfig()
    fig, ax = axes(ax)
    static = np.asarray(static, dtype=np.float32)
    limits.setdefault("vmin", max(static.min(), static.max() - DYNAMIC_RANGE))
    end = frame_times(static.shape[1], config)[-1]
    image = ax.imshow(static, origin="lower", aspect="auto", cmap=cmap, interpolation="nearest",
                      extent=(0, end, -0.5, len(static) - 0.5), **limits)
    centres = gammatone.centre_frequencies(len(static), config.f_min, config.f_max)
    hertz = [f for f in HERTZ if centres[0] <= f <= centres[-1]]
    ax.set_yticks(np.interp(hertz, centres, np.arange(len(centres))), hertz)
    if colorbar:
        fig.colorbar(image, ax=ax, label=label)
    ax.set(xlabel="time (s)", ylabel="band centre (Hz)", title=title)
    return fig, ax


def gammatonegrams(statics: Sequence[np.ndarray], titles: Sequence[str], columns: int = 2,
                   panel: tuple[float, float] = (5, 2), title: str | None = None,
                   **limits: float) -> tuple[Figure, np.ndarray]:
    """Draw several `gammatonegram` in rows, with common axes.

    Parameters
    ----------
    statics : sequence of np.ndarray, shape (n_bands, frames)
    titles : sequence of str
    columns : int
    panel : (float, float), inches
        Size of each.
    title : str, optional
        Of the figure.
    **limits : float
        ``vmin`` and ``vmax`` of all; by default each has its own.

    Returns
    -------
    fig, axes : Figure, np.ndarray of Axes

    Notebook: 01_listen_and_look
    """
    rows = -(-len(statics) // columns)
    fig, grid = plt.subplots(rows, columns, figsize=(columns * panel[0], rows * panel[1]),
                             layout="constrained", sharex=True, sharey=True, squeeze=False)
    for ax, static, name in zip(grid.flat, statics, titles, strict=False):
        gammatonegram(static, ax, title=name, colorbar=False, **limits)
        ax.label_outer()
    for ax in grid.flat[len(statics):]:
        ax.remove()
    fig.suptitle(title)
    return fig, grid


def log_gammatone(wave: np.ndarray) -> np.ndarray:
    """Log-gammatone spectrogram of one sound, the first channel of `LogGammatone`.

    Parameters
    ----------
    wave : np.ndarray, shape (N,), 44.1 kHz

    Returns
    -------
    np.ndarray, shape (n_bands, frames), float32

    Notebook: 01_listen_and_look
    """
    with torch.inference_mode():
        x = torch.from_numpy(np.asarray(wave, dtype=np.float32))[None]
        return _front_end()(x)[0, 0].numpy()


@functools.lru_cache(maxsize=1)
def _front_end():
    return LogGammatone()


def filter_responses(centres: np.ndarray, sample_rate: int = SAMPLE_RATE, ax: Axes | None = None,
                     title: str | None = None, floor_db: float = -60) -> tuple[Figure, Axes]:
    """Draw the magnitude responses of gammatone filters in dB.

    Parameters
    ----------
    centres : np.ndarray, shape (n_bands,), Hz
        Centre frequencies.
    sample_rate : int, Hz
    ax : Axes, optional
    title : str, optional
    floor_db : float, dB
        Lower end of the axis.

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 02_gammatone_features
    """
    fig, ax = axes(ax)
    hertz = np.geomspace(20, sample_rate / 2, 2000)
    gains = np.abs(gammatone.response(hertz, centres, sample_rate))
    colours = sns.color_palette("viridis", len(gains))
    for colour, gain in zip(colours, gains, strict=True):
        ax.semilogx(hertz, 20 * np.log10(gain), color=colour, linewidth=1)
    ax.set(xlabel="frequency (Hz)", ylabel="gain (dB)", ylim=(floor_db, 3), xlim=hertz[[0, -1]],
           title=title)
    ax.grid(alpha=0.3)
    return fig, ax


def band_widths(ax: Axes | None = None, config: FeatureConfig | None = None,
                title: str | None = None) -> tuple[Figure, Axes]:
    """Draw ERB and spacing of the bands against the width of one FFT bin, all in Hz.

    Parameters
    ----------
    ax : Axes, optional
    config : config.FeatureConfig, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 02_gammatone_features
    """
    config = config or FeatureConfig()
    fig, ax = axes(ax)
    centres = gammatone.centre_frequencies(config.n_bands, config.f_min, config.f_max)
    width = config.sample_rate / config.n_fft
    ax.loglog(centres, gammatone.erb(centres), label="bandwidth (ERB)", color=PALETTE[0])
    ax.loglog(centres[1:], np.diff(centres), "--", label="distance to the next band",
              color=PALETTE[2])
    ax.axhline(width, color=PALETTE[1], linestyle=":", label=f"one FFT bin, {width:.0f} Hz")
    ax.set(xlabel="band centre (Hz)", ylabel="width (Hz)", title=title)
    ax.legend()
    ax.grid(alpha=0.3)
    return fig, ax


def segments(static: np.ndarray, starts: np.ndarray, kept: np.ndarray, ax: Axes | None = None,
             config: FeatureConfig | None = None,
             title: str | None = None) -> tuple[Figure, Axes]:
    """Draw a clip's bands with its segments above; dropped ones are grey and dotted.

    Parameters
    ----------
    static : np.ndarray, shape (n_bands, frames)
    starts : np.ndarray, shape (S,), frames, int
        First frame of each segment.
    kept : np.ndarray, shape (S,), bool
    ax : Axes, optional
    config : config.FeatureConfig, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 02_gammatone_features
    """
    config = config or FeatureConfig()
    fig, ax = gammatonegram(static, ax, config, title)
    hop, top = config.hop_length / config.sample_rate, len(static)
    for row, (start, keep) in enumerate(zip(starts, kept, strict=True)):
        height = top + 5 + 7 * (row % 3)
        ax.plot([start * hop, (start + config.segment_frames) * hop], [height] * 2,
                color=PALETTE[0] if keep else "0.6", linewidth=4 if keep else 2,
                linestyle="-" if keep else ":", solid_capstyle="butt")
    ax.set(ylim=(-0.5, top + 26), xlim=(0, static.shape[1] * hop))
    return fig, ax


def layer_costs(table: "pd.DataFrame", ax: Axes | None = None,
                title: str | None = None) -> tuple[Figure, Axes]:
    """Draw the share of parameters and multiply-adds by layer, in percent.

    Parameters
    ----------
    table : pd.DataFrame
        Of ``summary.layer_table``.
    ax : Axes, optional
    title : str, optional

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 04_the_model_layer_by_layer
    """
    fig, ax = axes(ax, (8, 3.5))
    columns = {"parameters": "parameters", "multiply_adds": "multiply-adds"}
    shares = table[["layer", *columns]].rename(columns=columns).melt("layer", value_name="share",
                                                                     var_name="of all")
    shares["share"] /= shares.groupby("of all")["share"].transform("sum") / 100
    shown = shares.groupby("layer")["share"].transform("max") > 0.5
    sns.barplot(shares[shown], x="layer", y="share", hue="of all", palette="colorblind", ax=ax)
    ax.set(xlabel="layer", ylabel="share (%)", title=title)
    return fig, ax


def learning_curves(runs: "list[Run] | pd.DataFrame", ax: Axes | None = None,
                    title: str | None = None, column: str = "loss") -> tuple[Figure, Axes]:
    """Draw a column of the training history by epoch, a line per experiment.

    Folds and seeds of one experiment are averaged; the band is their range.

    Parameters
    ----------
    runs : list of results.Run, or pd.DataFrame
        A DataFrame is one history.
    ax : Axes, optional
    title : str, optional
    column : str

    Returns
    -------
    fig, ax : Figure, Axes

    Notebook: 06_training_on_a_gpu
    """
    import pandas as pd

    fig, ax = axes(ax, (8, 3.5))
    if isinstance(runs, pd.DataFrame):
        table = runs.assign(experiment="this run")
    else:
        table = pd.concat([run.history.assign(experiment=run.experiment) for run in runs])
    sns.lineplot(table, x="epoch", y=column, hue="experiment", style="experiment",
                 errorbar=("pi", 100), palette="colorblind", ax=ax)
    ax.set(xlabel="epoch", ylabel=f"training {column}", title=title)
    ax.grid(alpha=0.3)
    return fig, ax


class LiveCurve:
    """A learning curve in a notebook, redrawn in place after each epoch, with the time left.

    For ``report=`` of ``loop.fit`` and ``crossval.run``; the latter passes title and epochs itself.

    Parameters
    ----------
    title : str
    epochs : int, optional
        Epochs of the whole training.

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, title: str = "", epochs: int | None = None):
        import matplotlib.pyplot as plt
        from IPython.display import DisplayHandle

        self.title, self.epochs, self.rows = title, epochs, []
        self.fig, self.ax = plt.subplots(figsize=(7, 3), layout="constrained")
        self.ax.set_title("No epoch yet; what is finished is not trained again")
        self.ax.axis("off")  # until there is something to draw
        plt.close(self.fig)  # shown by the handle, and updated in place
        self.handle = DisplayHandle()
        self.handle.display(self.fig)

    def __call__(self, row: dict) -> None:
        """Add an epoch's row of the history."""
        import pandas as pd

        if self.rows and row["epoch"] <= self.rows[-1]["epoch"]:  # the next run begins
            self.rows.clear()
        self.rows.append(row)
        epochs = row.get("epochs", self.epochs)
        left = row.get("seconds_left", ((epochs or row["epoch"]) - row["epoch"]) * row["seconds"])
        title = (f"{row.get('run', self.title)}: epoch {row['epoch']} of {epochs}, "
                 f"{row['segments_per_second']:.0f} segments/s, {left / 60:.1f} min left")
        self.ax.clear()
        learning_curves(pd.DataFrame(self.rows), self.ax, title, "loss" if "loss" in row
                        else "accuracy")
        self.ax.set_xlim(0.5, (epochs or row["epoch"]) + 0.5)
        self.ax.xaxis.get_major_locator().set_params(integer=True)
        self.ax.get_legend().remove()
        self.handle.update(self.fig)


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
