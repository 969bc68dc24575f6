"""Known vulnerabilities of the pinned packages, asked from PyPI by pip-audit: ``make audit``.

Packages that the database does not answer for are counted and said, never taken for safe. Exit
status 1 for a known vulnerability or an answer that cannot be read.
"""

import json
import subprocess
import sys

PINS = ("requirements.lock", "requirements-torch.txt")


def ask(name):
    """What pip-audit says of a requirements file: [{name, version, vulns or skip_reason}]."""
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--format", "json",
         "--progress-spinner", "off", "-r", name], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise SystemExit(f"{name}: no answer of pip-audit: {done.stderr.strip()[-500:]}") from None


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
    status, said = verdict([package for name in PINS for package in ask(name)])
    print(said)
    sys.exit(status)
