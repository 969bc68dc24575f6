"""The files that describe the environment, the commands and the book agree with each other."""

import asyncio
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
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
import tasks
from acrnn_lib.kit import reproduce

from .tools import tool

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED = tasks.EXTRAS


def pins(name):
    """Return {package: [requirement, ...]} of a requirements file."""
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
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
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, nested = environment["dependencies"]
    name, _, bounds = python.partition(" ")
    assert (name, pip) == ("python", "pip")
    assert SpecifierSet(bounds) == SpecifierSet(PROJECT["requires-python"])
    (entry,) = nested["pip"]
    extras = re.fullmatch(r"-e \.\[(.*)\]", entry).group(1).split(",")
    assert sorted(extras) == sorted(LOCKED)
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
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"^(nvidia|cuda|triton|torch)", text, re.MULTILINE)
    assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links|@", text)


def test_lock_holds_a_digest_of_every_file_that_may_be_installed():
    _, text = (ROOT / "requirements.lock").read_text(encoding="utf-8").split("\n", 1)
    for line in text.replace("\\\n", "").splitlines():
        assert re.search(r"\s--hash=sha256:[0-9a-f]{64}(\s|$)", line), line[:60]


def test_torch_pin_is_within_bounds():
    ((pin,),) = pins("requirements-torch.txt").values()
    (bounds,) = [Requirement(t) for t in PROJECT["dependencies"] if t.startswith("torch")]
    assert bounds.specifier.contains(exact(pin))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-torch.txt"])
def test_installed_versions_are_the_pinned_ones(name):
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("another environment than that of `make env`: its versions may differ")
    assert version(PROJECT["name"]) == PROJECT["version"]
    for package, choices in pins(name).items():
        for pin in choices:
            if pin.marker is None or pin.marker.evaluate(default_environment()):
                assert version(package).split("+")[0] == exact(pin), package


def test_package_version_is_the_projects():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert acrnn_lib.__version__ == PROJECT["version"] == cited
    assert re.search(r"^## \[(.*?)\]", changes, re.MULTILINE)[1] == PROJECT["version"]


@pytest.fixture
def commands(monkeypatch):
    """What a task would run, as lists of words; .venv is taken for made."""
    found = []
    monkeypatch.setattr(tasks, "command", lambda *words: found.append([str(w) for w in words]))
    monkeypatch.setattr(tasks, "env", lambda *_: None)
    for name in ("ARGS", *tasks.SETTINGS):
        monkeypatch.delenv(name, raising=False)
    return found


def test_makefile_has_every_task_and_nothing_else():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^TASKS := (.*)$", makefile, re.MULTILINE)
    assert listed.split() == list(tasks.TASKS)
    assert re.findall(r"^\t(.*)$", makefile, re.MULTILINE) == ["@$(PYTHON) tasks.py $@"]


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_hands_its_variables_on():
    done = subprocess.run(
        ["make", "-s", "reproduce", f"PYTHON={sys.executable} -c 'import os; print(os.environ)'",
         "DATASET=esc10", "DATA=/a 'b\" c", "ARGS=--only 00"],
        cwd=ROOT, capture_output=True, text=True, check=True)
    given = eval(done.stdout, {"environ": dict, "__builtins__": {}})
    assert (given["DATASET"], given["DATA"], given["ARGS"]) == ("esc10", "/a 'b\" c", "--only 00")


@pytest.mark.parametrize("words, environment, expected", [
    ([], {}, ["--dataset=synth", "--profile=smoke"]),
    (["DATASET=esc10", "DATA=/a b", "--only", "00"], {"DATASET": "esc50", "ARGS": "--force"},
     ["--dataset=esc10", "--profile=smoke", "--data=/a b", "--force", "--only", "00"]),
    ([], {"DATA": "/a 'b\" c"}, ["--dataset=synth", "--profile=smoke", "--data=/a 'b\" c"]),
    (["SCHEDULER=tcp://127.0.0.1:8786", "ARGS=--only '02,08'"], {},
     ["--dataset=synth", "--profile=smoke", "--scheduler=tcp://127.0.0.1:8786",
      "--only", "02,08"])])
def test_settings_come_from_words_before_the_environment(commands, monkeypatch, words, environment,
                                                         expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tasks.main(["reproduce", *words])
    ((python, *rest),) = commands
    assert Path(python).parents[1] == ROOT / ".venv"
    assert rest == ["-m", "acrnn_lib", "reproduce", *expected]


def test_tasks_start_programs_that_exist(commands):
    for name in set(tasks.TASKS) - {"env", "clean", "test-lowest"}:  # the last reads their output
        tasks.main([name])
    for _, option, *words in commands:
        if option == "-m":
            assert importlib.util.find_spec(words[0]), words
        else:
            assert (ROOT / option).is_file()


def test_a_task_that_fails_gives_its_status_and_an_unknown_one_is_named():
    for words, status, said in ((["tset"], 1, "unknown task 'tset'"), (["--help"], 0, "")):
        done = subprocess.run([sys.executable, ROOT / "tasks.py", *words], capture_output=True,
                              text=True)
        assert done.returncode == status and said in done.stderr
    with pytest.raises(SystemExit) as stop:
        tasks.command(sys.executable, "-c", "raise SystemExit(5)")
    assert stop.value.code == 5


def test_lab_and_app_are_served_to_this_computer_only():
    assert "--ip=127.0.0.1" in tasks.LAB
    text = (ROOT / "tasks.py").read_text(encoding="utf-8")
    assert not re.search(r"--\S*(token|password|disable_check_xsrf|allow_origin)", text)


def test_lab_asks_nobody_for_updates_or_news():
    labapp = pytest.importorskip("jupyterlab.labapp")
    app = labapp.LabApp()
    app.parse_command_line([word for word in tasks.LAB if word.startswith("--LabApp.")])
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


def test_environment_is_made_again_when_its_files_change(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    monkeypatch.setattr(tasks, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(tasks, "command", lambda *words: made.append(words))
    (tmp_path / ".venv").mkdir()
    for name in tasks.NEEDS:
        (tmp_path / name).touch()
    tasks.env()
    count = len(made)
    tasks.env()
    assert len(made) == count > 0
    for name in ("pyproject.toml", "requirements.lock", "requirements-torch.txt"):
        os.utime(tmp_path / name, (later := time.time() + 60, later))
        tasks.env()
        assert len(made) == 2 * count, name
        os.utime(tmp_path / name, (0, 0))
        del made[count:]


def test_book_has_a_page_for_every_notebook():
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    pages = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    notebooks = [page.removeprefix("notebooks/") for page in pages if page.startswith("notebooks/")]
    assert notebooks == [path.stem for path in reproduce.notebooks(ROOT)]
    for page in set(pages) - {f"notebooks/{name}" for name in notebooks} | {toc["root"]}:
        assert (ROOT / "book" / f"{page}.md").is_file(), page


def hosted_cell():
    """The cell that installs the kit in a hosted notebook, which page and notebook 00 share."""
    page = (ROOT / "book" / "online.md").read_text(encoding="utf-8")
    (cell,) = re.findall(r"```python\n(.*?)\n```", page, re.S)
    notebook = (ROOT / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8")
    assert cell in ["".join(c["source"]) for c in json.loads(notebook)["cells"]]
    return cell


def test_the_cell_for_hosted_notebooks_installs_this_project(monkeypatch, tmp_path):
    cell, ran = hosted_cell().replace('REPOSITORY = ""', 'REPOSITORY = "there"'), []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda words, check: ran.append(words))
    exec(cell, {})
    assert not ran and Path.cwd() == tmp_path, "where the kit is installed, nothing happens"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "kit" / "notebooks").mkdir(parents=True)
    exec(cell, {})
    clone, install = ran
    assert clone[-2:] == ["there", "kit"] and install[-2] == "./kit"
    assert install[-1] in EXTRAS["notebooks"] and Path.cwd() == tmp_path / "kit" / "notebooks"


def test_binder_installs_this_project():
    environment = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text(encoding="utf-8"))
    bounds = dict(line.split(" ") for line in environment["dependencies"] if " " in line)
    (torch,) = (r for r in map(Requirement, PROJECT["dependencies"]) if r.name == "torch")
    assert SpecifierSet(bounds["python"]) == SpecifierSet(PROJECT["requires-python"])
    assert SpecifierSet(bounds["pytorch-cpu"]) == torch.specifier
    assert '-e ".[notebooks]"' in (ROOT / ".binder" / "postBuild").read_text(encoding="utf-8")


def test_badges_and_address_of_a_copy_are_written(tmp_path, capsys):
    badges = tool("make_badges")
    for name in ("README.md", *badges.CELLS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for owner in ("ada", "bob"):  # an address can be written over an earlier one
        badges.main(f"{owner}/kit.2", tmp_path)
        for name in badges.CELLS:
            text = (tmp_path / name).read_text(encoding="utf-8")
            assert text.count(f"https://github.com/{owner}/kit.2") == 1
        json.loads((tmp_path / badges.CELLS[1]).read_text(encoding="utf-8"))
        page = (tmp_path / "README.md").read_text(encoding="utf-8")
        assert page.count("[![") == 2 and page.count(f"/{owner}/kit.2/") == 2
    with pytest.raises(SystemExit, match="expected OWNER/NAME"):
        badges.main("https://example.org/kit", tmp_path)
