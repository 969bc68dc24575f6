"""Where data and cache live; atomic writes, JSON, hashes and locks.

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
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

WINDOWS_TRIES = 20  # a second


class DatasetError(ValueError):
    """A data set that cannot be used: the message names the folder or file, and what is wrong."""


def cache_dir():
    """Return the folder for downloads and built files: ACRNN_CACHE, else the user's cache."""
    return Path(os.environ.get("ACRNN_CACHE") or platformdirs.user_cache_dir("acrnn_lib"))


def dataset_dir(name, data=None):
    """Return the folder of a data set.

    `data`, or else the environment's ACRNN_DATA, is the data set's own folder or one that holds
    it by name (``data/esc10``). Without either it is the cache's, which may not exist yet.
    Raises DatasetError for a given folder that is not there: the cache never stands in for it.
    """
    given = data or os.environ.get("ACRNN_DATA")
    if not given:
        return cache_dir() / name
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
def arriving(folder):
    """Yield a temporary folder that becomes `folder` when all went well: never half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        new = Path(temporary) / folder.name
        new.mkdir()
        yield new
        if not folder.is_dir():  # else another process was faster, with the same content
            replace(new, folder)


@contextmanager
def locked(path):
    """Hold a file or folder against other processes and threads: they wait, and say so once.

    The system releases the lock when the process ends, however it ends. The lock is an empty file
    ``.<name>.lock`` beside `path`, which stays; `path` itself need not exist.
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{path}: waiting for another process that works here", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class ResultsError(ValueError):
    """A run folder that cannot be trusted; the message names the file and the reason."""


def write_bytes(path, data) -> None:
    """Write a file so that a reader, or a crash, finds the old or the new one, never half of it.

    Whoever writes holds the folder (``files.locked``) or works there alone: what a killed process
    left of the same file is removed. Raises OSError, which names the file.
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


def replace(source, target):
    """``os.replace``; Windows refuses it while somebody reads the target, which is soon over."""
    for left in reversed(range(WINDOWS_TRIES)):
        try:
            return os.replace(source, target)
        except PermissionError:
            if sys.platform != "win32" or not left:
                raise
            time.sleep(0.05)


@contextmanager
def whole_errors(path):
    """Make an OSError name the file, which the system leaves out when a disk is full."""
    try:
        yield
    except OSError as error:
        if error.filename:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def read_json(path) -> dict:
    """A JSON object from a file, empty for other JSON; ResultsError where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last of 200,000 brackets
        raise ResultsError(f"{path}: {error}") from error
    return content if isinstance(content, dict) else {}


def file_hash(path):
    """SHA-256 (hex) of a file, computed once as long as its size and time stay the same."""
    now = os.stat(path)
    return _sha256_of(str(path), now.st_size, now.st_mtime_ns)  # so a changed file is hashed again


@functools.cache
def _sha256_of(path, _size, _modified):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
