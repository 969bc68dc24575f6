"""Own sounds: every kind of file gets one plain answer, in bounded time, and names stay names."""

import functools
import io
import re

import ipywidgets
import matplotlib.pyplot
import numpy as np
import pytest
import soundfile

from acrnn_lib import inference
from acrnn_lib.data import audio, synth
from acrnn_lib.viz import widgets_sounds
from acrnn_lib.viz.widgets_sounds import card, listen

matplotlib.use("Agg")
NAME = "<script>alert(1)</script>.wav"
wav = functools.partial(audio.encoded, form="WAV")
HUM = (0.3 * np.sign(np.sin(2 * np.pi * 50 * np.arange(5 * 44100) / 44100))).astype(np.float32)
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(5 * 44100) / 44100)).astype(np.float32)


@pytest.fixture(scope="module")
def predictor():
    return inference.Predictor()


def reason(data, name="a.wav"):
    """The sentence that stands in place of an answer."""
    html = card(name, data)
    assert html.startswith("<p><b>Not heard.</b>") and html.count("<") == 4, html
    assert "Traceback" not in html and "/sound" not in html and "/tmp" not in html
    return html


@pytest.mark.parametrize("majority", [False, True])
@pytest.mark.parametrize("seconds", [0.2, 5, 14.3])
def test_the_answer_is_that_of_predict(tmp_path, predictor, monkeypatch, seconds, majority):
    monkeypatch.setattr(predictor, "majority", majority)
    wave = np.resize(synth.render(synth.plan().clip_id[41])[0], int(seconds * 44100))
    data = wav(wave)
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    expected = predictor.file(path, top=10)
    heard = listen("a.wav", data, predictor)
    assert [name for name, _ in heard.classes] == [row["name"] for row in expected["classes"]]
    assert [chance for _, chance in heard.classes] == pytest.approx(
        [row["probability"] for row in expected["classes"]], abs=1e-5)
    assert heard.seconds == pytest.approx(seconds, abs=1e-3)
    assert len(heard.weights) == len(heard.starts) > 0
    assert ("shorter" in heard.note) == (seconds < 1.4)


def test_a_sound_gets_player_picture_and_three_probabilities():
    matplotlib.pyplot.close("all")
    html = card("kettle.wav", wav(HUM), "made <i>here</i>")
    assert not matplotlib.pyplot.get_fignums(), "a notebook would show the picture twice"
    assert html.count("<audio") == 1 and html.count('<th scope="row"') == 3
    assert re.search(r'<img[^>]* alt="[^"]{20,}"', html)
    assert "kettle.wav" in html and "made <i>here</i>" in html
    assert "<p>Note: unlike the training sounds: distance" in html and html.count("Note") == 1
    assert not re.search(r'(src|href)="(?!data:)', html), "nothing from elsewhere"


def test_a_line_follows_the_player_over_the_picture(predictor):
    html = card("tone.wav", wav(TONE), predictor=predictor)
    start, span, seconds = (float(re.search(rf'data-{name}="([\d.]+)"', html)[1])
                            for name in ("start", "span", "seconds"))
    assert 0 < start < 20 < 70 < span < 100 - start
    assert seconds == pytest.approx(5, abs=0.02)
    # the script looks for the line in the player's parent
    player = r'<div><audio controls onplay="[^"]+" onseeked="[^"]+" src="[^"]+"></audio>'
    assert re.search(player + r'<div><div style="position:relative[^>]*><img [^>]*><div class="cur',
                     html)


@pytest.mark.parametrize("level", [0, 1e-5])
def test_silence_gets_no_name(level):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(3 * 44100, float(level)), 44100, format="WAV", subtype="FLOAT")
    html = card("off.wav", buffer.getvalue())
    assert "silence" in html and "<img" not in html and "Classified as" not in html


def test_a_fifth_of_a_second_is_named_with_a_warning():
    html = card("short.wav", wav(TONE[:8820]))
    assert "Classified as" in html and "shorter than a segment" in html and "(0.2 s)" in html


def test_of_ten_minutes_the_first_half_minute_is_used():
    rate = 8000
    wave = np.zeros(600 * rate)
    wave[: 30 * rate] = np.resize(TONE, 30 * rate)
    wave[31 * rate :] = 0.9  # what lies behind is decoded, so that damage is found, and not used
    data = wav(wave, rate)
    heard = listen("ten.wav", data)
    assert len(heard.wave) == 30 * 44100 and heard.seconds == 600
    assert np.abs(heard.wave).max() < 0.9
    assert "truncated" in card("ten.wav", data[:-1000])
    assert heard.static.shape[1] < 30 * 44100 / 512 + 2
    assert "600 s long: only the first 30 s were used" in heard.note
    assert "first 30 s" in card("ten.wav", data)


def test_too_large_a_file_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(widgets_sounds, "LARGEST", 1_000_000)
    monkeypatch.setattr(widgets_sounds.audio, "beginning", None)
    assert "holds 2 MB, expected at most 1 MB" in reason(bytes(2_000_000))


@pytest.mark.parametrize(("data", "said"), [
    (b"Dear diary", "no audio that can be decoded"), (b"", "is empty (0 bytes)"),
    (np.random.default_rng(0).bytes(5000), "no audio that can be decoded"),
    (wav(TONE)[:-9000], "truncated"), (wav(TONE[:0]), "no samples"),
])
def test_what_is_no_sound_gets_a_sentence(data, said):
    html = reason(data)
    assert said in html and "a.wav" in html and "Expected: a whole file" in html


def test_samples_that_are_not_finite_get_a_sentence():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.where(np.arange(44100) == 7, np.nan, TONE[:44100]), 44100,
                    format="WAV", subtype="FLOAT")
    assert "NaN" in reason(buffer.getvalue())


@pytest.mark.parametrize("name", ["noise.raw", "../../escape.wav", "a\0b.wav", "", "é" * 300])
def test_any_name_is_only_a_name(name):
    assert "Classified as" in card(name, wav(TONE))
    assert "no audio" in card(name, b"nothing")


@pytest.mark.parametrize("data", [wav(TONE), wav(0 * TONE), b"no sound"])
def test_names_are_shown_and_not_run(data):
    html = card(NAME, data)
    assert "<script" not in html and "&lt;script&gt;" in html


@pytest.fixture
def own():
    return widgets_sounds.OwnSounds({"tone": (wav(TONE), "by <b>me</b>"),
                                     NAME: (wav(0 * TONE), "")})


def test_examples_are_states_of_a_page(own):
    assert "Classified as" in own.view.value
    own.controls["example"].value = NAME
    assert "silence" in own.view.value
    page = own.page()
    assert page.count("data-state=") == 2 and "<script" not in page and "by <b>me</b>" in page
    assert "text/html" in own._repr_mimebundle_()


def test_a_file_comes_in_pieces_from_the_browser(own, monkeypatch):
    data, said = wav(TONE[:44100]), []
    monkeypatch.setattr(own.recorder, "send", said.append)
    pieces = [data[:50000], data[50000:]]
    send = own.recorder._handle_custom_msg
    for turn in ("mine.wav", "again.wav"):  # nothing of the first file is left for the second
        for k, piece in enumerate(pieces):
            assert turn not in own.view.value
            send({"name": turn, "part": k, "parts": 2}, [memoryview(piece)])
        assert turn in own.view.value and "(1.0 s)" in own.view.value
    send({"name": NAME, "part": 0, "parts": 1}, [memoryview(b"?")])
    assert "Not heard" in own.view.value and "<script" not in own.view.value
    assert [message["text"].split(":")[0] for message in said] == ["mine.wav", "again.wav", NAME]


def test_a_half_sent_file_does_not_spoil_the_next(own):
    own.recorder._take(None, {"name": "a", "part": 0, "parts": 2}, [b"RIFF"])
    own.recorder._take(None, {"name": "b", "part": 0, "parts": 1}, [wav(TONE)])
    assert "Classified as" in own.view.value


def test_the_browser_gets_the_limits_and_a_script_that_needs_nothing_else(own):
    state = own.recorder.get_state()
    assert (state["largest"], state["longest"]) == (128_000_000, 30)
    assert not re.search(r"https?:|\bimport\b", state["_esm"])
    assert "innerHTML" not in state["_esm"], "a file's name is text"
    assert isinstance(own.children[0], ipywidgets.DOMWidget)


def test_an_old_answer_goes_as_soon_as_a_new_sound_is_chosen(own, monkeypatch):
    monkeypatch.setattr(own.recorder, "send", lambda message: None)
    send = own.recorder._handle_custom_msg
    assert "<img" in own.view.value
    send({"begin": NAME}, [])
    assert "<img" not in own.view.value and "<audio" not in own.view.value
    assert "Waiting for &lt;script" in own.view.value and "<script" not in own.view.value
    send({"name": "mine.wav", "part": 0, "parts": 1}, [memoryview(wav(TONE))])
    assert "<img" in own.view.value and "Waiting" not in own.view.value
    send({"begin": ""}, [])
    assert own.view.value == "", "a sound that cannot be read has no answer"


def test_it_says_that_the_network_is_not_the_papers(own):
    told = "Compared with the paper: <b>acrnn-plus: "
    assert told in own.view.value
    own.hear("mine.wav", wav(TONE))
    assert told in own.view.value
