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


# the limits themselves, at both sides


def level_of(*pieces):
    level = levels.Level()
    for piece in pieces:
        level.add(np.asarray(piece, np.float32))
    return level


def square(amplitude, offset=0.0, n=2000):
    return offset + amplitude * np.sign(np.sin(np.arange(n) + 0.5))


def at_db(dbfs):
    return square(10 ** (dbfs / 20))


def test_the_level_is_half_of_the_range_of_all_pieces():
    assert level_of(square(0.5, 0.25)).dbfs == pytest.approx(20 * np.log10(0.5))
    both = level_of(np.linspace(0, 0.5, 100), np.linspace(-0.1, 0.2, 100))
    assert both.dbfs == pytest.approx(20 * np.log10(0.3)) and both.loudest == pytest.approx(0.5)
    assert level_of(-square(0.25, 0.5)).loudest == pytest.approx(0.75)
    assert levels.decibels(0) == -200 and levels.decibels(10) == pytest.approx(20)


def test_ten_milliseconds_at_both_ends_are_no_variation_unless_the_piece_is_short():
    for at in (0, 440, -441, -1):
        for n, counts in ((4 * 441, True), (4 * 441 + 1, False)):
            wave = np.full(n, 0.1)
            wave[at] = 0.5
            assert level_of(wave).dbfs == pytest.approx(20 * np.log10(0.2) if counts else -200)
            assert level_of(wave).loudest == pytest.approx(0.5)
    for at in (441, -442):
        wave = np.full(4 * 441 + 1, 0.1)
        wave[at] = 0.5
        assert level_of(wave).dbfs == pytest.approx(20 * np.log10(0.2))


@pytest.mark.parametrize("wave, gain, words", [
    (at_db(-90.1), None, "silence: nothing above -90 dB of full scale"),
    (at_db(-89.9), None, "too soft: loudest moment at -89.9 dB of full scale, expected at least "
                         "-72 dB"),
    (at_db(-72.1), None, "too soft"), (at_db(-71.9), 61.9, "raised by 62 dB: loudest moment at "
                                       "-71.9 dB of full scale, below -30.0 dB"),
    (at_db(-30.1), 20.1, "raised by 20 dB"), (at_db(-29.9), 19.9, None),
    (at_db(-10.1), 0.1, None), (at_db(-9.9), 0.0, None),
    (square(0.0019, 0.998), None, "constant: varies by -54 dB of full scale, expected at least "
                                  "-54 dB"),
    (square(0.0021, 0.998), 43.6, "raised by 44 dB"),
    (square(1e-5, 0.001), None, "constant: varies by -100 dB of full scale, expected at least "
                                "-90 dB")])
def test_what_is_done_with_a_sound_of_each_level(wave, gain, words):
    found, note = level_of(wave).judged(soft=-30.0, reference=-10.0)
    assert found is None if gain is None else found == pytest.approx(gain, abs=0.05)
    assert note is None if words is None else note.startswith(words)


def mixed(*channels):
    """Power of the mean of channels, in dB of that of unrelated ones, in two pieces."""
    sound, mix = np.stack(channels, axis=1).astype(np.float32), levels.Mixer()
    for piece in np.array_split(sound, 2):
        np.testing.assert_allclose(mix(piece), piece.mean(axis=1), atol=1e-6)
    return mix.left


def test_how_much_is_left_of_channels_in_their_mean():
    one, other = square(0.5), np.repeat([0.5, -0.5], 1000)
    other[::2] *= -1
    assert mixed(one, one) == pytest.approx(10 * np.log10(2), abs=1e-4), "related"
    assert mixed(one, one, one) == pytest.approx(10 * np.log10(3), abs=1e-4)
    assert mixed(one, 0 * one) == pytest.approx(0, abs=1e-4)
    assert mixed(one, -0.5 * one) == pytest.approx(10 * np.log10(0.25**2 * 4 / 1.25), abs=1e-4)
    assert mixed(one, -one) < -200 and mixed(0 * one, 0 * one) == 0.0


@pytest.mark.parametrize("share, alone", [(0.5, False), (0.6, True)])
def test_the_strongest_channel_is_taken_where_less_than_a_tenth_is_left(share, alone):
    one = square(0.5)  # the mean has (1 - share)^2 / (1 + share^2) of unrelated ones: -7, -9.3 dB
    share = share + 0.05 * alone  # -10.7 dB
    sound = np.stack([-share * one, one], axis=1).astype(np.float32)
    found, mix, note = levels.uncancelled(lambda mix: mix(sound))
    assert mix.channel == (1 if alone else None) and (note is not None) == alone
    np.testing.assert_allclose(found, sound[:, 1] if alone else sound.mean(axis=1))
    if alone:
        assert note == ("opposite phase: the mean of the 2 channels is -11 dB from that of "
                        "unrelated ones (limit -10 dB), so only channel 2 is used")
