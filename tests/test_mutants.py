"""The count of caught mutants: what survives is named, and too few caught is a failure."""

import tomllib

import pytest

from tests.tools import ROOT, tool

mutants = tool("mutants")


def results(*statuses):
    return [f"    acrnn_lib.evaluation.metrics.x_vote__mutmut_{k}: {status}"
            for k, status in enumerate(statuses, 1)]


@pytest.mark.parametrize("statuses, failed, words", [
    (["killed", "timeout", "not checked"], False, "2 of 2 mutants caught (100.0 %)"),
    (["killed"] * 17 + ["survived"] * 3, False, "17 of 20 mutants caught (85.0 %)"),
    (["killed"] * 16 + ["no tests"] * 3, True, "16 of 19 mutants caught (84.2 %)"),
])
def test_verdict(statuses, failed, words):
    status, said = mutants.verdict(results(*statuses))
    assert status == failed and said.splitlines()[-1] == f"acrnn_lib/evaluation/metrics.py: {words}"


def test_each_file_counts_for_itself_and_survivors_are_named():
    other = "    acrnn_lib.evaluation.results.xǁRunǁverify__mutmut_1: survived"
    assert mutants.verdict([*results(*["killed"] * 99), other]) == (True, (
        "acrnn_lib.evaluation.results.xǁRunǁverify__mutmut_1: survived\n"
        "acrnn_lib/evaluation/metrics.py: 99 of 99 mutants caught (100.0 %)\n"
        "acrnn_lib/evaluation/results.py: 0 of 1 mutants caught (0.0 %)"))
    assert mutants.verdict([]) == (True, "")


def test_the_files_and_their_tests_are_there():
    chosen = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    for name in chosen["only_mutate"] + chosen["pytest_add_cli_args_test_selection"]:
        assert (ROOT / name).is_file(), name
