"""Hostile and broken archives: refused, nothing outside the target touched, the next try works."""

import http.server
import io
import itertools
import random
import shutil
import stat
import threading
import zipfile

import pytest

from acrnn_lib import files
from acrnn_lib.data import datasets, download
from tests.faults.conftest import grow
from tests.tools import found_in

pytestmark = pytest.mark.slow

GOOD = {"ESC-10-1/001 - Dog bark/1-1-A.ogg": b"sound" * 1000, "ESC-10-1/README": b"text"}


def archive(files, kind=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Set served.body (and served.sent, fewer bytes than declared); download() fetches it."""
    class Handler(http.server.BaseHTTPRequestHandler):
        body, sent, ranges, asked = b"", None, True, []

        def do_GET(self):
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if self.ranges else 0
            Handler.asked.append(self.headers.get("Range"))
            if start >= len(self.body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(self.body) - start))
            self.end_headers()
            self.wfile.write(self.body[start : start + Handler.sent if Handler.sent else None])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(download.ARCHIVES, "esc10",
                        f"http://127.0.0.1:{server.server_port}/esc10.zip")
    monkeypatch.setattr(datasets, "load", lambda name, root=None: None)
    monkeypatch.setattr(download, "PATIENCE", 5)
    monkeypatch.setattr(download, "CHUNK", 100)  # what has not filled one is lost
    yield Handler
    server.shutdown()
    server.server_close()


def refused(tmp_path, words):
    """The download fails with one line; afterwards cache and neighbourhood are as before."""
    with pytest.raises(datasets.DatasetError, match=words) as error:
        download.download("esc10")
    assert "\n" not in str(error.value)
    assert not found_in(tmp_path / "cache")
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}


def test_a_download_that_breaks_off_goes_on_where_it_was(served, tmp_path):
    """By itself while something arrives, else with the next call; nothing is fetched twice."""
    served.body, served.asked = archive(GOOD, zipfile.ZIP_STORED), []
    size = len(served.body)
    served.sent = size // 3
    folder = download.download("esc10")
    assert (folder / "001 - Dog bark" / "1-1-A.ogg").read_bytes() == b"sound" * 1000
    assert folder == files.cache_dir() / "esc10" and found_in(tmp_path / "cache") == {"esc10"}
    starts = [0, *(int(range_[6:-1]) for range_ in served.asked[1:])]
    assert served.asked[0] is None and len(starts) >= 3
    assert all(later - start > size // 3 - 100 for start, later in itertools.pairwise(starts))


def test_what_arrived_is_kept_for_the_next_call(served, tmp_path, monkeypatch):
    served.body, served.asked, served.sent = archive(GOOD, zipfile.ZIP_STORED), [], 1000
    monkeypatch.setattr(download, "TRIES", 1)
    with pytest.raises(datasets.DatasetError, match=r"cannot be fetched .*; 1000 bytes are kept"):
        download.download("esc10")
    assert found_in(tmp_path / "cache") == {".esc10.zip.partial"}
    served.sent = None
    download.download("esc10")
    assert served.asked == [None, "bytes=1000-"] and found_in(tmp_path / "cache") == {"esc10"}


def test_a_server_that_knows_no_ranges_sends_all_again(served, tmp_path, monkeypatch):
    served.body, served.sent, served.ranges = archive(GOOD, zipfile.ZIP_STORED), 1000, False
    monkeypatch.setattr(download, "TRIES", 1)
    with pytest.raises(datasets.DatasetError, match="1000 bytes are kept"):
        download.download("esc10")
    served.sent = None
    folder = download.download("esc10")
    assert (folder / "001 - Dog bark" / "1-1-A.ogg").read_bytes() == b"sound" * 1000


@pytest.mark.parametrize("name", ["ESC-10-1/../../../evil", "/tmp/evil-of-the-archive", "C:/evil",
                                  "ESC-10-1\\..\\evil", "../evil"])
def test_names_that_leave_the_target(served, tmp_path, name):
    served.body = archive({**GOOD, name: b"evil"})
    refused(tmp_path, "unsafe name")


def test_a_link(served, tmp_path):
    link = zipfile.ZipInfo("ESC-10-1/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    served.body = archive({**GOOD, link: b"/etc"})
    refused(tmp_path, "unsafe name")


def test_a_bomb_is_not_unpacked(served, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 10**6)
    served.body = archive({**GOOD, "ESC-10-1/bomb": bytes(2 * 10**6)})
    refused(tmp_path, "unpacks to 2005004 bytes, expected at most 1000000")


def test_a_bomb_that_lies_about_its_size(served, tmp_path):
    data = bytearray(archive({"ESC-10-1/bomb": bytes(3 * 10**6)}))
    real = (3 * 10**6).to_bytes(4, "little")
    served.body = bytes(data.replace(real, (1000).to_bytes(4, "little")))
    assert served.body != data
    refused(tmp_path, "cannot be unpacked")


def test_two_folders(served, tmp_path):
    served.body = archive({**GOOD, "other/file": b""})
    refused(tmp_path, "expected one folder")


def test_wrong_bytes_anywhere(served, tmp_path, times):
    """A changed archive is refused, or gives exactly what the right one gives."""
    seed, good = random.randrange(10**6), archive(GOOD)
    rng, noticed, number = random.Random(seed), 0, times(60, 1000)
    for _ in range(number):
        data = bytearray(good)
        place = rng.randrange(len(data))
        data[place] ^= 1 << rng.randrange(8)
        served.body = bytes(data)
        try:
            folder = download.download("esc10")
        except datasets.DatasetError:
            noticed += 1
        else:
            found = [path.read_bytes() for path in folder.rglob("*.ogg")]
            # a flip in a name makes another name, which `load` would refuse
            assert found in ([], [b"sound" * 1000]), f"seed {seed}, byte {place}"
            shutil.rmtree(folder)
        assert not found_in(tmp_path / "cache"), f"seed {seed}, byte {place}"
    print(f"\narchives: {number} flipped bytes, {noticed} refused, seed {seed}")


@pytest.mark.parametrize("size, what", [("64k", ".esc10.zip.partial"), ("280k", "cache/esc10")])
def test_a_full_disk_is_named_and_what_was_fetched_is_kept(
        served, tmp_path, monkeypatch, small_disk, size, what):
    """While the archive arrives, and while it is unpacked."""
    sound = random.Random(0).randbytes(200_000)
    served.body, served.asked = archive({"ESC-10-1/001 - Dog bark/1-1-A.ogg": sound}), []
    monkeypatch.setenv("ACRNN_CACHE", str(small_disk(size) / "cache"))
    monkeypatch.setattr(download, "CHUNK", 2**14)
    with pytest.raises(OSError, match="No space left on device") as error:
        download.download("esc10")
    assert str(error.value).endswith(f"{what}'")
    grow(small_disk.folders[-1], "2m")
    folder = download.download("esc10")
    assert (folder / "001 - Dog bark/1-1-A.ogg").read_bytes() == sound
    assert served.asked[0] is None and served.asked[1].startswith("bytes=")
