"""Rebuild acrnn_lib/assets/esc10.csv from a folder with the original ESC-10.

    python tools/make_esc10_table.py FOLDER [TABLE]

Names, folds and classes come from the file names, checksums and fingerprints from the files,
titles, authors and licences from the data set's own README.txt.
"""

import csv
import hashlib
import re
import sys
from pathlib import Path

from acrnn_lib.data import fingerprint

TABLE = Path(__file__).resolve().parents[1] / "acrnn_lib" / "assets" / "esc10.csv"
CATEGORIES = (  # in the order of the original folders, with ESC-50's names
    "dog rain sea_waves crying_baby clock_tick sneezing helicopter chainsaw rooster crackling_fire"
).split()
LICENCES = {"CC0": "CC0", "CC-BY": "CC BY 3.0", "CC-Sampling+": "CC Sampling+ 1.0"}
CREDIT = re.compile(
    r"- \[(?P<clip_id>\S+)\.ogg\]:\s+clip derived from (?P<title>.+) "
    r"\(https?://(?:www\.)?(?P<url>freesound\.org/\S+)\) by (?P<author>.+) \[(?P<licence>.+)\]"
)


def rows(folder):
    """Yield one dict per clip of the ESC-10 folder, ordered by class and file name."""
    folder = Path(folder)
    readme = (folder / "README.txt").read_text(encoding="utf-8")
    credits = {found["clip_id"]: found for found in CREDIT.finditer(readme)}
    paths = sorted(folder.glob("* - */*.ogg"))
    for path, bits in zip(paths, fingerprint.of_files(paths), strict=True):
        target = int(path.parent.name[:3]) - 1
        fold, source, _take = path.stem.split("-")
        credit = credits[path.stem]
        yield {
            "clip_id": path.stem,
            "file": path.relative_to(folder).as_posix(),
            "fold": fold,
            "target": target,
            "category": CATEGORIES[target],
            "source": source,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "title": credit["title"],
            "author": credit["author"],
            "licence": LICENCES[credit["licence"]],
            "url": f"https://{credit['url']}",
            "fingerprint": fingerprint.to_text(bits),
        }


def write(folder, table=TABLE):
    """Write the table of the ESC-10 folder as CSV."""
    clips = list(rows(folder))
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=clips[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(clips)


if __name__ == "__main__":
    write(*sys.argv[1:])
