"""The feature store and the bank of augmented copies, from files on disk; how cost grows."""

import os
import sys
import tempfile
import time
from pathlib import Path

import librosa
import numpy as np
import soundfile
from gammatone.fftweight import fft_gtgram

from acrnn_lib.data import audio

from .common import child, clips, in_turn, rows

SETTINGS = (44100, 1024 / 44100, 512 / 44100, 128, 50)


def run(repeats):
    """Rows of the store, the bank, and of growing sets of clips."""
    sound, table = clips(400)
    yield from features(table, sound, "Ogg", repeats)
    with tempfile.TemporaryDirectory() as folder:  # ESC-50 itself has these clips as WAV
        yield from features(as_wav(table, folder), sound, "WAV", repeats, folder)
    seconds, peak = child("store", "build", len(table), 4).split()
    yield from rows(f"bank, one of 4 x {len(table)} augmented copies, all cores ({sound})",
                    {"ours": (float(seconds), 4 * len(table))},
                    notes={"ours": f"whole bank {float(seconds):.0f} s (target 180), "
                                   f"peak memory {peak} MiB"})
    for count in (400, 2000, 20000):
        seconds, peak, epoch = child("store", "grow", count).split()
        yield from rows(f"features of {count} generated files, one of them",
                        {"ours": (float(seconds), count)},
                        notes={"ours": f"peak memory {peak} MiB; an epoch's segments, drawn and "
                                       f"cut: {float(epoch) / count * 1e3:.2f} ms a clip"})


def features(table, sound, kind, repeats, wavs=""):
    """Rows of a store without copies, from files of one kind."""
    some = table.path[:: max(1, len(table) // 20)]
    memory = []

    def ours():
        seconds, peak = child("store", "build", len(table), 0, wavs).split()
        memory.append(int(peak))
        return float(seconds)

    times = in_turn({
        "ours": ours,
        "loop": lambda: [fft_gtgram(librosa.load(p, sr=None)[0].astype(float), *SETTINGS)
                         for p in some],
        "decoding": lambda: [soundfile.read(p, dtype="float32") for p in some]}, repeats)
    stage = f"feature store, one of {len(table)} clips from its {kind} file, all cores ({sound})"
    yield from rows(stage, {
        "ours": (times["ours"], len(table)),
        "loop over librosa.load and fft_gtgram": (times["loop"], len(some)),
        "decoding alone, one core": (times["decoding"], len(some))},
        targets={"loop over librosa.load and fft_gtgram": "6"},
        notes={"ours": f"peak memory {max(memory)} MiB, the start of Python included"})


def as_wav(table, folder):
    """The table with its clips in a folder, as WAV of 16 bit; written where they are missing."""
    names = [Path(folder, f"{clip}.wav") for clip in table.clip_id]
    for name, path in zip(names, table.path, strict=True):
        if not name.exists():
            soundfile.write(name, audio.read(path), audio.SAMPLE_RATE)
    return table.assign(path=[str(name) for name in names])


def build(count, copies, wavs=""):
    """Seconds and peak memory (MiB) of building a store of so many copies in an empty cache."""
    from acrnn_lib.config import BankConfig, FeatureConfig
    from acrnn_lib.features import store

    _, table = clips(int(count))
    table = as_wav(table, wavs) if wavs else table
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ACRNN_CACHE"] = folder
        if int(copies):  # the clips themselves are not part of the bank
            store.load(table, FeatureConfig(), BankConfig(copies=0), progress=False)
        started = time.perf_counter()
        store.load(table, FeatureConfig(), BankConfig(copies=int(copies)), progress=False)
        print(time.perf_counter() - started, mebibytes())


def grow(count):
    """The same for generated files, and the seconds that cutting an epoch's segments takes."""
    from acrnn_lib.config import BankConfig, FeatureConfig
    from acrnn_lib.features import store
    from acrnn_lib.features.segments import Segments

    count, rng = int(count), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ACRNN_CACHE"] = folder
        _, table = clips(1)
        table = table.loc[[0] * count].reset_index(drop=True)
        table["clip_id"] = [f"1-{i}-A" for i in range(count)]
        table["path"] = [str(Path(folder) / f"{i}.ogg") for i in range(count)]
        sound = rng.standard_normal(220500).astype(np.float32) * 0.1
        soundfile.write(table.path[0], sound, 44100)
        for path in table.path[1:]:
            os.link(table.path[0], path)
        started = time.perf_counter()
        copies = store.load(table, FeatureConfig(), BankConfig(copies=0), progress=False)
        seconds, memory = time.perf_counter() - started, mebibytes()
        segments = Segments(copies, np.arange(count), FeatureConfig())
        started = time.perf_counter()
        drawn = segments.draw(3, rng)
        for batch in np.array_split(drawn, -(-len(drawn) // 32)):
            segments.with_channels(segments.static_of(batch))
        print(seconds, memory, time.perf_counter() - started)


def mebibytes():
    """Largest memory of this process so far, MiB."""
    from acrnn_lib import device

    return round(device.peak_memory() / 2**20)


if __name__ == "__main__":
    {"build": build, "grow": grow}[sys.argv[1]](*sys.argv[2:])
