"""Accept the run folders under results/ as evidence, and write what is made from them.

python tools/accept_results.py

`results/summary.json` (counts), `results/TABLE.md` (all rows), the first results of the README and
their figure.
"""

import io
import json
from pathlib import Path

import matplotlib.pyplot as plt

from acrnn_lib import viz
from acrnn_lib.evaluation import headline, results, tables
from acrnn_lib.files import write_bytes
from acrnn_lib.kit import recount

README, BEGIN, END = Path("README.md"), "<!-- results: begin -->\n", "<!-- results: end -->"
TABLE, FIGURE = Path("results/TABLE.md"), Path("book/images/results.svg")
TITLE = "# All results on real recordings\n\nMade by `tools/accept_results.py`.\n\n"


def main():
    recount.accept("results")
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    write_bytes(README, (before + BEGIN + headline.as_markdown() + END + after).encode())
    real = [run for run in results.load("results") if run.dataset != "synth"]
    write_bytes(TABLE, (TITLE + tables.as_markdown(real)).encode())
    write_bytes(FIGURE, figure(headline.accuracies()))


def figure(table):
    """SVG whose description holds the numbers that were drawn, the same at each call."""
    plt.rcParams |= {"svg.hashsalt": "results", "svg.fonttype": "none"}
    fig, _ = viz.headline(table)
    buffer = io.BytesIO()
    numbers = json.dumps([round(share, 6) for share in table["accuracy"]])
    fig.savefig(buffer, format="svg", metadata={"Date": None, "Description": numbers})
    return buffer.getvalue()


if __name__ == "__main__":
    main()
