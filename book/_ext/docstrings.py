"""Docstrings of which napoleon would make other sentences than are meant."""

import re

PART = re.compile(r"( +)(\w+(?:, \w+)*) : (.+)")


def mend(app, what, name, obj, options, lines):
    """Parts of what is returned, such as the columns of a table, become a list.

    And a property whose first sentence holds a colon has no type before the colon.
    """
    if what in ("attribute", "property") and lines and ":" in lines[0]:
        lines.insert(0, "\\")  # an empty line would be skipped; this one is nothing on the page
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


def setup(app):
    """Called by Sphinx; before napoleon, and behind the line of notebooks, which ends sections."""
    app.connect("autodoc-process-docstring", mend, priority=450)
    return {"parallel_read_safe": True}
