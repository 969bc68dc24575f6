"""The minutes that a page takes to read, below its title; a notebook says so itself."""

import math

from docutils import nodes

WORDS = 200  # a minute, of technical text in a second language
WITHOUT = ("glossary", "reference", "bibliography", "card", "intro")  # nobody reads them through


def minutes(doctree):
    """Minutes for the sentences of a page; tables and code are looked at, not read."""
    words = sum(len(part.astext().split()) for part in doctree.findall(nodes.paragraph)
                if not isinstance(part.parent, nodes.entry))
    return max(1, math.ceil(words / WORDS))


def show(app, doctree):
    """Insert the line."""
    name = app.env.docname
    if name.startswith(("notebooks/", *WITHOUT)):
        return
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is not None:
        many = minutes(doctree)
        said = f"{many} minute{'s' if many > 1 else ''} to read"
        title.parent.insert(1, nodes.paragraph("", said, classes=["reading-time"]))


def setup(app):
    """Called by Sphinx."""
    app.connect("doctree-read", show)
    return {"parallel_read_safe": True}
