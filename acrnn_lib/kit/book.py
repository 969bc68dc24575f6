"""What the book was made with, on a page of its own, and what its files need not carry.

Notebook: 00_start_here
"""

import base64
import hashlib
import io
import json
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path

from ..device import processor_name
from ..training.crossval import git_state

PACKAGES = ("torch", "numpy", "librosa", "gammatone", "scikit-learn", "pandas", "matplotlib",
            "jupyterlab", "papermill", "jupyter-book")

# Of MathJax: the one bundle that pages load, its fonts, what it fetches for rare macros, its menu,
# and speech in the book's language.
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/", "input/tex/extensions/", "ui/", "a11y/",
           "sre/mathmaps/base.json", "sre/mathmaps/en.json")
_EMBEDDED = re.compile(r'src="data:(image|audio)/([\w-]+);base64,([A-Za-z0-9+/=\s]+)"'
                       r'(?: type="audio/\w+")?')
_FURNITURE = ("script, style, svg, pre, audio, input, output, button, .headerlink, "
              ".prev-next-area, details.hide > summary, .onlyprint, .bd-header-article")


def made_with(dataset, profile, root) -> dict:
    """What notebooks are executed with, {what: text}: settings, data, commit, machine, versions.

    The data hash and the precision are those of the runs under ``root/runs``, where there are any.

    Notebook: 00_start_here
    """
    import torch

    state = git_state()
    made = {"data set": dataset, "profile": profile, "seed": "0, where no other is named",
            "commit": state["git_commit"] or "not in a git checkout",
            "library changed since": {True: "yes", False: "no", None: "unknown"}[
                state["git_dirty"]]}
    for path in sorted(Path(root).glob(f"runs/{dataset}/{profile}/*/seed*/fold*/manifest.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        made |= {"data hash (SHA-256)": run.get("data_hash"), "trained on": run.get("device"),
                 "precision": run.get("precision")}
        break
    return made | {
        "processor": processor_name(), "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES}}


def card(executed) -> str:
    """Markdown of how this book was made, from what was noted when its notebooks were executed.

    executed : the records beside the executed notebooks, {name: path of its JSON}. Where notebooks
    were executed with different things, all of them are named.

    Notebook: 00_start_here
    """
    records = {name: json.loads(Path(path).read_text(encoding="utf-8"))
               for name, path in executed.items()}
    found = {}  # what: its different values, in order
    for record in records.values():
        for what, value in record["made with"].items():
            found.setdefault(what, {})[str(value)] = True
    started = sorted(record["started"] for record in records.values())
    rows = [("executed (UTC)", " to ".join(dict.fromkeys([started[0], started[-1]])))]
    rows += [(what, _breakable(" or ".join(values))) for what, values in found.items()]
    rows += [(f"notebook {name}", f"{record['seconds']:.0f} s") for name, record in records.items()]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| what | value |", "|---|---|", *lines]) + "\n"


def _breakable(text):
    """Hashes as code, which breaks anywhere where a column is narrow."""
    return re.sub(r"\b[0-9a-f]{40,}\b", r"`\g<0>`", text)


def landing(executed: Path) -> str:
    """Markdown of the sounds on the first page: the players of an executed notebook.

    executed : its cells with the tag ``landing`` show them.

    Notebook: 00_start_here
    """
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    pages = ["".join(output["data"]["text/html"]) for cell in notebook["cells"]
             if "landing" in cell["metadata"].get("tags", []) for output in cell["outputs"]
             if "<audio" in "".join(output.get("data", {}).get("text/html", ""))]
    if len(pages) != 2:
        raise ValueError(f"{executed}: found {len(pages)} players in cells with the tag landing, "
                         "expected 2")
    sure, unsure = (f'```{{raw}} html\n<div class="player-box">{page}</div>\n```\n'
                    for page in pages)
    return f"{sure}\n:::{{dropdown}} The hardest of the bundled recordings\n" \
           f"{unsure}:::\n"


def lighten(pages: Path, notebooks: Path) -> None:
    """Make a built book small, searchable without a server, and its notebooks as delivered.

    Removed is what no page loads. What pages embed becomes files, one for each different content.

    Parameters
    ----------
    pages : Path
        The book's HTML.
    notebooks : Path
        Folder of the notebooks without outputs, which replace the executed ones that a page offers
        to download.

    Notebook: 00_start_here
    """
    static = pages / "_static"
    for path in [*static.rglob("*.map"), *(static / "locales").rglob("*"),
                 *(path for path in (static / "mathjax").rglob("*")
                   if not _needed(path, static / "mathjax"))]:
        if path.is_file():
            path.unlink()
    for folder in sorted([*(static / "mathjax").rglob("*"), *(static / "locales").rglob("*")],
                         reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    for executed in (pages / "_sources" / "notebooks").glob("*.ipynb"):
        shutil.copyfile(notebooks / executed.name, executed)
    extract_media(pages)
    index_text(pages)


def _needed(path, root):
    return path.relative_to(root).as_posix().startswith(MATHJAX)


def extract_media(pages: Path) -> None:
    """Turn what pages embed into files in ``_media``, and their pictures and sounds smaller.

    Pictures become WebP and waves FLAC, both without loss: what is heard are the very samples that
    the cell made, at any sampling rate.

    Parameters
    ----------
    pages : Path
        The book's HTML.

    Notebook: 00_start_here
    """
    from PIL import Image

    smaller = {}  # name of a picture: of its smaller version
    for path in sorted((pages / "_images").glob("*.png")):
        data = _webp(Image.open(path))
        if len(data) < path.stat().st_size:
            smaller[path.name] = f"{path.stem}.webp"
            path.with_suffix(".webp").write_bytes(data)
            path.unlink()
    for path in sorted(pages.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        up = "../" * (len(path.relative_to(pages).parts) - 1)
        new = _EMBEDDED.sub(lambda found, up=up: _as_file(found, pages, up), text)
        new = re.sub(r"(?<=_images/)[\w.-]+\.png", lambda m: smaller.get(m[0], m[0]), new)
        if new != text:
            path.write_text(new, encoding="utf-8")


def _webp(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=True, method=4)
    return buffer.getvalue()


def _as_file(found, pages, up):
    """The attribute src of what was embedded, now a file."""
    import soundfile
    from PIL import Image

    from ..data.audio import encoded

    kind, form, data = found[1], found[2], base64.b64decode(found[3])
    if form == "png":
        form, data = "webp", _webp(Image.open(io.BytesIO(data)))
    elif form in ("wav", "x-wav"):
        wave, rate = soundfile.read(io.BytesIO(data), dtype="int16")
        form, data = "flac", encoded(wave, rate)
    media = pages / "_media"
    media.mkdir(exist_ok=True)
    name = f"{hashlib.sha256(data).hexdigest()[:20]}.{form}"
    (media / name).write_bytes(data)
    said = ' preload="metadata"' if kind == "audio" and "type=" not in found[0] else ""
    return f'src="{up}_media/{name}"{said}'


def index_text(pages: Path) -> None:
    """Give the search page the text of all pages, without their furniture.

    Sphinx would fetch each page that it found, which a browser forbids for files, and would cut its
    excerpt from menus and code too.

    Parameters
    ----------
    pages : Path
        The book's HTML.

    Notebook: 00_start_here
    """
    from bs4 import BeautifulSoup

    search = pages / "search.html"
    if not search.is_file():
        return
    texts = {}
    for path in sorted(pages.rglob("*.html")):
        article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").find("article")
        if article:
            for part in article.select(_FURNITURE):
                part.decompose()
            name = path.relative_to(pages).with_suffix("").as_posix()
            texts[name] = " ".join(article.get_text(" ").split())
    data = json.dumps(texts, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    (pages / "_static" / "page_texts.js").write_text(f"const PAGE_TEXTS = {data};\n",
                                                    encoding="utf-8")
    html = search.read_text(encoding="utf-8")
    script = '<script src="_static/page_texts.js"></script>'  # read by excerpts.js
    search.write_text(html.replace("</head>", f"{script}\n</head>"), encoding="utf-8")
