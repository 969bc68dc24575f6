"""Any sound file becomes mono 44.1 kHz float32, or one error that names the file and the reason."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from acrnn_lib.data import audio, datasets


def tone(rate, seconds=1.0, channels=1, hertz=440):
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(0, 0.1, 44100).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_rate_and_channels_are_converted(tmp_path, rate, channels):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(rate, channels=channels), rate, subtype="FLOAT")
    wave = audio.read(path)
    assert wave.dtype == np.float32
    assert wave.shape == (44100,)
    middle = slice(2000, -2000)  # the resampler's filter sees silence beyond both ends
    np.testing.assert_allclose(wave[middle], tone(44100)[middle, 0], atol=2e-3)


def test_channels_are_averaged(tmp_path, noise):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([noise, 0 * noise], axis=1), 44100, subtype="FLOAT")
    np.testing.assert_allclose(audio.read(path), noise / 2, rtol=1e-6)


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff", "ogg", "mp3"])
def test_formats(tmp_path, kind):
    path = tmp_path / f"tone.{kind}"
    soundfile.write(path, tone(44100), 44100)
    wave = audio.read(path)
    assert wave.shape == (44100,)
    assert 0.3 < np.std(wave) < 0.4


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("length", [0.2, 5.0, 7.2])
def test_seconds_cut_or_pad(tmp_path, rate, length):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(rate, length), rate, subtype="FLOAT")
    wave = audio.read(path, seconds=5)
    assert wave.shape == (220500,)
    whole = audio.read(path)
    kept = min(len(whole), 220500)
    np.testing.assert_allclose(wave[:kept], whole[:kept], atol=1e-6)
    assert not wave[kept:].any()


def test_fit_works_on_the_last_axis():
    waves = np.arange(12.0).reshape(2, 6)
    np.testing.assert_array_equal(audio.fit(waves, 4), waves[:, :4])
    np.testing.assert_array_equal(audio.fit(waves, 8)[:, 6:], np.zeros((2, 2)))
    np.testing.assert_array_equal(audio.fit(waves[0], 8), [0, 1, 2, 3, 4, 5, 0, 0])


def bad_files(folder, noise):
    """A file per way to be wrong: name -> words of the error."""
    (folder / "folder.wav").mkdir()
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("no sound at all\n" * 100)
    (folder / "headerless.raw").write_bytes(bytes(4000))
    soundfile.write(folder / "no_samples.wav", noise[:0], 44100)
    for name, value in {"nan": np.nan, "inf": np.inf}.items():
        soundfile.write(folder / f"{name}.wav", np.append(noise, value), 44100, subtype="FLOAT")
    (folder / "header.wav").write_bytes((folder / "nan.wav").read_bytes()[:40])
    return {
        "missing.wav": "no such file",
        "folder.wav": "is a folder",
        "empty.wav": "is empty",
        "text.wav": "no audio",
        "headerless.raw": "no audio",
        "header.wav": "no audio",
        "no_samples.wav": "no samples",
        "nan.wav": "NaN or infinite",
        "inf.wav": "NaN or infinite",
    }


@pytest.mark.parametrize("seconds", [None, 5])
def test_bad_files_are_named_with_the_reason(tmp_path, noise, seconds):
    for name, words in bad_files(tmp_path, noise).items():
        with pytest.raises(audio.AudioError, match=words) as error:
            audio.read(tmp_path / name, seconds)
        assert str(error.value).startswith(str(tmp_path / name))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff", "ogg", "mp3"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.9, 0.99, 0.999])
def test_a_truncated_file_is_never_taken_for_a_short_one(tmp_path, noise, kind, part):
    path = tmp_path / f"cut.{kind}"
    soundfile.write(path, np.tile(noise, 3), 44100)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(audio.AudioError, match=r"truncated|no audio") as error:
        audio.read(path)
    assert str(path) in str(error.value)


def test_a_hole_in_an_ogg_file(tmp_path, noise):
    path = tmp_path / "hole.ogg"
    soundfile.write(path, np.tile(noise, 3), 44100)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(audio.AudioError, match="damaged"):
        audio.read(path)


def test_a_wav_from_a_pipe_has_no_declared_length(tmp_path, noise):
    path = tmp_path / "pipe.wav"
    soundfile.write(path, noise, 44100, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    size = content.index(b"data") + 4
    content[4:8] = content[size : size + 4] = b"\xff" * 4
    path.write_bytes(content)
    assert audio.read(path).shape == noise.shape


def test_a_start_beyond_the_end_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(44100, 0.1), 44100)
    for start, seconds in ((1.5, None), (1.5, 1.0), (2.5, None)):
        with pytest.raises(audio.AudioError, match="holds no samples"):
            audio.read(tmp_path / "a.wav", seconds, start)


def test_importing_is_light():
    code = "import sys, acrnn_lib.data.audio; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "scipy", "soundfile", "librosa", "pandas"}


def test_esc10_clips_of_any_length_become_five_seconds(esc10_root):
    paths = datasets.load("esc10", esc10_root)["path"]
    other = [path for path in paths if abs(soundfile.info(path).duration - 5) > 0.01]
    assert len(other) == (17 if paths[0].endswith(".ogg") else 0)  # ESC-50 has cut them already
    for path in [paths[0], *other]:
        wave = audio.read(path, seconds=5)
        assert wave.shape == (220500,)
        assert np.isfinite(wave).all()


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_a_part_of_a_file_equals_that_part_of_the_whole(tmp_path, rate):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 5 * rate), rate)
    whole = audio.read(path)
    part = audio.read(path, seconds=1.0, start=2.0)
    np.testing.assert_allclose(part, whole[88200:132300], atol=1e-6)
    assert audio.duration(path) == pytest.approx(5)
    assert len(audio.read(path, start=4.5)) == 22050


def test_notebook_01_tells_the_digital_silence_of_esc10(esc10_root):
    table = datasets.load("esc10", esc10_root)
    share = [np.mean(np.abs(audio.read(path, seconds=5)) < 1e-6) for path in table["path"]]
    means = (100 * pd.Series(share)).groupby(table["category"]).mean().sort_values()
    text = Path(__file__).parents[2].joinpath("notebooks/01_listen_and_look.ipynb").read_text(
        encoding="utf-8")
    for name in ("sneezing", "rooster", "dog"):
        assert f"{means.pop(name):.0f} % of a `{name}` clip" in text
    assert means.max() < 3.1 and "at most 3 % of a clip of any other class" in text
