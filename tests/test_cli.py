"""The commands: exit status, one clear line for what is wrong, the nearest valid name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from acrnn_lib import registry
from acrnn_lib.commands import main
from acrnn_lib.config import config_hash
from acrnn_lib.data import datasets
from acrnn_lib.evaluation import results
from acrnn_lib.experiments import EXPERIMENTS, experiment
from acrnn_lib.features import store
from acrnn_lib.training import crossval

ROOT = Path(__file__).parents[1]


def error_of(capsys, *arguments):
    assert main(list(arguments)) == 1
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), captured.err
    return lines[0]


def test_help_and_import_need_no_heavy_library():
    """Help must come at once: nothing that takes seconds to import may be loaded for it."""
    code = ("import sys, acrnn_lib, acrnn_lib.commands as m\n"
            "try: m.main(['--help'])\nexcept SystemExit as e: assert e.code == 0\n"
            "heavy = {'torch', 'librosa', 'matplotlib', 'pandas', 'papermill', 'scipy'}\n"
            "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "crossval" in done.stdout


def test_experiments_are_listed_a_line_each(capsys):
    assert main(["experiments"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXPERIMENTS)


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["data", "esc11"], ["crossval", "synth"],
    ["crossval", "synth", "--experiments", "acrnn", "--folds", "one"],
    ["crossval", "synth", "--experiments", "acrnn", "--set", "epochs"],
    ["crossval", "synth", "--experiments", "acrnn", "--workers", "0"],
    ["reproduce", "--profile", "huge"],
])
def test_wrong_usage_is_status_two(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "error:" in capsys.readouterr().err


def test_unknown_names_suggest_the_nearest(capsys):
    run = ["crossval", "synth", "--experiments"]
    assert "did you mean acrnn-noaug?" in error_of(capsys, *run, "acrnn-noag")
    said = error_of(capsys, *run, "acrnn", "--set", "train.epoch=3")
    assert "unknown setting of train 'epoch'; did you mean epochs?" in said
    assert "train.epochs: found 'ten', expected a number" in error_of(
        capsys, *run, "acrnn", "--set", "train.epochs=ten")
    assert "rnn: found 'tcn', expected one of gru, lstm" in error_of(
        capsys, *run, "acrnn", "--set", "model.rnn=tcn")
    assert "unknown fold 6" in error_of(capsys, *run, "acrnn", "--folds", "6")


@pytest.mark.parametrize("arguments", [["crossval", "synth", "--experiments", "acrnn"],
                                       ["reproduce", "--only", "00"]])
def test_an_unknown_precision_stops_a_command_before_its_work(arguments, capsys, monkeypatch):
    monkeypatch.setenv("ACRNN_PRECISION", "bf17")
    monkeypatch.setattr(datasets, "load", lambda *_: pytest.fail("sounds were read"))
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "unknown ACRNN_PRECISION 'bf17'; did you mean bf16?" in capsys.readouterr().err


def test_missing_data_and_results_are_named(capsys, tmp_path):
    said = error_of(capsys, "data", "esc50", "--data", str(tmp_path / "nowhere"))
    assert "nowhere" in said and "esc50" in said
    said = error_of(capsys, "report", str(tmp_path))
    assert "no complete runs" in said


def test_data_describes_the_real_esc10(capsys, esc10_root):
    assert main(["data", "esc10", "--data", str(esc10_root)]) == 0
    said = capsys.readouterr().out
    assert "400 from 304 recordings" in said and "CC BY 3.0: 165" in said


def test_changes_make_another_experiment():
    plain, changed = experiment("acrnn"), experiment("acrnn", changes={"train.epochs": "7"})
    assert changed.train.epochs == 7 and changed.name == "acrnn+train.epochs=7"
    assert config_hash(plain) != config_hash(changed)
    assert config_hash(experiment("acrnn", changes={"train.epochs": 20})) == config_hash(plain)
    assert experiment("crnn").model.attention == "none"
    assert experiment("acrnn", "paper").train.epochs == 300


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("profile", ["smoke", "lite", "paper"])
def test_every_experiment_is_sound_in_every_profile(name, profile):
    chosen = experiment(name, profile)
    assert chosen.name == name and config_hash(chosen) == config_hash(experiment(name, profile))


def test_a_run_from_files_to_report(capsys, tmp_path, esc10_root):
    """The whole road on a few real clips: train, write, report, resume without training."""
    arguments = ["crossval", "esc10", "--data", str(esc10_root), "--experiments", "acrnn-plus",
                 "--profile", "smoke", "--out", str(tmp_path), "--set", "train.epochs=1",
                 "--set", "bank.copies=0", "--device", "cpu"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "segments/s" in printed.err and "only folds 1" in printed.out
    run, = results.load(tmp_path)
    assert run.experiment == "acrnn-plus+train.epochs=1+bank.copies=0" and run.fold == 1
    assert len(run.predictions) == 20 and run.manifest["protocol"] == "test"
    left = run.folder / "checkpoint-1.safetensors"  # as a kill after the last file leaves it
    left.write_bytes(b"weights")
    assert main(arguments) == 0
    assert not left.exists()
    capsys.readouterr()
    assert main(["report", str(tmp_path), "--json"]) == 0
    row, = json.loads(capsys.readouterr().out)["runs"]
    assert row["clips"] == 20 and row["folds"] == 1
    assert row["accuracy"] * 20 == pytest.approx((run.predictions.iloc[:, 4:].to_numpy().argmax(1)
                                                  == run.predictions.target).sum())


def test_inner_runs_do_not_belong_among_the_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(results.ResultsError, match="inner validation"):
        crossval.run("synth", ["acrnn"], inner=True, out="results")
    with pytest.raises(results.ResultsError, match="inner validation"):
        crossval.run("synth", ["acrnn"], folds=(2,), inner=True, out="results")


def test_settings_that_are_sound_only_together_are_taken():
    both = experiment("acrnn", "smoke", {"features.clip_seconds": 1, "features.segment_frames": 64})
    assert both.features.segment_frames == 64 and both.features.clip_seconds == 1.0


@pytest.mark.parametrize("name, changes, message", [
    ("acrnn", {"train.freq_mask": 129}, "freq_mask: found 129, expected at most n_bands, 128"),
    ("acrnn", {"train.time_mask": 129}, "time_mask: found 129"),
    ("acrnn", {"train.shortest": 129}, "shortest: found 129, expected at most segment_frames"),
    ("acrnn", {"train.shortest": 17}, "shortest: found 17, expected 0 or at least 18"),
    ("acrnn", {"train.mix_on": "waves"}, "mix_on: found waves, expected energies"),
    ("acrnn-plus", {"train.mix_on": "waves", "train.shortest": 64}, "mix_on: found waves"),
    ("acrnn-plus", {"train.mix_on": "sounds"}, "mix_on: found 'sounds', expected one of energies"),
    ("acrnn-plus", {"train.sam": -1}, "sam: found -1.0, expected at least 0"),
    ("acrnn", {"features.n_bands": 64}, "cannot read segments of 64 bands"),
    ("acrnn", {"features.segment_frames": 16}, "cannot read segments of 128 bands and 16 frames"),
    ("acrnn", {"features.clip_seconds": 1.0}, "clip_seconds, sample_rate: found 44100 samples"),
    ("acrnn", {"features.sample_rate": 22050, "features.f_max": 11025}, "sample_rate: found 22050"),
    ("acrnn", {"train.momentum": 0}, "momentum: found 0"),
    ("attention-rnn", {"model.attention": "none"}, "attention-rnn does not read this setting"),
    ("svm", {"model.dropout": 0.1}, "svm does not read this setting"),
])
def test_settings_that_cannot_work_are_refused_before_anything_is_made(
        tmp_path, monkeypatch, name, changes, message):
    monkeypatch.setattr(store, "load", lambda *_: pytest.fail("features were asked for"))
    with pytest.raises(ValueError, match=message):
        crossval.run("synth", [name], "smoke", out=tmp_path, changes=changes, progress=False)


def test_a_registered_network_is_trained_by_the_command(tmp_path, monkeypatch, capsys):
    from tests.training.test_registry import HEADS

    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "heads.py").write_text(HEADS.replace("multi-head", "multi-head-of-a-file"),
                                       encoding="utf-8")
    seen = {}

    def run(*_, changes, **__):
        seen["network"] = experiment("acrnn", "smoke", changes).model.network
        return results.load(ROOT / "results", experiment="acrnn", dataset="esc10", seed=0)

    monkeypatch.setattr(crossval, "run", run)
    command = ["crossval", "synth", "--experiments", "acrnn", "--register",
               str(tmp_path / "heads.py"), "--set", "model.network=multi-head-of-a-file"]
    assert main(command) == 0 and seen == {"network": "multi-head-of-a-file"}
    registry.NETWORKS.pop("multi-head-of-a-file")
    (tmp_path / "heads.py").write_text("1 / 0", encoding="utf-8")
    assert main(command) == 1
    assert "heads.py: ZeroDivisionError" in capsys.readouterr().err
