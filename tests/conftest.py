"""What several test files share."""

import ipaddress
import os
import random
import socket

import hypothesis
import pytest

from acrnn_lib import files


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="fault tests many times over, minutes")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: only with --long (make faults)")
    # the same cases at every run, so that only a change can break a test; --long looks for others
    hypothesis.settings.register_profile("short", derandomize=True)
    # that something is wrong is all that a mutant has to hear: nothing is made smaller
    hypothesis.settings.register_profile("mutants", derandomize=True,
                                         phases=[hypothesis.Phase.generate])
    usual = "default" if config.getoption("--long") else "short"
    hypothesis.settings.load_profile(config.getoption("--hypothesis-profile") or usual)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def times(request):
    """How often a fault is repeated: times(3, 30) is 3, with --long 30."""
    return lambda short, long: long if request.config.getoption("--long") else short


@pytest.fixture
def rng(request):
    """Random faults: the same ones at every run, others with --long (which prints their seed)."""
    seed = random.randrange(10**6) if request.config.getoption("--long") else 0
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def esc10_root():
    """Folder of the real ESC-10, from ACRNN_DATA or the cache; the test is skipped without it."""
    folder = files.dataset_dir("esc10")
    if not any(folder.glob("001 - *")) and not (folder / "meta" / "esc50.csv").is_file():
        pytest.skip("ESC-10 not found: set ACRNN_DATA")
    return folder


@pytest.fixture(scope="session")
def copy16_root():
    """Folder of the real 16 kHz copy of ESC-50, from ACRNN_DATA; the test is skipped without it."""
    folder = files.dataset_dir("esc50-16k")
    if not (folder / "audio" / "1-100032-A-0.wav").is_file():
        pytest.skip("the 16 kHz copy of ESC-50 not found: set ACRNN_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_kernel():
    """Notebooks in tests run in this environment's kernel, whatever the user's Jupyter knows."""
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"


def away(sock, address):
    """Would a connection to this address leave the computer? A datagram socket sends nothing yet:
    Dask connects one to learn the machine's own address."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        return False
    try:
        return not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
    except ValueError:
        return address[0] != "localhost"


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """A connection of this process to another computer fails the test that makes it.

    The failure is no Exception, so that nothing takes it for a server that does not answer.
    """
    def guarded(connect):
        def checked(sock, address):
            if away(sock, address):
                pytest.fail(f"a test connects to {address}: tests need no network")
            return connect(sock, address)
        return checked

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        yield
