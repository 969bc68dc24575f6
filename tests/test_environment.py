"""The files that describe the environment, the commands and the book agree with each other."""

import asyncio
import re
import socket
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import acrnn_lib
from acrnn_lib import reproduce

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED = ("notebooks", "book", "dask", "dev")  # the extras that `make env` installs
MAKEFILE = (ROOT / "Makefile").read_text()


def pins(name):
    """Return {package: [requirement, ...]} of a requirements file."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith(("#", " ")):  # indented: the digests of its files
            requirement = Requirement(line.removesuffix("\\"))
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def exact(requirement):
    """Return the version of a `==` pin."""
    ((operator, number),) = [(c.operator, c.version) for c in requirement.specifier]
    assert operator == "==", str(requirement)
    return number


def test_every_dependency_is_bounded_above():
    for text in sum(EXTRAS.values(), PROJECT["dependencies"]):
        operators = {clause.operator for clause in Requirement(text).specifier}
        assert operators == {">=", "<"}, text


def test_conda_environment_is_this_project_with_its_extras():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, nested = environment["dependencies"]
    name, _, bounds = python.partition(" ")
    assert (name, pip) == ("python", "pip")
    assert SpecifierSet(bounds) == SpecifierSet(PROJECT["requires-python"])
    (entry,) = nested["pip"]
    extras = re.fullmatch(r"-e \.\[(.*)\]", entry).group(1).split(",")
    assert sorted(extras) == sorted(LOCKED)
    assert f"EXTRAS := {' '.join(LOCKED)}\n" in MAKEFILE
    assert set(LOCKED) <= set(EXTRAS)


def test_lock_satisfies_the_bounds():
    locked = pins("requirements.lock")
    assert "torch" not in locked, "torch has its own file, so that it is installed first"
    wanted = PROJECT["dependencies"] + [text for name in LOCKED for text in EXTRAS[name]]
    for text in wanted:
        requirement = Requirement(text)
        for pin in locked.get(canonicalize_name(requirement.name), []):
            assert requirement.specifier.contains(exact(pin)), f"{text} against {pin}"
        if requirement.name != "torch":
            assert canonicalize_name(requirement.name) in locked, f"{text} is not locked: renew it"


def test_lock_pulls_no_cuda_and_names_no_place():
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"^(nvidia|cuda|triton|torch)", text, re.MULTILINE)
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links|@", text)


def test_lock_holds_a_digest_of_every_file_that_may_be_installed():
    text = (ROOT / "requirements.lock").read_text().split("\n", 1)[1].replace("\\\n", "")
    for line in text.splitlines():
        assert re.search(r"\s--hash=sha256:[0-9a-f]{64}(\s|$)", line), line[:60]


def test_torch_pin_is_within_bounds():
    ((pin,),) = pins("requirements-torch.txt").values()
    (bounds,) = [Requirement(t) for t in PROJECT["dependencies"] if t.startswith("torch")]
    assert bounds.specifier.contains(exact(pin))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-torch.txt"])
def test_installed_versions_are_the_pinned_ones(name):
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("another environment than that of `make env`: its versions may differ")
    for package, choices in pins(name).items():
        for pin in choices:
            if pin.marker is None or pin.marker.evaluate(default_environment()):
                assert version(package).split("+")[0] == exact(pin), package


def test_package_version_is_the_projects():
    assert acrnn_lib.__version__ == PROJECT["version"] == version(PROJECT["name"])


def test_makefile_calls_programs_that_exist():
    programs = set(re.findall(r"\$\(BIN\)/([\w-]+)", MAKEFILE))
    assert programs == {"python", "jupyter"}
    modules = set(re.findall(r"-m ([\w.]+)", MAKEFILE))
    assert modules <= {"venv", "pip", "ipykernel", "pytest", "acrnn_lib", "acrnn_lib.app",
                       "benchmarks"}
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert targets == set(phony.split())


def test_lab_and_app_are_served_to_this_computer_only():
    assert "--ip=127.0.0.1" in lab_options()
    assert not re.search(r"--\S*(token|password|disable_check_xsrf|allow_origin)", MAKEFILE)


def lab_options():
    """The words after `jupyter lab` in the Makefile."""
    (lab,) = re.findall(r"^\t\$\(BIN\)/jupyter lab (.*)$", MAKEFILE.replace("\\\n", ""), re.M)
    return lab.split()


def test_lab_asks_nobody_for_updates_or_news():
    labapp = pytest.importorskip("jupyterlab.labapp")
    app = labapp.LabApp()
    app.parse_command_line([word for word in lab_options() if word.startswith("--LabApp.")])
    assert app.news_url is None
    checker = app.check_for_updates_class(version="1.0.0")
    assert asyncio.run(checker()) is None, "the others ask for the newest version"


@pytest.mark.parametrize("address", [("192.0.2.1", 9), ("no-such-host.invalid", 9)])
@pytest.mark.parametrize("name", ["connect", "connect_ex"])
def test_no_test_reaches_beyond_this_computer(name, address):
    with socket.socket() as sock:
        sock.settimeout(1)
        with pytest.raises(pytest.fail.Exception, match=r"connects to .*: tests need no network"):
            getattr(sock, name)(address)


def test_every_test_may_reach_this_computer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
        with socket.socket() as sock:
            assert sock.connect_ex(("localhost", server.getsockname()[1])) == 0


def test_environment_is_made_again_when_its_files_change():
    (needs,) = re.findall(r"^\.venv/\.done: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(needs.split()) == {"pyproject.toml", "requirements.lock", "requirements-torch.txt"}
    for target in ("env", "reproduce", "test", "book", "lab", "app"):
        assert re.search(rf"^{target}: \.venv/\.done$", MAKEFILE, re.MULTILINE), target


def test_book_has_a_page_for_every_notebook():
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    pages = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    notebooks = [page.removeprefix("notebooks/") for page in pages if page.startswith("notebooks/")]
    assert notebooks == [path.stem for path in reproduce.notebooks(ROOT)]
    for page in set(pages) - {f"notebooks/{name}" for name in notebooks} | {toc["root"]}:
        assert (ROOT / "book" / f"{page}.md").is_file(), page


def test_the_cell_for_colab_installs_this_project():
    (cell,) = re.findall(r"```text\n(.*?)```", (ROOT / "book" / "online.md").read_text(), re.S)
    (wanted,) = re.findall(r"^%pip install --quiet \./kit (.*)$", cell, re.MULTILINE)
    assert wanted.strip('"') in EXTRAS["notebooks"]
    (folder,) = re.findall(r"^%cd kit/(.*)$", cell, re.MULTILINE)
    assert (ROOT / folder / "00_start_here.ipynb").is_file()
    assert re.search(r"^REPOSITORY = .*\n!git clone .*\{REPOSITORY\} kit$", cell, re.MULTILINE)
