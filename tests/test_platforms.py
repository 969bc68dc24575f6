"""Nothing of the library needs one system: Windows has no fcntl, no resource, other paths."""

import ast
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path, PureWindowsPath

import pytest

from acrnn_lib import files
from acrnn_lib.evaluation import results

ROOT = Path(__file__).parents[1]
WITHOUT_UNIX = """
import sys

UNIX = {"fcntl", "resource", "pwd", "grp", "termios"}

class NoUnix:
    def find_spec(self, name, path=None, target=None):
        if name in UNIX:
            raise ModuleNotFoundError(f"no {name} on this system", name=name)

sys.meta_path.insert(0, NoUnix())
for name in UNIX:
    sys.modules.pop(name, None)
"""


def run(code, *arguments):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
                          cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_every_module_can_be_imported_without_unix():
    done = run(WITHOUT_UNIX + """
import importlib, pkgutil, acrnn_lib, benchmarks
found = 0
for package in (acrnn_lib, benchmarks):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name.endswith("__main__"):
            continue
        found += 1
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # the peers of benchmarks may be missing
            only_on_gpus = (module.name, error.name) == ("acrnn_lib.models.fused", "triton")
            if error.name in UNIX or package is acrnn_lib and not only_on_gpus:
                print(f"{module.name}: {error}", file=sys.stderr)
print(found)
""")
    assert not done.stderr
    assert int(done.stdout) > 40


UNIX_ONLY = {  # of modules that exist everywhere
    "os": {"fork", "forkpty", "getuid", "geteuid", "setuid", "setgid", "setsid", "killpg", "sync",
           "mkfifo", "uname", "getloadavg", "sched_getaffinity", "statvfs", "chown", "nice"},
    "signal": {"SIGKILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGPIPE", "SIGCHLD", "alarm",
               "SIGQUIT", "setitimer", "pause", "pthread_sigmask"},
    "time": {"tzset"}, "socket": {"AF_UNIX"}}
UNIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "crypt", "syslog"}


def of_unix_only(tree):
    """Lines that import or name what Windows lacks, but for those in a `try`, by `getattr` (which
    is no such node), and in functions that ask for the platform."""
    def asks(node):
        return (isinstance(node, ast.If | ast.IfExp)
                and re.search("platform|hasattr|os.name", ast.unparse(node.test)))

    guarded = {id(inner) for node in ast.walk(tree)
               if isinstance(node, ast.Try) or asks(node)
               or (isinstance(node, ast.FunctionDef) and any(map(asks, ast.walk(node))))
               for inner in ast.walk(node)}
    for node in ast.walk(tree):
        names = ([alias.name for alias in node.names] if isinstance(node, ast.Import) else
                 [node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])
        named = (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                 and node.attr in UNIX_ONLY.get(node.value.id, ()))
        if (named or UNIX_MODULES & set(names)) and id(node) not in guarded:
            yield node.lineno


def test_nothing_names_what_windows_lacks():
    for code, found in (("import fcntl", 1), ("def f():\n    from pwd import x", 1),
                        ("try:\n    import resource\nexcept ImportError: pass", 0),
                        ("os.kill(1, signal.SIGKILL)", 1), ("os.fork()", 1),
                        ("if sys.platform != 'win32':\n    os.fork()", 0),
                        ("getattr(os, 'fork', None)", 0), ("from .pwd import x", 0)):
        assert len([*of_unix_only(ast.parse(code))]) == found, code
    found = [f"{path.relative_to(ROOT).as_posix()}:{line}"
             for path in [*sorted((ROOT / "acrnn_lib").rglob("*.py")), ROOT / "tasks.py"]
             for line in of_unix_only(ast.parse(path.read_text(encoding="utf-8")))]
    assert not found


def without_encoding(tree):
    """Lines that read or write text in whatever encoding the system prefers."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", None))
        owner = getattr(getattr(call.func, "value", None), "id", None)
        if owner in ("os", "av", "tarfile", "Image"):
            continue  # their `open` gives no text
        modes = [node.value for node in ast.walk(call)
                 if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        text = name in ("read_text", "write_text") or (
            name == "open" and not any("b" in mode for mode in modes))
        if text and not any(k.arg == "encoding" for k in call.keywords):
            yield call.lineno


def test_text_is_utf8_on_every_system():
    for code, found in (("p.read_text()", 1), ("open(p, 'w')", 1), ("open(p, 'rb')", 0),
                        ("os.open(p, 1)", 0),
                        ("p.write_text(x, encoding='utf-8')", 0)):
        assert len([*without_encoding(ast.parse(code))]) == found, code
    found = [f"{path.relative_to(ROOT).as_posix()}:{line}"
             for folder in ("acrnn_lib", "tools", "benchmarks")
             for path in sorted((ROOT / folder).rglob("*.py"))
             for line in without_encoding(ast.parse(path.read_text(encoding="utf-8")))]
    assert not found


HOLD = """
import sys
from acrnn_lib import files

with files.locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_keeps_other_processes_out_and_dies_with_its_own(tmp_path):
    words = [sys.executable, "-c", HOLD, tmp_path / "run"]
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    with subprocess.Popen(words, cwd=ROOT, text=True, **pipes) as first:
        assert first.stdout.readline() == "held\n"
        with subprocess.Popen(words, cwd=ROOT, text=True, **pipes) as second:
            said = second.stderr.readline()
            first.kill()
            assert second.communicate(timeout=60) == ("held\n", "")
    assert said == f"{tmp_path / 'run'}: waiting for another process that works here\n"


def test_a_lock_can_be_had_without_unix(tmp_path):
    done = run(WITHOUT_UNIX + HOLD, tmp_path / "run")
    assert (done.returncode, done.stdout) == (0, "held\n"), done.stderr


def test_a_lock_keeps_other_threads_out_and_no_file_in_the_folder(tmp_path, capsys):
    inside, most = [], []

    def work():
        with files.locked(tmp_path / "run"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4
    assert [path.name for path in tmp_path.iterdir()] == [".run.lock"]


def test_peak_memory_is_this_process_and_grows_with_it():
    done = run("""
from acrnn_lib import device
before = device.peak_memory()
block = bytearray(2 * before)
block[::4096] = b"x" * len(block[::4096])  # pages that are written to are in memory
del block
print(device.peak_memory() / before)
""")
    assert 2 < float(done.stdout) < 3.5, done.stderr


def test_a_run_is_named_by_a_windows_path():
    folder = PureWindowsPath(r"C:\Users\me\runs\esc10\lite\acrnn\seed0\fold1")
    assert results.Run.at(folder).key == {"dataset": "esc10", "profile": "lite",
                                          "experiment": "acrnn", "seed": 0, "fold": 1}


@pytest.mark.parametrize("refusals, system, stands", [(3, "win32", True), (30, "win32", False),
                                                      (1, "linux", False)])
def test_windows_waits_for_those_who_read_what_is_replaced(tmp_path, monkeypatch, refusals, system,
                                                           stands):
    """Windows refuses to replace an open file; nobody else does, so there it is an error."""
    left, real = [None] * refusals, os.replace

    def refused(source, target):
        if left:
            left.pop()
            raise PermissionError(13, "in use", str(target))
        real(source, target)

    monkeypatch.setattr(files.os, "replace", refused)
    monkeypatch.setattr(files.sys, "platform", system)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    if stands:
        files.write_bytes(tmp_path / "a", b"new")
        assert (tmp_path / "a").read_bytes() == b"new"
    else:
        with pytest.raises(PermissionError):
            files.write_bytes(tmp_path / "a", b"new")
