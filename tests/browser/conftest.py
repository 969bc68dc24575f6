"""A browser without a screen, and servers for it; skipped where there is no browser."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT = 80_000  # ms; the longest that a condition may take to come true
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# a microphone that beeps, for the page that records
FLAGS = ["--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium. Of a module, not of the session: Playwright's event loop would be in
    the way of tests that run notebooks."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if not program:
        pytest.skip(f"no browser found: none of {', '.join(PROGRAMS)}")
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=flags)
        yield found
        found.close()


@pytest.fixture
def watched(browser):
    """Function that opens a page which may reach this computer only, and notes what went wrong.

    Returns (page, list of texts): failed requests, errors in the console, uncaught exceptions.
    """
    with contextlib.ExitStack() as stack:
        def open_page(width=1280, height=900, scheme="light"):
            context = browser.new_context(viewport={"width": width, "height": height},
                                          color_scheme=scheme, permissions=["microphone"])
            stack.callback(context.close)
            wrong = []

            def gate(route):
                if route.request.url.startswith(("http://127.0.0.1", "data:", "blob:")):
                    route.continue_()
                else:
                    wrong.append(f"asked for {route.request.url}")
                    route.abort()

            context.route("**/*", gate)
            page = context.new_page()
            page.set_default_timeout(WAIT)
            page.on("pageerror", lambda error: wrong.append(f"uncaught: {error}"))
            page.on("console", lambda message: message.type == "error"
                    and wrong.append(f"console: {message.text}"))
            page.on("response", lambda response: response.status >= 400
                    and wrong.append(f"{response.status}: {response.url}"))
            return page, wrong

        yield open_page


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def served(command, ready, cwd, environment):
    """Run a server until the end of the block; yields the line of its log that says `ready`."""
    heard, lines, told = threading.Event(), [], []

    def follow(stream):
        for line in stream:
            lines.append(line)
            if ready in line:
                told.append(line.strip())
                heard.set()
        heard.set()

    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, start_new_session=True) as server:
        threading.Thread(target=follow, args=[server.stdout], daemon=True).start()
        try:
            assert heard.wait(WAIT / 1000) and server.poll() is None, "".join(lines)
            yield told[0]
        finally:
            server.terminate()  # lets it end its kernels
            try:
                server.wait(20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGKILL)


def private(folder):
    """An environment whose Jupyter neither knows nor changes what the user has set."""
    places = {name: str(folder / name.lower()) for name in
              ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR",
               "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
    searched = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | places | {"PYTHONPATH": searched, "JUPYTER_PREFER_ENV_PATH": "1"}
