"""Numbers for what cells show: the caption in a cell's metadata, and a number for each equation.

A caption numbers the first picture, player or explorer of a cell's outputs as a figure, or with
"kind": "table" as a table. The anchor of both is the id of the cell. On other pages, a container
with the class "exhibit" is a figure, and its last paragraph the caption.
"""

from docutils import nodes

SHOWN = ("mime_bundle",)  # what MyST-NB calls an output that is not just printed


class Exhibit(nodes.figure):
    """A figure whose content need not be an image."""


class Listed(nodes.figure):
    """The same for a table."""


def shows(node):
    """Whether an output is more than printed text."""
    return isinstance(node, nodes.image | nodes.raw | nodes.figure) or (
        node.get("nb_element") in SHOWN and any(
            node.findall(lambda part: isinstance(part, nodes.image | nodes.raw))))


def drawn(node):
    """Whether an output is a picture, so that a figure's caption is not put below a table."""
    return any(node.findall(nodes.image))


def number(app, doctree):
    """Wrap captioned outputs, and number equations that have no label."""
    for cell in list(doctree.findall(nodes.container)):
        if "exhibit" in cell["classes"]:
            box = Exhibit(ids=cell["ids"], names=cell["names"])
            box += [*cell.children[:-1], nodes.caption("", "", *cell.children[-1].children)]
            doctree.ids |= dict.fromkeys(cell["ids"], box)
            cell.parent.replace(cell, box)
        caption = (cell.get("cell_metadata") or {}).get("caption")
        if not caption or cell.get("nb_element") != "cell_code":
            continue
        outputs = [part for box in cell.findall(nodes.container)
                   if box.get("nb_element") == "cell_code_output" for part in box.children]
        table = cell["cell_metadata"].get("kind") == "table"
        outputs = sorted(filter(shows, outputs), key=lambda part: table == drawn(part))
        for part in outputs[:1]:
            text = nodes.caption("", "", *written(caption))
            box = (Listed if table else Exhibit)(ids=[cell["cell_metadata"]["anchor"]])
            part.parent.replace(part, box)
            box += [text, part] if table else [part, text]
    for formula in doctree.findall(nodes.math_block):
        if not formula.get("label") and "amsmath" not in formula["classes"]:
            _number_equation(app.env, formula)


def _number_equation(env, formula):
    domain, label = env.get_domain("math"), f"{env.docname}:{env.new_serialno('equation')}"
    domain.note_equation(env.docname, label, location=formula)
    formula["label"], formula["docname"] = label, env.docname
    formula["number"] = domain.get_equation_number_for(label)
    formula["ids"].append(nodes.make_id(f"equation-{label}"))


def written(caption):
    """Text nodes of a caption; `names` between back quotes become code."""
    return [nodes.literal("", part) if k % 2 else nodes.Text(part)
            for k, part in enumerate(caption.split("`"))]


def visit(self, node):
    """As a figure: both kinds differ in their numbers only."""
    self.visit_figure(node)


def depart(self, node):
    """The end of it."""
    self.depart_figure(node)


def setup(app):
    """Called by Sphinx."""
    app.add_enumerable_node(Exhibit, "figure", html=(visit, depart), override=True)
    app.add_enumerable_node(Listed, "table", html=(visit, depart), override=True)
    app.connect("doctree-read", number)
    return {"parallel_read_safe": True}
