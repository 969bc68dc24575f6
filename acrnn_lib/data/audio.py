"""Read a sound file as mono float32 samples at 44.1 kHz, as long as asked.

Notebook: 01_listen_and_look
"""

import io
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..files import printable
from . import decoders
from .levels import Mixer

SAMPLE_RATE = 44100  # Hz
RATES = (1000, 400_000)  # Hz; others come from damaged headers and would take minutes to resample
LOUDEST = 1e9  # times full scale; beyond it energies overflow
_MARGIN = 0.1  # s decoded beyond what is asked, so that the resampler's filter has its context
_BEFORE = 1.0  # s decoded before what is asked, for the same reason
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
          stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class AudioError(ValueError):
    """A sound that cannot be used; the message names the file and the reason."""


def duration(path: Path | str | BinaryIO) -> float:
    """Duration in s: what a file's header states, else what is decoded.

    Parameters
    ----------
    path : as for `read`

    Raises
    ------
    AudioError

    Notebook: 09_seeing_attention
    """
    with _opened(path) as sound:
        frames = sound.frames
        if frames is None:
            frames = sum(map(len, sound.chunks()))
        return frames / sound.rate


def read(
    path: Path | str | BinaryIO, seconds: float | None = None, start: float = 0.0
) -> np.ndarray:
    """Read a sound file as mono float32 at 44.1 kHz.

    Channels are averaged and other rates resampled (polyphase filter, exact ratio).

    Parameters
    ----------
    path : Path, str or binary file object
        Any format that libsndfile reads (WAV, FLAC, Ogg, MP3, ...), and where PyAV is installed
        (``pip install 'acrnn-kit[formats]'``) any that FFmpeg reads (M4A, WebM, WMA, ...). Errors
        name a file object by its ``label``.
    seconds : float, s, optional
        Length of the result, cut or zero-padded at the end; by default all that follows ``start``.
    start : float, s

    Returns
    -------
    np.ndarray, shape (n,), float32
        Full scale is 1.

    Raises
    ------
    AudioError
        A file that is missing, empty, no file but a pipe or a folder, no audio, truncated, without
        samples, with NaN, infinite or absurdly large samples, or of a rate outside 1 to 400 kHz.

    Notebook: 01_listen_and_look
    """
    before = min(start, _BEFORE)
    with _opened(path) as sound:
        rate, first = sound.rate, round((start - before) * sound.rate)
        count = math.inf if seconds is None else math.ceil((seconds + before + _MARGIN) * rate)
        wave = _joined(sound.chunks(first, count))
    wave = _converted(wave, rate, before, path)
    if not len(wave):
        raise AudioError(f"{_name(path)}: holds no samples from {start:g} s on")
    return wave if seconds is None else fit(wave, round(seconds * SAMPLE_RATE))


def beginning(path: Path | str | BinaryIO, seconds: float, mix: Mixer | None = None
              ) -> tuple[np.ndarray, float]:
    """Read the beginning of a sound as `read` does, but check the file up to its end.

    Parameters
    ----------
    path : as for `read`
    seconds : float, s
        Longest result.
    mix : Mixer, optional
        By default the mean of the channels.

    Returns
    -------
    wave : np.ndarray, shape (n,), float32
    duration : float, s
        Of the whole sound.

    Raises
    ------
    AudioError
        As in `read`.

    Notebook: 13_your_own_sounds
    """
    with _opened(path, mix) as sound:
        kept, rate, frames = [], sound.rate, 0
        most = math.ceil((seconds + _MARGIN) * rate)
        for chunk in sound.chunks():
            _check(chunk, path)
            if frames < most:
                kept.append(chunk[: most - frames])
            frames += len(chunk)
    wave = _converted(_joined(kept), rate, 0.0, path)
    return wave[: round(seconds * SAMPLE_RATE)], frames / rate


def blocks(path: Path | str | BinaryIO, length: float, step: float, last: float,
           mix: Mixer | None = None) -> Iterator[tuple[np.ndarray, float | None]]:
    """Read a sound of any duration in overlapping blocks; each sample is decoded once.

    Parameters
    ----------
    path : as for `read`
    length : float, s
        Of a block.
    step : float, s
        From the start of a block to that of the next.
    last : float, s
        A block with less than ``step + last`` ahead of it is the last one, and holds all of that.
    mix : Mixer, optional
        By default the mean of the channels.

    Yields
    ------
    wave : np.ndarray, shape (n,), float32
        What ``read(path, length, k * step)`` gives for block k.
    duration : float or None, s
        Of the whole sound: what its header states, or None; with the last block, what was decoded.

    Raises
    ------
    AudioError
        As in `read`.

    Notebook: 09_seeing_attention
    """
    with _opened(path, mix) as sound:
        rate, chunks = sound.rate, sound.chunks()
        stated = None if sound.frames is None else sound.frames / rate
        k, origin, wave, ended = 0, 0, np.zeros(0, np.float32), False
        while True:
            before = min(k * step, _BEFORE)
            first = round((k * step - before) * rate)
            count = math.ceil((length + before + _MARGIN) * rate)
            wave, origin = wave[first - origin :], first
            more, frames = [wave], first + len(wave)
            while not ended and (frames < first + count
                                 or n_blocks(frames / rate, step, last) == k + 1):
                chunk = next(chunks, None)
                ended = chunk is None
                if not ended:
                    _check(chunk, path)
                    more.append(chunk)
                    frames += len(chunk)
            wave = _joined(more)
            if n_blocks(frames / rate, step, last) == k + 1:
                yield _converted(wave, rate, before, path), frames / rate
                return
            yield fit(_converted(wave[:count], rate, before, path),
                      round(length * SAMPLE_RATE)), stated
            k += 1


def n_blocks(seconds: float, step: float, last: float) -> int:
    """Count the `blocks` of a sound.

    Parameters
    ----------
    seconds : float, s
        Duration of the sound.
    step, last : float, s
        As in `blocks`.

    Returns
    -------
    int
    """
    return max(1, math.floor((seconds - last) / step) + 1)


def _joined(chunks):
    chunks = [chunk for chunk in chunks if len(chunk)]
    return chunks[0] if len(chunks) == 1 else np.concatenate([np.zeros(0, np.float32), *chunks])


def _check(wave, path):
    if len(wave) and not -LOUDEST < wave.min() <= wave.max() < LOUDEST:  # as none is true of NaN
        raise AudioError(f"{_name(path)}: holds NaN or infinite samples, or some beyond "
                         f"{LOUDEST:g}")


def _converted(wave, rate, before, path):
    """The samples at 44.1 kHz, without the first ``before`` seconds."""
    if not len(wave):
        raise AudioError(f"{_name(path)}: holds no samples")
    _check(wave, path)
    if rate != SAMPLE_RATE:
        from scipy.signal import resample_poly

        ratio = math.gcd(rate, SAMPLE_RATE)
        wave = resample_poly(wave, SAMPLE_RATE // ratio, rate // ratio)
    return np.ascontiguousarray(wave[round(before * SAMPLE_RATE) :], dtype=np.float32)


def encoded(wave: np.ndarray, rate: int = SAMPLE_RATE, form: str = "FLAC", bits: int = 16
            ) -> bytes:
    """Encode a wave as a file, for a page or a download.

    All browsers in use play and decode FLAC (Safari since version 11; Ogg only since 18.4), and
    the same samples give the same bytes, which Ogg, with a random number in each file, does not.

    Parameters
    ----------
    wave : np.ndarray, shape (N,), float or int16
    rate : int, Hz
    form : str
        Of the formats of libsndfile that hold such samples.
    bits : int
        Of a sample: 16 or 24.

    Returns
    -------
    bytes

    Notebook: 13_your_own_sounds
    """
    import soundfile  # not before a sound is read or written

    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format=form, subtype=f"PCM_{bits}")
    return buffer.getvalue()


def fit(wave: np.ndarray, n_samples: int) -> np.ndarray:
    """Cut (a view) or zero-pad a wave, shape (..., n), to shape (..., n_samples)."""
    missing = n_samples - wave.shape[-1]
    if missing <= 0:
        return wave[..., :n_samples]
    return np.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(0, missing)])


@contextmanager
def _opened(source, mix=None):
    """The open sound; every fault of the file becomes an AudioError that names it."""
    name = _name(source)
    try:
        with _file(source) as file:
            if not file.seek(0, os.SEEK_END):
                raise AudioError(f"{name}: is empty (0 bytes)")
            sound = decoders.opened(file, mix or Mixer())
            try:
                if not RATES[0] <= sound.rate <= RATES[1]:
                    raise AudioError(f"{name}: has {sound.rate} Hz, expected {RATES[0]} to "
                                     f"{RATES[1]} Hz")
                yield sound
            finally:
                sound.close()
    except decoders.Undecodable as error:
        raise AudioError(f"{name}: {error}") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read ({error.strerror or error})") from error


@contextmanager
def _file(source):
    """The file object, opened where a path is given."""
    if hasattr(source, "read"):
        yield source
        return
    name = _name(source)
    try:
        mode = os.stat(source).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError(f"{name}: no such file") from None
    except ValueError as error:  # a zero byte in the name
        raise AudioError(f"{name}: no such file ({error})") from None
    if not stat.S_ISREG(mode):
        raise AudioError(f"{name}: is {_KINDS.get(stat.S_IFMT(mode), 'no file')}, expected a file")
    with open(source, "rb") as file:
        yield file


def _name(source):
    return printable(getattr(source, "label", "the sound") if hasattr(source, "read") else source)
