"""The app: the widget of notebook 13 for own sounds without the code around it, served by Voila.

Only the cells tagged "app" run, so it starts within seconds.

Notebook: 13_your_own_sounds
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .installed import need, need_checkout

if TYPE_CHECKING:
    import nbformat

ROOT = Path(__file__).resolve().parents[2]
GRACE = 5  # s in which the server may end its kernels by itself
INTRO = """# Your own sounds

Choose a sound file, drop one on the box, record one, or try a real recording. The pretrained model
classifies it, always as one of its ten classes. Notebook 13 tells what its answer is worth.
"""
# Voila's own template, without the icons that it would fetch from elsewhere
TEMPLATE = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{%- for line in super().split("\\n") if "https://" not in line %}
{{ line }}
{%- endfor %}
{%- endblock notebook_css -%}
"""


def notebook(source: Path | str = ROOT / "notebooks" / "13_your_own_sounds.ipynb"
             ) -> "nbformat.NotebookNode":
    """Notebook 13 reduced to its parameters and the cells tagged "app".

    Notebook: 13_your_own_sounds
    """
    import nbformat

    made = nbformat.read(source, 4)
    made.cells = [nbformat.v4.new_markdown_cell(INTRO)] + [
        cell for cell in made.cells if {"parameters", "app"} & set(cell.metadata.get("tags", []))]
    made.metadata["title"] = "Your own sounds"
    return made


def command(options: Sequence[str] = (), root: Path = ROOT) -> tuple[list[str], dict[str, str]]:
    """Write what the app needs to ``build/``.

    The server listens on this computer only, and asks for the token of the address that it prints.

    Parameters
    ----------
    options : sequence of str
        More command-line options of Voila.
    root : Path
        Folder of ``build/``.

    Returns
    -------
    words : list of str
        The command that serves the app.
    environment : dict of str
        Its environment variables.

    Raises
    ------
    ValueError
        Without the extra ``notebooks``, and without a checkout of the kit.

    Notebook: 13_your_own_sounds
    """
    need_checkout(ROOT / "notebooks")
    need("nbformat", "voila", "ipykernel", "ipywidgets", "anywidget")
    import nbformat

    path = root / "build" / "your_own_sounds.ipynb"  # in a folder beside results/, as notebooks/
    template = root / "build" / "app" / "voila" / "templates" / "acrnn" / "index.html.j2"
    template.parent.mkdir(parents=True, exist_ok=True)
    template.write_text(TEMPLATE, encoding="utf-8")
    template.with_name("conf.json").write_text('{"base_template": "lab"}', encoding="utf-8")
    nbformat.write(notebook(), path)
    searched = [str(root / "build" / "app"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return ([sys.executable, "-m", "voila", str(path), "--Voila.ip=127.0.0.1",
             "--Voila.auto_token=True", "--template=acrnn", "--strip_sources=True", *options],
            os.environ | {"JUPYTER_PATH": os.pathsep.join(searched)})


def serve(words: list[str], environment: dict[str, str],
          browse: Callable[[str], object] | None = None, root: Path = ROOT) -> int:
    """Run the server, pass on its messages, and open the address that it prints.

    SIGTERM ends it with its kernels.

    Voila itself would open a browser without the token.

    Parameters
    ----------
    words, environment
        Of ``command``.
    browse : callable, optional
        Opens an address; None opens nothing.
    root : Path
        Folder of ``build/``.

    Returns
    -------
    int
        Exit status of the server.

    Notebook: 13_your_own_sounds
    """
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE,
                          encoding="utf-8", errors="replace") as server:
        before = signal.signal(signal.SIGTERM, lambda *_: _end(server))
        for line in server.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            address = re.match(r"http://\S+\?token=\w+$", line)
            if address and browse:
                threading.Thread(target=browse, args=[_page(address[0], root)], daemon=True).start()
    signal.signal(signal.SIGTERM, before)
    return server.returncode


def _end(server):
    """End the server and the kernels that it started; a handler, so nothing here waits for long.

    The server would leave some of them if it were ended while it starts them.
    """
    import psutil  # on Linux it needs what other systems do not have

    parts = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(GRACE)
    for part in [server, *parts]:
        with contextlib.suppress(psutil.NoSuchProcess):
            part.kill()


def _page(address, root):
    """A page that forwards to the address: other users can read a browser's command line."""
    page = root / "build" / "app" / "open.html"
    page.unlink(missing_ok=True)
    page.touch(mode=0o600)
    page.write_text(f'<meta http-equiv="refresh" content="0; url={address}">\n', encoding="utf-8")
    return page.as_uri()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the server, which ends
    quiet = "--no-browser" in sys.argv
    try:
        words, environment = command([*sys.argv[1:], *["--no-browser"] * (not quiet)])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    sys.exit(serve(words, environment, None if quiet else webbrowser.open))
