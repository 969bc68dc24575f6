"""The clip table: which sounds there are, in which fold, of which class, and by whom.

`synth` is generated, `clips` are sounds of ESC-10 that come with the package, `esc10` and `esc50`
(Piczak 2015, doi 10.1145/2733373.2806390) come from a folder of yours or from ``download``, their
16 kHz, 8-bit copies `esc10-16k` and `esc50-16k` from a folder of yours, and `folder` is any folder
of sounds. Nothing is used unchecked.

Notebook: 01_listen_and_look
"""

import difflib
import hashlib
import json
import shutil
from functools import partial
from pathlib import Path

import pandas as pd

from ..config import DATASETS, dataset_label
from ..files import (
    DatasetError,
    arriving,
    cached,
    dataset_dir,
    file_hash,
    locked,
    sweep,
)
from . import esc
from .contents import digests, file_names, must_hold

COLUMNS = "clip_id path fold target category source licence author url".split()
SUMS = "sha256.json"  # of generated clips, by file name
COPIES = ("esc10-16k", "esc50-16k")  # both in one folder, that of esc50-16k


def load(name: str, root: Path | str | None = None) -> pd.DataFrame:
    """Return the checked clip table of a data set.

    ESC-10 has its original class order and its credits, inside an ESC-50 folder too.

    Parameters
    ----------
    name : one of config.DATASETS
    root : Path or str, optional
        The data set's folder, or one that holds it by name; by default ACRNN_DATA, else the cache
        (``synth`` is then always the generated one). ``clips`` has no other folder.

    Returns
    -------
    pd.DataFrame
        A row per clip: clip_id (fold-source-take), path (absolute), fold (1 to N), target (0 to
        C-1), category, source (the recording's id), licence, author, url. Its ``attrs`` hold the
        name (dataset) and the SHA-256 of the downloaded archive, empty without a download.

    Raises
    ------
    DatasetError
        For an unknown name, a missing or wrong folder, a folder given for ``clips``, and missing,
        strange or changed files. ESC-10, its bundled clips and the 16 kHz copies are checked by
        SHA-256; ESC-50 by name, format and length, by SHA-256 where it was
        downloaded, and by ``fingerprint`` where it is loaded as ESC-10.

    Notebook: 01_listen_and_look
    """
    if name not in DATASETS:
        close = difflib.get_close_matches(str(name).lower(), DATASETS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}? " if close else ""
        raise DatasetError(f"unknown data set {name!r}: {hint}expected one of "
                           f"{', '.join(DATASETS)}")
    if name == "clips" and root is not None:
        raise DatasetError(f"--data {root}: data set clips comes with the package, expected no "
                           "folder for it")
    folder = (esc.CLIPS if name == "clips" else
              _generated() if name == "synth" and root is None else dataset_dir(name, root))
    if not folder.is_dir():
        how = "" if name in (*COPIES, "folder") else f"`python -m acrnn_lib data {name}` or "
        raise DatasetError(f"{folder}: not here; " + (
            "install the package again" if name == "clips" else f"{how}--data DIR"))
    table = {"synth": _synth, "clips": esc.bundled, "folder": _folder, "esc10": esc.esc10,
             "esc50": esc.esc50, "esc50-16k": esc.esc50_copy,
             "esc10-16k": partial(esc.esc10, find=esc.esc50_copy)}[name](folder)
    table = table[COLUMNS].reset_index(drop=True)
    table.attrs = {"dataset": name, "archive": esc.record(folder).get("sha256", "")}
    return table


def class_names(table: pd.DataFrame) -> list[str]:
    """Return the category names of a clip table, in the order of their targets."""
    return table.drop_duplicates("target").sort_values("target")["category"].tolist()


def folds(table: pd.DataFrame) -> list[int]:
    """Return the folds of a clip table in order, 1 to N."""
    return sorted(map(int, table["fold"].unique()))


def data_hash(table: pd.DataFrame) -> str:
    """Return one SHA-256 (hex) over the clip ids and the contents of their files, in any order."""
    clips = sorted(zip(table["clip_id"], digests(table["path"]), strict=True))
    lines = "".join(f"{clip_id} {digest}\n" for clip_id, digest in clips)
    return hashlib.sha256(lines.encode()).hexdigest()


def describe(table: pd.DataFrame) -> str:
    """Return a short text: clips, folds, classes, recordings and licences of a clip table."""

    def counts(column):
        return ", ".join(f"{value}: {n}" for value, n in table[column].value_counts().items())

    rows = {
        "data set": dataset_label(table.attrs.get("dataset", "?")),
        "clips": f"{len(table)} from {table['source'].nunique()} recordings",
        "folds": counts("fold"),
        "classes": f"{table['target'].nunique()}: {', '.join(class_names(table))}",
        "licences": counts("licence"),
        "data hash": data_hash(table),
    }
    return "\n".join(f"{label:<10} {text}" for label, text in rows.items())


def _generated():
    """The folder of the generated data set, written when it is not there yet."""
    from . import synth

    folder = cached(f"synth-{synth.VERSION}", lambda folder: (folder / SUMS).is_file())
    if folder.is_dir() and not (folder / SUMS).is_file():
        shutil.rmtree(folder)  # of an earlier version, which could not be checked
    if not folder.is_dir():
        with locked(folder):
            if not folder.is_dir():  # nor has another process written it meanwhile
                _generate(folder)
    return folder


def _generate(folder):
    from . import synth

    sweep(folder)
    with arriving(folder) as new:
        synth.write(new)
        sums = {path.name: file_hash(path) for path in new.glob("*.wav")}
        (new / SUMS).write_text(json.dumps(sums), encoding="utf-8")


def _synth(folder):
    from . import synth

    clips = synth.plan()
    clips["file"] = clips["clip_id"] + ".wav"
    found = file_names(folder, "*.wav")
    must_hold(folder, clips, "file", found, f"files of synth {synth.VERSION}")
    path = [str(folder / file) for file in clips["file"]]
    try:
        sums = json.loads((folder / SUMS).read_text(encoding="utf-8"))
        changed = [p for p, digest in zip(path, digests(path), strict=True)
                   if sums[Path(p).name] != digest]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{folder / SUMS}: expected the checksums of {folder.name} ({error}); "
                           "without the folder it is generated again") from error
    if changed:
        raise DatasetError(f"{changed[0]}: changed since it was generated ({len(changed)} of "
                           f"{len(path)} files differ); without {folder} it is generated again")
    return clips.assign(path=path, licence="CC0 (generated)", author="ACRNN kit", url="")


def _folder(folder):
    from .folder import load  # scikit-learn, which the other data sets can do without

    return load(folder)
