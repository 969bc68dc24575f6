"""What each notebook costs, as the table of book/teaching.md: minutes to study, to run, memory.

    python tools/notebook_costs.py              all of them, as they are (synthetic sound, smoke)
    python tools/notebook_costs.py 06 --cells   one, cell by cell

Memory is the highest resident size of the kernel, read twenty times a second. The notebooks run in
order in a folder of their own, as a student gets them, with the cache as it is.
"""

import argparse
import tempfile
import threading
import time

import nbformat
import psutil
from nbclient import NotebookClient

from acrnn_lib.kit import grading

PERIOD = 0.05  # s
WORDS = 180  # read in a minute
LINE, EXERCISE = 4 / 60, 6  # minutes for a line of code and for an exercise


def minutes(notebook):
    """Minutes to read a notebook and to do its exercises, estimated from its length."""
    words = sum(len(c.source.split()) for c in notebook.cells if c.cell_type == "markdown")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    lines = sum(bool(line.strip()) for cell in code for line in cell.source.splitlines())
    exercises = sum("exercise" in cell.metadata.get("tags", []) for cell in code)
    return words / WORDS + lines * LINE + exercises * EXERCISE


class Watched(NotebookClient):
    """A notebook's execution that notes seconds and peak memory (bytes) of each cell."""

    def watch(self):
        """Execute; return {cell number: [seconds, bytes]}."""
        self.noted, self.now, self.done = {}, None, threading.Event()
        self.on_cell_execute, self.on_cell_executed = self.begin, self.end
        thread = threading.Thread(target=self.sample, daemon=True)
        thread.start()
        try:
            self.execute()
        finally:
            self.done.set()
            thread.join()
        return self.noted

    def begin(self, cell, cell_index):
        self.noted[cell_index], self.now = [time.monotonic(), 0], cell_index

    def end(self, cell, cell_index, execute_reply):
        self.noted[cell_index][0] = time.monotonic() - self.noted[cell_index][0]

    def sample(self):
        while not self.done.wait(PERIOD):
            try:
                size = psutil.Process(self.km.provisioner.pid).memory_info().rss
            except (AttributeError, psutil.NoSuchProcess):  # before its start, after its end
                continue
            if self.now is not None:
                self.noted[self.now][1] = max(self.noted[self.now][1], size)


def measure(paths, cells):
    print("| notebook | minutes, with the exercises | minutes to run | memory (GB) |")
    print("|---|---|---|---|")
    for path in paths:
        notebook = nbformat.read(path, 4)
        study = minutes(notebook)
        noted = Watched(notebook, timeout=None, kernel_name="python3",
                        resources={"metadata": {"path": str(path.parent)}}).watch()
        seconds, peak = (sum(s for s, _ in noted.values()), max(m for _, m in noted.values()))
        row = path.stem[:2], 5 * round(study / 5), f"{seconds / 60:.1f}", f"{peak / 1e9:.1f}"
        print("| {} | {} | {} | {} |".format(*row), flush=True)
        for index, (spent, size) in noted.items() if cells else ():
            first = notebook.cells[index].source.partition("\n")[0]
            print(f"    {index:3} {spent:6.1f} s {size / 1e9:5.2f} GB  {first[:60]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", metavar="NN", help="first characters of names")
    parser.add_argument("--cells", action="store_true", help="a line per cell, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # where nothing has been trained yet
        wanted = tuple(options.notebooks) or ("",)
        measure([path for path in grading.student(folder) if path.name.startswith(wanted)],
                options.cells)


if __name__ == "__main__":
    main()
