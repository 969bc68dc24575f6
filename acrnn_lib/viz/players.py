"""Sounds to play in a page, with author, licence and link.

Notebook: 01_listen_and_look
"""

from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..data.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML
CLOSED = ("NC", "Sampling+")  # licences whose sounds are credited but stay out of pages


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
