"""Print the book: all its pages as one, through a browser, as a PDF.

    python tools/print_book.py [--browser PROGRAM] [--out FILE]

It prints the pages that `make book` has laid out, so run that first (`make pdf` does).
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
PATIENCE = 120_000  # ms of the page's own clock, for the formulas to be set


def find_browser(wanted=None, which=shutil.which):
    """The path of a browser of the Chromium family; exits with one line if there is none."""
    for name in [wanted] if wanted else BROWSERS:
        if found := which(name):
            return found
    sys.exit(f"no browser to print with: looked for {wanted or ', '.join(BROWSERS)}; install "
             "Chromium, or name one by --browser")


def one_page(book, out):
    """Build all pages as a single HTML file below ``out``; return its path."""
    if not (book / "notebooks").is_dir() or not (book / "tables").is_dir():
        sys.exit(f"{book}: no executed notebooks here, run `make reproduce` first")
    program = shutil.which("jupyter-book", path=sysconfig.get_path("scripts"))
    done = subprocess.run([program, "build", book, "--all", "--path-output", out, "--builder",
                           "custom", "--custom-builder", "singlehtml"],
                          capture_output=True, text=True)
    page = out / "_build" / "singlehtml" / "intro.html"
    if done.returncode or not page.is_file():
        said = (done.stdout + done.stderr)[-2000:]
        sys.exit(f"jupyter-book could not join the pages ({done.returncode}):\n{said}")
    return page


def print_page(browser, page, out):
    """Print a local page into the PDF ``out``, which appears only when it is whole."""
    partial = out.with_suffix(".partial.pdf")
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless", "--disable-gpu", f"--user-data-dir={profile}",
                 # pages are numbered by print.css; the outline is made of the headings
                 "--no-pdf-header-footer", "--generate-pdf-document-outline",
                 f"--virtual-time-budget={PATIENCE}",
                 f"--print-to-pdf={partial}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            flags.append("--no-sandbox")  # the administrator's browser starts in no other way
        done = subprocess.run([browser, *flags, page.resolve().as_uri()], capture_output=True,
                              text=True)
    if done.returncode or not partial.is_file() or not partial.read_bytes().startswith(b"%PDF"):
        sys.exit(f"{browser} printed nothing ({done.returncode}):\n{done.stderr[-2000:]}")
    os.replace(partial, out)


def main(browser, out):
    program = find_browser(browser)
    out.parent.mkdir(parents=True, exist_ok=True)
    print_page(program, one_page(ROOT / "book", ROOT / "build" / "print"), out)
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--browser", help=f"program; by default the first of {', '.join(BROWSERS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "acrnn-kit.pdf")
    chosen = parser.parse_args()
    main(chosen.browser, chosen.out.resolve())
