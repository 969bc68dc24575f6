"""Any sound file becomes mono 44.1 kHz float32, or one error that names the file and the reason."""

import io
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from acrnn_lib.data import audio, datasets, decoders
from tests.data import encoders

needs_av = pytest.mark.skipif(not find_spec("av"), reason=encoders.missing("av") or "")


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


def sound(data, label="sound"):
    file = io.BytesIO(bytes(data))
    file.label = label
    return file


@pytest.mark.parametrize("given", encoders.ALL, ids=lambda given: "-".join(
    str(word) for part in given for word in (part if isinstance(part, list) else [part])))
def test_intact_files_of_many_encoders_are_read_to_their_end(tmp_path, given):
    if missing := encoders.missing(given[0]):
        pytest.skip(missing)
    file = sound(encoders.made(tmp_path, *given))
    wave, seconds = audio.beginning(file, 30)
    assert encoders.SECONDS - 0.1 < seconds < encoders.SECONDS + 0.15, "with the encoder's delay"
    assert audio.duration(file) == pytest.approx(seconds, abs=0.1)
    assert len(wave) == pytest.approx(44100 * seconds, abs=1) and 0.1 < wave.std() < 0.25


def test_a_hundred_intact_files_of_three_encoders_at_least():
    assert len(encoders.ALL) >= 100 and len({given[0] for given in encoders.ALL}) >= 3


def mp3(**options):
    return encoders.by_soundfile("MP3", **options)


VBR = {"bitrate_mode": "VARIABLE", "compression_level": 0.5}


def without_xing(data):
    """An MP3 without its first frame, which states the length."""
    return data[data.index(data[:2], 4) :]


def flac(stated=None, samples=57330, rate=44100):
    """A FLAC of so many samples; its header may state another number."""
    data = bytearray(encoders.by_soundfile("FLAC", rate=rate, seconds=samples / rate))
    if stated is not None:
        data[21], data[22:26] = data[21] & 0xF0, stated.to_bytes(4, "big")
    return data


def wav(stated, riff=None):
    """A WAV whose data chunk states another length, in bytes."""
    data = bytearray(encoders.by_soundfile("WAV"))
    at = data.index(b"data") + 4
    data[at : at + 4] = stated.to_bytes(4, "little")
    data[4:8] = data[4:8] if riff is None else riff.to_bytes(4, "little")
    return data


UNSTATED = {  # kind: (bytes, seconds)
    "constant bitrate without Xing": (lambda: without_xing(mp3()), 1.3),
    "variable bitrate without Xing": (lambda: without_xing(mp3(seconds=5, **VBR)), 5),
    "MP3 after zeros": (lambda: bytes(4096) + mp3(), 1.3),
    "MP3 after a tag": (lambda: b"ID3\3\0\0\0\0\x27\x10" + bytes(5008) + mp3(), 1.3),
    "MP3 with a picture behind it": (lambda: mp3() + b"APETAGEX" + bytes(20000), 1.3),
    "two MP3": (lambda: 2 * mp3(), 2.6),
    "two MP3 without Xing": (lambda: 2 * without_xing(mp3(**VBR)), 2.6),
    "mono and stereo MP3": (lambda: without_xing(mp3()) + mp3(channels=2), 2.6),
    "two MP3 with tags": (lambda: mp3() + b"TAG" + bytes(125) + without_xing(mp3()), 2.6),
    "three Opus": (lambda: 3 * encoders.by_soundfile("OGG", "OPUS", 48000), 3.9),
    "chained Vorbis": (lambda: encoders.by_soundfile("OGG", "VORBIS")
                       + encoders.by_soundfile("OGG", "VORBIS"), 2.6),
    "FLAC without length": (lambda: flac(0), 1.3),
    "FLAC with half the length": (lambda: flac(57330 // 2), 1.3),
    "FLAC that ends with a block": (lambda: flac(0, 8192), 8192 / 44100),
    # more than 127 frames, whose numbers take two bytes; a rate that is written behind them
    "long FLAC of 12 kHz": (lambda: flac(0, 600_000, 12000), 50),
    "WAV of 0 bytes": (lambda: wav(0), 1.3),
    "WAV of 0 bytes in a RIFF of 0": (lambda: wav(0, 0), 1.3),
}


@pytest.mark.parametrize("kind", UNSTATED)
def test_a_length_that_no_header_states_is_found(kind, monkeypatch):
    """Without the second decoder, which would read some of them where the first refuses."""
    monkeypatch.setitem(sys.modules, "av", None)
    make, seconds = UNSTATED[kind]
    file = sound(make())
    assert audio.duration(file) == pytest.approx(seconds, abs=0.1)
    assert len(audio.read(file)) == pytest.approx(44100 * seconds, abs=4410)
    last = audio.read(file, 0.1, start=seconds - 0.1)
    assert np.abs(last).max() > 0.005, "the end is there"


def test_an_mp3_of_which_frames_are_lost_is_refused():
    data = bytearray(without_xing(mp3(seconds=5, **VBR)))
    for at in range(len(data) // 4, len(data) // 2):
        data[at] = 0x55
    with pytest.raises(audio.AudioError, match="truncated or damaged"):
        audio.read(sound(data))


def test_flac_of_unknown_length_has_every_sample(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    np.testing.assert_array_equal(audio.read(sound(flac(0))), audio.read(sound(flac())))


def test_a_wav_without_samples_holds_none_whatever_follows():
    data = wav(0)[: wav(0).index(b"data") + 8]
    for behind in (b"", b"LIST\4\0\0\0abcd"):
        with pytest.raises(audio.AudioError, match="holds no samples"):
            audio.read(sound(data + behind))


def test_parts_of_two_rates_are_refused():
    data = encoders.by_soundfile("OGG") + encoders.by_soundfile("OGG", rate=8000)
    with pytest.raises(audio.AudioError, match="joined sounds of 8000 and 44100 Hz"):
        audio.read(sound(data))


@needs_av
@pytest.mark.parametrize("container, codec", [("ipod", "aac"), ("webm", "libopus")])
def test_a_part_of_what_only_ffmpeg_reads(container, codec):
    file = sound(encoders.by_av(container, codec, rate=48000, seconds=2.5))
    whole = audio.read(file)
    np.testing.assert_allclose(audio.read(file, 0.5, 1.5), whole[66150:88200], atol=1e-6)
    assert audio.read(file, 4).shape == (176400,)


@needs_av
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_a_truncated_m4a_is_refused(part):
    data = encoders.by_av("ipod", "aac", seconds=5)
    with pytest.raises(audio.AudioError, match=r"truncated|no audio"):
        audio.read(sound(data[: int(part * len(data))]))


@needs_av
def test_ffmpeg_opens_no_file_that_a_file_names(tmp_path):
    (tmp_path / "a.mp3").write_bytes(mp3())
    for text in (f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'a.mp3'}\n#EXT-X-ENDLIST\n",
                 f"ffconcat version 1.0\nfile '{tmp_path / 'a.mp3'}'\n"):
        with pytest.raises(audio.AudioError, match="no audio that can be decoded"):
            audio.read(sound(text.encode()))


def test_without_the_second_decoder_the_message_lists_what_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(audio.AudioError, match="no audio") as error:
        audio.read(sound(b"\0\0\0\x1cftypM4A " + bytes(5000), "a.m4a"))
    assert str(error.value).startswith("a.m4a: ") and decoders.INSTALL in str(error.value)
    assert all(name in str(error.value) for name in ("MP3", "FLAC", "M4A", "WebM"))


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.9, 4.0, 4.1, 7.0])
def test_blocks_equal_the_parts_that_are_read(rate, seconds, monkeypatch):
    monkeypatch.setattr(decoders, "_BLOCK", 5000)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(rate * seconds))
    file = io.BytesIO()
    soundfile.write(file, noise, rate, format="WAV")
    found = list(audio.blocks(file, 1.5, 1.0, 1.2))
    assert len(found) == audio.n_blocks(seconds, 1.0, 1.2)
    for k, (wave, stated) in enumerate(found):
        last = k == len(found) - 1
        np.testing.assert_array_equal(wave, audio.read(file, None if last else 1.5, k * 1.0))
        assert stated == pytest.approx(seconds)


def test_the_beginning_is_read_and_the_rest_is_checked():
    data = encoders.by_soundfile("FLAC", rate=48000, seconds=3)
    wave, seconds = audio.beginning(sound(data), 2)
    np.testing.assert_array_equal(wave, audio.read(sound(data), 2))
    assert seconds == 3
    with pytest.raises(audio.AudioError, match="truncated"):
        audio.beginning(sound(data[: 9 * len(data) // 10]), 2)


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_names_of_any_bytes(tmp_path):
    folder = os.fsencode(tmp_path)
    for name, shown in ((b"caf\xe9.wav", r"caf\udce9.wav"),
                        (b"a\n\x1b[2J.wav", r"a\n\x1b[2J.wav")):
        path = os.fsdecode(folder + b"/" + name)
        with open(path, "wb") as file:
            file.write(encoders.by_soundfile("WAV"))
        assert len(audio.read(path)) == 57330
        with open(path, "wb") as file:
            file.write(b"no sound")
        with pytest.raises(audio.AudioError) as error:
            audio.read(path)
        assert shown in str(error.value) and str(error.value).isprintable()


def test_what_is_no_file_is_named(tmp_path):
    wrong = {tmp_path / f"{'n' * 300}.wav": "cannot be read", tmp_path: "is a folder",
             f"{tmp_path}/a\0b.wav": "no such file", tmp_path / "a" / "b.wav": "no such file"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        wrong |= {tmp_path / "pipe.wav": "is a pipe, expected a file", "/dev/null": "is a device"}
    for path, words in wrong.items():
        with pytest.raises(audio.AudioError, match=words):
            audio.read(path)


def test_a_disk_that_fails_is_named(tmp_path):
    class Broken(io.BytesIO):
        def read(self, count=-1):
            if self.tell() > 20000:
                raise OSError(5, "Input/output error")
            return super().read(count)

    with pytest.raises(audio.AudioError, match=r"cannot be read \(Input/output error\)"):
        audio.read(Broken(encoders.by_soundfile("WAV")))
