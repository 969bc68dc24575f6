"""Locations of data and cache; atomic writes, JSON, hashes and locks.

Notebook: 00_start_here
"""

import functools
import glob
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EACCES, EPERM, EROFS
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

WINDOWS_TRIES = 20  # a second


class DatasetError(ValueError):
    """A data set that cannot be used; the message names the folder or file and the reason."""


def cache_dir() -> Path:
    """Folder for downloads and built files: ACRNN_CACHE, else the user's cache."""
    return Path(os.environ.get("ACRNN_CACHE") or platformdirs.user_cache_dir("acrnn_lib"))


def cached(name: str, usable: Callable[[Path], bool] = Path.exists) -> Path:
    """Where a file or folder of the cache is, or is to be made.

    Parameters
    ----------
    name : str
        Path within the cache.
    usable : callable
        Whether the one at a path will do.

    Returns
    -------
    Path
        In ACRNN_SHARED_CACHE, which is only read, if that has a usable one; else in `cache_dir`.

    Raises
    ------
    DatasetError
        ACRNN_SHARED_CACHE is not a folder.
    """
    if given := os.environ.get("ACRNN_SHARED_CACHE"):
        shared = Path(given).expanduser().absolute()
        if not shared.is_dir():
            raise DatasetError(f"{shared} (ACRNN_SHARED_CACHE): expected a folder, found none")
        if usable(shared / name):
            return shared / name
    return cache_dir() / name


def dataset_dir(name: str, data: Path | str | None = None) -> Path:
    """Folder of a data set.

    Parameters
    ----------
    name : str
    data : Path or str, optional
        The data set's own folder, or one that contains it by name (``data/esc10``); by default the
        environment's ACRNN_DATA, else the folder in a cache, which may not exist yet.

    Returns
    -------
    Path

    Raises
    ------
    DatasetError
        A given folder that does not exist.
    """
    given = data or os.environ.get("ACRNN_DATA")
    if not given:
        return cached(name)
    folder = Path(given).expanduser().absolute()
    if not folder.is_dir():
        found = "it is a file" if folder.exists() else "there is nothing"
        origin = "" if data else " (ACRNN_DATA)"
        raise DatasetError(f"{folder}{origin}: expected the folder of {name}, {found}")
    # both 16 kHz copies lie in one folder
    names = (name, "esc50-16k") if name == "esc10-16k" else (name,)
    return next((folder / found for found in names if (folder / found).is_dir()), folder)


def sweep(folder: Path) -> None:
    """Remove what killed processes left of a folder on its way, see ``arriving``.

    The caller holds the folder's lock.
    """
    for left in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left)


@contextmanager
def arriving(folder: Path) -> Iterator[Path]:
    """Create a folder atomically: it appears only when the block ends without an error.

    Parameters
    ----------
    folder : Path
        An existing one is kept: another process has written the same content.

    Yields
    ------
    Path
        Temporary folder to write to.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        new = Path(temporary) / folder.name
        new.mkdir()
        yield new
        if not folder.is_dir():  # else another process has written the same content
            replace(new, folder)


@contextmanager
def locked(path: Path | str) -> Iterator[None]:
    """Lock a file or folder against other processes and threads, which wait and report it once.

    The system releases the lock when the process ends, however it ends.

    Parameters
    ----------
    path : Path or str
        Need not exist; the lock is an empty file ``.<name>.lock`` beside it, which stays.

    Raises
    ------
    OSError
        A folder that cannot be written to; the message says what to do.
    """
    path = Path(path).absolute()
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{path}: waiting for another process that works here", file=sys.stderr, flush=True)
        lock.acquire()
    except OSError as error:
        if error.errno not in (EACCES, EPERM, EROFS):
            raise
        raise OSError(f"{path}: missing, and {path.parent} cannot be written to "
                      f"({error.strerror}); expected a folder of yours: ACRNN_CACHE names the "
                      "cache to write to, ACRNN_SHARED_CACHE one that is only read") from error
    try:
        yield
    finally:
        lock.release()


def printable(name: Path | str) -> str:
    """Return a name in one line: control characters and bytes that are no UTF-8 are escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(name))


def separator(table: Path) -> str:
    """Words for a table whose columns are not separated by commas, as a spreadsheet saves it."""
    with open(table, encoding="utf-8", errors="replace") as file:
        head = file.readline()
    found = [name for sign, name in ((";", "semicolons"), ("\t", "tabs")) if sign in head]
    if "," in head or not found:
        return ""
    return f"found {found[0]} between its columns, expected commas"


class ResultsError(ValueError):
    """A run folder that is not valid; the message names the file and the reason."""


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write a file atomically: after a crash it has its old or its new content.

    The caller holds the lock of the folder (`locked`) or works there alone: temporary files that a
    killed process left of the same file are removed.

    Parameters
    ----------
    path : Path or str
    data : bytes

    Raises
    ------
    OSError
        Names the file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)
    # beside the file, since a rename is atomic only within one file system
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with whole_errors(path), open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace(source: Path | str, target: Path | str) -> None:
    """``os.replace``, repeated for a second on Windows, which refuses while the target is read."""
    for left in reversed(range(WINDOWS_TRIES)):
        try:
            return os.replace(source, target)
        except PermissionError:
            if sys.platform != "win32" or not left:
                raise
            time.sleep(0.05)


@contextmanager
def whole_errors(path: Path | str) -> Iterator[None]:
    """Make an OSError name the file, which the system leaves out when a disk is full."""
    try:
        yield
    except OSError as error:
        if error.filename or error.errno is None:  # the latter are those of requests
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_json(path: Path) -> dict:
    """Read a JSON object from a file; other JSON gives an empty dict.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    ResultsError
        A file that cannot be read or is no JSON.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last: nested too deeply
        raise ResultsError(f"{path}: {error}") from error
    return content if isinstance(content, dict) else {}


def file_hash(path: Path | str) -> str:
    """SHA-256 (hex) of a file, cached as long as its size and modification time stay the same."""
    now = os.stat(path)
    return _sha256_of(str(path), now.st_size, now.st_mtime_ns)


@functools.cache
def _sha256_of(path, _size, _modified):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
