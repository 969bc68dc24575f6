"""Your own sounds: dropped or recorded in the browser, classified by the pretrained model.

Each sound is answered with its classes, or with the reason why it cannot be used.

Notebook: 13_your_own_sounds
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from importlib.util import find_spec

import anywidget
import ipywidgets
import numpy as np
import traitlets
from matplotlib.figure import Figure

from .. import inference, viz
from ..data import audio, decoders, levels
from .explorer import FOLLOW, Explorer, picture, sound, with_cursor
from .widgets import unlike_paper

LONGEST = 30  # s of a file that are used, for a fast answer and little memory
LARGEST = 128_000_000  # bytes; ten minutes of stereo at 16 bits are 106 MB


@dataclass(frozen=True)
class Heard:
    """The classification of a sound.

    Attributes
    ----------
    name : str
        Of the file.
    seconds : float, s
        Length of the file.
    wave : np.ndarray, shape (N,), 44.1 kHz, float32
        The part that was used.
    classes : list of (str, float)
        Names and probabilities, highest first; empty where a sound cannot be judged.
    static : np.ndarray, shape (n_bands, frames)
        Log energies.
    weights : np.ndarray, shape (S, T')
        Attention of the audible segments.
    starts : np.ndarray, shape (S,), s
        Start of each segment.
    note : str
        Warnings, or "".

    Notebook: 13_your_own_sounds
    """

    name: str
    seconds: float
    wave: np.ndarray
    classes: list
    static: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    note: str


def listen(name: str, data: bytes, predictor: inference.Predictor | None = None) -> Heard:
    """Classify the first 30 s of a sound file, with the probabilities of ``Predictor.file``.

    Parameters
    ----------
    name : str
        Of the file.
    data : bytes
    predictor : inference.Predictor, optional
        By default the pretrained model.

    Returns
    -------
    Heard

    Raises
    ------
    AudioError
        For a file over 128 MB, and for one that cannot be decoded.

    Notebook: 13_your_own_sounds
    """
    if len(data) > LARGEST:
        raise audio.AudioError(f"{name}: holds {len(data) / 1e6:.0f} MB, expected at most "
                               f"{LARGEST / 1e6:.0f} MB")
    file = io.BytesIO(data)
    file.label = name
    (wave, seconds), _, note = levels.uncancelled(
        lambda mix: audio.beginning(file, LONGEST, mix))
    return hear(wave, name, seconds, predictor, note)


def hear(wave: np.ndarray, name: str = "a sound", seconds: float | None = None,
         predictor: inference.Predictor | None = None, note: str | None = None) -> Heard:
    """Classify the first 30 s of a wave.

    Parameters
    ----------
    wave : np.ndarray, shape (N,), 44.1 kHz, float32
    name : str
    seconds : float, s, optional
        Length of the whole file, by default that of the wave.
    predictor : inference.Predictor, optional
        By default the pretrained model.
    note : str, optional
        What is said of the file already.

    Returns
    -------
    Heard

    Notebook: 13_your_own_sounds
    """
    p = predictor or inference.load()
    seconds = len(wave) / audio.SAMPLE_RATE if seconds is None else seconds
    used = np.asarray(wave[: LONGEST * audio.SAMPLE_RATE], np.float32)
    found = p.predict(used)
    notes = [f"{seconds:.0f} s long: only the first {LONGEST} s were used"] * (seconds > LONGEST)
    notes += filter(None, (note, found.note))
    if found.probabilities is None:
        none = np.empty((0, 0))
        return Heard(name, seconds, used, [], none, none, none, "; ".join(notes))
    classes = [(p.classes[k], float(found.probabilities[k]))
               for k in np.argsort(-found.probabilities)]
    return Heard(name, seconds, used, classes, found.static, found.weights,
                 found.starts * p.config.hop_length / p.config.sample_rate, "; ".join(notes))


def card(name: str, data: bytes, credit: str = "",
         predictor: inference.Predictor | None = None) -> str:
    """Classification of a sound file as HTML: player, spectrogram with attention, probabilities.

    A file that cannot be used gives HTML with the reason; nothing is raised.

    Parameters
    ----------
    name : str
        Of the file.
    data : bytes
    credit : str
        HTML beside the player, such as from ``viz.credit``.
    predictor : inference.Predictor, optional
        By default the pretrained model.

    Returns
    -------
    str

    Notebook: 13_your_own_sounds
    """
    try:
        heard = listen(name, data, predictor)
    except audio.AudioError as error:
        return f"<p><b>Not heard.</b> {escape(str(error))}. Expected: a whole file of sound.</p>"
    return card_of(heard, credit)


def card_of(heard: Heard, credit: str = "", top: int = 3) -> str:
    """A classified sound as HTML, as in ``card``.

    Parameters
    ----------
    heard : Heard
    credit : str
        HTML beside the player.
    top : int
        Number of classes shown.

    Returns
    -------
    str

    Notebook: 13_your_own_sounds
    """
    title = f"<p><b>{escape(heard.name)}</b> ({heard.seconds:.1f} s) {credit}</p>"
    note = f"<p>Note: {escape(heard.note)}.</p>" if heard.note else ""
    if not heard.classes:
        return title + note
    fig = Figure(figsize=(8, 3), layout="constrained")  # of its own: a notebook would show pyplot's
    _, ax = viz.attention_map(heard.static, heard.weights, heard.starts, fig.subplots(),
                              colorbar=False)
    best, probability = heard.classes[0]
    image = picture(fig, f"Spectrogram of {heard.name} with the attention of the network over it")
    image = with_cursor(image, ax, ax.get_xlim()[1])
    rows = "".join(f'<tr><th scope="row" style="text-align:left">{escape(label)}</th>'
                   f"<td>{share:.1%}</td></tr>" for label, share in heard.classes[:top])
    return (f"{title}<div>{sound(heard.wave, attributes=FOLLOW)}<div>{image}</div></div>"
            f"<p>Classified as <b>{escape(best)}</b>, the most probable of "
            f"{len(heard.classes)} classes, with a probability of {probability:.0%}.</p>"
            f"<table><thead><tr><th>class</th><th>probability</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>{note}")


class Recorder(anywidget.AnyWidget):
    """A file picker, a drop area, and a microphone where the browser has one.

    Files arrive in parts, as notebook servers refuse large messages.

    Parameters
    ----------
    receive : callable
        Takes name and bytes of a file, returns a text to show under the buttons.
    begin : callable
        Takes the name of a file that is about to be read, or "" where it cannot be read.

    Notebook: 13_your_own_sounds
    """

    _esm = (files("acrnn_lib") / "assets" / "recorder.js").read_text(encoding="utf-8")
    largest = traitlets.Int(LARGEST).tag(sync=True)
    longest = traitlets.Int(LONGEST).tag(sync=True)
    known = traitlets.List([*decoders.SUFFIXES, *decoders.MORE_SUFFIXES * bool(find_spec("av"))]
                           ).tag(sync=True)  # what is decoded here, and not in the browser

    def __init__(self, receive: Callable[[str, bytes], str], begin: Callable[[str], None]):
        super().__init__()
        self.receive, self.begin, self.pieces = receive, begin, []
        self.on_msg(self._take)

    def _take(self, _, content, buffers):
        if "begin" in content:
            return self.begin(content["begin"])
        if content["part"] == 0:
            self.pieces = []
        self.pieces.append(bytes(buffers[0]))
        if content["part"] == content["parts"] - 1:
            data, self.pieces = b"".join(self.pieces), []
            self.send({"text": self.receive(content["name"], data)})


class OwnSounds(Explorer):
    """Drop or record a sound, or choose an example, and see its classification.

    Parameters
    ----------
    examples : dict of (bytes, str)
        Sound file and credit by label; the states of a page without a kernel.
    predictor : inference.Predictor, optional
        By default the pretrained model.

    Notebook: 13_your_own_sounds
    """

    def __init__(self, examples: dict[str, tuple[bytes, str]],
                 predictor: inference.Predictor | None = None):
        chosen = ipywidgets.Dropdown(options=list(examples), description="or try an example",
                                     layout={"width": "40em", "max_width": "100%"})

        def draw(example):
            return card(example, *examples[example], predictor)

        states = [{"example": label} for label in examples]
        self.predictor = predictor or inference.load()
        made = inference.load_model(self.predictor.path)[-1]["experiment"]
        super().__init__(draw, {"example": chosen}, states, "Sounds to try",
                         unlike=lambda **_: unlike_paper(made["name"]))
        self.recorder = Recorder(self.hear, self.wait)
        self.children = (self.recorder, *self.children)

    def wait(self, name: str) -> None:
        """Take the old answer away, as soon as a sound is chosen or a recording begins.

        Parameters
        ----------
        name : str
            Of the sound; "" where it turned out to be unusable.
        """
        self.view.value = f'<p aria-busy="true">Waiting for {escape(name)} ...</p>' if name else ""

    def hear(self, name: str, data: bytes) -> str:
        """Show the classification of a sound file.

        Parameters
        ----------
        name : str
            Of the file.
        data : bytes

        Returns
        -------
        str
            Text for the recorder.
        """
        self.view.value = self.compared() + card(name, data, predictor=self.predictor)
        return f"{name}: see the answer below."
