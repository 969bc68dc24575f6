"""What the fault tests share."""

import pytest

from acrnn_lib.evaluation import results
from tests.faults.killed import finish, run_folder


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory):
    """A fold of the tiny task, trained from start to end in a process of its own."""
    folder = run_folder(tmp_path_factory.mktemp("whole"))
    finish("train", folder)
    return results.Run.at(folder)
