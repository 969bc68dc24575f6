"""Where data and cache live.

Notebook: 00_start_here
"""

import fcntl
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import platformdirs


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


@contextmanager
def arriving(folder):
    """Yield a temporary folder that becomes `folder` when all went well: never half of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        new = Path(temporary) / folder.name
        new.mkdir()
        yield new
        if not folder.is_dir():  # else another process was faster, with the same content
            os.replace(new, folder)


@contextmanager
def locked(folder):
    """Hold a folder, made where missing, against other processes: they wait, and say so.

    The system gives it free when the process ends, however it ends; no file is left behind.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: waiting for another process that works here", file=sys.stderr,
                  flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
