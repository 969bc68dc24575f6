"""Where the kit runs: optimised Python, the wheel without extras, small systems, Ctrl-C at once."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from acrnn_lib.kit import installed, reproduce
from acrnn_lib.training import parallel

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = {Requirement(line).name.replace("-", "_"): extra
          for extra, lines in PROJECT["project"]["optional-dependencies"].items() for line in lines}
CLIP = ROOT / "acrnn_lib" / "assets" / "clips" / "1-100032-A.ogg"
# nothing of the extras can be imported, as after `pip install` of the wheel without them
CORE = f"""
import sys
sys.modules |= dict.fromkeys({sorted({*EXTRAS, "distributed", "av", "nbclient"})})
"""
COMMAND = """
import sys
from acrnn_lib.commands import main
sys.exit(main(sys.argv[1:]))
"""


def python(*words, cwd=ROOT, **environment):
    return subprocess.run([sys.executable, *map(str, words)], cwd=cwd, text=True, timeout=300,
                          capture_output=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment})


# python -OO: no docstrings, no assert


@pytest.mark.parametrize("words", [["--help"], ["predict", CLIP], ["data", "clips"],
                                   ["report", "--dataset", "esc10"], ["student", "OUT"]])
def test_commands_run_without_docstrings(words, tmp_path):
    words = [tmp_path / "out" if word == "OUT" else word for word in words]
    done = python("-OO", "-m", "acrnn_lib", *words)
    assert done.returncode == 0 and done.stdout, done.stderr


def test_tasks_are_listed_without_docstrings():
    done = python("-OO", "tasks.py")
    assert done.returncode == 0 and "reproduce" in done.stdout, done.stderr


def test_nothing_is_checked_by_assert():
    """With -O it would not be checked."""
    found = [f"{path.name}:{node.lineno}" for path in sorted((ROOT / "acrnn_lib").rglob("*.py"))
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Assert)]
    assert not found


# the wheel: no extras, no checkout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The packages and files that the wheel holds, in a folder of their own."""
    folder = tmp_path_factory.mktemp("site")
    patterns = ["**/*.py", *PROJECT["tool"]["setuptools"]["package-data"]["acrnn_lib"]]
    for path in {p for pattern in patterns for p in (ROOT / "acrnn_lib").glob(pattern)}:
        if path.is_file():
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, copy)
    return folder


def of_wheel(wheel, folder, code, *words):
    before = sorted(wheel.rglob("*"))
    done = python("-c", CORE + code, *words, cwd=folder, PYTHONPATH=str(wheel),
                  ACRNN_CACHE=str(folder / "cache"), NUMBA_CACHE_DIR=str(folder / "numba"))
    assert sorted(wheel.rglob("*")) == before, "nothing is written beside the package"
    return done


@pytest.mark.parametrize("words, said", [
    (["student", "out"], r"notebooks: not found; this needs a checkout"),
    (["grade", "."], r"notebooks: not found; this needs a checkout"),
    (["reset", "00"], r"notebooks: not found; this needs a checkout"),
    (["reproduce"], r"no notebooks; run this from a full clone"),
    (["onnx", "a.onnx"], r"onnx is not installed: pip install 'acrnn-kit\[web\]'"),
    (["demo", "out"], r"onnx is not installed: pip install 'acrnn-kit\[web\]'"),
    (["predict", "a.m4a"], r"acrnn-kit\[formats\]"),
    (["crossval", "synth", "--experiments", "svm", "--scheduler", "tcp://127.0.0.1:1"],
     r"acrnn-kit\[dask\]")])
def test_what_the_wheel_alone_lacks_is_one_sentence(wheel, tmp_path, words, said):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(100))
    if words[0] == "crossval":  # without the sounds, which take a while
        code = ("from acrnn_lib.training import parallel\nimport sys\ntry:\n"
                "    with parallel.connect(sys.argv[-1]): pass\n"
                "except parallel.ClusterError as error: sys.exit(f'error: {error}')")
    else:
        code = COMMAND
    done = of_wheel(wheel, tmp_path, code, *words)
    lines = (done.stderr + done.stdout * (words[0] == "reproduce")).strip().splitlines()
    assert done.returncode == 1 and len(lines) == 1 and re.search(said, lines[0]), done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"a.m4a", "numba"}


def test_the_wheel_alone_classifies_a_sound(wheel, tmp_path):
    done = of_wheel(wheel, tmp_path, COMMAND, "predict", CLIP)
    assert done.returncode == 0 and "dog" in done.stdout, done.stderr


def test_the_app_of_the_wheel_says_that_it_needs_a_checkout(wheel, tmp_path):
    code = "import runpy; runpy.run_module('acrnn_lib.kit.app', run_name='__main__')"
    done = of_wheel(wheel, tmp_path, code)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1 and len(lines) == 1 and "needs a checkout" in lines[0], done.stderr


def test_without_a_place_for_compiled_code_each_process_compiles(monkeypatch):
    """As with a read-only package and no home."""
    from numba.core import caching

    from acrnn_lib.features import compiled

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert compiled.compiled(nogil=True)(lambda x: x + 1)(1) == 2


@pytest.mark.parametrize("name", ["voila", "nbformat"])
def test_the_app_names_the_missing_extra(name, tmp_path):
    code = (f"import sys; sys.modules[{name!r}] = None\n"
            "import runpy; runpy.run_module('acrnn_lib.kit.app', run_name='__main__')")
    done = python("-c", code)
    assert done.stderr == f"error: {name} is not installed: pip install 'acrnn-kit[notebooks]'\n"


def test_the_extra_named_for_a_module_holds_it():
    for name, extra in installed.EXTRAS.items():
        assert EXTRAS[name] == extra


def test_missing_programs_of_the_book_are_named_before_an_hour_of_notebooks(monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyter_book", None)
    monkeypatch.setattr(reproduce, "execute", lambda *_: pytest.fail("notebooks were executed"))
    with pytest.raises(ValueError, match=r"jupyter_book is not .*acrnn-kit\[book\]"):
        reproduce.run()


def test_the_runtime_of_the_page_is_asked_for_once(tmp_path, monkeypatch):
    """It prints why there is none."""
    asked, pages = [], tmp_path / "book" / "_build" / "html"
    pages.mkdir(parents=True)
    (tmp_path / "build").mkdir()
    monkeypatch.setattr(reproduce, "_runtime", lambda: asked.append(1))
    monkeypatch.setattr(reproduce, "include_parts", lambda *given: asked.append(given[-1]))
    monkeypatch.setattr(reproduce.subprocess, "run",
                        lambda *_, **__: subprocess.CompletedProcess([], 0))
    monkeypatch.setattr(reproduce.book, "lighten", lambda *_: None)
    reproduce.build_book({}, tmp_path, tmp_path)
    assert asked == [1, None]


# a system without semaphores: /dev/shm is missing, or read-only


def test_processes_without_shared_memory_are_refused_in_one_sentence(monkeypatch):
    import multiprocessing.synchronize

    def refused(*_, **__):
        raise OSError(38, "Function not implemented")

    pytest.importorskip("distributed")
    monkeypatch.setattr(multiprocessing.synchronize, "Lock", refused)
    with pytest.raises(parallel.ClusterError, match=r"^--processes: .*/dev/shm"), \
            parallel.connect(processes=2):
        pass


# Ctrl-C


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize("moment, words", [
    ("argparse", ["predict", CLIP]), ("acrnn_lib.config", ["predict", CLIP]),
    ("numpy", ["predict", CLIP]), (None, ["predict", CLIP]),
    ("signal", ["predict", CLIP]),  # before the kit's own answer is in place
    ("datetime", ["predict", CLIP]),  # by numpy, which makes an ImportError of any other
    ("pandas", ["features", "clips", "--profile", "smoke"]),
    (None, ["features", "clips", "--profile", "smoke"]), (None, ["student", "OUT"]),
    (None, ["report"]), ("numpy", ["reproduce", "--only", "00"]),
    ("pandas", ["crossval", "synth", "--experiments", "svm"])])
def test_ctrl_c_at_once_is_no_traceback_and_leaves_nothing(words, moment, tmp_path):
    """While a module is imported, or (None) when the command asks for its cache or notebooks."""
    words = [str(tmp_path / "out") if word == "OUT" else str(word) for word in words]
    code = f"""
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {moment or 'acrnn_lib.nothing'!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

def look(event, given):
    if event == "open" and {moment is None} and str(given[0]).endswith((".ogg", ".ipynb", ".csv")):
        os.kill(os.getpid(), signal.SIGINT)

for name in [n for n in sys.modules if n.partition(".")[0] in ("argparse", "signal")]:
    del sys.modules[name]
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
sys.addaudithook(look)
sys.argv = ["acrnn_lib", *sys.argv[1:]]
runpy.run_module("acrnn_lib", run_name="__main__", alter_sys=True)
"""
    done = python("-c", code, *words, ACRNN_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert done.stderr.count("\n") <= 1


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_ctrl_c_at_any_moment_names_no_file_of_the_kit():
    """But for Python's own start, whose traceback is not the kit's."""
    for seconds in (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0):
        # a background job of a shell ignores Ctrl-C, and so would its children
        usual = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            run = subprocess.Popen([sys.executable, "-m", "acrnn_lib", "predict", CLIP], cwd=ROOT,
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        finally:
            signal.signal(signal.SIGINT, usual)
        time.sleep(seconds)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=300)[1]
        assert f"{os.sep}acrnn_lib{os.sep}" not in said, said
        assert run.returncode in (0, 130) or "<frozen" in said or not said, said


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_ctrl_c_after_a_command_is_no_traceback():
    code = ("import atexit, os, runpy, signal, sys\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
            "sys.argv = ['acrnn_lib', 'experiments']\n"
            "runpy.run_module('acrnn_lib', run_name='__main__', alter_sys=True)")
    done = python("-c", code)
    assert done.returncode == 130 and "acrnn" in done.stdout and not done.stderr


def test_tasks_end_with_the_status_of_ctrl_c():
    code = ("import signal, sys, runpy, subprocess\n"
            "def popen(*_, **__): raise KeyboardInterrupt\n"
            "subprocess.Popen = popen\nsys.argv = ['tasks.py', 'audit']\n"
            "runpy.run_path('tasks.py', run_name='__main__')")
    done = python("-c", code)
    assert done.returncode == 130 and "Traceback" not in done.stderr
