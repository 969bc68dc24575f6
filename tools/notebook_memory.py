"""Minutes and memory of each notebook: executes them and prints the table of book/teaching.md.

    python tools/notebook_memory.py             all of them, as they are (synthetic sound, smoke)
    python tools/notebook_memory.py 06 --cells  one, cell by cell

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


def resident(pid):
    """Bytes of a process; 0 once it has ended."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0


class Watched(NotebookClient):
    """A notebook's execution that notes seconds and peak memory (bytes) of each cell."""

    def watch(self):
        """Execute; return {cell number: [seconds, bytes]}."""
        self.noted, self.now, self.done = {}, None, threading.Event()
        self.on_cell_execute = self.begin
        self.on_cell_executed = self.end
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
        if cell_index in self.noted:
            self.noted[cell_index][0] = time.monotonic() - self.noted[cell_index][0]

    def sample(self):
        while not self.done.wait(PERIOD):
            if self.now is not None:
                size = resident(self.km.provisioner.pid)
                self.noted[self.now][1] = max(self.noted[self.now][1], size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="*", metavar="NN", help="first characters of names")
    parser.add_argument("--cells", action="store_true", help="a line per cell, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # where nothing has been trained yet
        measure(grading.student(folder), options)


def measure(paths, options):
    print("| notebook | minutes to run | memory (GB) |\n|---|---|---|")
    for path in paths:
        if options.notebooks and not path.name.startswith(tuple(options.notebooks)):
            continue
        notebook = nbformat.read(path, 4)
        client = Watched(notebook, timeout=None, kernel_name="python3",
                         resources={"metadata": {"path": str(path.parent)}})
        noted = client.watch()
        seconds, peak = (sum(s for s, _ in noted.values()), max(m for _, m in noted.values()))
        print(f"| {path.stem} | {seconds / 60:.1f} | {peak / 1e9:.2f} |", flush=True)
        for index, (spent, size) in noted.items() if options.cells else ():
            first = notebook.cells[index].source.partition("\n")[0]
            print(f"    {index:3} {spent:6.1f} s {size / 1e9:5.2f} GB  {first[:60]}", flush=True)


if __name__ == "__main__":
    main()
