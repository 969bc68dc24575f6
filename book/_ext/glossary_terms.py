"""Terms of the glossary: an anchor for each, and its definition wherever a page uses it.

A page links to glossary.md#overfitting. A term in bold becomes such a link at its first use, and
every link to a term shows the definition while the pointer is over it.
"""

import re
from pathlib import Path

from docutils import nodes
from trees import inside

ENTRY = re.compile(r"^(\S.*)\n: ((?:.+\n(?:  .*\n)*))", re.M)


def slug(term):
    """The anchor of a term, as a heading of these words would have it."""
    return re.sub(r"[^\w\- ]", "", term.lower()).replace(" ", "-")


def definitions(text):
    """{anchor: definition as plain text} of the glossary's Markdown."""
    found = {}
    for term, said in ENTRY.findall(text):
        said = re.sub(r"\s*\[[^\]]*\]\(notebooks/[^)]*\)[.,;]?", "", " ".join(said.split()))
        said = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", said)
        found[slug(term)] = said.replace("`", "").replace("*", "").replace("$", "")
    return found


def names(terms):
    """{a way to write a term, in lower case: its anchor}: plurals, abbreviations, turned commas."""
    found = {}
    for term in terms:
        bare = re.sub(r" \(.*?\)", "", term)
        ways = [term, bare, *re.findall(r"\((.*?)\)", term), " ".join(bare.split(", ")[::-1])]
        for way in ways:
            found.setdefault(way.lower(), slug(term))
            found.setdefault(way.lower() + "s", slug(term))
    return found


def anchors(app, doctree):
    """Give each term an id, and tell MyST of it."""
    if app.env.docname == "glossary":
        known = app.env.metadata["glossary"].setdefault("myst_slugs", {})
        for term in doctree.findall(nodes.term):
            name = slug(term.astext())
            term["ids"].append(name)
            known[name] = (term.line, name, term.astext())


def explain(app, doctree, docname):
    """Link bold terms at their first use, and put definitions on links to terms."""
    if docname.startswith(("glossary", "reference")):  # where names of parameters are bold
        return
    text = (Path(app.srcdir) / "glossary.md").read_text(encoding="utf-8")
    said, known = definitions(text), names(term for term, _ in ENTRY.findall(text))
    whole = app.builder.name == "singlehtml"  # one page, in which anchors are enough
    page = "" if whole else app.builder.get_relative_uri(docname, "glossary")
    seen = set()
    for link in doctree.findall(nodes.reference):
        anchor = link.get("refuri", "").partition("#")[2]
        anchor = anchor if anchor in said else known.get(link.astext().lower(), "")
        if anchor in said and "glossary" in link.get("refuri", ""):
            link["refuri"], link["reftitle"] = f"{page}#{anchor}", said[anchor]
            seen.add(anchor)
    for strong in list(doctree.findall(nodes.strong)):
        anchor = known.get(strong.astext().lower().rstrip(".:"))
        if (anchor not in said or anchor in seen or list(strong.findall(nodes.reference))
                or inside(strong, nodes.reference, nodes.title, nodes.caption)):
            continue
        seen.add(anchor)
        link = nodes.reference("", "", *strong.children, refuri=f"{page}#{anchor}", internal=True,
                               reftitle=said[anchor], classes=["term"])
        strong.children = []
        strong += link


def setup(app):
    """Called by Sphinx."""
    app.connect("doctree-read", anchors)
    app.connect("doctree-resolved", explain)
    return {"parallel_read_safe": True}
