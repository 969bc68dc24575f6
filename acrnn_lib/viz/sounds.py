"""Figures of sounds and of features: waveforms, spectrograms, filters, segments.

Every figure takes ``ax`` (a new figure without it) and returns (fig, ax); times are in seconds,
frequencies in Hz; colour maps are readable without colour vision and in grey.

Notebook: 01_listen_and_look, 01b_samples_to_spectra, 02_gammatone_features, 03_augmentation
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

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

    pass
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
