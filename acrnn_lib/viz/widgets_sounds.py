"""Your own sounds: dropped or recorded in the browser, heard by the network that comes along.

Whatever arrives gets one plain answer: what it is, or in a sentence why it cannot be used.

Notebook: 13_your_own_sounds
"""

import io
from dataclasses import dataclass
from html import escape
from importlib.resources import files

import anywidget
import ipywidgets
import numpy as np
import soundfile
import traitlets

from .. import inference, viz
from ..data import audio
from .widgets import Explorer, picture, sound

LONGEST = 30  # s of a file that are used: the answer comes at once, memory stays small
LARGEST = 128_000_000  # bytes; ten minutes of stereo at 16 bits are 106 MB


@dataclass(frozen=True)
class Heard:
    """What the network made of a sound.

    seconds : length of the file, s; wave : (N,) float32 at 44.1 kHz, what was used of it
    classes : [(name, chance)], best first, none for silence
    static : (bands, frames) log energies; weights : (S, T') attention of the audible segments;
    starts : (S,) s, where these begin; note : what has to be said about it, or ""

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


def listen(name, data, predictor=None):
    """Classify a sound file with a trained network; at most its first 30 s.

    name : of the file; data : its bytes; predictor : by default the pretrained model. Returns a
    `Heard`, with the probabilities of ``inference.Predictor.file``. Raises AudioError, which names
    the file, for what cannot be decoded. Notebook: 13_your_own_sounds
    """
    if len(data) > LARGEST:
        raise audio.AudioError(f"{name}: holds {len(data) / 1e6:.0f} MB, expected at most "
                               f"{LARGEST / 1e6:.0f} MB")
    file = io.BytesIO(data)
    file.label = name
    seconds = audio.duration(file)
    wave = audio.read(file, LONGEST if seconds > LONGEST else None)
    return hear(wave, name, seconds, predictor)


def hear(wave, name="a sound", seconds=None, predictor=None):
    """Like `listen`, for a wave (N,) float32 at 44.1 kHz. Notebook: 13_your_own_sounds"""
    p = predictor or inference.load()
    seconds = len(wave) / audio.SAMPLE_RATE if seconds is None else seconds
    used = np.asarray(wave[: LONGEST * audio.SAMPLE_RATE], np.float32)
    found = p.predict(used)
    notes = [f"{seconds:.0f} s long: only the first {LONGEST} s were used"] * (seconds > LONGEST)
    notes += [found.note] if found.note else []
    if found.probabilities is None:
        none = np.empty((0, 0))
        return Heard(name, seconds, used, [], none, none, none, "; ".join(notes))
    classes = [(p.classes[k], float(found.probabilities[k]))
               for k in np.argsort(-found.probabilities)]
    return Heard(name, seconds, used, classes, found.static, found.weights,
                 found.starts * p.config.hop_length / p.config.sample_rate, "; ".join(notes))


def as_file(wave, rate=audio.SAMPLE_RATE):
    """A wave (N,) as the bytes of a WAV file of 16 bits. Notebook: 13_your_own_sounds"""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def card(name, data, credit="", predictor=None):
    """The answer to a sound file as HTML: player, picture with attention, chances, what to know.

    credit : HTML beside the player (``viz.credit``). What cannot be used gets its reason in a
    sentence; nothing is raised for it. Notebook: 13_your_own_sounds
    """
    try:
        heard = listen(name, data, predictor)
    except audio.AudioError as error:
        return (f"<p><b>Not heard.</b> {escape(str(error))}. Expected: a whole file of sound, as "
                "WAV, FLAC, Ogg, MP3 or AIFF.</p>")
    return card_of(heard, credit)


def card_of(heard, credit="", top=3):
    """The same for a sound that was heard already. Notebook: 13_your_own_sounds"""
    title = f"<p><b>{escape(heard.name)}</b> ({heard.seconds:.1f} s) {credit}</p>"
    note = f"<p>Note: {escape(heard.note)}.</p>" if heard.note else ""
    if not heard.classes:
        return title + note
    fig, _ = viz.attention_map(heard.static, heard.weights, heard.starts, colorbar=False)
    best, chance = heard.classes[0]
    image = picture(fig, f"Spectrogram of {heard.name} with the attention of the network over it")
    rows = "".join(f'<tr><th scope="row" style="text-align:left">{escape(label)}</th>'
                   f"<td>{share:.1%}</td></tr>" for label, share in heard.classes[:top])
    return (f"{title}<div>{sound(heard.wave)}</div>{image}<p>Of the {len(heard.classes)} names "
            f"that it knows, <b>{escape(best)}</b> fits best, with {chance:.0%}.</p>"
            f"<table><thead><tr><th>name</th><th>chance</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>{note}")


class Recorder(anywidget.AnyWidget):
    """A file picker, a place to drop a file, and a microphone where the browser has one.

    receive : function of (name, bytes); its return, a text, is shown under the buttons. Files
    come in pieces, as servers of notebooks refuse large messages. Notebook: 13_your_own_sounds
    """

    _esm = (files("acrnn_lib") / "assets" / "recorder.js").read_text(encoding="utf-8")
    largest = traitlets.Int(LARGEST).tag(sync=True)
    longest = traitlets.Int(LONGEST).tag(sync=True)

    def __init__(self, receive):
        super().__init__()
        self.receive, self.pieces = receive, []
        self.on_msg(self._take)

    def _take(self, _, content, buffers):
        if content["part"] == 0:
            self.pieces = []
        self.pieces.append(bytes(buffers[0]))
        if content["part"] == content["parts"] - 1:
            data, self.pieces = b"".join(self.pieces), []
            self.send({"text": self.receive(content["name"], data)})


class OwnSounds(Explorer):
    """Drop or record a sound, or choose an example, and see what the network makes of it.

    examples : {label: (bytes of a sound file, credit)}; on a page, where no kernel runs, these
    are the states. predictor : by default the network that comes along.
    Notebook: 13_your_own_sounds
    """

    def __init__(self, examples, predictor=None):
        chosen = ipywidgets.Dropdown(options=list(examples), description="or try",
                                     layout={"width": "28em"})

        def draw(example):
            return card(example, *examples[example], predictor)

        states = [{"example": label} for label in examples]
        super().__init__(draw, {"example": chosen}, states, "Sounds to try")
        self.predictor = predictor
        self.recorder = Recorder(self.hear)
        self.children = (self.recorder, *self.children)

    def hear(self, name, data):
        """Show the answer to a sound file; returns what to say when it is there."""
        self.view.value = card(name, data, predictor=self.predictor)
        return f"{name}: see the answer below."
