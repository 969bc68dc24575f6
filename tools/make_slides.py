"""Make slides of the notebooks that were executed last: build/slides/index.html.

    python tools/make_slides.py [--notebooks FOLDER] [--out FOLDER]

A deck has the notebook's idea, for each section the question, the first figure and, one step
later, the answer, and at the end the summary. A page holds all that it shows, formulas are set by
mathjax.js beside it: nothing is fetched, so slides work without a network. reveal.js 5.2.1
(https://revealjs.com, MIT licence) lies in tools/reveal.
"""

import argparse
import re
import shutil
import sys
from html import escape
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbconvert.filters import markdown2html

from acrnn_lib.files import write_bytes

ROOT = Path(__file__).parents[1]
REVEAL = Path(__file__).parent / "reveal"
MOST = 10  # slides of a notebook
ROWS = 10  # longer tables do not fit on a slide
ASKED = re.compile(r"\*\*Before you \w+ this:\*\* (.*?)(?=\n\n|$)", re.DOTALL)
BEGIN = re.compile(r"# ([^\n]*)\n\n(?:\*\*The idea of this notebook:\*\* )?(.*?)(?=\n\n|$)",
                   re.DOTALL)
STYLE = """
body { margin: 0; background: #fff; color: #222; font: 26px/1.4 system-ui, sans-serif; }
.reveal .slides { text-align: left; }
h1, h2 { font-size: 42px; line-height: 1.15; margin: 0 0 18px; color: #16425b; }
.question { border-left: 6px solid #16425b; padding-left: 16px; margin: 0 0 12px; }
p { margin: 0 0 10px; }
.fragment { margin-top: 12px; }
img { display: block; margin: 0 auto; max-width: 1200px; max-height: 430px; }
table { margin: 0 auto; border-collapse: collapse; font-size: 20px; }
th, td { padding: 2px 14px; border-bottom: 1px solid #ccc; }
code { font-size: 0.9em; }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>{css}</style></head>
<body><div class="reveal"><div class="slides">
{slides}
</div></div>
<script>{js}</script>
<script>
window.MathJax = {{tex: {{inlineMath: [["$", "$"]]}}, options: {{enableMenu: false}}}};
Reveal.initialize({{width: 1280, height: 720, margin: 0.04, center: false, hash: true,
                   slideNumber: "c/t", transition: "none"}});
</script>
<script src="mathjax.js" defer></script></body></html>
"""


def slides(notebook):
    """HTML of the slides of an executed notebook, the idea first, the summary last."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    title, idea = BEGIN.match(text).groups()
    first = f"<h1>{html(title, inline=True)}</h1>\n{html(idea[0].upper() + idea[1:])}"
    summary = re.search(r"^## Summary\n(.*?)(?=\n#|\n\*\*Where to go|\Z)", text,
                        re.MULTILINE | re.DOTALL)
    last = [f"<h2>Summary</h2>\n{html(summary[1])}"] if summary else []
    return [first, *sections(notebook.cells)[: MOST - 1 - len(last)], *last]


def sections(cells):
    """A slide for each section of a notebook that asks a question and shows a figure after it."""
    made, heading = {}, ""
    for before, cell, after in zip(cells[:-1], cells[1:], [*cells[2:], None], strict=True):
        if before.cell_type == "markdown":
            heading = re.findall(r"^## (.*)", before.source, re.MULTILINE)[-1:] or [heading]
            heading = heading[0]
        asked = ASKED.findall(before.source) if before.cell_type == "markdown" else []
        shown = figure(cell) if cell.cell_type == "code" and asked else ""
        if shown and heading not in made:
            question = asked[-1][0].upper() + asked[-1][1:]
            made[heading] = (f"<h2>{html(heading, inline=True)}</h2>\n"
                             f'<div class="question">{html(question)}</div>\n{shown}\n'
                             f'<div class="fragment">{answer(after)}</div>')
    return list(made.values())


def figure(cell):
    """The last picture of an executed cell, else a short table of it; "" where there is none."""
    data = [output.get("data", {}) for output in cell.outputs]
    alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    for found in reversed(data):
        if png := found.get("image/png"):
            return f'<img alt="{escape(alt)}" src="data:image/png;base64,{png.strip()}">'
    for found in reversed(data):
        table = found.get("text/html", "")
        if 0 < table.count("<tr") <= ROWS and "<img" not in table and "<audio" not in table:
            return table
    return ""


def answer(cell):
    """Two sentences of the text that follows a figure; "" where another section begins."""
    paragraph = cell.source.partition("\n\n")[0] if cell and cell.cell_type == "markdown" else ""
    if re.match(r"#|\||- |```|\*\*(\d|Before)", paragraph):
        return ""
    return html(" ".join(re.split(r"(?<=[.!?]) ", paragraph)[:2]))


def html(markdown, inline=False):
    """Markdown as HTML, of links only their text: the other pages are not beside the slides."""
    made = markdown2html(re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", markdown)).strip()
    return made.removeprefix("<p>").removesuffix("</p>") if inline else made


def page(title, parts):
    """A page of slides that holds reveal.js, its style and all pictures."""
    css, js = ((REVEAL / f"reveal.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    made = "\n".join(f"<section>\n{part}\n</section>" for part in parts)
    return PAGE.format(title=escape(title), css=css + STYLE, js=js, slides=made)


def main(folder, out):
    paths = sorted(path for path in folder.glob("[0-9][0-9]_*.ipynb")
                   if not path.stem.endswith(".failed"))
    if not paths:
        sys.exit(f"{folder}: no executed notebooks here, run `make reproduce` first")
    links = []
    for path in paths:
        parts = slides(nbformat.read(path, 4))
        name = re.sub("<.*?>", "", re.search("<h1>(.*)</h1>", parts[0])[1])
        write_bytes(out / f"{path.stem}.html", page(name, parts).encode())
        links.append(f'<li><a href="{path.stem}.html">{path.stem[:2]} {name}</a></li>')
    package = Path(find_spec("sphinx-mathjax-offline").origin).parent
    shutil.copy(package / "static" / "mathjax" / "tex-svg.js", out / "mathjax.js")
    shutil.copy(REVEAL / "LICENSE", out / "LICENSE-reveal")
    write_bytes(out / "index.html", page("Slides", [
        f"<h1>Slides</h1>\n<ol style='list-style: none'>{''.join(links)}</ol>"]).encode())
    print(f"{out / 'index.html'}: {len(paths)} decks")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notebooks", type=Path,
                        default=ROOT / "build" / "notebooks" / "synth-smoke")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "slides")
    chosen = parser.parse_args()
    main(chosen.notebooks, chosen.out.resolve())
