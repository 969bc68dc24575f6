"""A run is what it says: no folder answers for another seed, fold, network or code."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from acrnn_lib import inference
from acrnn_lib.evaluation import results
from acrnn_lib.models import acrnn
from acrnn_lib.training import checkpoints, identity, loop
from tests import tiny


def folder_of(root, seed=0):
    return results.run_folder(root, "tiny", "smoke", tiny.settings().name, seed, 1)


def fit(folder, seed=0, **given):
    return loop.fit(tiny.settings(), *tiny.task(), 1, seed, folder, device="cpu", **given)


def stop(row):
    raise KeyboardInterrupt


def begun(folder, seed=0):
    with pytest.raises(KeyboardInterrupt):
        fit(folder, seed, report=stop)


def test_a_seed_other_than_the_folders_is_refused_before_training(tmp_path):
    with pytest.raises(results.ResultsError, match="made with seed 0, this run has 7"):
        fit(folder_of(tmp_path), 7, report=stop)


def test_a_checkpoint_moved_to_another_seeds_folder_is_refused(tmp_path):
    begun(folder_of(tmp_path, 0))
    shutil.copytree(folder_of(tmp_path, 0), folder_of(tmp_path, 1))
    with pytest.raises(results.ResultsError, match=r"checkpoint\.json: made with seed 0"):
        fit(folder_of(tmp_path, 1), 1)


@pytest.mark.slow
def test_a_finished_run_moved_to_another_seeds_folder_is_refused(tmp_path):
    fit(folder_of(tmp_path, 0))
    shutil.copytree(folder_of(tmp_path, 0), folder_of(tmp_path, 1))
    with pytest.raises(results.ResultsError, match=r"manifest\.json: made with seed 0"):
        fit(folder_of(tmp_path, 1), 1)


def test_manifest_checkpoint_and_model_say_what_the_run_is(tmp_path):
    folder = folder_of(tmp_path)
    begun(folder)
    said = identity.identity(tiny.settings(), 0, 1, [2, 3, 4, 5], 3, "cpu")
    assert {"seed", "fold", "experiment", "precision", "device", "code_hash"} <= said.keys()
    assert json.loads((folder / results.CHECKPOINT).read_text()).items() >= said.items()
    assert fit(folder).manifest.items() >= said.items()
    assert inference.load_model(folder / "model.safetensors")[3]["run"] == said


@pytest.mark.slow
def test_a_changed_network_is_trained_and_the_old_run_is_kept(tmp_path, monkeypatch, capsys):
    """A learner gives l8 other filters in a notebook: no file changes, only the shapes do."""
    folder = folder_of(tmp_path)
    before = fit(folder).predictions
    layers = [(name, 128 if name == "l8" else filters, *rest)
              for name, filters, *rest in acrnn.CONVOLUTIONS]
    monkeypatch.setattr(acrnn, "CONVOLUTIONS", layers)
    assert fit(folder, reuse=True).predictions.equals(before)
    assert not capsys.readouterr().err
    after = fit(folder)
    assert "made by another version of the code" in capsys.readouterr().err
    assert not after.predictions.equals(before)
    old = folder.parent / results.REPLACED / "fold1-1" / results.PREDICTIONS
    assert old.read_text().count("\n") == len(before) + 1


def test_an_unfinished_run_of_other_code_begins_anew(tmp_path, monkeypatch):
    """Even with reuse: half of its epochs would be of each."""
    folder, epochs = folder_of(tmp_path), []
    begun(folder)
    monkeypatch.setattr(identity, "code_hash", lambda modules: "other")
    fit(folder, reuse=True, report=lambda row: epochs.append(row["epoch"]))
    assert epochs == [1, 2, 3, 4]


def test_a_run_of_other_precision_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ACRNN_PRECISION", "float32")
    folder = folder_of(tmp_path)
    begun(folder)
    monkeypatch.setenv("ACRNN_PRECISION", "bf16")
    with pytest.raises(results.ResultsError, match=r"made with precision float32, this run has "
                                                   r"bf16.*ACRNN_PRECISION"):
        fit(folder)
    assert checkpoints.last(folder).startswith("epoch 1")


@pytest.mark.parametrize("changed, same", [
    ("def f(x):\n    return x + 1", True),
    ('def f(x):\n    """Add one."""\n    return x+1  # one', True),
    ("def f(x: int) -> int:\n    return x + 1", True),
    ("def f(x):\n    return x + 2", False),
    ("def f(y):\n    return y + 1", False),
])
def test_comments_and_docstrings_are_no_code(changed, same):
    def code(text):
        return identity._code(ast.parse(text))

    assert (code(changed) == code('def f(x):\n    """Old."""\n    return x + 1')) == same


@pytest.mark.slow
def test_every_file_that_computes_is_hashed(tmp_path, monkeypatch):
    hashed = identity.code_hash.__wrapped__
    lists = (identity.NETWORK, identity.WITHOUT_NETWORK)
    first, source = [hashed(names) for names in lists], Path(identity.__file__).parents[1]
    kit = tmp_path / "kit"
    shutil.copytree(source, kit, ignore=shutil.ignore_patterns("assets", "__pycache__"))
    monkeypatch.setattr(identity, "__file__", str(kit / "training" / "identity.py"))
    assert [hashed(names) for names in lists] == first
    files = [sorted({path for name in names for path in kit.glob(name)}) for names in lists]
    assert all(kit / name in files[0] for name in (
        "features/frontend.py", "features/augment.py", "models/acrnn.py", "training/loop.py"))
    for path in sorted({*files[0], *files[1]}):
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\nCHANGED = 1\n", encoding="utf-8")
        changed = [hashed(names) != before for names, before in zip(lists, first, strict=True)]
        assert changed == [path in found for found in files], path
        path.write_text(text, encoding="utf-8")


def test_files_that_are_not_hashed_are_known():
    """A new file in features, models or training counts, or is named here as one that does not."""
    kit = Path(identity.__file__).parents[1]
    hashed = {path for names in (identity.NETWORK, identity.WITHOUT_NETWORK) for name in names
              for path in kit.glob(name)}
    left_out = {path.stem for part in ("features", "models", "training")
                for path in (kit / part).glob("*.py") if path not in hashed}
    assert left_out == {"__init__", "checkpoints", "crossval", "identity", "parallel", "probe",
                        "summary", "watching"}
