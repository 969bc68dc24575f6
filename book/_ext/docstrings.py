"""Docstrings of which napoleon would make other sentences than are meant."""

import re

SEVERAL = re.compile(r"(\w+(?:, \w+)+) : (.+)")
PART = re.compile(r"( +)(\w+(?:, \w+)*) : (.+)")


def mend(app, what, name, obj, options, lines):
    """Parts of what is returned, such as the columns of a table, become a list.

    And a property whose first sentence holds a colon has no type before the colon.
    """
    if what in ("attribute", "property") and lines and ":" in lines[0]:
        lines.insert(0, "\\")  # an empty line would be skipped; this one is nothing on the page
    one_by_one(lines)
    if "Returns" not in lines:
        return
    first = lines.index("Returns") + 2
    last = next((k for k in range(first, len(lines)) if not lines[k].strip()), len(lines))
    found, inside = [], False
    for line in lines[first:last]:
        part = PART.match(line)
        if part:
            found += ([] if inside else [""]) + [f"{part[1]}* ``{part[2]}``: {part[3]}"]
        else:
            found.append(f"  {line}" if inside else line)
        inside = inside or bool(part)
    lines[first:last] = found


def one_by_one(lines):
    """Attributes that share a line, ``a, b : type``, get one each: napoleon would take b alone."""
    if "Attributes" not in lines:
        return
    at = lines.index("Attributes") + 2
    while at < len(lines) and not lines[at].startswith("---"):
        several = SEVERAL.fullmatch(lines[at])
        end = at + 1
        while end < len(lines) and lines[end].startswith(" "):
            end += 1
        if several:
            body = lines[at + 1 : end]
            each = [line for name in several[1].split(", ")
                    for line in (f"{name} : {several[2]}", *body)]
            lines[at:end] = each
            end = at + len(each)
        at = end


def setup(app):
    """Called by Sphinx; before napoleon, and behind the line of notebooks, which ends sections."""
    app.connect("autodoc-process-docstring", mend, priority=450)
    return {"parallel_read_safe": True}
