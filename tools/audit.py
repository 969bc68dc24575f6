"""Known vulnerabilities of the pinned packages, asked from PyPI by pip-audit: ``make audit``.

It is installed first, into the environment of the Python that runs this. Packages that the database
does not answer for are counted and said, never taken for safe. Exit status 1 for a known
vulnerability or an answer that cannot be read, 0 where nobody can be reached.
"""

import json
import re
import subprocess
import sys

PINS = ("requirements.lock", "requirements-torch.txt")
UNREACHED = re.compile("NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout"
                       "|ProxyError|Could not connect to")  # words of pip and of pip-audit


def install():
    """Get pip-audit."""
    done = _python("pip", "install", "-q", "--disable-pip-version-check", "--retries", "1",
                   "pip-audit")
    if done.returncode:
        _give_up("pip-audit", done)


def ask(name):
    """What pip-audit says of a requirements file: [{name, version, vulns or skip_reason}]."""
    done = _python("pip_audit", "--disable-pip", "--no-deps", "--format", "json",
                   "--progress-spinner", "off", "-r", name)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _give_up(name, done)


def _python(*words):
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True,
                          check=False)


def _give_up(what, done):
    """End the program: without a network it has nothing to say, and that is no error."""
    if UNREACHED.search(done.stderr):
        print(f"skipped: nobody could be reached for {what} (is there a network?)")
        sys.exit(0)
    sys.exit(f"{what}: no answer: {done.stderr.strip()[-500:]}")


def verdict(packages):
    """(exit status, what to print) for such a list."""
    asked = [package for package in packages if "skip_reason" not in package]
    weak = [f"{package['name']} {package['version']}: {weakness['id']}, fixed in "
            f"{', '.join(weakness['fix_versions']) or 'no version yet'}"
            for package in asked for weakness in package["vulns"]]
    silent = len(packages) - len(asked)
    if not asked:
        return 0, (f"skipped: the database of known vulnerabilities answers for none of the "
                   f"{silent} packages (is there a network?)")
    said = [*weak, f"{len(asked)} packages asked for, {len(weak)} known vulnerabilities"]
    if silent:
        said.append(f"no answer for {silent} packages")
    return bool(weak), "\n".join(said)


if __name__ == "__main__":
    install()
    status, said = verdict([package for name in PINS for package in ask(name)])
    print(said)
    sys.exit(status)
