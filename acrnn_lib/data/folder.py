"""Sounds of your own as a data set: a folder per class, or the layout of UrbanSound8K.

Notebook: 13_your_own_sounds
"""

import io
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from ..files import DatasetError, printable, separator, write_bytes
from . import audio
from .decoders import MORE_SUFFIXES, SUFFIXES

SOUNDS = SUFFIXES + MORE_SUFFIXES
FOLDS_FILE = "folds.csv"  # file, fold, recording
N_FOLDS, SEED = 5, 0  # of folds that are drawn here
URBANSOUND = "metadata/UrbanSound8K.csv"
CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # the last: bytes that are no UTF-8
MARKUP = re.compile(rf"[<>&|\"]|{CONTROL.pattern}")  # pages and tables show the names of classes


def load(folder: Path) -> pd.DataFrame:
    """The clip table of a folder of sounds.

    Parameters
    ----------
    folder : Path
        One folder per class, named after it, with sounds of any length and rate; optionally
        ``folds.csv`` with the columns file (``class/name.wav``), fold (1, 2, ...) and recording.
        Or the layout of UrbanSound8K, whose ten folds are taken.

    Returns
    -------
    DataFrame with the columns of ``datasets.load``. Without ``folds.csv``, five stratified folds
    are drawn once, clips of one recording together, and written there. The recording of a file is
    what stands before the last hyphen of its name, unless all files of its class share that.

    Raises
    ------
    DatasetError for a folder without classes or sounds, a file that cannot be read, two classes
    with one name, a fold without a clip of some class, and a ``folds.csv`` that does not fit.

    Notebook: 13_your_own_sounds
    """
    if (folder / URBANSOUND).is_file():
        return _urbansound(folder)
    table = _classes(folder)
    if (folder / FOLDS_FILE).is_file():
        table = _with_folds(table, folder / FOLDS_FILE)
    else:
        table["fold"] = _drawn_folds(table, folder)
        written = table[["file", "fold", "recording"]].to_csv(index=False, lineterminator="\n")
        try:
            write_bytes(folder / FOLDS_FILE, written.encode())
        except OSError as error:
            raise DatasetError(f"{folder / FOLDS_FILE}: cannot be written ({error.strerror}), but "
                               "the folds that are drawn must be kept; expected a folder that can "
                               f"be written to, or a {FOLDS_FILE} in it") from error
    return _clip_table(table, folder, str(folder / FOLDS_FILE))


def _classes(folder):
    """A row per sound: file (class/name), category, recording; every file's header was read."""
    classes = sorted(path.name for path in folder.iterdir()
                     if path.is_dir() and not path.name.startswith((".", "_")))
    same = [name for name, n in Counter(name.casefold() for name in classes).items() if n > 1]
    if same:
        found = ", ".join(name for name in classes if name.casefold() == same[0])
        raise DatasetError(f"{folder}: two classes with one name: {found}")
    if odd := [name for name in classes if MARKUP.search(name)]:
        raise DatasetError(f"{folder}: class {odd[0]!r}: expected a name without < > & | \"")
    files = {name: sorted(path.name for path in (folder / name).iterdir()
                          if path.suffix.lower() in SOUNDS and path.is_file())
             for name in classes}
    for name, found in files.items():
        if odd := [file for file in found if CONTROL.search(file)]:
            raise DatasetError(f"{folder / name}: {printable(odd[0])}: expected a name in UTF-8 "
                               "without control characters, as tables will show it; rename it")
    if len(classes) < 2:
        raise DatasetError(f"{folder}: found {len(classes)} folders, expected one per class and at "
                           "least two, each with its sounds")
    if empty := [name for name in classes if not files[name]]:
        others = sorted({path.suffix for path in (folder / empty[0]).iterdir()})
        raise DatasetError(f"{folder / empty[0]}: no sound; found {', '.join(others) or 'nothing'},"
                           f" expected {', '.join(SOUNDS)}")
    rows = []
    for name in classes:
        prefixes = [Path(file).stem.rpartition("-")[0] or Path(file).stem for file in files[name]]
        shared = len(set(prefixes)) == 1 < len(prefixes)  # it names the class, not a recording
        rows += [{"file": f"{name}/{file}", "category": name,
                  "recording": Path(file).stem if shared else prefix}
                 for file, prefix in zip(files[name], prefixes, strict=True)]
    table = pd.DataFrame(rows)
    _must_be_sounds(folder, table["file"])
    return table


def _must_be_sounds(folder, files):
    def problem(file):
        try:
            audio.duration(folder / file)
        except audio.AudioError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        problems = [found for found in pool.map(problem, files) if found]
    if problems:
        raise DatasetError(f"{problems[0]} ({len(problems)} of {len(files)} files cannot be read)")


def _drawn_folds(table, folder):
    """Stratified folds 1 to N_FOLDS, clips of one recording in one fold: int (clips,)."""
    for name, group in table.groupby("category"):
        if (n := group["recording"].nunique()) < N_FOLDS:
            raise DatasetError(
                f"{folder / name}: {len(group)} clips of {n} recordings (what stands before the "
                f"last hyphen of a name), expected at least {N_FOLDS}, one for each fold")
    split = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=SEED)
    folds = np.zeros(len(table), int)
    parts = split.split(table, table["category"], table["recording"])
    for fold, (_, tested) in enumerate(parts, 1):
        folds[tested] = fold
    return folds


def _with_folds(table, path):
    """The table with the folds, and the recordings where given, of a folds.csv."""
    try:
        given = pd.read_csv(path, dtype={"file": str, "fold": int, "recording": str},
                            keep_default_na=False)
        given = given.set_index("file")
        if not given.index.is_unique:
            raise ValueError(f"{given.index[given.index.duplicated()][0]} stands there twice")
        given = given[[name for name in ("fold", "recording") if name == "fold" or name in given]]
    except (ValueError, KeyError) as error:
        raise DatasetError(f"{path}: expected the columns file, fold (a number) and, if you like, "
                           f"recording, each file once ({separator(path) or error})") from error
    files = set(table["file"])
    for kind, names in (("not in the folders", set(given.index) - files),
                        ("without a fold", files - set(given.index))):
        if names:
            raise DatasetError(f"{path}: {len(names)} files {kind}: {min(names)}; without this "
                               "file folds are drawn anew")
    return table.drop(columns=given.columns, errors="ignore").join(given, on="file")


def _clip_table(table, folder, where):
    """Columns of ``datasets.load`` from file, category, recording and fold."""
    folds, classes = sorted(table["fold"].unique()), sorted(table["category"].unique())
    if folds != list(range(1, len(folds) + 1)) or len(folds) < 3:
        raise DatasetError(f"{where}: found folds {', '.join(map(str, folds))}, expected 1, 2, 3 "
                           "and so on")
    for fold in folds:
        if missing := set(classes) - set(table.loc[table["fold"] == fold, "category"]):
            raise DatasetError(f"{where}: fold {fold} has no clip of class {min(missing)}")
    torn = table.groupby("recording")["fold"].nunique()
    if len(torn := torn[torn > 1]):
        raise DatasetError(f"{where}: recording {torn.index[0]} lies in more than one fold, so a "
                           "model would be tested on what it was trained on")
    take = table.groupby("recording").cumcount() + 1
    return pd.DataFrame({
        "clip_id": [f"{fold}-{recording}-{number}" for fold, recording, number in
                    zip(table["fold"], table["recording"], take, strict=True)],
        "path": [str(folder / file) for file in table["file"]], "fold": table["fold"],
        "target": table["category"].map({name: k for k, name in enumerate(classes)}),
        "category": table["category"], "source": table["recording"], "licence": "your own",
        "author": "", "url": ""})


def _urbansound(folder):
    """UrbanSound8K: audio/fold1 ... fold10 and its table."""
    path = folder / URBANSOUND
    try:
        meta = pd.read_csv(io.BytesIO(path.read_bytes()), dtype={"fsID": str})
        table = pd.DataFrame({
            "file": [f"audio/fold{fold}/{name}"
                     for fold, name in zip(meta["fold"], meta["slice_file_name"], strict=True)],
            "category": meta["class"].astype(str), "fold": meta["fold"].astype(int),
            "recording": meta["fsID"]})
    except (ValueError, KeyError) as error:
        raise DatasetError(f"{path}: is not the table of UrbanSound8K "
                           f"({separator(path) or error})") from error
    missing = [file for file in table["file"] if not (folder / file).is_file()]
    if missing:
        raise DatasetError(f"{folder / missing[0]}: missing, {len(missing)} of {len(table)} files")
    _must_be_sounds(folder, table["file"])
    return _clip_table(table, folder, str(path)).assign(licence="CC BY-NC 3.0 (collection)")
