"""What an installation without extras or without a checkout lacks, said in one sentence.

Notebook: 00_start_here
"""

import importlib.util
from pathlib import Path

EXTRAS = {"papermill": "notebooks", "nbformat": "notebooks", "ipykernel": "notebooks",
          "ipywidgets": "notebooks", "anywidget": "notebooks", "voila": "notebooks",
          "jupyter_book": "book", "onnx": "web"}


def need(*modules: str) -> None:
    """Raise ValueError for the first of some modules, keys of EXTRAS, that is not installed."""
    for name in modules:
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"{name} is not installed: pip install 'acrnn-kit[{EXTRAS[name]}]'")


def need_checkout(path: Path) -> None:
    """Raise ValueError where a file or folder that only a checkout of the kit has is missing."""
    if not path.exists():
        raise ValueError(f"{path}: not found; this needs a checkout of the kit (git clone), as the "
                         f"installed package is without {path.name}")
