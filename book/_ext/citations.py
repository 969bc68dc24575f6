"""Citations as links: "Park et al. 2019" and "arXiv:1904.08779" lead to the bibliography.

Nothing is marked in the text. The bibliography's numbered entries say who wrote what and when; of
two entries of one first author and year, the first is meant, but for those of MEANT.
"""

import re
from pathlib import Path

from docutils import nodes
from trees import inside

ENTRY = re.compile(r"^\d+\. (.+\n(?:(?: .*)?\n)*)", re.M)
ARXIV = re.compile(r"arXiv:\d{4}\.\d{5}")
LINK = re.compile(r"\[[^\]]*\]\([^)]*\)")
KEPT = nodes.reference, nodes.literal, nodes.literal_block, nodes.title  # no links in these
MEANT = {("Zhang", "2018"): "zhang-2018-2"}  # the authors of mixup, not those of the paper


def entries(text):
    """{anchor: (first author, second author or "", year, arXiv ids)} of the bibliography."""
    found = {}
    for entry in ENTRY.findall(text):
        entry = " ".join(entry.split())
        people = re.split(r", ", entry.partition(":")[0].replace(" et al.", ""))
        first, second = ([person.split()[-1] for person in people] + [""])[:2]
        year = re.findall(r"\b(?:19|20)\d\d\b", LINK.sub("", entry.partition(":")[2]))[0]
        found[_free(f"{first}-{year}".lower(), found)] = (first, second, year,
                                                          ARXIV.findall(entry))
    return found


def _free(name, taken):
    return name if name not in taken else f"{name}-2"


def patterns(found):
    """One regular expression for all citations, and {what it finds: anchor} as a function."""
    people, papers = {}, {}
    for anchor, (first, second, year, ids) in found.items():
        people.setdefault((first, year), MEANT.get((first, year), anchor))
        papers |= dict.fromkeys(ids, anchor)
        if second:
            people[f"{first} and {second}", year] = anchor
    ways = [rf"{name} (?:et al\. )?\(?{year}\)?|{name}(?:,? (?:and )?\w+)* \(“[^”]+”, {year}\)"
            for name, year in sorted(people, reverse=True)]
    line = re.compile("|".join([*ways, *map(re.escape, papers)]))

    def anchor_of(text):
        if text in papers:
            return papers[text]
        name, year = re.match(r"(\w+(?: and \w+)?).*?(\d{4})\)?$", text).groups()
        return people.get((name, year)) or people[name.split()[0], year]

    return line, anchor_of


def anchors(app, doctree):
    """Give each entry of the bibliography its id."""
    if app.env.docname == "bibliography":
        names = entries((Path(app.srcdir) / "bibliography.md").read_text(encoding="utf-8"))
        items = [item for item in doctree.findall(nodes.list_item)
                 if isinstance(item.parent, nodes.enumerated_list)]
        if len(items) != len(names):
            raise ValueError(f"bibliography.md: {len(items)} items, {len(names)} entries were read")
        for item, name in zip(items, names, strict=True):
            item["ids"].append(name)


def link(app, doctree, docname):
    """Turn citations in the running text into links."""
    if docname == "bibliography":
        return
    path = Path(app.srcdir) / "bibliography.md"
    line, anchor_of = patterns(entries(path.read_text(encoding="utf-8")))
    whole = app.builder.name == "singlehtml"
    page = "" if whole else app.builder.get_relative_uri(docname, "bibliography")
    for text in list(doctree.findall(nodes.Text)):
        if not line.search(text) or inside(text, *KEPT):
            continue
        parts, end = [], 0
        for found in line.finditer(text):
            said = found[0] if found[0].count("(") == found[0].count(")") else found[0].rstrip(")")
            parts += [nodes.Text(text[end : found.start()]),
                      nodes.reference("", said, refuri=f"{page}#{anchor_of(found[0])}",
                                      internal=True, classes=["citation-link"])]
            end = found.start() + len(said)
        text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def setup(app):
    """Called by Sphinx."""
    app.connect("doctree-read", anchors)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": True}
