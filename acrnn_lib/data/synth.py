"""The synthetic data set: ten classes of generated sounds, like ESC-10, without a download.

400 clips of 5 s, 40 of each class in five folds. As in ESC-10, some clips are takes of one
recording, and levels, microphones, rooms, backgrounds, distractors and silence differ, so that the
mean spectrum does not separate the classes. Unlike in ESC-10, the event times are known. The set is
frozen: any change of a sound needs another VERSION.

Notebook: 01_listen_and_look
"""

import functools
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.fft import rfft

from ..files import arriving, whole_errors
from ..progress import bar
from .audio import SAMPLE_RATE
from .synth_sounds import GRID, VOICES, filtered, noise, ping, pulses

VERSION = 1
CLASSES = tuple(VOICES)  # in ESC-10's order
SECONDS = 5.0
N = round(SECONDS * SAMPLE_RATE)
FRAME = 441  # samples, 10 ms: resolution of onsets and offsets
FULL_CLIP = 0.2  # share of the clips with long sounds that one sound fills completely


def plan() -> pd.DataFrame:
    """List the 400 clips without rendering them.

    Returns
    -------
    pd.DataFrame
        clip_id (fold-source-take), fold, target, category, source; a source has one to three
        takes, all in one fold.

    Notebook: 01_listen_and_look
    """
    return _plan().reset_index()


@functools.cache
def _plan():
    rng, rows, source = np.random.default_rng(VERSION), [], 1000
    for target, category in enumerate(CLASSES):
        for fold in range(1, 6):
            left = 8
            while left:
                source += 1
                takes = min(left, rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
                left -= takes
                for take in "ABC"[:takes]:
                    rows.append((f"{fold}-{source}-{take}", fold, target, category, str(source)))
    columns = ["clip_id", "fold", "target", "category", "source"]
    return pd.DataFrame(rows, columns=columns).set_index("clip_id")


def render(clip_id: str) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Render one clip; deterministic, whatever was rendered before.

    Parameters
    ----------
    clip_id : str
        One of `plan`.

    Returns
    -------
    wave : np.ndarray, shape (220500,), float32
        Within -1 to 1, at 44.1 kHz.
    events : list of (onset, offset), s
        In order, not overlapping: when a sound of the clip's class is audible (less than 30 dB
        under its loudest moment, and over the background; echoes do not count).

    Raises
    ------
    ValueError
        A clip that is not in the plan.

    Notebook: 01_listen_and_look
    """
    if clip_id not in _plan().index:
        raise ValueError(f"{clip_id!r} is not one of the {len(_plan())} clips of synth.plan()")
    row = _plan().loc[clip_id]
    stream = functools.partial(_stream, int(row["source"]))
    take, room = stream(clip_id[-1]), stream("room")
    padded, gated, snr = take.random() < 0.2, take.random() < 0.1, room.uniform(22, 52)  # dB
    length = take.uniform(2.2, 4.6) if padded else SECONDS
    sound, events = _perform(row["category"], stream, take, length, snr)
    background = _background(stream("background"), take, row["target"])
    wave = _record(sound + background * 10 ** (-snr / 20), room)
    if gated:  # an edited recording: digital silence between the sounds
        t = np.arange(N) / SAMPLE_RATE
        wave *= np.max([np.clip(np.minimum(t - on + 0.1, off + 0.3 - t) / 0.05, 0, 1)
                        for on, off in events], axis=0)
    wave[round(length * SAMPLE_RATE) :] = 0
    wave *= 10 ** (-take.uniform(1, 12) / 20) / np.abs(wave).max()
    return wave.astype(np.float32), events


def _stream(source, name):
    """Random generator of one recording for one purpose, independent of all others."""
    return np.random.default_rng([VERSION, source, *name.encode()])


def _perform(category, stream, r, length, snr):
    """All sounds of the class in a clip, each with RMS 0.6 to 1 at its loudest, and their times."""
    voice, (fewest, most), (shortest, longest) = VOICES[category]
    seconds = np.sort(r.uniform(shortest, longest, r.integers(fewest, most + 1)))
    if longest > 3 and r.random() < FULL_CLIP:
        seconds = np.array([length])
    while seconds.sum() > max(length - 0.3, seconds[0]):
        seconds = seconds[:-1]
    seconds = np.minimum(r.permutation(seconds), length)
    pauses = r.dirichlet(np.full(len(seconds) + 1, 1.5)) * (length - seconds.sum())
    starts = np.cumsum(pauses[:-1] + np.r_[0, seconds[:-1]])
    track, events = np.zeros(N), []
    for start, duration in zip(starts, seconds, strict=True):
        first, n = round(start * SAMPLE_RATE), int(duration * SAMPLE_RATE)
        sound, level = voice(stream("voice"), r, n), r.uniform(-5, 0)  # dB
        power = np.add.reduceat(sound**2, range(0, n - n % FRAME, FRAME)) / FRAME
        power = np.convolve(power, [1 / 3, 1 / 3, 1 / 3], "same")
        audible = power > power.max() * 10 ** (-min(snr + level, 30) / 10)
        heard = np.flatnonzero(audible)[[0, -1]] + [0, 1]
        track[first : first + n] += sound * np.sqrt(10 ** (level / 10) / power.max())
        events.append(tuple(np.round(start + heard * FRAME / SAMPLE_RATE, 3).tolist()))
    return track, [(on, min(off, round(length, 3))) for on, off in events]


def _background(s, r, target):
    """Coloured noise; sometimes also hum, a faint sound of another class, beeps and clicks."""
    wave = noise(r, N, s.uniform(2, 7), s.uniform(20, 150), s.uniform(6000, 22000))
    if s.random() < 0.25:  # mains hum
        wave += s.uniform(0.2, 1) * pulses(np.full(N, s.choice([50, 60])), s.uniform(0.5, 0.9))
    if r.random() < 0.4:  # a distant sound of another class
        voice, _, (_, longest) = VOICES[CLASSES[(target + s.integers(1, 10)) % 10]]
        n = int(min(longest, 2) * SAMPLE_RATE)
        far, first = voice(s, r, n), r.integers(0, N - n)
        wave[first : first + n] += far * (r.uniform(2, 6) / np.abs(far).max())
    for _ in range(r.poisson(0.5)):
        t = np.arange(6000) / SAMPLE_RATE
        beep = np.sin(2 * np.pi * s.uniform(700, 4000) * t) * np.sin(np.pi * t / t[-1]) ** 0.4
        extra = beep if r.random() < 0.5 else ping(r, 0.004, r.uniform(500, 5000, 2))
        first = r.integers(0, N - 9000)
        wave[first : first + len(extra)] += r.uniform(2, 8) * extra
    return wave


def _record(wave, s):
    """Room and microphone: decaying echo, spectral tilt, resonances, band limits."""
    decay = s.uniform(0.02, 0.12) * SAMPLE_RATE  # samples until the echo has fallen by 8.7 dB
    echo = s.standard_normal(30000) * np.exp(-np.arange(30000) / decay)
    echo *= s.uniform(0, 0.6) / np.sqrt((echo**2).sum())
    echo[0] += 1
    octaves = np.log2(GRID / 1000)
    decibel = s.uniform(-1, 1) * octaves
    for _ in range(4):
        decibel += s.normal(0, 2) * np.exp(-(((octaves - s.uniform(-3, 4)) / 0.7) ** 2))
    low, high = 10 ** s.uniform(1.3, 2), 10 ** s.uniform(3.8, 4.4)
    band = 1 / np.sqrt((1 + (low / GRID) ** 4) * (1 + (GRID / high) ** 12))
    size = 250000  # samples: the clip and its echo; a product of small primes
    return filtered(rfft(wave, size) * rfft(echo, size), band * 10 ** (decibel / 20), N)


def write(folder: Path | str) -> None:
    """Render all clips into a folder: clip_id.wav (16 bit), clips.csv (the plan) and events.csv.

    The folder gets its name only when it is complete; an interrupted call can be repeated.

    Parameters
    ----------
    folder : Path or str
        Must not exist yet, or be empty.

    Raises
    ------
    OSError
        The folder is not empty.

    Notebook: 01_listen_and_look
    """
    folder, clips = Path(folder), plan()
    if folder.exists():
        folder.rmdir()
    with arriving(folder) as new, ThreadPoolExecutor() as pool:  # NumPy releases the GIL
        found = bar(pool.map(functools.partial(_save, new), clips["clip_id"]), label="synth",
                    total=len(clips), unit="clip")
        rows = [(clip, *event) for clip, events in zip(clips["clip_id"], found, strict=True)
                for event in events]
        columns = ["clip_id", "onset", "offset"]
        for name, table in (("events", pd.DataFrame(rows, columns=columns)), ("clips", clips)):
            table.to_csv(new / f"{name}.csv", index=False, lineterminator="\n")


def events(folder: Path | str) -> pd.DataFrame:
    """Events of a written folder: clip_id, onset, offset (s), in the plan's order.

    Notebook: 09_seeing_attention
    """
    return pd.read_csv(Path(folder) / "events.csv")


def _save(folder, clip_id):
    import soundfile

    wave, found = render(clip_id)
    file, path = io.BytesIO(), folder / f"{clip_id}.wav"
    soundfile.write(file, to_pcm(wave), SAMPLE_RATE, "PCM_16", format="WAV")
    with whole_errors(path):  # soundfile would not say that a disk is full
        path.write_bytes(file.getbuffer())
    return found


def to_pcm(wave: np.ndarray) -> np.ndarray:
    """Round a wave within -1 to 1 to 16 bits, as its file holds it: same shape, int16."""
    return np.round(wave * 32768.0).astype(np.int16)
