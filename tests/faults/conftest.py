"""What the fault tests share."""

import os
import subprocess

import pytest

from acrnn_lib.evaluation import results
from tests.faults.killed import finish, run_folder


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory):
    """A fold of the tiny task, trained from start to end in a process of its own."""
    folder = run_folder(tmp_path_factory.mktemp("whole"))
    finish("train", folder)
    return results.Run.at(folder)


@pytest.fixture
def small_disk(tmp_path):
    """Call it with a size in bytes: a folder on a file system that is full after so many."""
    mounted = []

    def mount(size):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small file system cannot be mounted here (needs root)")
        mounted.append(folder)
        return folder

    mount.folders = mounted
    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)  # mapped features keep it busy


def grow(folder, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
