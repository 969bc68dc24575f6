"""Fetching ESC-10 and ESC-50 from their authors' repositories, at a fixed commit.

Notebook: 01_listen_and_look
"""

import json
import re
import stat
import zipfile
import zlib
from errno import ENOSPC
from pathlib import Path, PurePosixPath

from ..files import DatasetError, arriving, cached, file_hash, locked, sweep, whole_errors
from ..progress import bar
from . import datasets, esc

ARCHIVES = {
    "esc10": "https://github.com/karoldvl/ESC-10/archive/"
             "553c8f1743b9dba6b282e1323c3ca8fa76923448.zip",
    "esc50": "https://github.com/karolpiczak/ESC-50/archive/"
             "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip",
}
LARGEST = 2 * 10**9  # bytes; ESC-50 unpacks to half of it
CHUNK = 2**16  # bytes
TRIES = 5  # of a connection that breaks off while it gets on
PATIENCE = 30  # s without a byte


def download(name: str) -> Path:
    """Fetch a data set into the cache unless it is there, and return its folder.

    The archive's address and SHA-256 are kept in ``download.json`` beside the sounds. What arrived
    before a connection broke is kept, and the next call goes on from there.

    Raises
    ------
    DatasetError
        When it cannot be fetched, or is not what ``datasets.load`` expects.
    OSError
        When the disk is full; what was fetched is kept.

    Notebook: 01_listen_and_look
    """
    if name not in ARCHIVES:
        raise DatasetError(f"{name!r} is not fetched; expected one of {', '.join(ARCHIVES)}")
    folder = cached(name)
    if folder.is_dir():
        return folder
    with locked(folder):
        if not folder.is_dir():  # nor has another process fetched it meanwhile
            _fetch(name, folder)
    return folder


def _fetch(name, folder):
    sweep(folder)
    url, archive = ARCHIVES[name], folder.with_name(f".{name}.zip.partial")
    with arriving(folder) as new:
        try:
            _transfer(url, archive)
        except OSError as error:  # requests' errors are among these
            if error.errno == ENOSPC:
                raise
            kept = archive.stat().st_size if archive.exists() else 0
            raise DatasetError(f"{url}: cannot be fetched ({error}); {kept} bytes are kept, the "
                               "same command goes on from there; or see --data DIR") from error
        record = {"url": url, "sha256": file_hash(archive)}
        try:
            _extract(archive, new)
        except (OSError, ValueError, RuntimeError, EOFError, zlib.error,
                zipfile.BadZipFile) as error:
            if getattr(error, "errno", None) == ENOSPC:
                raise OSError(ENOSPC, error.strerror, str(folder)) from error
            archive.unlink()
            raise DatasetError(f"{url}: cannot be unpacked ({error}); see --data DIR") from error
        archive.unlink()
        record["files"] = {path.name: file_hash(path)
                           for path in sorted((new / "audio").glob("*.wav"))}  # of ESC-50
        (new / esc.RECORD).write_text(json.dumps(record), encoding="utf-8")
        datasets.load(name, new)


def _transfer(url, path):
    """Fetch a file to its end, going on where an earlier try ended; OSError where that fails."""
    import requests

    path.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(TRIES)):
        before = path.stat().st_size if path.exists() else 0
        wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={before}-"} if before else {})
        try:
            with requests.get(url, headers=wanted, stream=True, timeout=PATIENCE) as answer:
                if answer.status_code == 416:  # nothing is left to send
                    return
                answer.raise_for_status()
                _receive(answer, path, before if answer.status_code == 206 else 0)
                return
        except (requests.ConnectionError, requests.Timeout,
                requests.exceptions.ChunkedEncodingError):
            if not left or not path.exists() or path.stat().st_size <= before:
                raise


def _receive(answer, path, done):
    """Write what a server sends behind the first ``done`` bytes of a file."""
    length = answer.headers.get("Content-Length")
    total = done + int(length) if length else None
    shown = bar(label=path.name.removesuffix(".partial").strip("."), unit="MiB", done=done >> 20,
                total=total and total >> 20, show=total is None or total > 2**23)
    with whole_errors(path), open(path, "r+b" if done else "wb") as file, shown:
        file.seek(done)
        file.truncate()
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            shown.update((file.tell() >> 20) - shown.n)
    if total is not None and path.stat().st_size != total:
        raise OSError(f"{path.stat().st_size} of {total} bytes arrived")


def _extract(archive, folder):
    """Unpack a GitHub archive without its top folder; refuse it whole if a member leaves it."""
    with zipfile.ZipFile(archive) as zipped:
        size = sum(member.file_size for member in zipped.infolist())
        if size > LARGEST:
            raise ValueError(f"the archive unpacks to {size} bytes, expected at most {LARGEST}")
        for member in zipped.infolist():
            parts = PurePosixPath(member.filename).parts
            odd = ".." in parts or re.search(r"^/|\\|:", member.filename)
            if odd or stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"unsafe name in the archive: {member.filename!r}")
        zipped.extractall(unpacked := folder.parent / "unpacked")
    top, *others = unpacked.iterdir()
    if others:
        raise ValueError(f"the archive holds {top.name!r} and more, expected one folder")
    folder.rmdir()
    top.rename(folder)
