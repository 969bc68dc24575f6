"""Run folders: predictions, history and manifest of each run, written atomically, read strictly.

`<root>/<dataset>/<profile>/<experiment>/seed<k>/fold<f>/` holds predictions.csv, history.jsonl,
manifest.json and sometimes attention.npz. The manifest is written last and holds the SHA-256 of
the others: a folder with a manifest is complete, and a changed byte is detected on reading.

Notebook: 07_result_tables
"""

import hashlib
import io
import itertools
import json
import re
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ..files import ResultsError, read_json, replace, write_bytes

PREDICTIONS, HISTORY, ATTENTION = "predictions.csv", "history.jsonl", "attention.npz"
WATCHED = {"test": "watched_test.jsonl", "inner": "watched_validation.jsonl"}  # by protocol
MANIFEST, CHECKPOINT = "manifest.json", "checkpoint.json"
KEY = ("dataset", "profile", "experiment", "seed", "fold")
COLUMNS = ["filename", "clip_id", "fold", "target"]  # then p_0 ... p_{C-1}
CODE = ("code_hash", "model_hash")  # manifest fields that the first published runs lack
REPLACED = "replaced"  # folder beside the folds of a seed, for runs that were trained again
HINTS = {"precision": " (ACRNN_PRECISION in the environment chooses the precision)"}
LARGEST = 2**27  # bytes that attention.npz may unpack to; ESC-50's take under 10 million

# checks of the manifest fields that tables use
SOUND = {
    "config_hash": lambda x: isinstance(x, str),
    "sha256": lambda x: isinstance(x, dict) and all(Path(name).name == name for name in x),
    "config": lambda x: isinstance(x, dict) and isinstance(x.get("train", {}), dict)
    and isinstance(epochs := x.get("train", {}).get("epochs", 1), int) and 0 <= epochs < 2**63,
    "protocol": lambda x: x in ("test", "inner"),
    "train_folds": lambda x: isinstance(x, list) and all(type(fold) is int for fold in x),
    "classes": lambda x: isinstance(x, list) and all(isinstance(name, str) for name in x),
    "parameters": lambda x: x is None or (isinstance(x, int) and 0 <= x < 2**63),
    "wall_seconds": lambda x: isinstance(x, int | float) and 0 <= x < 2**63,
}


@dataclass(frozen=True, order=True)
class Run:
    """One experiment, trained with one seed and tested on one fold; files are read on first access.

    Every property raises ResultsError if its file is missing, damaged or invalid.

    Attributes
    ----------
    dataset, profile, experiment : str
    seed, fold : int
    folder : Path
    """

    dataset: str
    profile: str
    experiment: str
    seed: int
    fold: int
    folder: Path

    @classmethod
    def at(cls, folder: Path | str) -> "Run":
        """Make the run that a folder's path names; nothing is read.

        Raises
        ------
        ResultsError
            For a path of another form.
        """
        pattern = r".*/([^/]+)/([^/]+)/([^/]+)/seed(\d+)/fold(\d+)"
        match = re.fullmatch(pattern, Path(folder).absolute().as_posix())
        if not match:
            raise ResultsError(f"{folder}: not <dataset>/<profile>/<experiment>/seed<k>/fold<f>")
        return cls(*match.groups()[:3], int(match[4]), int(match[5]), Path(folder))

    @property
    def key(self) -> dict:
        """The five values that identify the run and its folder."""
        return {name: getattr(self, name) for name in KEY}

    @cached_property
    def manifest(self) -> dict:
        """Configuration, hashes, versions, machine and times of the run."""
        path = self.folder / MANIFEST
        manifest = self._named(read_json(path))
        for name, sound in SOUND.items():
            if name in manifest and not sound(manifest[name]):
                raise ResultsError(f"{path}: {name} is {manifest[name]!r}, which no run writes")
        if PREDICTIONS not in manifest.get("sha256", ()) or "config_hash" not in manifest:
            raise ResultsError(f"{path}: no config_hash or no {PREDICTIONS}")
        return manifest

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per test clip: filename, clip_id, fold, target, p_0 ... p_{C-1} (float64)."""
        path, data = self.folder / PREDICTIONS, self._verified(PREDICTIONS)
        types = dict.fromkeys(COLUMNS[:2], str) | dict.fromkeys(COLUMNS[2:], np.int64)
        try:
            table = pd.read_csv(io.BytesIO(data), dtype=types, keep_default_na=False)
        except (ValueError, OverflowError) as error:  # also whole numbers beyond 64 bits
            raise ResultsError(f"{path}: {error}") from error
        table = _checked(table, self.fold, path)
        found, named = len(table.columns) - len(COLUMNS), self.manifest.get("classes")
        if named is not None and len(named) != found:
            raise ResultsError(f"{path}: {found} probabilities for {len(named)} classes")
        return table

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per epoch."""
        self._verified(HISTORY)
        return read_history(self.folder)

    @cached_property
    def watched(self) -> pd.DataFrame | None:
        """Of the predicted fold after each epoch: clips, and how many of them were right.

        A row per epoch, a column of counts for the last weights (`last`) and for the averaged ones
        (`averaged`), if there are any. None for a run that was not watched.
        """
        name = WATCHED[self.manifest.get("protocol", "test")]
        if name not in self.manifest["sha256"]:
            return None
        self._verified(name)
        return read_history(self.folder, name)

    @cached_property
    def attention(self) -> dict[str, np.ndarray] | None:
        """Attention arrays by name; None for a system without attention.

        Of all S test segments: all_clips (S,); all_starts (S,), s; all_weights and all_energy
        (S, T'), rows sum to 1. Fold 1 also has one example clip per class, with `log_gammatone`
        and `attention` in the names.
        """
        path = self.folder / ATTENTION
        if ATTENTION not in self.manifest["sha256"] and not path.exists():
            return None
        data = io.BytesIO(self._verified(ATTENTION))
        try:
            size = sum(member.file_size for member in zipfile.ZipFile(data).infolist())
            if size > LARGEST:
                raise ValueError(f"unpacks to {size} bytes, expected at most {LARGEST}")
            with np.load(data, allow_pickle=False) as file:
                arrays = dict(file)
            if odd := [name for name, x in arrays.items() if not isinstance(x, np.ndarray)]:
                raise ValueError(f"{odd[0]!r} is no array")
            return arrays
        except Exception as error:  # zip, zlib and numpy raise a dozen types for a damaged file
            raise ResultsError(f"{path}: not the arrays of a run ({error})") from error

    def verify(self) -> None:
        """Compare every file in the manifest with its SHA-256; ResultsError if one differs."""
        for name in self.manifest["sha256"]:
            self._verified(name)

    def _verified(self, name) -> bytes:
        path, expected = self.folder / name, self.manifest["sha256"].get(name)
        if expected is None or not path.is_file():
            raise ResultsError(f"{path}: missing, or not named in the manifest")
        data = path.read_bytes()
        if _sha256(data) != expected:
            raise ResultsError(f"{path}: changed since it was written (its SHA-256 differs)")
        return data

    def _named(self, manifest) -> dict:
        for name, value in self.key.items():
            if manifest.get(name) != value:
                raise ResultsError(f"{self.folder / MANIFEST}: {name} is {manifest.get(name)!r}, "
                                   f"but the folder is that of {value!r}")
        return manifest


def run_folder(root: Path | str, dataset: str, profile: str, experiment: str, seed: int,
               fold: int) -> Path:
    """Path of a run's folder under `root` ("runs": new runs, "results": committed ones)."""
    return Path(root, dataset, profile, experiment, f"seed{seed}", f"fold{fold}")


def is_complete(folder: Path | str) -> bool:
    """Whether the run is finished: the manifest, always written last, exists."""
    return (Path(folder) / MANIFEST).is_file()


def finished(folder: Path | str, watched: bool = False) -> Run:
    """Return the finished run of a folder; ResultsError if it should be `watched` and was not."""
    run = Run.at(folder)
    if watched and run.watched is None:
        raise ResultsError(f"{folder}: finished, but not watched; choose another output folder")
    return run


def take_up(folder: Path | str, wanted: dict, reuse: bool = False) -> bool:
    """Check whether the wanted run is finished in `folder`, or has to be started or resumed.

    A run made by other code is moved aside, with one line on stderr.

    Parameters
    ----------
    folder : Path or str
        Run folder; the caller holds its lock (``files.locked``).
    wanted : dict
        Result of ``identity.identity``; names that are absent are not compared.
    reuse : bool
        Accept a finished run that other code made.

    Returns
    -------
    bool
        True: finished. False: to be started or resumed.

    Raises
    ------
    ResultsError
        For a run of another seed, fold, experiment, data set, device or precision, or with other
        settings; nothing is overwritten.
    """
    folder = Path(folder)
    path = folder / (MANIFEST if is_complete(folder) else CHECKPOINT)
    found = wanted
    if path.exists():
        found = read_json(path) if path.name == MANIFEST else read_note(path)
    # manifests of earlier versions have no hash of the code or of the model
    unknown = {name for name in CODE if is_complete(folder) and name not in found}
    named = Run.at(folder).key
    for name in [name for name in wanted if name not in CODE]:
        for where, value in ((folder, named.get(name, wanted[name])), (path, found.get(name))):
            if value != wanted[name]:
                raise ResultsError(f"{where}: made with {name} {value}, this run has "
                                   f"{wanted[name]}; choose another output folder or remove this "
                                   f"one{HINTS.get(name, '')}")
    other_code = any(found.get(name) != wanted[name]
                     for name in (wanted.keys() & set(CODE)) - unknown)
    if other_code and not (reuse and is_complete(folder)):
        _set_aside(folder)
    return is_complete(folder)


def _set_aside(folder):
    """Move the files of a run that other code made, so that it can be trained again."""
    number = next(n for n in itertools.count(1)
                  if not (folder.parent / REPLACED / f"{folder.name}-{n}").exists())
    kept = folder.parent / REPLACED / f"{folder.name}-{number}"
    kept.mkdir(parents=True)
    # manifest first: after an interruption no unfinished folder looks complete
    for path in sorted(folder.iterdir(), key=lambda path: path.name != MANIFEST):
        replace(path, kept / path.name)
    print(f"{folder}: made by another version of the code, so it is trained again; the old run is "
          f"now {REPLACED}/{kept.name} (--reuse keeps such a run)", file=sys.stderr, flush=True)


def read_note(path: Path | str) -> dict:
    """Read the JSON of a checkpoint; ResultsError if it changed since it was written."""
    note = read_json(path)
    # checkpoints of earlier versions have no hash of the note
    if note.get("note_sha256", note_hash(note)) != note_hash(note):
        raise ResultsError(f"{path}: changed since it was written; remove it to train this fold "
                           "from the start")
    return note


def note_hash(note: dict) -> str:
    """SHA-256 (hex) of a checkpoint's JSON, without the hash stored in it."""
    rest = {name: value for name, value in note.items() if name != "note_sha256"}
    return _sha256(json.dumps(rest, sort_keys=True).encode())


def without_code(runs: list[Run]) -> list[Run]:
    """Select the runs whose manifest has no ``code_hash``, as earlier versions wrote it."""
    return [run for run in runs if "code_hash" not in run.manifest]


def write(folder: Path | str, predictions: pd.DataFrame, manifest: dict,
          attention: dict[str, np.ndarray] | None = None) -> Run:
    """Write the final files of a run, each atomically and the manifest last.

    Parameters
    ----------
    folder : Path or str
        Run folder.
    predictions : pd.DataFrame
        A row per test clip: filename, clip_id, fold, target, p_0 ... p_{C-1}.
    manifest : dict
        At least config_hash; the run's key and the SHA-256 hashes are added.
    attention : dict of np.ndarray, optional

    Returns
    -------
    Run

    Raises
    ------
    ResultsError
        For invalid predictions or attention, a manifest of another run, and a complete folder.
    """
    run = Run.at(folder)
    if is_complete(folder):
        raise ResultsError(f"{folder}: this run is complete; remove its folder to run it again")
    manifest = run._named({**run.key, **manifest})
    table = _checked(predictions, run.fold, run.folder / PREDICTIONS)
    text = table.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    write_bytes(run.folder / PREDICTIONS, text.encode())
    (run.folder / ATTENTION).unlink(missing_ok=True)  # left by an interrupted attempt
    if attention is not None:
        if any(np.asarray(value).dtype.hasobject for value in attention.values()):
            raise ResultsError(f"{run.folder / ATTENTION}: arrays of objects are not stored")
        if (size := sum(np.asarray(value).nbytes for value in attention.values())) > LARGEST:
            raise ResultsError(f"{run.folder / ATTENTION}: {size} bytes, more than {LARGEST}")
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **attention)
        write_bytes(run.folder / ATTENTION, buffer.getvalue())
    if "watched" not in manifest:  # begun with --watch-test, resumed without
        for name in WATCHED.values():
            (run.folder / name).unlink(missing_ok=True)
    paths = [run.folder / name for name in (PREDICTIONS, HISTORY, *WATCHED.values(), ATTENTION)]
    manifest["sha256"] = {p.name: _sha256(p.read_bytes()) for p in paths if p.exists()}
    write_bytes(run.folder / MANIFEST, (_json(manifest, indent=1) + "\n").encode())
    return run


def prediction_table(clips: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """Make the table of predictions.csv.

    Parameters
    ----------
    clips : pd.DataFrame, n rows of the clip table
    probabilities : np.ndarray, shape (n, C), float

    Returns
    -------
    pd.DataFrame
        filename, clip_id, fold, target, p_0 ... p_{C-1}.
    """
    table = clips[COLUMNS[1:]].reset_index(drop=True)
    table.insert(0, "filename", [Path(path).name for path in clips.path])
    return table.assign(**{f"p_{k}": chances for k, chances in enumerate(probabilities.T)})


def append_history(folder: Path | str, row: dict, name: str = HISTORY) -> None:
    """Add an epoch to history.jsonl or a file of WATCHED; `row` has at least `epoch`, from 1."""
    _write_epochs(folder, [*_epochs(folder, name), row], name)


def read_history(folder: Path | str, name: str = HISTORY) -> pd.DataFrame:
    """Read history.jsonl or a file of WATCHED: a row per epoch, none if there is no file."""
    return pd.DataFrame(_epochs(folder, name))


def truncate_history(folder: Path | str, epoch: int) -> None:
    """Drop the lines after the checkpoint's `epoch` before resuming; 0 drops all."""
    for name in (HISTORY, *WATCHED.values()):
        if name == HISTORY or (Path(folder) / name).exists():
            kept = [row for row in _epochs(folder, name) if row["epoch"] <= epoch]
            _write_epochs(folder, kept, name)


def load(root: Path | str = "results", dataset: str | None = None, profile: str | None = None,
         experiment: str | None = None, seed: int | None = None) -> list[Run]:
    """List the complete runs under `root`.

    Parameters
    ----------
    root : Path or str
    dataset, profile, experiment, seed : optional
        Keep only runs with this value.

    Returns
    -------
    list of Run
        Sorted.

    Raises
    ------
    ResultsError
        If no run is left, or runs of one experiment differ in config, data or protocol: they must
        not be averaged.
    """
    wanted = dict(zip(KEY, (dataset, profile, experiment, seed), strict=False))
    wanted = {name: value for name, value in wanted.items() if value is not None}
    folders = [path.parent for path in Path(root).glob(f"*/*/*/seed*/fold*/{MANIFEST}")]
    runs = sorted(run for run in map(Run.at, folders) if wanted.items() <= run.key.items())
    if not runs:
        chosen = ", ".join(f"{name}={value}" for name, value in wanted.items())
        gone = "" if Path(root).exists() else f"; {Path(root).absolute()} does not exist"
        raise ResultsError(f"{root}: no complete runs" + f" with {chosen}" * bool(chosen) + gone)
    first = {}
    for run in runs:
        other = first.setdefault((run.dataset, run.profile, run.experiment), run)
        for name in ("config_hash", "data_hash", "protocol"):
            if run.manifest.get(name) != other.manifest.get(name):
                raise ResultsError(f"{run.folder}: {name} differs from {other.folder}")
    return runs


def predictions(runs: list[Run]) -> pd.DataFrame:
    """Test clips of all runs in one table.

    Parameters
    ----------
    runs : list of Run

    Returns
    -------
    pd.DataFrame
        A row per run and clip: the run's key, clip_id, source (the recording, the middle of
        `fold-id-take`), target, predicted, correct, p_0 ... p_{C-1}.

    Raises
    ------
    ResultsError
        If a clip was tested twice with one seed.
    """
    tables = []
    for run in runs:
        table = run.predictions
        chances = table.filter(regex=r"^p_\d+$")
        predicted = chances.to_numpy().argmax(axis=1)
        source = table["clip_id"].str.extract(r"^[^-]+-(.+)-[^-]+$", expand=False)
        own = pd.DataFrame({
            **run.key, "clip_id": table["clip_id"], "source": source, "target": table["target"],
            "predicted": predicted, "correct": predicted == table["target"]})
        tables.append(pd.concat([own, chances], axis=1))
    long = pd.concat(tables, ignore_index=True)
    twice = long["clip_id"][long.duplicated([*KEY[:4], "clip_id"])]
    if len(twice):
        raise ResultsError(f"{run.folder.parent}: {twice.iloc[0]} was tested in more than one fold")
    return long


def _checked(table, fold, path) -> pd.DataFrame:
    """`table` unchanged, or ResultsError with the first fault found."""
    n_classes = len(table.columns) - len(COLUMNS)
    if n_classes < 2 or [*table.columns] != COLUMNS + [f"p_{k}" for k in range(n_classes)]:
        raise ResultsError(f"{path}: columns are {', '.join(map(str, table.columns))}")
    chances = np.column_stack([pd.to_numeric(table[name], errors="coerce").astype(float)
                               for name in table.columns[len(COLUMNS):]])
    checks = {
        "no rows": [table.empty],
        "a probability that is not a number from 0 to 1": ~((chances >= 0) & (chances <= 1)),
        "probabilities that do not sum to 1": np.abs(chances.sum(axis=1) - 1) > 1e-4,
        "a clip_id that is not fold-id-take": ~table["clip_id"].str.fullmatch("[^-]+-.+-[^-]+"),
        "a clip_id twice": table["clip_id"].duplicated(),
        f"a fold other than {fold}": table["fold"] != fold,
        f"a target outside 0 to {n_classes - 1}": ~table["target"].isin(range(n_classes)),
    }
    for what, wrong in checks.items():
        if np.any(wrong):
            raise ResultsError(f"{path}: {what} (row {np.argwhere(wrong)[0][0] + 1})")
    return table


def _write_epochs(folder, rows, name):
    write_bytes(Path(folder) / name, "".join(_json(row) + "\n" for row in rows).encode())


def _epochs(folder, name) -> list[dict]:
    path = Path(folder) / name
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [{"epoch": int(json.loads(line)["epoch"]), **json.loads(line)} for line in lines]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ResultsError(f"{path}: a line is not an epoch: {error}") from error


def _sha256(data) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(content, **options) -> str:
    """JSON text; numpy numbers are converted, NaN, infinity and other types refused."""
    return json.dumps(content, default=np.generic.item, allow_nan=False, **options)
