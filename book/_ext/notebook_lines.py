"""The line "Notebook: NN_name" of a docstring as links to the book's pages."""

import re

LINE = re.compile(r"Notebooks?: (?=\d\d[a-z]?_)")
NAME = re.compile(r"\d\d[a-z]?_\w+")


def link(app, what, name, obj, options, lines):
    """Let the line end the section above it, and link its notebooks."""
    for number, line in enumerate(lines):
        if LINE.match(line):
            rest = " ".join([line, *lines[number + 1 :]])
            pages = ", ".join(f":doc:`/notebooks/{page}`" for page in NAME.findall(rest))
            # two empty lines end a section in numpydoc form
            lines[number:] = ["", "", f"Taught in {pages}.", ""]
            return


def setup(app):
    """Called by Sphinx; before napoleon, which takes the line for a part of the last section."""
    app.connect("autodoc-process-docstring", link, priority=400)
    return {"parallel_read_safe": True}
