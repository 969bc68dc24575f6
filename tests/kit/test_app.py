"""The app: only what it needs runs, and only this computer can reach it."""

import http.client
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import psutil
import pytest

from acrnn_lib.kit import app
from tests.browser.conftest import free_port, private, served


def test_the_app_is_notebook_13_without_its_lessons():
    made = app.notebook()
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    assert code[0].startswith("DATASET =") and "OwnSounds(" in code[-1]
    assert len(code) == 4 and not any("train.fit" in source for source in code)
    assert made.cells[0].source.startswith("# Your own sounds")


def test_it_is_bound_to_this_computer(tmp_path):
    words, environment = app.command(["--port=8123"], tmp_path)
    assert "--Voila.ip=127.0.0.1" in words and "--Voila.auto_token=True" in words
    assert words[-1] == "--port=8123"
    assert (tmp_path / "build" / "your_own_sounds.ipynb").is_file()
    assert environment["JUPYTER_PATH"].startswith(str(tmp_path / "build" / "app"))


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Address of the app, with its token, as it is printed."""
    pytest.importorskip("voila", reason="Voila is not installed")
    folder = tmp_path_factory.mktemp("app")
    words, environment = app.command([f"--port={free_port()}", "--no-browser"], folder)
    with served(words, "http://", folder, environment | private(folder)) as said:
        yield urlsplit(said)


def answer(address, path, **headers):
    """(status, where it sends to) for a request without following it."""
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        found = connection.getresponse()
        return found.status, found.headers.get("Location", "")
    finally:
        connection.close()


KERNEL = "/api/kernels/00000000-0000-0000-0000-000000000000"
SOCKET = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
          "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ=="}


@pytest.mark.parametrize("path, headers", [
    ("/", {}), ("/?token=", {}), ("/?token=0123", {}), ("/", {"Authorization": "token 0123"}),
    (KERNEL, {}), (f"{KERNEL}/channels", SOCKET)])
def test_without_its_token_the_app_is_closed(address, path, headers):
    status, place = answer(address, path, **headers)
    assert status == 403 or (status == 302 and place.startswith("/login"))


def test_with_its_token_the_app_is_open(address):
    assert re.fullmatch("token=[0-9a-f]{48}", address.query)
    assert answer(address, f"{KERNEL}?{address.query}")[0] == 404, "no such kernel"


def test_the_browser_is_given_the_token_but_its_command_line_is_not(tmp_path, capsys):
    (tmp_path / "build" / "app").mkdir(parents=True)
    said = "print('running at:', 'http://127.0.0.1:1/?token=a1', sep='\\n', file=sys.stderr)"
    opened = []
    assert app.serve([sys.executable, "-c", f"import sys; {said}; sys.exit(3)"], None,
                     opened.append, tmp_path) == 3
    assert "running at:\nhttp://127.0.0.1:1/?token=a1\n" in capsys.readouterr().err
    (page,) = opened
    page = Path(url2pathname(urlsplit(page).path))
    assert "url=http://127.0.0.1:1/?token=a1\"" in page.read_text() and "a1" not in page.name
    assert page.stat().st_mode & 0o077 == 0, "others can read it"


SERVER = """
import subprocess, sys, time
kernel = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("kernel", kernel.pid, file=sys.stderr, flush=True)
time.sleep(600)
"""


def gone(processes, seconds=20):
    """Those of the processes that still run after a while, a zombie not counted."""
    _, left = psutil.wait_procs(processes, timeout=seconds)
    return [part for part in left if part.is_running() and part.status() != "zombie"]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a program without asking it")
def test_sigterm_ends_the_server_and_its_kernels():
    code = ("import sys; from acrnn_lib.kit import app; "
            f"app.serve([sys.executable, '-c', {SERVER!r}], None)")
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE,
                          text=True) as running:
        kernel = psutil.Process(int(running.stderr.readline().split()[1]))
        parts = [*psutil.Process(running.pid).children(recursive=True), kernel]
        try:
            running.send_signal(signal.SIGTERM)
            assert not gone(parts)
        finally:
            for part in gone([psutil.Process(running.pid), *parts], 0):
                part.kill()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows ends a program without asking it")
def test_sigterm_ends_the_app_while_its_page_is_open(tmp_path):
    pytest.importorskip("voila", reason="Voila is not installed")
    port = free_port()
    code = ("from pathlib import Path; from acrnn_lib.kit import app; "
            f"root = Path({str(tmp_path)!r}); "
            f"app.serve(*app.command(['--port={port}', '--no-browser'], root), None, root)")
    command = [sys.executable, "-c", code]
    with served(command, "?token=", tmp_path, os.environ | private(tmp_path)) as said:
        (running,) = [part for part in psutil.Process().children() if part.cmdline() == command]
        address = urlsplit(said)
        assert answer(address, f"{address.path}?{address.query}")[0] == 200  # starts a kernel
        parts = running.children(recursive=True)
        assert len(parts) >= 2, "the server and a kernel"
        running.terminate()
        assert not gone([running, *parts], 60)
