"""Everything that is done with a checkout, on Linux, macOS and Windows, with Python alone.

    python tasks.py reproduce                                  everything, on synthetic sound
    python tasks.py reproduce DATASET=esc10 PROFILE=lite DATA=/path/to/ESC-10
    python tasks.py reproduce SCHEDULER=tcp://127.0.0.1:8786   cross-validation on Dask workers
    python tasks.py test -k gammatone                          other words go to the program itself

NAME=VALUE may also stand in the environment, where ARGS holds words for the program: `make TASK`
calls this file so. Without a task this text is shown.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV, BUILD = ROOT / ".venv", ROOT / "build"
EXTRAS = ("notebooks", "book", "formats", "web", "dask", "dev")  # what `env` installs
NEEDS = ("pyproject.toml", "requirements.lock", "requirements-torch.txt")
SETTINGS = {"DATASET": "synth", "PROFILE": "smoke", "DATA": "", "SCHEDULER": ""}
PIP = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
KERNEL = ("-m", "ipykernel", "install", "--sys-prefix", "--name", "python3")
LAB = ("--ip=127.0.0.1", "--LabApp.news_url=None",
       "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")
# kernels of this environment before those of the user; waiting threads sleep soon, instead of
# keeping other programs from working; text is UTF-8 on every system
ENVIRONMENT = {"JUPYTER_PREFER_ENV_PATH": "1", "PYTHONUTF8": "1",
               "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "20000")}


def env(settings=None, words=()):
    """make .venv with the exact versions of the lock; all other tasks do so where it is missing"""
    done = VENV / ".done"
    if done.exists() and done.stat().st_mtime >= max((ROOT / n).stat().st_mtime for n in NEEDS):
        return
    create(VENV)
    # torch goes first, so that nothing that needs it chooses another build
    run(VENV, *PIP, "-r", "requirements-torch.txt")
    run(VENV, *PIP, "--no-deps", "-r", "requirements.lock")
    run(VENV, *PIP, "--no-deps", "-e", ".")
    run(VENV, *KERNEL, "--display-name", "ACRNN kit")
    done.touch()


def reproduce(settings, words):
    """execute the notebooks, recount the tables from results/, build the book"""
    given = [f"--{name.lower()}={value}" for name, value in settings.items() if value]
    kit("-m", "acrnn_lib", "reproduce", *given, *words)


def test(settings, words):
    """run all tests"""
    kit("-m", "pytest", *words)


def test_fast(settings, words):
    """run all tests but those marked slow: a minute and a half"""
    kit("-m", "pytest", "-m", "not slow", *words)


def lint(settings, words):
    """check code and notebooks by ruff"""
    kit("-m", "ruff", "check", ".", *words)


def faults(settings, words):
    """kills, full disks, flipped bytes, broken input many times over, with counts: half an hour"""
    kit("-m", "pytest", "--long", "-s", "tests/faults", "tests/training/test_parallel.py", *words)


def test_lowest(settings, words):
    """run the tests with the oldest versions that pyproject.toml allows (of all but torch)"""
    folder, pins = BUILD / "lowest", BUILD / "lowest" / "pins.txt"
    create(folder)
    run(folder, *PIP, "uv", "-r", "requirements-torch.txt")
    run(folder, "-m", "uv", "pip", "compile", "-q", "--no-header", "--no-annotate",
        "--resolution", "lowest-direct", "-c", "requirements-torch.txt",
        *[f"--extra={name}" for name in EXTRAS], "pyproject.toml", "-o", pins)
    lines = [line for line in pins.read_text(encoding="utf-8").splitlines()
             if not re.match("torch|triton|nvidia-|cuda-", line)]
    pins.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run(folder, *PIP, "-r", pins)
    run(folder, *PIP, "--no-deps", "-e", ".")
    run(folder, *KERNEL)
    run(folder, "-m", "pytest", *words)


def mutants(settings, words):
    """count the small changes of the evidence code that the tests notice (not on Windows)"""
    env()  # mutmut stays out of it
    run(VENV, *PIP, "--upgrade", "--target", BUILD / "mutants" / "packages", "mutmut>=3.8,<4")
    run(VENV, "tools/mutants.py", *words)


def audit(settings, words):
    """look for known vulnerabilities of the pinned versions; says if there is no network"""
    create(BUILD / "audit")
    run(BUILD / "audit", "tools/audit.py", *words)


def book(settings, words):
    """build the book from the notebooks executed last with the same DATASET, PROFILE and DATA"""
    reproduce(settings, ["--only", "book"])


def pdf(settings, words):
    """print the book's pages by a browser of the Chromium family: build/acrnn-kit.pdf"""
    book(settings, ())
    kit("tools/print_book.py", *words)


def slides(settings, words):
    """make slides of the notebooks executed last with the same DATASET and PROFILE"""
    kit("tools/make_slides.py", "--notebooks",
        f"build/notebooks/{settings['DATASET']}-{settings['PROFILE']}", *words)


def lab(settings, words):
    """open JupyterLab, to this computer only, with its own token in the address"""
    kit("-m", "jupyterlab", *LAB, "notebooks/00_start_here.ipynb", *words)


def app(settings, words):
    """notebook 13 without its code, to this computer only: classify your own sounds"""
    kit("-m", "acrnn_lib.kit.app", *words)


def demo(settings, words):
    """write build/demo: a page in which the network runs in the browser (fetches a part by npm)"""
    kit("-m", "acrnn_lib", "demo", BUILD / "demo", *words)


def bench(settings, words):
    """compare each stage with other software, which is installed for it: benchmarks/README.md"""
    env()
    run(VENV, *PIP, "-e", ".[bench]")
    run(VENV, "-m", "benchmarks", *words)


def clean(settings, words):
    """remove what was built, but for .venv and runs"""
    for name in ("build", "book/_build", "book/notebooks", "book/tables", ".pytest_cache",
                 ".ruff_cache"):
        shutil.rmtree(ROOT / name, ignore_errors=True)


TASKS = {f.__name__.replace("_", "-"): f for f in (
    env, reproduce, test, test_fast, lint, book, pdf, slides, lab, app, demo, bench, faults,
    mutants, audit, test_lowest, clean)}


def create(folder):
    """Make a virtual environment of this Python."""
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit("Python 3.11 to 3.13 is needed, this is {}.{}".format(*sys.version_info)
                 + ": start tasks.py with one of these, or make PYTHON=python3.12 ...")
    if Path(sys.prefix) != folder:  # else it runs this
        command(sys.executable, "-m", "venv", folder)


def kit(*words):
    """Run the Python of .venv, which is made where it is missing."""
    env()
    run(VENV, *words)


def run(folder, *words):
    """Run the Python of a virtual environment."""
    command(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"), *words)


def command(*words):
    """Run a program in the checkout; end with its status where it fails."""
    print(shlex.join(map(str, words)), flush=True)
    with subprocess.Popen(words, cwd=ROOT, env=os.environ | ENVIRONMENT) as program:
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the program by itself
        signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    if status := program.returncode:
        sys.exit(status if status > 0 else 128 - status)


def main(words):
    """Run the task that the words name."""
    listed = "".join(f"\n  {name:12} {f.__doc__ or ''}" for name, f in TASKS.items())
    if not words or words[0] in ("-h", "--help"):
        return print((__doc__ or "") + listed)
    if words[0] not in TASKS:
        sys.exit(f"unknown task {words[0]!r}; the tasks are{listed}")
    settings = {name: os.environ.get(name) or value for name, value in SETTINGS.items()}
    rest = shlex.split(os.environ.get("ARGS", ""))
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if equals and name in settings:
            settings[name] = value
        elif equals and name == "ARGS":
            rest += shlex.split(value)
        else:
            rest.append(word)
    TASKS[words[0]](settings, rest)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
