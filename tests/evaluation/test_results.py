"""Run folders: what is written comes back, and what was touched is refused."""

import errno
import hashlib
import io
import json
import os
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrnn_lib import files
from acrnn_lib.evaluation import results
from acrnn_lib.evaluation.results import ResultsError
from acrnn_lib.files import whole_errors, write_bytes
from tests import tools


def table(fold=1, n=6, n_classes=3, seed=0):
    chances = np.random.default_rng(seed).dirichlet(np.ones(n_classes), n)
    return pd.DataFrame({
        "filename": [f"001 - Dog/{fold}-{i}-A.ogg" for i in range(n)],
        "clip_id": [f"{fold}-{i}-A" for i in range(n)], "fold": fold,
        "target": np.arange(n) % n_classes,
    }).assign(**{f"p_{k}": chances[:, k] for k in range(n_classes)})


def make(root, fold=1, seed=0, experiment="acrnn", attention=None, **manifest):
    folder = results.run_folder(root, "esc10", "lite", experiment, seed, fold)
    for epoch in (1, 2):
        results.append_history(folder, {"epoch": epoch, "loss": np.float32(1 / epoch)})
    manifest = {"config_hash": "c0", "data_hash": "d", **manifest}
    return results.write(folder, table(fold), manifest, attention)


def rehash(run):
    """Make the manifest agree with the files again, so that only strict loading can object."""
    path = run.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["sha256"]:
        data = (run.folder / name).read_bytes()
        manifest["sha256"][name] = hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(manifest))


def test_what_is_written_comes_back(tmp_path):
    attention = {"attention": np.eye(3, 7, dtype=np.float32), "level": np.arange(4, dtype=np.uint8)}
    made = make(tmp_path, attention=attention, seconds=np.float64(2.5))
    (run,) = results.load(tmp_path)
    assert run == made
    assert run.folder == tmp_path / "esc10" / "lite" / "acrnn" / "seed0" / "fold1"
    pd.testing.assert_frame_equal(run.predictions, table(), atol=5e-7, rtol=0, check_dtype=False)
    assert run.history["loss"].tolist() == [1.0, 0.5]
    assert run.manifest["seconds"] == 2.5
    assert sorted(run.manifest["sha256"]) == ["attention.npz", "history.jsonl", "predictions.csv"]
    for name, array in attention.items():
        np.testing.assert_array_equal(run.attention[name], array)
        assert run.attention[name].dtype == array.dtype
    run.verify()
    text = (run.folder / "manifest.json").read_text()
    assert text.startswith('{\n "dataset": "esc10",\n "profile"') and text.endswith("}\n")
    line = (run.folder / "predictions.csv").read_text().splitlines()[1]
    assert all(len(number) == 8 for number in line.split(",")[4:])  # 0.123456
    assert not list(run.folder.glob("*.tmp"))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.integers(2, 50), st.integers(0, 10**6))
def test_six_decimals_of_any_softmax_can_be_loaded(tmp_path_factory, n, n_classes, seed):
    folder = tmp_path_factory.mktemp("any") / "synth" / "smoke" / "crnn" / "seed3" / "fold2"
    written = table(2, n, n_classes, seed)
    results.write(folder, written, {"config_hash": "c"})
    (run,) = results.load(folder.parents[4])
    assert run.key == {"dataset": "synth", "profile": "smoke", "experiment": "crnn", "seed": 3,
                       "fold": 2}
    assert np.abs(run.predictions["p_0"] - written["p_0"]).max() <= 5.1e-7
    assert run.attention is None


def test_load_filters_and_sorts(tmp_path, monkeypatch):
    for experiment, seed, fold in [("crnn", 0, 1), ("acrnn", 10, 1), ("acrnn", 2, 2),
                                   ("acrnn", 2, 1)]:
        make(tmp_path, fold, seed, experiment)
    order = [(run.experiment, run.seed, run.fold) for run in results.load(tmp_path)]
    assert order == [("acrnn", 2, 1), ("acrnn", 2, 2), ("acrnn", 10, 1), ("crnn", 0, 1)]
    assert len(results.load(tmp_path, experiment="acrnn", seed=2)) == 2
    with pytest.raises(ResultsError, match="no complete runs with dataset=esc50"):
        results.load(tmp_path, dataset="esc50")
    monkeypatch.chdir(tmp_path)  # as for a notebook that is started elsewhere
    with pytest.raises(ResultsError, match=r"^nothing: no complete runs; /.*/nothing does not exist"
                       if os.sep == "/" else "does not exist"):
        results.load("nothing")


def test_long_table_of_predictions(tmp_path):
    runs = [make(tmp_path, 1), make(tmp_path, 2)]
    long = results.predictions(results.load(tmp_path))
    assert list(long.columns) == [
        "dataset", "profile", "experiment", "seed", "fold", "clip_id", "source", "target",
        "predicted", "correct", "p_0", "p_1", "p_2"]
    assert long["source"].tolist() == [str(i) for i in range(6)] * 2
    expected = table(2)[["p_0", "p_1", "p_2"]].to_numpy().argmax(axis=1)
    assert long["predicted"].tolist()[6:] == expected.tolist()
    assert (long["correct"] == (long["predicted"] == long["target"])).all()
    with pytest.raises(ResultsError, match="1-0-A was tested in more than one fold"):
        results.predictions([*runs, runs[0]])
    assert long.index.tolist() == list(range(12))
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 3)
    again = table(1, seed=5).assign(fold=3)  # the same clips, in another fold, otherwise answered
    elsewhere = results.write(folder, again, {"config_hash": "c0", "data_hash": "d"})
    with pytest.raises(ResultsError, match="1-0-A was tested in more than one fold"):
        results.predictions([runs[0], elsewhere])
    other_seed = make(tmp_path, 1, seed=1)
    assert len(results.predictions([runs[0], other_seed])) == 12  # two seeds may


@pytest.mark.parametrize("name", ["predictions.csv", "history.jsonl", "attention.npz"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_file_that_changed_is_refused(tmp_path, name, harm):
    run = make(tmp_path, attention={"attention": np.ones((2, 7))})
    path = run.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(data if harm == "flip" else path.read_bytes()[:-9])
    (run,) = results.load(tmp_path)
    with pytest.raises(ResultsError, match=f"{name}: .*(SHA-256 differs|missing)"):
        getattr(run, name.split(".")[0])
    with pytest.raises(ResultsError, match=name):
        run.verify()


def npz(**members):
    """The bytes of a zip of raw members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def header(shape, kind="<f8"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(("data", "words"), [
    (b"", "not a zip"), (b"junk" * 99, "not a zip"), (header((2,)) + bytes(16), "not a zip"),
    (npz(a=b"no array"), "'a' is no array"), (npz(a=header((4,)) + bytes(8)), ""),
    (npz(a=header((10**12,)) + bytes(8)), ""), (npz(a=header((1,), "|O") + bytes(8)), "Object"),
    (npz(a=bytes(2 * 10**8)), "unpacks to 200000000 bytes, expected at most"),
    (npz(a=header((4,)) + bytes(32))[:-30], ""),
])
def test_attention_that_is_no_arrays_is_refused_even_with_a_fitting_digest(tmp_path, data, words):
    run = make(tmp_path, attention={"attention": np.ones((2, 7))})
    (run.folder / "attention.npz").write_bytes(data)
    rehash(run)
    with pytest.raises(ResultsError, match=rf"attention\.npz: not the arrays of a run .*{words}"):
        _ = results.load(tmp_path)[0].attention


def test_attention_that_could_not_be_loaded_again_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "LARGEST", 100)
    with pytest.raises(ResultsError, match=r"attention\.npz: 112 bytes, more than 100"):
        make(tmp_path, attention={"attention": np.ones((2, 7))})


def test_a_file_that_the_manifest_does_not_know_is_refused(tmp_path):
    run = make(tmp_path)
    np.savez(run.folder / "attention.npz", attention=np.ones(3))
    with pytest.raises(ResultsError, match=r"attention\.npz: missing, or not named"):
        _ = run.attention


@pytest.mark.parametrize(("column", "value", "reason"), [
    ("p_0", 0.2002, "do not sum to 1"),
    ("p_0", -0.1, "not a number from 0 to 1"),
    ("p_0", 1.5, "not a number from 0 to 1"),
    ("p_1", np.nan, "not a number from 0 to 1"),
    ("p_1", np.inf, "not a number from 0 to 1"),
    ("fold", 2, "a fold other than 1"),
    ("target", 3, "a target outside 0 to 2"),
    ("target", -1, "a target outside 0 to 2"),
    ("clip_id", "1-0-A", "a clip_id twice"),
    ("clip_id", "dog", "not fold-id-take"),
])
def test_strict_predictions(tmp_path, column, value, reason):
    run = make(tmp_path)
    wrong = run.predictions.copy()
    wrong.loc[4, ["p_0", "p_1", "p_2"]] = [0.2, 0.3, 0.5]
    wrong.loc[4, column] = value
    other = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 1, 1)
    with pytest.raises(ResultsError, match=rf"{reason}.*row 5"):
        results.write(other, wrong, {"config_hash": "c0"})
    assert not other.exists()
    wrong.to_csv(run.folder / "predictions.csv", index=False)
    rehash(run)
    with pytest.raises(ResultsError, match=rf"predictions\.csv: .*({reason}|convert)"):
        _ = results.load(tmp_path)[0].predictions


@pytest.mark.parametrize(("change", "said"), [
    (lambda t: t.iloc[:0], "no rows (row 1)"),
    (lambda t: t.assign(p_0=2.0), "a probability that is not a number from 0 to 1 (row 1)"),
    (lambda t: t.assign(p_0="much"), "a probability that is not a number from 0 to 1 (row 1)"),
    (lambda t: t.assign(p_0=t.p_0 / 2), "probabilities that do not sum to 1 (row 1)"),
    (lambda t: t.assign(clip_id="dog"), "a clip_id that is not fold-id-take (row 1)"),
    (lambda t: t.assign(clip_id="1-0-A"), "a clip_id twice (row 2)"),
    (lambda t: t[["p_0", "fold"]], "columns are p_0, fold"),
])
def test_the_reason_is_said_in_full(tmp_path, change, said):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    with pytest.raises(ResultsError) as refused:
        results.write(folder, change(table()), {"config_hash": "c"})
    assert str(refused.value) == f"{folder / 'predictions.csv'}: {said}"


def test_certainty_is_a_probability_too(tmp_path):
    sure = table().assign(p_0=1, p_1=0, p_2=0.0)
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    assert (results.write(folder, sure, {"config_hash": "c"}).predictions["p_0"] == 1).all()


def test_names_that_look_like_something_else_stay_names(tmp_path):
    named = table().assign(filename=["001", "1e5", "NA", "", "true", "2020-01-01"])
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    run = results.write(folder, named, {"config_hash": "c"})
    assert run.predictions["filename"].tolist() == named["filename"].tolist()


def test_different_experiments_have_different_configs(tmp_path):
    make(tmp_path, 1)
    make(tmp_path, 1, experiment="crnn", config_hash="other")
    assert [run.experiment for run in results.load(tmp_path)] == ["acrnn", "crnn"]
    chosen = {"dataset": "esc10", "profile": "lite", "experiment": "crnn", "seed": 0}
    (run,) = results.load(tmp_path, **chosen)
    assert run.experiment == "crnn"
    with pytest.raises(ResultsError, match=r"no complete runs with dataset=esc10, profile=paper$"):
        results.load(tmp_path, dataset="esc10", profile="paper")


def test_rounding_is_not_a_wrong_sum(tmp_path):
    rounded = table()
    rounded.loc[4, ["p_0", "p_1", "p_2"]] = [0.20005, 0.3, 0.5]
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    assert results.write(folder, rounded, {"config_hash": "c"}).predictions["p_0"][4] == 0.20005


@pytest.mark.parametrize("change", [
    lambda text: "", lambda text: text.splitlines()[0] + "\n", lambda text: text[:-9],
    lambda text: text.replace("target", "truth"), lambda text: text.replace("p_2", "p_3"),
    lambda text: text.replace("1-1-A", "1-2-A"), lambda text: text + "1,2\n",
    lambda text: text.replace("-A,1,", f"-A,{'1' * 30},", 1),
])
def test_damaged_csv_is_refused_even_with_a_fitting_digest(tmp_path, change):
    run = make(tmp_path)
    path = run.folder / "predictions.csv"
    path.write_text(change(path.read_text()))
    rehash(run)
    with pytest.raises(ResultsError, match=r"predictions\.csv: "):
        _ = results.load(tmp_path)[0].predictions


@pytest.mark.parametrize("text", ["", "[]", "{", '{"config_hash": "c0"}', "\x00",
                                  pytest.param("[" * 200_000, id="deep")])
def test_damaged_manifest_is_refused(tmp_path, text):
    run = make(tmp_path)
    (run.folder / "manifest.json").write_text(text)
    with pytest.raises(ResultsError, match=r"manifest\.json: "):
        results.load(tmp_path)


def test_classes_and_epochs_that_no_run_has_are_refused(tmp_path):
    run = make(tmp_path, classes=["a", "b"])
    with pytest.raises(ResultsError, match=r"predictions\.csv: 3 probabilities for 2 classes"):
        _ = run.predictions
    run = make(tmp_path, 2, config={"train": {"epochs": 10**30}})
    with pytest.raises(ResultsError, match=r"manifest\.json: config is .* no run writes"):
        _ = results.Run.at(run.folder).manifest


def change_manifest(run, **values):
    """Write other values into a manifest; those that are None are taken out."""
    path = run.folder / "manifest.json"
    manifest = {**json.loads(path.read_text()), **values}
    kept = {name: value for name, value in manifest.items() if value is not None}
    path.write_text(json.dumps(kept))


@pytest.mark.parametrize(("name", "value"), [
    ("config_hash", 7), ("sha256", ["predictions.csv"]), ("sha256", {"../predictions.csv": "0"}),
    ("config", []), ("config", {"train": []}), ("config", {"train": {"epochs": "many"}}),
    ("classes", "dog"), ("classes", ["dog", 1]), ("parameters", -1), ("parameters", 1.5),
    ("parameters", 2**63), ("wall_seconds", "1"), ("wall_seconds", -0.5), ("wall_seconds", 2**63),
    ("train_folds", True), ("train_folds", 3), ("train_folds", ["1"]), ("protocol", []),
])
def test_a_value_that_no_run_writes_is_refused(tmp_path, name, value):
    run = make(tmp_path)
    change_manifest(run, **{name: value})
    with pytest.raises(ResultsError) as refused:
        results.load(tmp_path)
    path = run.folder / "manifest.json"
    assert str(refused.value) == f"{path}: {name} is {value!r}, which no run writes"


@pytest.mark.parametrize("values", [
    {"parameters": 0, "wall_seconds": 0, "config": {}, "classes": []},
    {"parameters": 2**63 - 1, "wall_seconds": 2**63 - 1, "config": {"train": {"epochs": 1}}},
    {"config": {"train": {}}, "classes": ["dog", "rain"], "wall_seconds": 0.5},
])
def test_values_at_their_limits_are_sound(tmp_path, values):
    change_manifest(make(tmp_path), **values)
    assert results.load(tmp_path)[0].manifest.items() >= values.items()


@pytest.mark.parametrize("values", [
    {"config_hash": None}, {"sha256": None}, {"sha256": {"history.jsonl": "0"}},
])
def test_a_manifest_without_what_it_must_name_is_refused(tmp_path, values):
    run = make(tmp_path)
    change_manifest(run, **values)
    with pytest.raises(ResultsError) as refused:
        results.load(tmp_path)
    path = run.folder / "manifest.json"
    assert str(refused.value) == f"{path}: no config_hash or no predictions.csv"


def test_an_error_of_the_disk_names_the_file(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as refused:
        write_bytes(tmp_path / "a", b"evidence")
    assert refused.value.errno == errno.ENOSPC
    assert refused.value.filename == str(tmp_path / "a")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError) as missing, whole_errors(tmp_path / "a"):
        open(tmp_path / "b")
    assert missing.value.filename == str(tmp_path / "b")


def test_a_run_in_another_runs_place_is_refused(tmp_path):
    run = make(tmp_path)
    run.folder.rename(run.folder.with_name("fold2"))
    with pytest.raises(ResultsError, match="fold is 1, but the folder is that of 2"):
        results.load(tmp_path)
    with pytest.raises(ResultsError, match="seed is 7"):
        results.write(run.folder.with_name("fold3"), table(3), {"config_hash": "c", "seed": 7})
    with pytest.raises(ResultsError, match="seed<k>/fold<f>"):
        results.write(tmp_path / "fold1", table(), {"config_hash": "c"})


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint.json"])
@pytest.mark.parametrize("setting, there, here", [
    ("config_hash", "c1", "c0"), ("data_hash", "d1", "d0"), ("seed", 7, 0), ("fold", 2, 1),
    ("experiment", "crnn", "acrnn"), ("precision", "bf16", "float32"), ("device", "cuda", "cpu")])
def test_a_folder_of_another_run_is_refused(tmp_path, name, setting, there, here):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    assert not results.take_up(folder, {setting: here})
    folder.mkdir(parents=True)
    (folder / name).write_text(json.dumps({setting: here}))
    assert results.take_up(folder, {setting: here}) == (name == "manifest.json")
    (folder / name).write_text(json.dumps({setting: there}))
    with pytest.raises(ResultsError, match=f"{name}: made with {setting} {there}, this run has "):
        results.take_up(folder, {setting: here})


def test_a_folder_whose_path_says_another_seed_is_refused(tmp_path):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    with pytest.raises(ResultsError, match="fold1: made with seed 0, this run has 7"):
        results.take_up(folder, {"seed": 7})


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint.json"])
@pytest.mark.parametrize("setting", results.CODE)
def test_a_run_of_other_code_makes_room_and_is_kept(tmp_path, capsys, name, setting):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    for number in (1, 2):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({setting: number}))
        assert not results.take_up(folder, {setting: 3})
        kept = folder.parent / "replaced" / f"fold1-{number}"
        assert json.loads((kept / name).read_text()) == {setting: number}
        assert "made by another version of the code" in capsys.readouterr().err
        assert not list(folder.iterdir())
    with pytest.raises(ResultsError, match="no complete runs"):
        results.load(tmp_path)


def test_a_finished_run_of_other_or_unknown_code_is_kept_where_asked(tmp_path, capsys):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"seed": 0, "code_hash": "old"}))
    assert results.take_up(folder, {"seed": 0, "code_hash": "new"}, reuse=True)
    (folder / "manifest.json").write_text(json.dumps({"seed": 0}))
    assert results.take_up(folder, {"seed": 0, "code_hash": "new"})
    assert not capsys.readouterr().err


def test_runs_of_different_configs_are_not_mixed_and_evidence_is_not_overwritten(tmp_path):
    make(tmp_path, 1)
    with pytest.raises(ResultsError, match="this run is complete"):
        make(tmp_path, 1)
    for fold, name, other in ((2, "config_hash", "x"), (3, "data_hash", "x"),
                              (4, "protocol", "inner")):
        run = make(tmp_path, fold, **{name: other})
        with pytest.raises(ResultsError, match=f"fold{fold}: {name} differs"):
            results.load(tmp_path)
        shutil.rmtree(run.folder)


@pytest.mark.parametrize("when", range(5))
def test_killed_between_writes(tmp_path, monkeypatch, when):
    """The process ends before the n-th rename: the run is not complete, and can be done again."""
    replace, calls = os.replace, []

    def dying(source, target):
        calls.append(target)
        if len(calls) > when:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, attention={"old": np.ones(3)})
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    assert not results.is_complete(folder)
    with pytest.raises(ResultsError, match="no complete runs"):
        results.load(tmp_path)
    monkeypatch.undo()
    (folder / ".predictions.csv.0.tmp").write_text("half a fi")  # what kill -9 leaves behind
    results.truncate_history(folder, 0)
    run = make(tmp_path)
    assert run.attention is None  # the attention of the dead attempt is gone
    assert len(run.history) == 2
    assert not list(folder.glob(".*"))
    run.verify()


def test_history_is_cut_back_to_the_checkpoint(tmp_path):
    for epoch in range(1, 6):
        results.append_history(tmp_path, {"epoch": epoch, "loss": 0.1 * epoch, "lr": 1e-3})
    assert results.read_history(tmp_path)["epoch"].tolist() == [1, 2, 3, 4, 5]
    before = (tmp_path / "history.jsonl").read_text().splitlines()
    results.truncate_history(tmp_path, 3)
    assert (tmp_path / "history.jsonl").read_text().splitlines() == before[:3]
    results.append_history(tmp_path, {"epoch": 4, "loss": 1, "lr": 1e-3})
    assert results.read_history(tmp_path)["epoch"].tolist() == [1, 2, 3, 4]
    assert results.read_history(tmp_path).columns.tolist() == ["epoch", "loss", "lr"]
    for damaged in ('{"loss": 1}\n', '{"epoch": 1, "lo', "[1]\n", '{"epoch": Infinity}\n',
                    "[" * 200_000):
        (tmp_path / "history.jsonl").write_text(damaged)
        with pytest.raises(ResultsError, match=r"history\.jsonl: a line is not an epoch"):
            results.read_history(tmp_path)
    assert results.read_history(tmp_path / "none").empty


def test_what_json_and_arrays_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.append_history(tmp_path, {"epoch": 1, "loss": np.nan})
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    with pytest.raises(ResultsError, match="arrays of objects"):
        results.write(folder, table(), {"config_hash": "c"}, {"a": np.array([{}])})
    assert not results.is_complete(folder)


def test_table_of_predictions_follows_the_clips():
    clips = pd.DataFrame({"path": ["/here/5-1-A-3.ogg", "b/5-2-B-0.ogg"], "source": ["1", "2"],
                          "clip_id": ["5-1-A", "5-2-B"], "fold": 5, "target": [3, 0]}, index=[7, 9])
    found = results.prediction_table(clips, np.array([[0.1, 0.9], [0.75, 0.25]]))
    assert found.to_csv(index=False).splitlines() == [
        "filename,clip_id,fold,target,p_0,p_1", "5-1-A-3.ogg,5-1-A,5,3,0.1,0.9",
        "5-2-B-0.ogg,5-2-B,5,0,0.75,0.25"]
    assert found.index.tolist() == [0, 1]


def test_thinned_evidence_keeps_what_notebooks_show_and_says_what_it_left_out(tmp_path):
    manifest = {"config_hash": "c"}
    for dataset, seed, fold in (("esc10", 0, 1), ("esc10", 0, 2), ("esc10", 1, 1), ("synth", 1, 2),
                                ("earlier/esc10", 0, 1)):
        folder = results.run_folder(tmp_path, dataset, "lite", "acrnn", seed, fold)
        results.append_history(folder, {"epoch": 1})
        results.write(folder, table(fold=fold), manifest, {"attention": np.ones(3)})
    before = results.Run.at(tmp_path / "esc10/lite/acrnn/seed1/fold1").manifest
    tools.tool("thin_results").main(tmp_path)
    kept = {path.parent.relative_to(tmp_path).as_posix() for path in
            tmp_path.rglob(results.ATTENTION)}
    assert kept == {"esc10/lite/acrnn/seed0/fold1", "synth/lite/acrnn/seed1/fold2"}
    thinned = results.Run.at(tmp_path / "esc10/lite/acrnn/seed1/fold1")
    thinned.verify()
    assert thinned.attention is None
    digest = before["sha256"][results.ATTENTION]
    assert thinned.manifest["left_out"] == {results.ATTENTION: digest}
    rest = {k: v for k, v in thinned.manifest.items() if k not in ("left_out", "sha256")}
    assert rest == {k: v for k, v in before.items() if k != "sha256"}
    (thinned.folder / results.ATTENTION).write_bytes(b"as a kill between its two writes leaves it")
    tools.tool("thin_results").main(tmp_path)
    assert results.Run.at(thinned.folder).attention is None


def test_a_changed_note_of_a_checkpoint_is_refused(tmp_path):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    folder.mkdir(parents=True)
    path = folder / "checkpoint.json"
    note = {"seed": 0, "epoch": 3}
    note["note_sha256"] = results.note_hash(note)
    assert note["note_sha256"] == results.note_hash(note), "the digest is no part of itself"
    path.write_text(json.dumps(note))
    assert results.read_note(path) == note and not results.take_up(folder, {"seed": 0})
    path.write_text(json.dumps(note | {"epoch": 4}))
    for read in (lambda: results.read_note(path), lambda: results.take_up(folder, {"seed": 0})):
        with pytest.raises(ResultsError, match=r"checkpoint\.json: changed since it was written; re"
                                               "move it to train this fold from the start"):
            read()
    (folder / "manifest.json").write_text(json.dumps({"seed": 0}))
    assert results.take_up(folder, {"seed": 0}), "beside a manifest it says nothing"


def test_what_is_set_aside_is_told_with_its_place(tmp_path, capsys):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    folder.mkdir(parents=True)
    for name in ("predictions.csv", "manifest.json"):
        (folder / name).write_text(json.dumps({"code_hash": "old", "seed": 0}))
    assert not results.take_up(folder, {"seed": 0, "code_hash": "new"})
    kept = folder.parent / "replaced" / "fold1-1"
    assert {path.name for path in kept.iterdir()} == {"predictions.csv", "manifest.json"}
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(folder) in said and "replaced/fold1-1" in said
    assert "--reuse" in said
    (folder / "manifest.json").write_text(json.dumps({"precision": "float32"}))
    with pytest.raises(ResultsError, match="made with precision float32, this run has bf16; .*"
                                           r"\(ACRNN_PRECISION in the environment"):
        results.take_up(folder, {"precision": "bf16"})
    run = make(tmp_path, 2)
    assert results.without_code([run]) == [run]
