"""The feature store: every clip's features, computed once, memory-mapped afterwards.

One file per copy of the bank (copy 0 is the clips themselves), named by the hash of all that
decides its content. A file appears under its name only when it is whole; what an interrupted
build has finished is kept and built upon.

Notebook: 03_augmentation
"""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from . import audio, datasets, paths
from .augment import augmented_copy
from .config import hashed
from .device import keep_freed_memory
from .features import front_end
from .progress import bar
from .results import write_bytes

BLOCK = 32  # clips between two notes of progress on disk


def load(table, features, bank, workers=None, progress=True):
    """Features of all clips of a table and of their augmented copies, built where missing.

    Parameters
    ----------
    table : clip table of ``datasets.load``
    features : FeatureConfig
    bank : BankConfig; ``copies`` + 1 arrays come back
    workers : threads, by default one per core
    progress : show a bar

    Returns a list of read-only memory maps, float16 (clips, n_bands, frames): log energies of
    each clip in the table's order; the delta follows from them (``features.delta``). Rounding to
    float16 changes a value by at most 0.4 % of a factor e. Raises AudioError naming the clip that
    cannot be read; what was built before stays. Notebook: 03_augmentation
    """
    data_hash = datasets.data_hash(table)
    copies = []
    for copy in range(bank.copies + 1):
        path = _path(data_hash, features, bank, copy)
        if not path.exists():
            _build(path, table, features, bank, copy, workers, progress)
        copies.append(np.load(path, mmap_mode="r", allow_pickle=False))
    return copies


def _path(data_hash, features, bank, copy):
    settings = {k: v for k, v in hashed(features).items()
                if not k.startswith("segment_") and k not in ("silence_db", "delta_width")}
    ranges = {k: v for k, v in hashed(bank).items() if k != "copies"} if copy else {}
    key = json.dumps([2, data_hash, settings, ranges, copy], sort_keys=True)
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    return paths.cache_dir() / "features" / f"{name}.npy"


def _build(path, table, features, bank, copy, workers, progress):
    keep_freed_memory()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, note = path.with_suffix(".partial"), path.with_suffix(".json")
    frames = 1 + round(features.clip_seconds * features.sample_rate) // features.hop_length
    shape = (len(table), features.n_bands, frames)
    done = json.loads(note.read_text())["done"] if note.exists() and partial.exists() else 0
    transform = front_end(features).eval()
    clips = list(zip(table.clip_id, table.path, strict=True))

    def compute(clip):
        clip_id, file = clip
        wave = audio.read(file, features.clip_seconds)
        wave = augmented_copy(wave, clip_id, copy, bank)
        with torch.inference_mode():
            return transform(torch.from_numpy(wave)[None])[0, 0].numpy()

    label = f"features, copy {copy}" if copy else "features"
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers or os.cpu_count(), initializer=torch.set_num_threads,
                              initargs=(1,))
    shown = bar(label=label, total=len(clips), unit="clip", done=done, show=progress)
    with open(partial, "r+b" if done else "wb") as file, pool, shown:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        file.seek(done * 2 * shape[1] * shape[2], os.SEEK_CUR)
        for start in range(done, len(clips), BLOCK):
            block = clips[start : start + BLOCK]
            for static in pool.map(compute, block):
                file.write(static.astype("<f2").tobytes())
            file.flush()
            write_bytes(note, json.dumps({"done": start + len(block)}).encode())
            shown.update(len(block))
    torch.set_num_threads(threads)
    os.replace(partial, path)
    note.unlink()
