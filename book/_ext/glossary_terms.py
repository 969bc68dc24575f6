"""An anchor for each term of the glossary: a page links to glossary.md#overfitting."""

import re

from docutils import nodes


def slug(term):
    """The anchor of a term, as a heading of these words would have it."""
    return re.sub(r"[^\w\- ]", "", term.lower()).replace(" ", "-")


def anchors(app, doctree):
    """Give each term an id, and tell MyST of it."""
    if app.env.docname == "glossary":
        known = app.env.metadata["glossary"].setdefault("myst_slugs", {})
        for term in doctree.findall(nodes.term):
            name = slug(term.astext())
            term["ids"].append(name)
            known[name] = (term.line, name, term.astext())


def setup(app):
    """Called by Sphinx."""
    app.connect("doctree-read", anchors)
    return {"parallel_read_safe": True}
