"""The audit's verdict: a weakness fails, and silence is not taken for safety."""

import os
import re
import subprocess

import pytest

from tests.tools import ROOT, tool

audit = tool("audit")

SAFE = {"name": "safe", "version": "1.0", "vulns": []}
WEAK = {"name": "weak", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
SILENT = {"name": "silent", "version": "3.0", "skip_reason": "not found"}


@pytest.mark.parametrize("packages, status, words", [
    ([SAFE], 0, "1 packages asked for, 0 known"),
    ([SAFE, WEAK], 1, "weak 2.0: PYSEC-1, fixed in 2.1"),
    ([SAFE, SILENT], 0, "no answer for 1 packages"),
    ([SILENT, SILENT], 0, "skipped: .* none of the 2 packages"),
])
def test_verdict(packages, status, words):
    found = audit.verdict(packages)
    assert found[0] == status and re.search(words, found[1])


def test_every_pin_is_asked_for():
    assert all((ROOT / name).is_file() for name in audit.PINS)


def test_without_a_network_the_audit_is_skipped(tmp_path, monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
                        "PIP_TARGET": str(tmp_path), "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        audit.install()
    assert stop.value.code == 0
    assert "skipped: nobody could be reached for pip-audit" in capsys.readouterr().out


@pytest.mark.parametrize("said, skipped", [
    ("ERROR: Could not connect to PyPI's vulnerability feed", True),
    ("ProxyError('Unable to connect to proxy', NewConnectionError('refused'))", True),
    ("ERROR: No matching distribution found for pip-audit", False),
    ("OSError: No space left on device", False),
])
@pytest.mark.parametrize("step", [audit.install, lambda: audit.ask("requirements.lock")])
def test_only_silence_is_skipped_no_other_failure(step, said, skipped, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *words, **_: subprocess.CompletedProcess(
        words, 1, "", said))
    with pytest.raises(SystemExit) as stop:
        step()
    assert (stop.value.code == 0) is skipped and (skipped or said in stop.value.code)
