"""Write the address of a copy at GitHub where Binder and Colab need it.

    python tools/make_badges.py OWNER/NAME

Badges go into README.md, between its marks; the address goes into the cell that installs the kit
in a hosted notebook, in book/online.md and notebook 00.
"""

import re
import sys
from pathlib import Path

from acrnn_lib.files import write_bytes

ROOT = Path(__file__).parents[1]
CELLS = ("book/online.md", "notebooks/00_start_here.ipynb")  # which hold REPOSITORY
BLOCK = re.compile(r"(<!-- online: begin -->\n).*?(<!-- online: end -->)", re.DOTALL)
ADDRESS = re.compile(r'(REPOSITORY = \\?")[^"\\]*')
START = "notebooks/00_start_here.ipynb"
BADGES = """\
[![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{name}/HEAD?labpath={start})
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{name}/blob/HEAD/{start})
"""


def changed(path, pattern, new):
    """Text of a file with one place replaced; an error where that is not there once."""
    text, count = pattern.subn(new, path.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"{path}: found {count} places for {pattern.pattern!r}, expected one")
    return text


def main(name, root=ROOT):
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        sys.exit(f"found {name!r}, expected OWNER/NAME of a copy at GitHub")
    badges = BADGES.format(name=name, start=START)
    made = {"README.md": changed(root / "README.md", BLOCK, rf"\g<1>{badges}\g<2>")}
    address = rf"\g<1>https://github.com/{name}"
    made |= {path: changed(root / path, ADDRESS, address) for path in CELLS}
    for path, text in made.items():
        write_bytes(root / path, text.encode())
        print(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
