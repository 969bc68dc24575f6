"""Copy the clips of ESC-10 that come with the package, and print their credits.

    python tools/make_clips.py FOLDER

FOLDER holds the original ESC-10. ``esc.bundled_clips`` states the rule by which the clips are
chosen; the bytes stay those of the original.
"""

import shutil
import sys
from pathlib import Path

from acrnn_lib.data import datasets, esc


def write(root, folder=esc.CLIPS):
    """Copy the clips from the ESC-10 folder ``root``; return their rows."""
    paths = datasets.load("esc10", root).set_index("clip_id")["path"]
    chosen = esc.bundled_clips()
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.ogg"):
        old.unlink()
    for clip_id in chosen["clip_id"]:
        shutil.copyfile(paths[clip_id], folder / f"{clip_id}.ogg")
    return chosen


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    clips = write(sys.argv[1])
    for clip in clips.itertuples():
        print(f"{clip.category:14} {clip.clip_id:12} {clip.title} by {clip.author}, "
              f"{clip.licence}, {clip.url}")
    total = sum(path.stat().st_size for path in esc.CLIPS.iterdir())
    print(f"{len(clips)} clips, {total:,} bytes")
