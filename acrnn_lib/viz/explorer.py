"""What every explorer is made of: controls above a drawing, and the static page of its states.

In JupyterLab an explorer is live. In the book, where no kernel runs, the same object shows a
self-contained block that steps through pre-rendered states.

Notebook: 02_gammatone_features, 03_augmentation
"""

import base64
import io
import os
import re
from collections.abc import Callable
from html import escape

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from ..data.audio import SAMPLE_RATE, encoded

STATES = 30  # at most in a page
SLIDERS = ipywidgets.SelectionSlider, ipywidgets.FloatSlider, ipywidgets.IntSlider
SLIDER = {"width": "640px", "max_width": "100%"}  # with label and number; the track alone has 300
PAGE_SLIDER = "width:480px;max-width:100%;vertical-align:middle"
DPI = 80
WEBP = {"format": "webp", "pil_kwargs": {"method": 1}}  # 4, the default, takes twice as long
# fixed margins: computing a layout takes longer than the drawing itself
MARGINS = {"left": 0.065, "right": 0.985, "bottom": 0.17, "top": 0.9}
# moves the line over the picture with the sound: a frame of the screen at a time while it plays
CURSOR = ("const a = this, line = a.parentNode.querySelector('.cursor'), at = line.dataset;"
          "(function move() {line.style.left = (+at.start + at.span * a.currentTime / at.seconds)"
          " + '%';if (!a.paused) requestAnimationFrame(move)})()")
FOLLOW = f'onplay="{escape(CURSOR)}" onseeked="{escape(CURSOR)}"'  # attributes of such a player
STEP = ("const box = this.closest('.explorer'), all = box.querySelectorAll('[data-state]');"
        "box.querySelectorAll('audio').forEach(sound => sound.pause());"
        "all.forEach((part, k) => {part.hidden = k != this.value});"
        "box.querySelector('output').textContent = all[this.value].dataset.state")


class Explorer(ipywidgets.VBox):
    """Controls above a drawing that follows them; in a static page, states to step through.

    Parameters
    ----------
    draw : callable
        Takes the controls' values by name, returns HTML.
    controls : dict of ipywidgets.Widget
        By name; each has a ``value``.
    states : list of dict, 1 to 30
        Values by name, pre-rendered for pages; names left out have their first value.
    title : str
        What is explored, for screen readers.
    say : callable, optional
        Name of a state in a page, by default the labels and values of its controls.
    unlike : callable, optional
        Takes the controls' values by name, returns a list of texts: what of them differs from the
        paper. Shown above the drawing.

    Raises
    ------
    ValueError
        For too few or too many states.

    Notebook: 02_gammatone_features, 03_augmentation
    """

    def __init__(self, draw: Callable[..., str], controls: dict[str, ipywidgets.Widget],
                 states: list[dict], title: str, say: Callable[[dict], str] | None = None,
                 unlike: Callable[..., list[str]] | None = None):
        if not 0 < len(states) <= STATES:
            raise ValueError(f"states: found {len(states)}, expected 1 to {STATES}")
        self._draw, self._unlike = draw, unlike
        self.controls, self.states, self.title = controls, states, title
        self.start, self.say = self.values(), say or self._say
        for control in controls.values():
            control.style.description_width = "initial"  # else labels beyond 80 px are cut off
            if isinstance(control, SLIDERS):
                control.layout = SLIDER
            elif not control.layout.width:
                control.layout = {"width": "max-content", "max_width": "100%"}
        self.view = ipywidgets.HTML()
        super().__init__([ipywidgets.HBox(list(controls.values()),
                                          layout={"flex_flow": "row wrap"}), self.view])
        for control in controls.values():
            control.observe(self.update, "value")
        self.update()

    def values(self) -> dict:
        """The controls' values by name."""
        return {name: control.value for name, control in self.controls.items()}

    def draw(self, **values: object) -> str:
        """HTML for values of the controls, with what of them differs from the paper."""
        return self.compared(**values) + self._draw(**values)

    def compared(self, **values: object) -> str:
        """What differs from the paper, as HTML; empty where nothing can."""
        if not self._unlike:
            return ""
        found = "; ".join(self._unlike(**values)) or "no known difference"
        return f'<p class="unlike">Compared with the paper: <b>{escape(found)}</b>.</p>'

    def update(self, _=None) -> None:
        """Draw the present values; called whenever a control changes.

        Until then an old picture with its sound is grey, and the sound ends.
        """
        if "<audio" in self.view.value:
            self.view.value = waiting(self.view.value)
        self.view.value = self.draw(**self.values())

    def page(self) -> str:
        """The states as one block of HTML that needs no kernel and no external script."""
        parts = []
        for k, state in enumerate(self.states):
            parts.append(f'<div data-state="{escape(self.say(state))}"{" hidden" if k else ""}>'
                         f"{self.draw(**{**self.start, **state})}</div>")
        first = self.say(self.states[0])
        return (f'<div class="explorer"><label>{escape(self.title)}: <input type="range" min="0" '
                f'max="{len(parts) - 1}" value="0" aria-label="{escape(self.title)}" '
                f'style="{PAGE_SLIDER}" oninput="{escape(STEP)}"></label> '
                f"<output>{escape(first)}</output>"
                f"{''.join(parts)}</div>")

    def _say(self, state):
        return ", ".join(f"{self.controls[name].description}: {value}"
                         for name, value in state.items())

    def _repr_mimebundle_(self, **kwargs):
        live = super()._repr_mimebundle_(**kwargs)
        if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
            return live  # an app always has a kernel
        return live | {"text/html": self.page()}


def waiting(html: str) -> str:
    """An explorer's old view in grey and without its sounds, while the next one is computed.

    A player that leaves the page stops playing.
    """
    silent = re.sub(r"<audio[^>]*>", "<audio controls>", html)
    return f'<div aria-busy="true" style="opacity:0.3">{silent}</div>'


class Sheet:
    """A figure for many drawings, whose axes, the slowest part, are rendered once.

    Parameters
    ----------
    size : tuple of float, inches
        Width and height.
    rows, columns : int
    **options
        Of ``Figure.subplots``.

    Notebook: 02_gammatone_features, 03_augmentation
    """

    def __init__(self, size: tuple[float, float], rows: int, columns: int, **options):
        self.fig, self.kept = Figure(figsize=size, dpi=DPI), None
        self.canvas = FigureCanvasAgg(self.fig)
        self.axes = self.fig.subplots(rows, columns, squeeze=False, **options).ravel()

    def blank(self) -> np.ndarray:
        """Its axes (rows x columns,), without what was drawn on them."""
        for artist in self._drawn():
            artist.remove()
        for ax in self.fig.axes:
            ax.set_prop_cycle(None)
        return self.axes

    def _drawn(self):
        return [artist for ax in self.fig.axes for artist in [*ax.images, *ax.patches, *ax.lines]]

    def picture(self, alt: str, also: tuple = ()) -> str:
        """The drawing and the titles over the axes as first rendered, as an HTML image.

        Parameters
        ----------
        alt : str
            Alternative text.
        also : sequence of matplotlib.artist.Artist
            Further parts to render again, such as an axis whose ticks have changed.

        Returns
        -------
        str
        """
        for ax in self.fig.axes:
            ax.set_title(ax.get_title(), y=1.0)  # else it is placed while it is hidden: outside
        moving = [*self._drawn(), *(ax.title for ax in self.fig.axes), *also]
        if self.kept is None:
            for artist in moving:
                artist.set_visible(False)
            self.canvas.draw()
            self.kept = self.canvas.copy_from_bbox(self.fig.bbox)
            for artist in moving:
                artist.set_visible(True)
        self.canvas.restore_region(self.kept)
        frames = [spine for ax in self.fig.axes for spine in ax.spines.values()]
        for artist in [*moving, *frames]:
            self.fig.draw_artist(artist)
        buffer = io.BytesIO()
        imsave(buffer, np.asarray(self.canvas.buffer_rgba()), **WEBP)
        return _image(buffer, alt)


def picture(fig: Figure, alt: str) -> str:
    """A figure as an HTML image.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    alt : str
        Alternative text.

    Returns
    -------
    str
    """
    buffer = io.BytesIO()
    fig.savefig(buffer, dpi=DPI, **WEBP)
    return _image(buffer, alt)


def with_cursor(image: str, ax: Axes, seconds: float) -> str:
    """An image with a line over it that follows a player with the attributes ``FOLLOW``.

    Player and image must lie in one HTML element.

    Parameters
    ----------
    image : str
        HTML of a rendered figure.
    ax : matplotlib.axes.Axes
        Axes of that figure, from 0 to ``seconds``.
    seconds : float, s

    Returns
    -------
    str

    Notebook: 09_seeing_attention
    """
    box = ax.get_position()
    line = (f'<div class="cursor" data-start="{100 * box.x0:.2f}" '
            f'data-span="{100 * box.width:.2f}" data-seconds="{seconds:.3f}" style="'
            f'position:absolute;top:0;bottom:0;left:{100 * box.x0:.2f}%;width:2px;'
            'background:#d55e00"></div>')
    return f'<div style="position:relative;display:inline-block">{image}{line}</div>'


def _image(buffer, alt):
    data = base64.b64encode(buffer.getvalue()).decode()
    return (f'<img style="max-width:100%" alt="{escape(alt)}" '
            f'src="data:image/webp;base64,{data}">')


def sound(wave: np.ndarray, rate: int = 22050, attributes: str = "") -> str:
    """A sound as an HTML player, in FLAC.

    Parameters
    ----------
    wave : np.ndarray, shape (N,), 44.1 kHz, float32
    rate : int, Hz
        Sampling rate of the embedded copy.
    attributes : str
        More HTML attributes of the player.

    Returns
    -------
    str
    """
    from scipy.signal import resample_poly

    small = np.clip(resample_poly(wave, rate, SAMPLE_RATE), -1, 1)
    data = base64.b64encode(encoded(small, rate)).decode()
    return f'<audio controls {attributes} src="data:audio/flac;base64,{data}"></audio>'
