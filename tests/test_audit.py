"""The audit's verdict: a weakness fails, and silence is not taken for safety."""

import re

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
