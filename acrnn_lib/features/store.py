"""The feature store: every clip's features, computed once, memory-mapped afterwards.

It can hold the waves of the augmented copies, too. One file per copy of the bank (copy 0 is the
clips themselves), named by the hash of all that decides its content. A file gets its name only when
it is complete; the JSON note beside it holds its SHA-256. An interrupted build is continued. One
process builds at a time, on all cores; others wait for the result.

Notebook: 03_augmentation
"""

import hashlib
import io
import json
import math
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .. import files
from ..config import hashed
from ..data import audio, datasets
from ..device import keep_freed_memory, one_threaded_pool, return_freed_memory
from ..evaluation.results import ResultsError
from ..files import file_hash, read_json, whole_errors, write_bytes
from ..progress import bar
from .augment import augmented_copy
from .frontend import front_end

if TYPE_CHECKING:
    import pandas as pd

    from ..config import BankConfig, FeatureConfig

GROUP = 4  # clips decoded, then transformed: each kind of work keeps its tables in the CPU's cache
BLOCK = 32  # clips between two notes of progress on disk


def load(
    table: "pd.DataFrame", features: "FeatureConfig", bank: "BankConfig",
    workers: int | None = None, progress: bool = True, device: torch.device | str = "cpu",
) -> list[np.ndarray]:
    """Features of all clips of a table and of their augmented copies, built where missing.

    A file whose SHA-256 does not match is reported and built again.

    Parameters
    ----------
    table : pd.DataFrame
        Clip table of ``datasets.load``.
    features : FeatureConfig
    bank : BankConfig
    workers : int, optional
        Threads, by default one per core.
    progress : bool
        Show a progress bar.
    device : torch.device or str
        "cuda" augments and transforms on the GPU, anything else on the CPU; threads decode. Files
        made on a GPU have names of their own, as sums round differently there.

    Returns
    -------
    list of np.ndarray, shape (clips, n_bands, frames), float16
        ``bank.copies`` + 1 read-only memory maps of log energies, clips in the table's order.
        Rounding to float16 changes a value by at most 0.004 (0.4 % of a factor e).

    Raises
    ------
    AudioError
        A clip that cannot be read; what was built before stays.

    Notebook: 03_augmentation
    """
    later = ("segment_frames", "segment_hop", "silence_db", "delta_width", "channels")
    settings = {k: v for k, v in hashed(features).items() if k not in later}  # what is stored
    frames = 1 + round(features.clip_seconds * features.sample_rate) // features.hop_length
    device = _on(device)

    def prepared():
        transform = front_end(features).eval().to(device)
        return lambda wave: transform.static(wave[None])[0]

    kind = Kind("features", [3], settings, (features.n_bands, frames), prepared)
    return _load(kind, table, features.clip_seconds, bank, workers, progress, device)


def load_waves(
    table: "pd.DataFrame", features: "FeatureConfig", bank: "BankConfig",
    workers: int | None = None, progress: bool = True, device: torch.device | str = "cpu",
) -> list[np.ndarray]:
    """Waves of all clips of a table and of their augmented copies, built where missing.

    Parameters and errors as for ``load``. A clip takes 0.4 MB a copy.

    Returns
    -------
    list of np.ndarray, shape (clips, samples), float16
        ``bank.copies`` + 1 read-only memory maps, clips in the table's order. Rounding to float16
        changes a sample by at most 0.05 % or 3e-8.

    Notebook: 03_augmentation
    """
    seconds, rate = features.clip_seconds, features.sample_rate
    kind = Kind("waves", ["waves", 1], {"clip_seconds": seconds, "sample_rate": rate},
                (round(seconds * rate),), lambda: lambda wave: wave)
    return _load(kind, table, seconds, bank, workers, progress, _on(device))


@dataclass(frozen=True)
class Kind:
    """What a file of the store holds of each clip.

    Parameters
    ----------
    label : str
        For the progress bar.
    version : list
        First part of the key that names the file.
    settings : dict
        All settings that decide the content.
    shape : tuple of int
        Of one clip.
    prepared : callable
        Called once for a build; returns a function from a wave (N,), float32, to a tensor of that
        shape.
    """

    label: str
    version: list
    settings: dict
    shape: tuple[int, ...]
    prepared: Callable[[], Callable[[torch.Tensor], torch.Tensor]]

    def name(self, data: list, bank: "BankConfig", copy: int, device: torch.device) -> str:
        """Name of the file of one copy, under the cache folder."""
        ranges = {k: v for k, v in hashed(bank).items() if k != "copies"} if copy else {}
        made_on = [device.type] * (device.type != "cpu")
        key = json.dumps([*self.version, data, self.settings, ranges, copy, *made_on],
                         sort_keys=True)
        return f"features/{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"


def _on(device):
    device = torch.device(device)
    return device if device.type == "cuda" else torch.device("cpu")


def _load(kind, table, seconds, bank, workers, progress, device):
    data = [datasets.data_hash(table), *table.clip_id]  # the hash ignores the clips' order
    wanted = [files.cached(kind.name(data, bank, copy, device), _is_whole)
              for copy in range(bank.copies + 1)]
    if not all(_is_whole(path) for path in wanted):
        with files.locked(files.cache_dir() / "features"):
            for copy, path in enumerate(wanted):
                if not _is_whole(path):  # nor has another process built it meanwhile
                    _build(path, kind, table, seconds, bank, copy, workers, progress, device)
        return_freed_memory()
    return [np.load(path, mmap_mode="r", allow_pickle=False) for path in wanted]


def _is_whole(path):
    """Return whether the file exists with the SHA-256 that its note states."""
    if not path.exists():
        return False
    if file_hash(path) == _note(path).get("sha256"):
        return True
    print(f"{path}: its SHA-256 is not the one noted beside it; built again", file=sys.stderr,
          flush=True)
    return False


def _note(path):
    """{"done": clips written so far, "sha256": of the file up to there}; empty without a note."""
    try:
        return read_json(path.with_suffix(".json"))
    except ResultsError:  # missing, or damaged: then nothing is known about the file
        return {}


def _build(path, kind, table, seconds, bank, copy, workers, progress, device):
    keep_freed_memory()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    partial, note = path.with_suffix(".partial"), path.with_suffix(".json")
    head, size = _header((len(table), *kind.shape)), 2 * math.prod(kind.shape)
    done, written = _resumed(partial, _note(path), len(head), size)
    clips, of = list(zip(table.clip_id, table.path, strict=True)), kind.prepared()

    def compute(group):
        waves = [torch.from_numpy(audio.read(file, seconds)) for _, file in group]
        with torch.inference_mode():
            waves = [augmented_copy(wave.to(device), clip_id, copy, bank)
                     for wave, (clip_id, _) in zip(waves, group, strict=True)]
            made = [of(wave).half().cpu().numpy() for wave in waves]
        if made[0].shape != kind.shape:  # else the clips after it would be read at wrong places
            raise ValueError(f"{kind.label} of {group[0][1]}: found shape {made[0].shape}, "
                             f"expected {kind.shape} by n_fft, hop_length and clip_seconds")
        return [values.astype("<f2", copy=False) for values in made]

    label = f"{kind.label}, copy {copy}" if copy else kind.label
    threads = torch.get_num_threads()
    pool = one_threaded_pool(workers or os.cpu_count())
    shown = bar(label=label, total=len(clips), unit="clip", done=done, show=progress)
    groups = [clips[start : start + GROUP] for start in range(done, len(clips), GROUP)]
    with whole_errors(partial), open(partial, "r+b" if done else "wb") as file, pool, shown:
        if not done:
            file.write(head)
            written.update(head)
        file.seek(len(head) + done * size)
        with closing(pool.map(compute, groups)) as results:  # closed, it computes no more
            for number, made in enumerate(results, 1):
                for values in made:
                    file.write(values)
                    written.update(values)
                done += len(made)
                if number % (BLOCK // GROUP) == 0 or number == len(groups):
                    file.flush()
                    progressed = {"done": done, "sha256": written.hexdigest()}
                    write_bytes(note, json.dumps(progressed).encode())
                shown.update(len(made))
    torch.set_num_threads(threads)
    os.replace(partial, path)


def _header(shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f2", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _resumed(partial, note, head, clip):
    """(clips that an interrupted build has finished, SHA-256 object of the file up to there).

    head, clip : sizes in bytes. (0, a new object) where the file does not match its note.
    """
    if partial.exists() and isinstance(done := note.get("done"), int):
        data, size = hashlib.sha256(), head + done * clip
        with open(partial, "rb") as file:
            while size and (part := file.read(min(size, 2**20))):
                data.update(part)
                size -= len(part)
        if not size and data.hexdigest() == note.get("sha256"):
            return done, data
    return 0, hashlib.sha256()
