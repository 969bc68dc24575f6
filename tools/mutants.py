"""How many small changes of the evidence code the tests notice, by mutmut: ``make mutants``.

A mutant is a function with one thing changed: a sign, a number, a word, an argument. It is caught
when a test that calls the function fails or hangs. pyproject.toml names the files and their tests.
Properties and what stands outside functions are not changed. What a survivor is:
``PYTHONPATH=../packages ../packages/bin/mutmut show NAME`` in build/mutants/copy.

Words after the program's name go to ``mutmut run``: names of mutants, --max-children. Exit status 1
where fewer than LEAST percent of a file's mutants are caught.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY, PACKAGES = ROOT / "build/mutants/copy", ROOT / "build/mutants/packages"
LEAST = 85
MISSED = ("survived", "no tests", "suspicious")


def mutmut(*words, **options):
    """Run mutmut on the copy; it ends this program when it fails."""
    # one thread for each mutant: several are tried side by side
    # no ESC-10: real recordings make it slow, and the counts those of one machine
    settings = {"PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1", "ACRNN_DATA": str(COPY)}
    done = subprocess.run([sys.executable, PACKAGES / "bin/mutmut", *words], cwd=COPY, text=True,
                          env=os.environ | settings, check=False, **options)
    if done.returncode:
        raise SystemExit(f"mutmut {words[0]} failed with status {done.returncode}")
    return done.stdout


def verdict(lines):
    """(exit status, what to print) for lines `module.function: status` of `mutmut results`."""
    found, said = {}, []
    for name, _, status in (line.strip().rpartition(": ") for line in lines):
        if status != "not checked":
            path = name.rpartition(".")[0].replace(".", "/") + ".py"
            found.setdefault(path, []).append(status not in MISSED)
            said += [] if found[path][-1] else [f"{name}: {status}"]
    shares = {path: 100 * sum(caught) / len(caught) for path, caught in found.items()}
    said += [f"{path}: {sum(found[path])} of {len(found[path])} mutants caught ({share:.1f} %)"
             for path, share in shares.items()]
    return not shares or min(shares.values()) < LEAST, "\n".join(said)


if __name__ == "__main__":
    # a fresh copy: mutmut keeps verdicts of earlier runs, also where a test has changed since
    shutil.rmtree(COPY, ignore_errors=True)
    for name in ("acrnn_lib", "tests", "tools"):
        shutil.copytree(ROOT / name, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", COPY)
    mutmut("run", *sys.argv[1:], stdout=sys.stderr)
    status, said = verdict(mutmut("results", "--all", "true", stdout=subprocess.PIPE).splitlines())
    print(said)
    sys.exit(status)
