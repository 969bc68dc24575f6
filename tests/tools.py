"""The project's own tools, which are no package, as modules."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def found_in(folder):
    """What lies in a folder, but for the locks of those who worked there."""
    return {path.name for path in Path(folder).iterdir() if path.suffix != ".lock"}


def tool(name):
    """tools/<name>.py, imported."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
