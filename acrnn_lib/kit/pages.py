"""An executed notebook as a page of the book.

Notebook: 00_start_here
"""

import re
from pathlib import Path

from . import exercises

FOLDED = 15  # lines: longer code is folded on a page of the book
SCROLLED = 20  # rows: longer tables scroll there
_IMPORTS = re.compile(r"(import|from) \w")
_DATA_FOLDER = re.compile(r"^DATA = [\"'].*$", re.M)
_EMPTY_HEADER = re.compile(r"<th\b([^>]*)>(?:\s|&nbsp;)*</th>")
_HEADER = re.compile(r"(<th\b[^>]*>)([^<]*)(?=</th>)")
_CLIP = re.compile(r"(<t([dh])\b[^>]*>)(\d+-\d+-[A-Z])(?=</t\2>)")


def as_page(executed: Path, notebooks: Path) -> str:
    """An executed notebook as JSON text, as the book shows it.

    A folded solution follows the check of each exercise, imports and code of more than FOLDED
    lines are folded, lines of progress are left out, tables of more than SCROLLED rows scroll, of
    two cells with parameters the one that was used is left, without a folder of this machine, and
    links to ``../book/`` lead to the page beside.

    Parameters
    ----------
    executed : Path
        The executed copy.
    notebooks : Path
        Folder of the notebooks, which holds ``solutions``.

    Returns
    -------
    str
    """
    import nbformat

    notebook = nbformat.read(executed, 4)
    path = notebooks / "solutions" / f"{executed.stem}.py"
    given = exercises.answers(path) if path.exists() else []
    right = {answer.cell: answer.code for answer in given if not answer.wrong}
    tags = [tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])]
    cells, waiting = [], None
    for cell in notebook.cells:
        own = cell.metadata.get("tags", [])
        if "parameters" in own and "injected-parameters" in tags:
            continue
        if "injected-parameters" in own:  # where the reader's own recordings are, nobody knows
            cell.source = _DATA_FOLDER.sub('DATA = "/path/to/the/recordings"', cell.source)
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../book/", "](../")
        if cell.cell_type == "code" and not {"exercise", "check"} & set(own) and (
                cell.source.count("\n") >= FOLDED or _IMPORTS.match(cell.source)):
            cell.metadata["tags"] = [*own, "hide-input"]
        if cell.cell_type == "code":
            _mend_tables(cell)
            cell.outputs = [output for output in cell.outputs if not _is_progress(output)]
        if "caption" in cell.metadata:
            cell.metadata["anchor"] = cell.id
        if cell.cell_type == "code" and _rows(cell) > SCROLLED:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "output_scroll"]
        cells.append(cell)
        if waiting and "check" in own:
            text = f":::{{dropdown}} A solution\n```python\n{waiting}```\n:::"
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"{cell.id}-solution"))
        waiting = right.get(cell.id)
    notebook.cells = cells
    notebook.metadata.pop("widgets", None)  # the state of what is live; pages have pictures
    return nbformat.writes(notebook)


def _is_progress(output):
    """Lines that say how much is left, as those of ``progress`` and ``crossval.Progress``."""
    return output.get("name") == "stderr" and all(
        line.endswith(" left") for line in "".join(output["text"]).splitlines())


def _mend_tables(cell):
    """Tables: empty headers become plain cells, long ones may break, and names of clips may not."""
    for output in cell.outputs:
        if "text/html" in output.get("data", {}):
            text = _EMPTY_HEADER.sub(r"<td\1></td>", "".join(output.data["text/html"]))
            text = _HEADER.sub(lambda found: found[1] + found[2].replace("_", "_<wbr>"), text)
            output.data["text/html"] = _CLIP.sub(r'\1<span class="clip">\3</span>', text)


def _rows(cell):
    """Rows of all tables that a cell shows; of an explorer, one state is seen at a time."""
    texts = ("".join(output.get("data", {}).get("text/html", "")) for output in cell.outputs)
    return sum(text.count("<tr") for text in texts if 'class="explorer"' not in text)
