"""Sounds that cannot be judged: each gets a sentence with what was measured, and no class."""

import io
import json

import numpy as np
import pytest
import soundfile

from acrnn_lib import inference
from acrnn_lib.commands import main
from acrnn_lib.data import audio, datasets, levels
from acrnn_lib.viz.widgets_sounds import card, listen

RATE = 44100
T = np.arange(3 * RATE) / RATE
TONE = 0.3 * np.sin(2 * np.pi * 440 * T)
HISS = 0.01 * np.random.default_rng(0).standard_normal((len(T), 2))


def wav(wave, rate=RATE, subtype="PCM_16"):
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the command, as text and as JSON, and the app say of a file's bytes, and its classes."""
    folder = tmp_path_factory.mktemp("sounds")

    def said(data, capsys):
        path = folder / "sound.wav"
        path.write_bytes(data)
        assert main(["predict", str(path), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["files"][0]
        assert main(["predict", str(path)]) == 0
        text, html = capsys.readouterr().out, card("sound.wav", data)
        classes = {row["name"] for row in found["classes"]}
        assert ("%" in text) == bool(classes) == ("Classified as" in html)
        assert (found["note"] is None) == ("note:" not in text) == ("Note:" not in html)
        if found["note"]:
            assert found["note"] in text and found["note"] in html
        return found["note"], classes
    return said


NOT_JUDGED = {
    "digital zeros": (wav(np.zeros(2 * RATE)), "silence: nothing above -90 dB"),
    "rounding noise": (wav(1e-5 * TONE, subtype="FLOAT"), "silence"),
    "constant": (wav(np.full(2 * RATE, 0.5)), "constant: varies by -200 dB"),
    "constant, resampled": (wav(np.full(16000, 0.5), 8000), "constant: varies by"),
    "constant, lower rate": (wav(np.full(32000, -0.1), 16000), "constant: varies by"),
    "too soft": (wav(4e-4 * TONE), "too soft: loudest moment at -79.4 dB of full scale, expected"),
    "silence in opposite phase": (wav(np.stack([1e-6 * TONE, -1e-6 * TONE], 1), subtype="FLOAT"),
                                  "opposite phase"),
}


@pytest.mark.parametrize("name", NOT_JUDGED)
def test_what_cannot_be_judged_gets_a_note_and_no_class(name, said, capsys):
    data, words = NOT_JUDGED[name]
    note, classes = said(data, capsys)
    assert words in note and not classes
    assert "dB" in note


@pytest.mark.parametrize("hiss", [0, 1])
def test_channels_that_cancel_are_not_averaged(said, capsys, hiss):
    crossed = wav(np.stack([0.8 * TONE, -TONE], axis=1) + hiss * HISS)
    note, classes = said(crossed, capsys)
    assert "opposite phase" in note and "channel 2 is used" in note and classes
    alone = inference.predict(-TONE + hiss * HISS[:, 1])
    found = listen("a.wav", crossed)
    best = inference.load().classes[alone.probabilities.argmax()]
    assert dict(found.classes)[best] == pytest.approx(alone.probabilities.max(), abs=0.01)


@pytest.mark.parametrize("wave", [
    np.stack([TONE, TONE], axis=1), np.stack([TONE, 0 * TONE], axis=1), HISS,
    np.stack([TONE, *[0 * TONE] * 5], axis=1)])
def test_other_channels_are_averaged_without_a_note(wave):
    read, mix, note = levels.uncancelled(lambda mix: audio.beginning(io.BytesIO(wav(wave)), 9, mix))
    assert mix.channel is None and note is None
    np.testing.assert_allclose(read[0], wave.mean(axis=1), atol=1e-4)


@pytest.fixture(scope="module")
def barks():
    clips = datasets.load("clips")
    return {name: audio.read(path) for name, path in zip(clips.clip_id, clips.path, strict=True)}


def test_a_clip_above_the_reference_level_is_classified_as_it_is(barks):
    predictor, loud = inference.load(), 0
    for wave in barks.values():
        level = levels.Level()
        level.add(wave)
        found = predictor.predict(wave)
        assert "raised" not in (found.note or "")  # no clip of ESC-10 gets the note
        if level.dbfs >= predictor.limits.reference_dbfs:
            loud += 1
            probabilities = predictor._block(wave)[1]
            assert all(any(np.array_equal(row, other) for other in probabilities)
                       for row in found.segments)
    assert loud >= 3


@pytest.mark.parametrize("change", [-6, -12, -20])
def test_the_level_of_a_recording_does_not_change_its_answer(barks, change):
    for wave in list(barks.values())[::6]:
        level = levels.Level()
        level.add(wave)
        reference = inference.load().limits.reference_dbfs
        wave = (wave * 10 ** ((reference - level.dbfs) / 20)).astype(np.float32)
        found = inference.predict((wave * 10 ** (change / 20)).astype(np.float32)).probabilities
        np.testing.assert_allclose(found, inference.predict(wave).probabilities, atol=1e-3)


@pytest.mark.parametrize("change", [-40, -50])
def test_a_soft_recording_is_raised_and_keeps_its_class(barks, change):
    same = 0
    for wave in list(barks.values())[::3]:
        soft = np.round(wave * 10 ** (change / 20) * 32768) / 32768  # as 16 bits hold it
        level = levels.Level()
        level.add(soft)
        found = inference.predict(soft)
        assert f"loudest moment at {level.dbfs:.1f} dB" in found.note and "raised by" in found.note
        same += found.probabilities.argmax() == inference.predict(wave).probabilities.argmax()
    assert same >= 6


def test_a_long_file_is_raised_as_a_whole(tmp_path, barks, monkeypatch):
    wave = np.concatenate(list(barks.values())[:3]) * 0.01
    soundfile.write(tmp_path / "long.wav", wave, RATE, subtype="FLOAT")
    whole = inference.predict(tmp_path / "long.wav")
    monkeypatch.setattr(inference, "BLOCK_SEGMENTS", 3)
    parts = inference.predict(tmp_path / "long.wav")
    assert "raised by" in whole.note and whole.note.split(";")[0] == parts.note.split(";")[0]
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=0.01)


def test_a_network_without_limits_raises_nothing():
    level = levels.Level()
    level.add((0.01 * TONE).astype(np.float32))
    assert level.judged() == (0.0, None)
    gain, note = level.judged(-24.0, -2.0)
    assert gain == pytest.approx(20 * np.log10(10 ** (-2 / 20) / 0.003), abs=0.01)
    assert note == (f"raised by {gain:.0f} dB: loudest moment at -50.5 dB of full scale, below "
                    "-24.0 dB")
    assert level.judged(-60.0, -2.0) == (gain, None)  # raised, but not so soft as to say so
