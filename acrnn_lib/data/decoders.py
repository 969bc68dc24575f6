"""The two decoders behind `audio`: libsndfile, and FFmpeg (PyAV) for what libsndfile refuses.

PyAV is optional: its wheel takes 36 MB (106 MB installed), and holds libx264 and libx265, which are
GPL. The kit uses it where a user has installed it and never ships it.

Notebook: 13_your_own_sounds
"""

import math
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO

import numpy as np

from . import lengths
from .levels import Mixer

# libsndfile opens a truncated file and only notes the damage in its log.
_DAMAGE = re.compile(
    r"lacks an end-of-stream bit|without an End-Of-Stream|Junk after the last page"
    r"|Corrupted bitstream|reports a hole"
)
_DECLARED = re.compile(r"^ *(?:data|SSND) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_STREAMED = 0x7FFF0000  # bytes; programs that write to a pipe declare a length above this one
_BLOCK = 2**22  # samples decoded at a time: a header may declare more than there is memory
SLACK = 0.1  # s that a file may be shorter than a length that is not its header's
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf",
            ".w64")
MORE_SUFFIXES = (".m4a", ".aac", ".webm", ".wma", ".mp2", ".amr")  # with FFmpeg
INSTALL = "pip install 'acrnn-kit[formats]'"
# Containers of sound alone: FFmpeg also opens lists of other files and addresses.
DEMUXERS = ("aac,ac3,amr,ape,asf,avi,caf,eac3,flac,loas,matroska,webm,mov,mp4,m4a,mp3,mpc,mpc8,"
            "ogg,tta,w64,wav,wv")
READ = ("read are WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF, AU, CAF and W64, and with "
        f"`{INSTALL}` also M4A/AAC, WebM, WMA, MP2 and AMR")


class Undecodable(ValueError):
    """No decoder reads the file, or only a part of it; the message says why."""


class Sndfile:
    """A sound that libsndfile reads.

    Parameters
    ----------
    file : binary file object
    mix : levels.Mixer

    Attributes
    ----------
    rate : int, Hz
    frames : int
        Samples per channel.
    rates : list of int, Hz
        Of the parts, where the file was joined.

    Raises
    ------
    Undecodable
    """

    def __init__(self, file: BinaryIO, mix: Mixer):
        from soundfile import SoundFile, SoundFileError

        parts = lengths.parts(file)
        with ExitStack() as stack:
            try:
                self._parts = [(stack.enter_context(SoundFile(part)), part) for part in parts]
            except (SoundFileError, TypeError) as error:  # TypeError: taken for headerless samples
                raise Undecodable(getattr(error, "error_string", str(error)).rstrip(".")) from error
            if any("MPEG" in sound.subtype and not part.mp3 for sound, part in self._parts):
                raise Undecodable("its header states no length")
            self._stack, self._mix = stack.pop_all(), mix
        self.rate = self._parts[0][0].samplerate
        self.frames = sum(sound.frames for sound, _ in self._parts)
        self.rates = sorted({sound.samplerate for sound, _ in self._parts})

    def close(self) -> None:
        """Close what is open, but not the file."""
        self._stack.close()

    def chunks(self, first: int = 0, count: float = math.inf) -> Iterator[np.ndarray]:
        """Decode frames from ``first`` on, at most ``count``.

        Yields
        ------
        np.ndarray, shape (n,), float32
            Mixed channels.

        Raises
        ------
        Undecodable
            At the end, when less was decoded than the file states.
        """
        from soundfile import SoundFileError

        for sound, part in self._parts:
            if first > sound.frames and len(self._parts) > 1:
                first -= sound.frames
                continue
            try:
                if first:
                    sound.seek(min(first, sound.frames))
                expected = min(max(0, sound.frames - first), count)
                found = 0
                for chunk in self._part(sound, expected):
                    found += len(chunk)
                    yield chunk
            except SoundFileError as error:
                raise Undecodable(f"is truncated or damaged ({error})") from error
            if part.error:
                raise part.error
            declared = _DECLARED.search(log := sound.extra_info)
            cut = declared and _STREAMED > int(declared[1]) > int(declared[2])
            slack = SLACK * self.rate * (part.mp3 == "counted")
            if part.mp3 == "damaged" or cut or found + slack < expected or _DAMAGE.search(log):
                raise Undecodable("is truncated or damaged; only a part of it can be decoded")
            count -= expected
            first = 0
            if count <= 0:
                return

    def _part(self, sound, expected):
        step, found = max(1, _BLOCK // sound.channels), 0
        while found < expected:
            chunk = sound.read(min(step, expected - found), dtype="float32", always_2d=True)
            if not len(chunk):
                return
            yield self._mix(chunk)
            found += len(chunk)


class Ffmpeg:
    """A sound that only FFmpeg reads; the attributes and methods of `Sndfile`.

    ``frames`` is None: few containers state it, and decoding shows it.
    """

    frames = None

    def __init__(self, file: BinaryIO, mix: Mixer):
        import av

        self._mix, self._error = mix, av.FFmpegError
        self._file = lengths.Part(file, 0, file.seek(0, os.SEEK_END))
        try:
            self._container = av.open(self._file, options={"format_whitelist": DEMUXERS},
                                      metadata_errors="replace")
            stream = next(iter(self._container.streams.audio), None)
            if stream is None:
                raise Undecodable("holds no sound")
            self._stream, self._decoded = stream, self._container.decode(stream)
            self._first = next(self._decoded, None)
        except (self._error, ValueError, OverflowError) as error:
            raise Undecodable(_reason(error)) from error
        if self._first is None:
            raise Undecodable("holds no samples")
        self.rate = self._first.sample_rate

    def close(self) -> None:
        """Close what is open, but not the file."""
        self._container.close()

    def chunks(self, first: int = 0, count: float = math.inf) -> Iterator[np.ndarray]:
        """As `Sndfile.chunks`, once, from the file's start."""
        found, end = 0, first + count
        try:
            for chunk in self._frames():
                yield chunk[max(0, first - found) : max(0, min(len(chunk), end - found))]
                found += len(chunk)
                if found >= end:
                    return
        except (self._error, ValueError, OverflowError) as error:
            raise Undecodable(f"is truncated or damaged ({_reason(error)})") from error
        if self._file.error:
            raise self._file.error
        if self._stated() > found / self.rate + 2 * SLACK:
            raise Undecodable("is truncated or damaged; only a part of it can be decoded")

    def _stated(self):
        """Length in s in the tables of an MP4 file; other containers only estimate it."""
        if self._container.format.name.startswith("mov,") and self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        return 0.0

    def _frames(self):
        import av

        convert = av.AudioResampler(format="fltp")
        frame = self._first
        while frame is not None:
            if frame.sample_rate != self.rate:
                raise Undecodable(f"changes from {self.rate} to {frame.sample_rate} Hz, expected "
                                  "one rate")
            for part in convert.resample(frame):
                yield self._mix(part.to_ndarray().T)
            frame = next(self._decoded, None)


def _reason(error):
    return getattr(error, "strerror", None) or str(error)


def opened(file: BinaryIO, mix: Mixer) -> Sndfile | Ffmpeg:
    """Open a sound with the first decoder that reads it.

    Raises
    ------
    Undecodable
        The message lists the formats that are read.

    Notebook: 13_your_own_sounds
    """
    try:
        sound = Sndfile(file, mix)
    except Undecodable as error:
        reason = str(error)
    else:
        if len(sound.rates) > 1:
            raise Undecodable(f"holds joined sounds of {sound.rates[0]} and {sound.rates[-1]} Hz, "
                              "expected one rate")
        return sound
    try:
        return Ffmpeg(file, mix)
    except ImportError:
        raise Undecodable(f"no audio that can be decoded ({reason}); {READ}") from None
    except Undecodable as error:
        raise Undecodable(f"no audio that can be decoded ({reason}; FFmpeg: {error})") from None
