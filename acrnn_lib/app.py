"""The app: the box of notebook 13 for own sounds without the code around it, served by Voila.

Only the cells tagged "app" run, so it is there within seconds.

Notebook: 13_your_own_sounds
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
INTRO = """# Your own sounds

Choose a sound file, drop one on the box, or record one. A small trained network names it: always
with one of its ten names, for it has no others. Notebook 13 tells what its answer is worth.
"""
# Voila's own template, without the icons that it would fetch from elsewhere
TEMPLATE = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{%- for line in super().split("\\n") if "https://" not in line %}
{{ line }}
{%- endfor %}
{%- endblock notebook_css -%}
"""


def notebook(source=ROOT / "notebooks" / "13_your_own_sounds.ipynb"):
    """Notebook 13 (nbformat) reduced to its parameters and the cells tagged "app".

    Notebook: 13_your_own_sounds
    """
    made = nbformat.read(source, 4)
    made.cells = [nbformat.v4.new_markdown_cell(INTRO)] + [
        cell for cell in made.cells if {"parameters", "app"} & set(cell.metadata.get("tags", []))]
    made.metadata["title"] = "Your own sounds"
    return made


def command(options=(), root=ROOT):
    """Write what the app needs to ``build/``; return (command, environment) that serve it.

    options : more words for Voila. Only this computer can reach it. Notebook: 13_your_own_sounds
    """
    path = root / "build" / "your_own_sounds.ipynb"  # in a folder beside results/, as notebooks/
    template = root / "build" / "app" / "voila" / "templates" / "acrnn" / "index.html.j2"
    template.parent.mkdir(parents=True, exist_ok=True)
    template.write_text(TEMPLATE)
    template.with_name("conf.json").write_text('{"base_template": "lab"}')
    nbformat.write(notebook(), path)
    searched = [str(root / "build" / "app"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return ([sys.executable, "-m", "voila", str(path), "--Voila.ip=127.0.0.1", "--template=acrnn",
             "--strip_sources=True", *options],
            os.environ | {"JUPYTER_PATH": os.pathsep.join(searched)})


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how one leaves it
        words, environment = command(sys.argv[1:])
        sys.exit(subprocess.run(words, env=environment).returncode)
