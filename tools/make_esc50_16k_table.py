"""Write acrnn_lib/assets/esc50_16k.csv: SHA-256 of each clip of the 16 kHz, 8-bit copy of ESC-50.

    python tools/make_esc50_16k_table.py FOLDER
"""

import hashlib
import sys
from pathlib import Path

import pandas as pd

TARGET = Path(__file__).parents[1] / "acrnn_lib" / "assets" / "esc50_16k.csv"


def main(folder):
    """Hash the clips of FOLDER/audio that FOLDER/meta/esc50.csv names."""
    names = sorted(pd.read_csv(Path(folder, "meta", "esc50.csv"))["filename"])
    sums = [hashlib.sha256(Path(folder, "audio", name).read_bytes()).hexdigest() for name in names]
    table = pd.DataFrame({"filename": names, "sha256": sums})
    table.to_csv(TARGET, index=False, lineterminator="\n")
    print(f"{TARGET}: {len(table)} clips")


if __name__ == "__main__":
    main(*sys.argv[1:])
