"""Sounds of one's own: a folder per class, folds written down, UrbanSound8K recognised."""

import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from acrnn_lib import inference
from acrnn_lib.commands import main
from acrnn_lib.data import datasets, folder
from acrnn_lib.evaluation import results

RATES = (8000, 16000, 22050, 44100, 48000)


def sound(path, hertz, seconds, rate):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.01 * np.random.default_rng(0).normal(
        size=len(time))
    soundfile.write(path, wave, rate)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three classes, ten sounds each, of mixed length and rate."""
    root = tmp_path_factory.mktemp("own")
    for k, name in enumerate(("bell", "hum", "whistle")):
        for n in range(10):
            sound(root / name / f"{name}-{n}.wav", 300 * 3**k + 20 * n, 1.0 + 0.7 * n, RATES[n % 5])
    return root


@pytest.fixture
def own(made, tmp_path):
    shutil.copytree(made, tmp_path / "own", ignore=shutil.ignore_patterns(folder.FOLDS_FILE))
    return tmp_path / "own"


def test_a_folder_per_class_becomes_a_table_with_stratified_folds(own):
    table = datasets.load("folder", own)
    assert datasets.class_names(table) == ["bell", "hum", "whistle"]
    assert table.groupby(["fold", "category"]).size().unstack().eq(2).all(axis=None)
    assert table.clip_id.str.fullmatch("[^-]+-.+-[^-]+").all() and table.clip_id.is_unique
    written = (own / "folds.csv").read_bytes()
    again = datasets.load("folder", own)
    assert again.equals(table) and (own / "folds.csv").read_bytes() == written
    (own / "folds.csv").unlink()
    assert datasets.load("folder", own).equals(table), "the draw is seeded"


def test_files_of_one_recording_stay_in_one_fold(own):
    for name in ("bell", "hum", "whistle"):
        for n, path in enumerate(sorted((own / name).iterdir())):
            path.rename(path.with_name(f"{name}session{n // 2}-{n % 2}.wav"))
    table = datasets.load("folder", own)
    assert table.source.nunique() == 15
    assert (table.groupby("source").fold.nunique() == 1).all()


def test_folds_that_are_given_are_taken(own):
    datasets.load("folder", own)
    given = pd.read_csv(own / "folds.csv")
    given["fold"] = given.groupby(given.file.str.partition("/")[0]).cumcount() % 3 + 1
    given["recording"] = [f"tape{k}" for k in range(len(given))]
    given.to_csv(own / "folds.csv", index=False)
    table = datasets.load("folder", own)
    assert datasets.folds(table) == [1, 2, 3] and table.source.str.startswith("tape").all()


def remove(root, pattern):
    for path in root.glob(pattern):
        path.unlink()


def write_folds(root, change, **given):
    datasets.load("folder", root)
    change(pd.read_csv(root / "folds.csv")).to_csv(root / "folds.csv", index=False, **given)


@pytest.mark.parametrize("given", [{"encoding": "utf-8-sig"}, {"lineterminator": "\r\n"}])
def test_folds_as_a_spreadsheet_writes_them(own, given):
    table = datasets.load("folder", own)
    write_folds(own, lambda t: t, **given)
    pd.testing.assert_frame_equal(datasets.load("folder", own), table)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders there")
def test_names_that_are_odd_but_text_are_read_and_a_pipe_is_no_sound(own):
    for path in (own / "hum").iterdir():
        path.rename(path.with_name(path.name.replace("hum-", "--")))
    os.rename(own / "hum/--4.wav", own / "hum/--4\N{NARROW NO-BREAK SPACE}PM 'a\", b.wav")
    os.mkfifo(own / "hum/pipe.wav")
    assert len(datasets.load("folder", own)) == len(datasets.load("folder", own)) == 30


@pytest.mark.parametrize("spoil, message", [
    (lambda root: remove(root, "bell/bell-[4-9].wav"), r"bell: 4 clips of 4 recordings .* least 5"),
    (lambda root: shutil.copytree(root / "hum", root / "Hum"), "classes with one name: Hum, hum"),
    (lambda root: remove(root, "hum/*"), "hum: no sound; found nothing, expected .wav"),
    (lambda root: [shutil.rmtree(root / name) for name in ("hum", "bell")], "found 1 folders, exp"),
    (lambda root: (root / "hum" / "hum-3.wav").write_bytes(b"junk" * 99),
     r"hum-3\.wav: no audio that can be decoded .*1 of 30 files"),
    (lambda root: (root / "hum").rename(root / "<b>"), "class '<b>': expected a name without"),
    (lambda root: write_folds(root, lambda t: t[:-1]), "1 files without a fold: whistle/w"),
    (lambda root: write_folds(root, lambda t: pd.concat([t, t[:1].assign(file="hum/x.wav")])),
     "1 files not in the folders: hum/x.wav"),
    (lambda root: write_folds(root, lambda t: t.assign(fold=t.fold * 2)), "found folds 2, 4, 6, 8"),
    (lambda root: write_folds(root, lambda t: t.assign(fold=[1] * 10 + [2] * 10 + [3] * 10)),
     "fold 1 has no clip of class hum"),
    (lambda root: write_folds(root, lambda t: t.assign(recording="one")),
     "recording one lies in more than one fold"),
    (lambda root: write_folds(root, lambda t: t.rename(columns={"fold": "part"})),
     "expected the columns file, fold"),
    (lambda root: write_folds(root, lambda t: pd.concat([t, t[:1]])), "each file once"),
    (lambda root: write_folds(root, lambda t: t, sep=";"), "found semicolons between its columns"),
    (lambda root: os.rename(root / "hum/hum-3.wav", os.fsencode(root / "hum") + b"/caf\xe9.wav"),
     r"hum: caf\\udce9\.wav: expected a name in UTF-8"),
    (lambda root: (root / "hum" / "hum-3.wav").rename(root / "hum" / "new\nline.wav"),
     r"hum: new\\nline\.wav: expected a name in UTF-8 without control"),
])
def test_what_is_wrong_with_a_folder_is_said(own, spoil, message):
    spoil(own)
    with pytest.raises(datasets.DatasetError, match=message):
        datasets.load("folder", own)


@pytest.fixture
def urbansound(tmp_path):
    rows = []
    for fold in range(1, 11):
        for k, name in enumerate(("siren", "drilling")):
            file = f"{1000 + fold}{k}-{k}-0-1.wav"
            sound(tmp_path / "audio" / f"fold{fold}" / file, 400 + 900 * k, 0.5, 22050)
            rows.append({"slice_file_name": file, "fsID": f"{1000 + fold}{k}", "start": 0,
                         "end": 0.5, "salience": 1, "fold": fold, "classID": k, "class": name})
    (tmp_path / "metadata").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "metadata" / "UrbanSound8K.csv", index=False)
    return tmp_path


def test_urbansound8k_is_recognised_with_its_ten_folds(urbansound):
    table = datasets.load("folder", urbansound)
    assert datasets.folds(table) == list(range(1, 11)) and len(table) == 20
    assert datasets.class_names(table) == ["drilling", "siren"]
    assert not (urbansound / "folds.csv").exists()
    next((urbansound / "audio" / "fold3").iterdir()).unlink()
    with pytest.raises(datasets.DatasetError, match=r"audio/fold3/.*missing, 1 of 20 files"):
        datasets.load("folder", urbansound)


@pytest.mark.slow
def test_from_a_folder_to_a_table_and_a_prediction(own, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    settings = [word for setting in ("train.epochs=30", "train.segments=2", "bank.copies=0",
                                     "model.early_pooling=true", "model.init_std=0",
                                     "train.optimizer=adamw", "train.learning_rate=2e-3",
                                     "train.schedule=onecycle") for word in ("--set", setting)]
    assert main(["crossval", "folder", "--data", str(own), "--experiments", "acrnn", "--profile",
                 "lite", "--folds", "1", "--threads", "1", *settings]) == 0
    assert re.search(r"folder\s+lite\s+acrnn.*only folds 1", capsys.readouterr().out)
    run, = results.load("runs")
    assert run.manifest["classes"] == ["bell", "hum", "whistle"]
    assert results.predictions([run]).correct.mean() >= 0.8, "three tones are easy"
    answer = inference.Predictor(run.folder / "model.safetensors").file(own / "hum" / "hum-9.wav")
    assert answer["classes"][0]["name"] == "hum"
