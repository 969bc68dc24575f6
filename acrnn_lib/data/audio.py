"""Read a sound file as mono float32 samples at 44.1 kHz, as long as asked.

Notebook: 01_listen_and_look
"""

import math
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

SAMPLE_RATE = 44100  # Hz

# libsndfile opens a truncated file and only notes the damage in its log.
_DAMAGE = re.compile(
    r"lacks an end-of-stream bit|without an End-Of-Stream|Junk after the last page"
    r"|Corrupted bitstream|reports a hole"
)
_DECLARED = re.compile(r"^ *(?:data|SSND) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_STREAMED = 0x7FFF0000  # bytes; programs that write to a pipe declare a length above this one
RATES = (1000, 400_000)  # Hz; others come from damaged headers and would take minutes to resample
LOUDEST = 1e9  # times full scale; beyond it energies overflow
_BLOCK = 2**22  # samples decoded at a time: a header may declare more than there is memory
_MARGIN = 0.1  # s decoded beyond what is asked, so that the resampler's filter has its context


class AudioError(ValueError):
    """A sound that cannot be used; the message names the file and the reason."""


def duration(path: Path | str | BinaryIO) -> float:
    """Duration in s that a file's header states.

    Parameters
    ----------
    path : as for `read`

    Raises
    ------
    AudioError

    Notebook: 09_seeing_attention
    """
    with _opened(path) as file:
        return file.frames / file.samplerate


def read(
    path: Path | str | BinaryIO, seconds: float | None = None, start: float = 0.0
) -> np.ndarray:
    """Read a sound file as mono float32 at 44.1 kHz.

    Channels are averaged and other rates resampled (polyphase filter, exact ratio).

    Parameters
    ----------
    path : Path, str or binary file object
        Any format that libsndfile reads (WAV, FLAC, Ogg, MP3, ...). Errors name a file object by
        its ``label``.
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
        A file that is missing, empty, no audio, truncated, without samples, with NaN, infinite or
        absurdly large samples, or of a rate outside 1 to 400 kHz.

    Notebook: 01_listen_and_look
    """
    before = min(start, 1.0)  # s decoded before ``start``, as context of the resampler's filter
    wave, rate = _decode(path, None if seconds is None else seconds + before, start - before)
    path = _name(path)
    if not len(wave):
        raise AudioError(f"{path}: holds no samples")
    if not -LOUDEST < wave.min() <= wave.max() < LOUDEST:  # as no comparison with NaN is true
        raise AudioError(f"{path}: holds NaN or infinite samples, or some beyond {LOUDEST:g}")
    if rate != SAMPLE_RATE:
        from scipy.signal import resample_poly

        ratio = math.gcd(rate, SAMPLE_RATE)
        wave = resample_poly(wave, SAMPLE_RATE // ratio, rate // ratio)
    wave = np.ascontiguousarray(wave[round(before * SAMPLE_RATE) :], dtype=np.float32)
    if not len(wave):
        raise AudioError(f"{path}: holds no samples from {start:g} s on")
    return wave if seconds is None else fit(wave, round(seconds * SAMPLE_RATE))


def fit(wave: np.ndarray, n_samples: int) -> np.ndarray:
    """Cut (a view) or zero-pad a wave, shape (..., n), to shape (..., n_samples)."""
    missing = n_samples - wave.shape[-1]
    if missing <= 0:
        return wave[..., :n_samples]
    return np.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(0, missing)])


@contextmanager
def _opened(source):
    """The open sound file; every fault of the file becomes an AudioError."""
    from soundfile import SoundFile, SoundFileError

    path = _name(source)
    if hasattr(source, "read"):
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
    else:
        source = Path(source)
        if not source.is_file():
            raise AudioError(f"{path}: {'is a folder' if source.is_dir() else 'no such file'}")
        size = source.stat().st_size
    if not size:
        raise AudioError(f"{path}: is empty (0 bytes)")
    try:
        file = SoundFile(source)
    except (SoundFileError, TypeError) as error:  # TypeError: headerless .raw
        raise AudioError(f"{path}: no audio that can be decoded ({error})") from error
    with file:
        if file.format == "RAW":  # a damaged header, taken for samples without one
            raise AudioError(f"{path}: no audio that can be decoded (no header)")
        if not RATES[0] <= file.samplerate <= RATES[1]:
            raise AudioError(f"{path}: has {file.samplerate} Hz, expected {RATES[0]} to "
                             f"{RATES[1]} Hz")
        try:
            yield file
        except SoundFileError as error:
            raise AudioError(f"{path}: no audio that can be decoded ({error})") from error


def _name(source):
    return getattr(source, "label", "the sound") if hasattr(source, "read") else source


def _decode(source, seconds, start):
    """Mean of the channels, shape (n,), and rate in Hz; AudioError for a damaged file."""
    with _opened(source) as file:
        rate, first = file.samplerate, round(start * file.samplerate)
        if first:
            file.seek(min(first, file.frames))
        expected = max(0, file.frames - first)
        if seconds is not None:
            expected = min(expected, math.ceil((seconds + _MARGIN) * rate))
        step, parts, found = max(1, _BLOCK // file.channels), [], 0
        while found < expected:
            part = file.read(min(step, expected - found), dtype="float32", always_2d=True)
            if not len(part):
                break
            parts.append(part[:, 0] if part.shape[1] == 1 else part.mean(axis=1))
            found += len(part)
        wave = parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.float32), *parts])
        log = file.extra_info
    declared = _DECLARED.search(log)
    cut = declared and _STREAMED > int(declared[1]) > int(declared[2])
    if cut or len(wave) < expected or _DAMAGE.search(log):
        raise AudioError(f"{_name(source)}: is truncated or damaged; only a part of it can be "
                         "decoded")
    return wave, rate
