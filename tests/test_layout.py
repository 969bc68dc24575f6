"""The layout: packages in the order in which a clip travels, and no import against it."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import acrnn_lib

LIBRARY = Path(acrnn_lib.__file__).parent
FLOORS = (  # ground first; a file imports from its own package or from floors below
    "registry config experiments files device progress", "data", "evaluation", "features", "models",
    "attention", "trained inference answers", "training", "viz", "kit", "__main__ commands")
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names.split()}


def modules():
    """{dotted name under acrnn_lib: names under acrnn_lib that it imports}, all imports counted."""
    known = {".".join(path.relative_to(LIBRARY).with_suffix("").parts): path
             for path in LIBRARY.rglob("*.py") if path.name != "__init__.py"}
    known |= {path.parent.name: path for path in LIBRARY.glob("*/__init__.py")}
    found = {}
    for name, path in known.items():
        package = list(path.parent.relative_to(LIBRARY).parts)
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = [*package[:len(package) - node.level + 1],
                        *(node.module.split(".") if node.module else [])]
                for alias in node.names:
                    both = (".".join([*base, alias.name]), ".".join(base))
                    found[name] |= {next(target for target in both if target in known)}
    return found


def test_every_file_imports_from_its_own_floor_or_below():
    for name, imported in modules().items():
        for other in imported:
            here, there = FLOOR[name.split(".")[0]], FLOOR[other.split(".")[0]]
            assert there <= here, f"{name} imports {other}"


def test_no_file_imports_itself_by_a_detour():
    order = list(graphlib.TopologicalSorter(modules()).static_order())
    assert order.index("config") < order.index("features.frontend") < order.index("training.loop")


def test_every_package_says_what_is_in_it_and_where_it_is_taught():
    for path in LIBRARY.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert 3 <= len(text.splitlines()) <= 6 and "Notebooks: " in " ".join(text.split()), path


def test_the_tests_mirror_the_packages():
    tests = Path(__file__).parent
    for path in tests.glob("*/test_*.py"):
        if path.parent.name not in ("browser", "faults"):
            assert (LIBRARY / path.parent.name).is_dir(), path


@pytest.mark.parametrize("name", acrnn_lib.__all__)
def test_public_names_are_imported_when_they_are_used(name):
    module, attribute = acrnn_lib._EXPORTS[name]
    found = getattr(acrnn_lib, name)
    assert found is getattr(sys.modules[f"acrnn_lib.{module}"], attribute) and callable(found)


def test_importing_the_package_loads_nothing_else():
    code = ("import sys; before = set(sys.modules); import acrnn_lib; "
            "print(sorted(m for m in set(sys.modules) - before if 'acrnn_lib' not in m "
            "and m.partition('.')[0] not in sys.stdlib_module_names)); dir(acrnn_lib)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'ACRN'"):
        acrnn_lib.ACRN  # noqa: B018
