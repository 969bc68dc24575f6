"""Prediction of any file: what is converted, what is said about silence, what is refused."""

import io
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from acrnn_lib import answers, inference, trained
from acrnn_lib.commands import main
from acrnn_lib.config import FeatureConfig, ModelConfig, as_dict
from acrnn_lib.data import audio
from acrnn_lib.evaluation import metrics, results
from acrnn_lib.experiments import EXPERIMENTS, experiment
from acrnn_lib.features.segments import segment_starts
from acrnn_lib.models.acrnn import ACRNN
from tests.data import encoders

CLIP = str(inference.DATA / "clips" / "1-100032-A.ogg")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An untrained network in a checkpoint like those that training writes."""
    torch.manual_seed(0)
    chosen = experiment("acrnn-plus", "smoke")
    tensors = ACRNN(chosen.model, 3).state_dict()
    tensors |= {"feature_mean": torch.tensor([-8.0, 0.0]), "feature_std": torch.tensor([2.0, 0.1])}
    note = {"experiment": as_dict(chosen), "classes": ["a", "b", "c"], "fold": 1, "seed": 0}
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    save_file(tensors, path, {"acrnn": json.dumps(note)})
    return path


@pytest.fixture(scope="module")
def predictor(checkpoint):
    return inference.Predictor(checkpoint)


def noise(seconds, rate=44100, channels=1, level=0.1):
    shape = (int(seconds * rate), channels)
    return np.random.default_rng(0).standard_normal(shape) * level


@pytest.mark.parametrize("seconds, rate, channels", [
    (5, 44100, 1), (5, 44100, 2), (3, 8000, 1), (3, 48000, 1), (0.2, 44100, 1), (1.3, 22050, 2),
])
def test_any_rate_length_and_channels(tmp_path, predictor, seconds, rate, channels):
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(seconds, rate, channels), rate)
    result = predictor.file(path)
    chances = [row["probability"] for row in result["classes"]]
    assert sum(chances) == pytest.approx(1, abs=1e-5) and chances == sorted(chances, reverse=True)
    assert result["seconds"] == pytest.approx(seconds, abs=1e-3) and result["error"] is None
    assert ("padded" in (result["note"] or "")) == (seconds < 1.48)
    assert all(0 <= a < b <= seconds for a, b in result["attended"])


@pytest.mark.parametrize("level", [0, 5e-6])
def test_silence_is_called_silence(tmp_path, predictor, level):
    path = tmp_path / "silence.wav"
    soundfile.write(path, noise(2, level=level), 44100, subtype="FLOAT")
    result = predictor.file(path)
    assert result["classes"] == [] and "silence" in result["note"]


def test_a_long_file_in_blocks_equals_its_parts(tmp_path, predictor, monkeypatch):
    wave = noise(14)[:, 0].astype(np.float32)
    path = tmp_path / "long.wav"
    soundfile.write(path, wave, 44100, subtype="FLOAT")
    whole = predictor.file(path)
    monkeypatch.setattr(inference, "BLOCK_SEGMENTS", 3)
    blocks = predictor.file(path)
    for a, b in zip(whole["classes"], blocks["classes"], strict=True):
        assert a["name"] == b["name"] and a["probability"] == pytest.approx(b["probability"],
                                                                           abs=1e-3)


@pytest.mark.parametrize("seconds", [1.5, 3.0, 3.73, 3.74, 3.75, 6.7, 7.5, 9.99])
def test_blocks_hold_the_segments_of_the_whole_file(tmp_path, predictor, monkeypatch, seconds):
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(seconds)[:, 0], 44100, subtype="FLOAT")
    monkeypatch.setattr(inference, "BLOCK_SEGMENTS", 3)
    found = [start + s for start, wave, _ in predictor._blocks(path, False)
             for s in predictor._block(wave)[0]]
    wave = audio.read(path)
    assert found == list(segment_starts(1 + len(wave) // 512))


def test_a_file_is_named_by_the_vote_of_its_networks_test(tmp_path, checkpoint, predictor):
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(4), 44100)
    with safe_open(checkpoint, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        note = json.loads(file.metadata()["acrnn"])
    note["experiment"]["train"]["vote"] = "majority"
    save_file(tensors, tmp_path / "model.safetensors", {"acrnn": json.dumps(note)})
    answer = inference.Predictor(tmp_path / "model.safetensors").file(path)
    wave = audio.read(path)
    expected = metrics.vote(predictor.wave(wave)[0], np.zeros(len(predictor.wave(wave)[0]), int),
                             True)[0]
    assert {row["name"]: row["probability"] for row in answer["classes"]} == pytest.approx(
        dict(zip("abc", expected, strict=True)), abs=1e-5)


def test_only_audible_segments_vote(tmp_path, predictor):
    loud = np.zeros(44100 * 6)
    loud[:60000] = noise(2)[:60000, 0]
    path = tmp_path / "once.wav"
    soundfile.write(path, loud, 44100)
    chances, _, starts = predictor.wave(audio.read(path))
    first = chances[(starts == 0) | (starts == 64)].mean(0)
    result = predictor.file(path)
    expected = {predictor.classes[k]: p for k, p in enumerate(first)}
    for row in result["classes"]:
        assert row["probability"] == pytest.approx(expected[row["name"]], abs=1e-4)


def test_attention_curve_of_uniform_weights_is_one_and_of_a_peak_is_where_it_was():
    starts = np.array([0, 64])
    curve = inference.attention_curve(starts, np.full((2, 7), 1 / 7))
    np.testing.assert_allclose(curve, 1)
    weights = np.full((2, 7), 0.0)
    weights[0, 2] = weights[1, 0] = 1
    curve = inference.attention_curve(starts, weights)
    assert curve.argmax() >= 36 and curve[36:54].min() >= 3.5 and curve[:36].max() == 0


def test_command_prints_json_and_goes_on_after_a_bad_file(tmp_path, checkpoint, capsys):
    good, bad, gone = tmp_path / "good.wav", tmp_path / "bad.wav", tmp_path / "gone.wav"
    soundfile.write(good, noise(2), 44100)
    bad.write_bytes(b"not audio at all")
    arguments = ["predict", str(bad), str(gone), str(good), "--checkpoint", str(checkpoint)]
    assert main([*arguments, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)["files"]
    assert [bool(row["error"]) for row in answer] == [True, True, False]
    assert "bad.wav" in answer[0]["error"] and "no such file" in answer[1]["error"]
    assert {"file", "seconds", "classes", "attended", "error"} <= answer[2].keys()
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert "good.wav" in printed.out and "error:" in printed.err
    assert main(["predict", str(good), "--checkpoint", str(checkpoint)]) == 0


@pytest.mark.parametrize("content", [b"", b"junk" * 100, None])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content, capsys):
    path = tmp_path / "model.safetensors"
    if content is None:
        save_file({"x": torch.zeros(2)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(results.ResultsError, match="not a checkpoint of this kit"):
        inference.load_model(path)
    assert main(["predict", "x.wav", "--checkpoint", str(path)]) == 1
    assert str(path) in capsys.readouterr().err


def rewritten(source, target, change):
    """A checkpoint with ``change(note, tensors)`` made to it."""
    with safe_open(source, "pt") as file:
        note = json.loads(file.metadata()["acrnn"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    change(note, tensors)
    save_file(tensors, target, {"acrnn": json.dumps(note)})
    return target


@pytest.mark.parametrize("room, name, value", [
    ("features", "n_fft", 10**9), ("features", "n_bands", 10**6), ("features", "n_bands", 64),
    ("features", "segment_frames", 10**8), ("features", "hop_length", 1),
    ("features", "segment_hop", 4), ("features", "n_fft", 1024.0), ("features", "n_fft", True),
    ("features", "sample_rate", 22050), ("features", "f_min", 0.0), ("features", "log_floor", 0.0),
    ("features", "silence_db", 0.0), ("features", "silence_db", "60"), ("features", "odd", 1),
    ("model", "rnn_cells", 10**9), ("model", "network", "svm"), ("model", "early_pooling", 1),
])
def test_a_setting_beyond_what_the_kit_trains_is_refused_at_once(
        tmp_path, checkpoint, room, name, value):
    def change(note, tensors):
        note["experiment"][room][name] = value

    path = rewritten(checkpoint, tmp_path / "hostile.safetensors", change)
    started = time.process_time()
    with pytest.raises(results.ResultsError, match=r"hostile\.safetensors: not a checkpoint"):
        inference.load_model(path)
    assert time.process_time() - started < 5


def put(name, tensor):
    return lambda note, tensors: tensors.update({name: tensor})


@pytest.mark.parametrize("change, words", [
    (lambda note, tensors: note.update(classes={"a": 0, "b": 1, "c": 2}), "expected a list of"),
    (lambda note, tensors: note.update(classes=["a", "b", 3]), "expected a list of names"),
    (lambda note, tensors: note.update(classes=["a", "b"]), "size mismatch"),
    (lambda note, tensors: note.update(experiment=[]), ""),
    (lambda note, tensors: tensors["l10.rnn.bias_hh_l0"].fill_(torch.nan), "bias_hh_l0 holds"),
    (put("feature_std", torch.tensor([1e-38, 1.0])), "answers with NaN"),
    (put("feature_mean", torch.tensor([torch.nan, 0.0])), "feature_mean holds"),
    (put("feature_mean", torch.zeros(3)), r"found shapes \[3\] and \[2\]"),
    (put("feature_mean", torch.zeros(2, 64)), r"found shapes \[2, 64\]"),
    (put("feature_std", torch.tensor([1.0, 0.0])), "deviations over 0"),
])
def test_classes_and_tensors_that_no_training_writes_are_refused(
        tmp_path, checkpoint, change, words):
    path = rewritten(checkpoint, tmp_path / "hostile.safetensors", change)
    with pytest.raises(results.ResultsError, match=rf"hostile\.safetensors: .*{words}"):
        inference.load_model(path)


def test_a_checkpoint_that_is_too_large_is_not_read(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr(trained, "LARGEST", 1000)
    with pytest.raises(results.ResultsError, match="more than 1000 bytes"):
        inference.load_model(checkpoint)


def test_an_answer_that_is_no_number_names_the_checkpoint(tmp_path, checkpoint):
    predictor = inference.Predictor(checkpoint)
    predictor.model.classifier.weight.data.fill_(torch.nan)
    soundfile.write(tmp_path / "sound.wav", noise(2), 44100)
    with pytest.raises(results.ResultsError, match=r"model\.safetensors: .*answers with NaN"):
        predictor.file(tmp_path / "sound.wav")


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_the_kits_own_experiments_are_within_the_limits(name):
    chosen = as_dict(experiment(name))
    features = trained._settings(FeatureConfig, chosen["features"])
    trained._settings(ModelConfig, chosen["model"])
    assert features.segment_hop * trained.MOST_OVERLAP >= features.segment_frames


def test_the_checkpoint_that_comes_along_names_the_run_it_was_tested_in():
    run = inference.tested_in(".")
    note = inference.load_model(inference.DATA / "acrnn.safetensors")[-1]
    assert (run.experiment, run.seed, run.fold) == (note["experiment"]["name"], note["seed"],
                                                    note["fold"])
    run.verify()
    table = results.predictions([run])
    accuracy, lo, hi = metrics.accuracy_interval(table.correct, table.source)
    card = (inference.DATA / "MODEL_CARD.md").read_text()
    assert (f"{table.correct.sum()} of {len(table)} clips right, {accuracy:.1%}, 95 % interval "
            f"over recordings {lo:.1%} to {hi:.1%}") in card


def test_the_checkpoint_that_comes_along_hears_esc10(esc10_root):
    """It was trained on these very clips but for fold 1, so it must do well on any of them."""
    from acrnn_lib.data import datasets

    predictor = inference.Predictor()
    table = datasets.load("esc10", esc10_root)
    table = table[table.fold == 1].groupby("target").head(3)
    hits = [predictor.file(path)["classes"][0]["name"] == category
            for path, category in zip(table.path, table.category, strict=True)]
    assert np.mean(hits) > 0.6


def test_an_own_finished_run_comes_before_the_pretrained_model(tmp_path, checkpoint):
    def found(dataset="synth"):
        return inference.own_or_pretrained(tmp_path, dataset, "smoke")

    predictor, about = found()
    assert predictor.path.name == "acrnn.safetensors" and not about["own"] and not about["known"]
    assert about["label"] == "acrnn-plus (esc10, paper, fold 1)" and found("esc10")[1]["known"]
    folder = results.run_folder(tmp_path, "synth", "smoke", "acrnn-plus", 0, 3)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(checkpoint.read_bytes())
    assert not found()[1]["own"], "the run is not finished"
    (folder / results.MANIFEST).write_text("{}")
    predictor, about = found()
    assert predictor.path == folder / "model.safetensors" and about["own"] and about["known"]
    assert about["label"] == "acrnn-plus (synth, smoke, fold 1)"


# names, pipes, terminals


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_one_bad_name_stops_no_other(tmp_path, checkpoint, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.wav", "--dashes.wav", os.fsdecode(b"caf\xe9.wav"), "new\nline.wav"):
        soundfile.write(os.fsencode(name), noise(2), 44100, format="WAV")
    os.mkfifo("pipe.wav")
    names = ["n" * 300, "pipe.wav", "-dash.wav", "--dashes.wav", os.fsdecode(b"caf\xe9.wav"),
             "new\nline.wav"]
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["predict", "--checkpoint", str(checkpoint), *names]) == 1
    said = terminal.buffer.getvalue().decode()
    heads = [line for line in said.splitlines() if "2.00 s" in line]
    assert [line.split("  ")[0] for line in heads] == [
        "./-dash.wav", "./--dashes.wav", r"caf\udce9.wav", r"new\nline.wav"]
    assert capsys.readouterr().err.count("error: ") == 2


def test_many_attended_spans_are_summed_up(checkpoint, capsys):
    spans = [[k, k + 0.5] for k in range(3200)]
    outcome = {"file": "a.wav", "seconds": 3200.0, "classes": [], "attended": spans, "note": None,
               "error": None}
    answers._print(outcome)
    said = capsys.readouterr().out
    assert "3200 spans, --json lists all; the first 10: 0.00-0.50 s" in said
    assert said.count(" s,") == 9 and len(said) < 400
    answers._print(outcome | {"attended": spans[:10]})
    assert "spans" not in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="another kind of pipe")
@pytest.mark.parametrize("words", [["experiments"], ["predict", *3 * [CLIP]],
                                   ["predict", "--json", CLIP]])
def test_a_reader_that_leaves_ends_a_command_quietly(words):
    with subprocess.Popen([sys.executable, "-m", "acrnn_lib", *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_what_is_piped_in_is_named_and_a_file_as_input_is_read():
    words = [sys.executable, "-m", "acrnn_lib", "predict", "/dev/stdin"]
    terminal = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, input=b"sound", capture_output=True, env=terminal)
    assert done.returncode == 1
    assert done.stderr.decode() == "error: /dev/stdin: is a pipe, expected a file\n"
    with open(CLIP, "rb") as file:
        done = subprocess.run(words, stdin=file, capture_output=True, env=terminal)
    assert done.returncode == 0 and b"dog" in done.stdout, done.stderr


def outcome(function, *given):
    """What a function returns, or says when it refuses a sound."""
    try:
        return function(*given)
    except audio.AudioError as error:
        return str(error)


@pytest.mark.parametrize("cut", [None, -20000])
def test_the_app_reads_and_refuses_what_the_command_does(tmp_path, predictor, cut):
    from acrnn_lib.viz.widgets_sounds import listen

    tone = encoders.by_soundfile("MP3", seconds=5, bitrate_mode="VARIABLE", compression_level=0.5)
    long = encoders.by_soundfile("FLAC", seconds=32)
    wave = encoders.by_soundfile("WAV", "FLOAT", seconds=2)
    for data in (bytes(4096) + tone, 2 * tone, tone[tone.index(tone[:2], 4) :], long, b"no sound",
                 2 * encoders.by_soundfile("OGG", "OPUS", 48000), b"", b"\xff" * 999, wave[:44],
                 wave.replace(wave[3000:3004], b"\0\0\xc0\x7f"), bytes(50000),
                 encoders.by_soundfile("WAV", "PCM_U8", 8000, 2),
                 wave[:24] + b"\x01\0\0\0" + wave[28:]):
        path = tmp_path / "sound.mp3"
        path.write_bytes(data := data[:cut])
        found = outcome(predictor.file, path)
        heard = outcome(listen, str(path), data, predictor)
        if isinstance(found, str) or isinstance(heard, str):
            assert heard == found
            continue
        assert heard.seconds == pytest.approx(found["seconds"], abs=1e-3)
        if heard.seconds <= 30:
            assert heard.classes[0] == (found["classes"][0]["name"], pytest.approx(
                found["classes"][0]["probability"], abs=1e-6))
