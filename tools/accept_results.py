"""Accept the run folders under results/ as evidence: summary.json and the README's table.

python tools/accept_results.py
"""

from pathlib import Path

from acrnn_lib.evaluation import results, tables
from acrnn_lib.files import write_bytes
from acrnn_lib.kit import recount

README, BEGIN, END = Path("README.md"), "<!-- results: begin -->\n", "<!-- results: end -->"


def main():
    recount.accept("results")
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    table = tables.as_markdown(results.load("results", dataset="esc10"))
    write_bytes(README, (before + BEGIN + table + END + after).encode())
    print(table)


if __name__ == "__main__":
    main()
