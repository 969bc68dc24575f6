"""Broken input: a result or a documented error, in bounded time and memory, and never a traceback
from inside a library."""

import ast
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import nbformat
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from acrnn_lib import config, device, experiments, inference
from acrnn_lib.commands import build_parser, main
from acrnn_lib.data import audio, datasets
from acrnn_lib.evaluation import results
from acrnn_lib.kit import reproduce
from acrnn_lib.training import loop
from tests import tiny
from tests.data import encoders, test_audio
from tests.data.test_datasets import esc50, esc50_parts, mini_esc10, tool  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow

KINDS = [("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "DOUBLE"), ("wav", "FLOAT"),
         ("wav", "IMA_ADPCM"), ("flac", "PCM_16"), ("ogg", "VORBIS"), ("mp3", None),
         ("aiff", "PCM_16"), ("au", "PCM_16"), ("caf", "PCM_16"), ("w64", "PCM_16")]
ROOT = Path(__file__).parents[2]
SECONDS = 20  # s, for one file, on a busy machine


@pytest.fixture(scope="module")
def predictor():
    return inference.Predictor()


def mutated(data, rng):
    """The bytes with one to sixteen changes, most of them near the header."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(min(len(data), rng.choice([64, 200, len(data)])))
        length = rng.randrange(1, 50)
        what = rng.random()
        if what < 0.5:
            data[at] = rng.choice([0, 255, 127, 128, rng.randrange(256)])
        elif what < 0.65:
            data[at : at + 4] = rng.randbytes(4)
        elif what < 0.8:
            del data[at : at + length]
        elif what < 0.9:
            del data[at + 1 :]
        else:
            data[at:at] = rng.randbytes(length)
        data = data or bytearray(b"x")
    return bytes(data)


def sounds(folder, real):
    """[(name of the kind, bytes)] of generated files and, where there are some, real ones."""
    noise, found = np.random.default_rng(0).normal(0, 0.1, 8000), []
    for kind, subtype in KINDS:
        path = folder / f"sound.{kind}"
        soundfile.write(path, noise, 44100, subtype=subtype)
        found.append((kind, path.read_bytes()))
    opus = encoders.by_soundfile("OGG", "OPUS", 48000)
    mp3 = encoders.by_soundfile("MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    found += [("opus", opus), ("opus", 2 * opus), ("mp3", 2 * mp3), ("mp3", bytes(500) + mp3),
              ("mp3", test_audio.without_xing(mp3)), ("flac", bytes(test_audio.flac(0))),
              ("flac", bytes(test_audio.flac(9))), ("wav", bytes(test_audio.wav(0)))]
    if not encoders.missing("av"):
        found += [(container, encoders.by_av(container, codec)) for container, codec in (
            ("ipod", "aac"), ("ipod", "alac"), ("adts", "aac"), ("asf", "wmav2"), ("mp2", "mp2"),
            ("wav", "libmp3lame"))] + [("webm", encoders.by_av("webm", "libopus", 48000))]
    return found + [("ogg", path.read_bytes()) for path in real]


def test_mutated_sounds_are_read_or_refused(tmp_path, rng, times, request):
    try:
        root = request.getfixturevalue("esc10_root")
        real = sorted(root.rglob("*.ogg"))[::80]
    except pytest.skip.Exception:  # generated ones then stand alone
        real = []
    given_, counts = sounds(tmp_path, real), {"read": 0, "refused": 0}
    number, kinds = times(300, 6000), Counter()
    for k in range(number):
        kind, data = rng.choice(given_)
        kinds[kind] += 1
        path = tmp_path / f"mutated.{kind}"
        path.write_bytes(mutated(data, rng))
        started = time.monotonic()
        try:
            wave = audio.read(path, 5 if k % 2 else None)
            assert np.abs(wave).max() <= 2 * audio.LOUDEST and wave.ndim == 1
            counts["read"] += 1
        except audio.AudioError:
            counts["refused"] += 1
        assert time.monotonic() - started < SECONDS
    assert device.peak_memory() / 2**30 < 4, "GiB"
    print(f"\nmutated sounds: {number}, {counts}, {dict(kinds)}")


def test_mutated_sounds_are_predicted_or_refused(tmp_path, rng, times, predictor):
    files, refused, number = sounds(tmp_path, []), 0, times(15, 300)
    for _ in range(number):
        kind, data = rng.choice(files)
        path = tmp_path / f"mutated.{kind}"
        path.write_bytes(mutated(data, rng))
        try:
            answer = predictor.file(path)
        except audio.AudioError:
            refused += 1
            continue
        json.dumps(answer, allow_nan=False)
        chances = [row["probability"] for row in answer["classes"]]
        assert all(0 <= chance <= 1 for chance in chances)
    print(f"\nmutated sounds predicted: {number}, {refused} refused")


@pytest.mark.parametrize("rate, channels, subtype", [
    (192000, 1, "PCM_16"), (44100, 8, "PCM_16"), (44100, 1, "DOUBLE"), (48000, 2, "PCM_24"),
    (8000, 1, "PCM_U8"), (384000, 2, "FLOAT")])
def test_unusual_formats_are_sounds_too(tmp_path, predictor, rate, channels, subtype):
    path = tmp_path / "sound.wav"
    wave = np.random.default_rng(0).normal(0, 0.1, (2 * rate, channels))
    soundfile.write(path, wave, rate, subtype=subtype)
    assert audio.read(path).shape == (88200,)
    assert len(predictor.file(path)["classes"]) == 3


def header(path, declared, data, rate=44100):
    """A 16-bit mono WAV file that declares another length than it has, in bytes."""
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + declared) + b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + b"data" + struct.pack("<I", declared) + data)


def test_a_file_that_says_three_hours_and_is_short(tmp_path, predictor):
    path = tmp_path / "long.wav"
    header(path, 3 * 3600 * 88200, bytes(1000))
    for read in (audio.read, predictor.file):
        with pytest.raises(audio.AudioError, match="truncated or damaged"):
            read(path)


@pytest.mark.long
def test_three_hours_of_sound_in_bounded_memory(tmp_path):
    path, minute = tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 60 * 8000)
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
        for _ in range(180):
            file.write(minute)
    process = subprocess.Popen([sys.executable, "-m", "acrnn_lib", "predict", path, "--json"],
                               stdout=subprocess.PIPE)
    answer, = json.loads(process.stdout.read())["files"]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 and answer["error"] is None
    assert answer["seconds"] == 10800 and len(answer["classes"]) == 3
    print(f"\nthree hours: {usage.ru_utime:.0f} s, {usage.ru_maxrss / 2**20:.2f} GiB")
    assert usage.ru_maxrss / 2**20 < 1.5, "GiB"


def test_a_flac_that_declares_more_than_there_is_memory(tmp_path, predictor):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(44100), 44100)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # the 36 bits of the number of samples
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)
    for read in (audio.read, predictor.file):
        with pytest.raises(audio.AudioError):
            read(path)


def test_a_wav_that_declares_less_than_it_has_is_as_long_as_it_says(tmp_path):
    path = tmp_path / "less.wav"
    header(path, 88200, bytes(10 * 88200))
    assert audio.read(path).shape == (44100,)


@pytest.mark.parametrize("rate", [1, 999, 400_001, 13_937_732])
def test_rates_that_no_sound_has(tmp_path, rate):
    path = tmp_path / "odd.wav"
    header(path, 2000, bytes(2000), rate)
    with pytest.raises(audio.AudioError, match=rf"has {rate} Hz, expected 1000 to 400000"):
        audio.duration(path)


@pytest.mark.parametrize("value", [1e10, 1e30, -1e38])
def test_samples_that_would_overflow(tmp_path, value):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([0.1, value] * 1000), 44100, subtype="DOUBLE")
    with pytest.raises(audio.AudioError, match="NaN or infinite samples, or some beyond 1e"):
        audio.read(path)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """A committed run, copied."""
    root = tmp_path_factory.mktemp("evidence")
    run = results.load("results", dataset="esc10", experiment="svm")[0]
    shutil.copytree(run.folder, root / "results" / run.folder.relative_to("results"))
    return root / "results"


def answers(arguments, capsys, named=""):
    """A command's status; what it prints for an error is one line, with the words ``named``."""
    status = main(arguments)
    said = capsys.readouterr().err.strip().splitlines()
    errors = [line for line in said if line.startswith("error: ")]
    assert status == 0 or (len(errors) == 1 and named in errors[0]), said
    return status


def with_other_number(data, rng):
    """The bytes, UTF-8 text, with one to three numbers replaced by unusual ones."""
    text, numbers = data.decode(), ["0", "-1", "1e400", "NaN", "Infinity", "0.5", "1" * 30, "",
                                    "-0.0", str(2**63), "1" * 5000, "1_0", "0x10", "true"]
    for _ in range(rng.randint(1, 3)):
        if found := list(re.finditer(r"-?\d+(\.\d+)?", text)):
            place = rng.choice(found)
            text = text[: place.start()] + rng.choice(numbers) + text[place.end() :]
    return text.encode()


@pytest.mark.parametrize("harm", [mutated, with_other_number])
@pytest.mark.parametrize("name", [results.MANIFEST, results.PREDICTIONS, results.HISTORY])
def test_mutated_evidence_is_reported_or_refused(
        tmp_path, evidence, rng, times, capsys, name, harm):
    """Bytes of predictions and manifests; digests are set right, so that the content counts."""
    number, refused = times(10, 300), 0
    path, = evidence.rglob(name)
    manifest, = evidence.rglob(results.MANIFEST)
    data, before = path.read_bytes(), manifest.read_bytes()
    for _ in range(number):
        path.write_bytes(harm(data, rng))
        if path != manifest:
            rehash(path, manifest, before)
        refused += answers(["report", str(evidence)], capsys, str(path.parent))
        path.write_bytes(data)
        manifest.write_bytes(before)
    assert answers(["report", str(evidence)], capsys) == 0
    print(f"\nmutated {name}: {number}, {refused} refused")


def rehash(path, manifest, before):
    """The manifest's bytes ``before``, but with the digest that the file has now."""
    content = json.loads(before)
    content["sha256"][path.name] = results._sha256(path.read_bytes())
    manifest.write_text(json.dumps(content))


def test_mutated_attention_is_loaded_or_refused(tmp_path, rng, times):
    source = next(run for run in results.load("results", dataset="esc10", experiment="acrnn")
                  if run.attention is not None)
    folder = tmp_path / source.folder.relative_to("results")
    shutil.copytree(source.folder, folder)
    path, manifest = folder / results.ATTENTION, folder / results.MANIFEST
    data, before, refused, number = path.read_bytes(), manifest.read_bytes(), 0, times(60, 2000)
    for k in range(number):
        # one half of the harm near the directory of the zip, which is its end
        broken = mutated(data[::-1], rng)[::-1] if k % 2 else mutated(data, rng)
        path.write_bytes(broken)
        rehash(path, manifest, before)
        try:
            arrays = results.Run.at(folder).attention
        except results.ResultsError as error:
            refused += str(path) in str(error)
        else:
            assert all(isinstance(array, np.ndarray) for array in arrays.values())
    print(f"\nmutated attention: {number}, {refused} refused")
    assert refused


def values():
    """Anything that JSON can hold."""
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    return st.recursive(plain, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=4)


def test_any_value_in_a_manifest_is_reported_or_refused(evidence, times, capsys):
    manifest, = evidence.rglob(results.MANIFEST)
    before = manifest.read_text()
    names = sorted(json.loads(before))

    @settings(max_examples=times(60, 1000), deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(names), values())
    def check(name, value):
        manifest.write_text(json.dumps({**json.loads(before), name: value}))
        answers(["report", str(evidence)], capsys, str(manifest.parent))

    try:
        check()
    finally:
        manifest.write_text(before)


def loads_or_refused(name, root, table):
    """1 where the folder is refused, in a line that names it; else its table is as it was."""
    try:
        found = datasets.load(name, root)
    except datasets.DatasetError as error:
        said = str(error)
        assert str(root) in said and said.isprintable()
        return 1
    kept = ["clip_id", "fold", "target", "path", "source"]
    key = {k: dict(zip(found.clip_id, found[k], strict=True)) for k in kept}
    assert key == {k: dict(zip(table.clip_id, table[k], strict=True)) for k in kept}
    return 0


def test_a_mutated_table_of_esc50_is_loaded_as_it_was_or_refused(esc50, rng, times):  # noqa: F811
    meta, refused, number = esc50 / "meta" / "esc50.csv", 0, times(12, 300)
    data, table = meta.read_bytes(), datasets.load("esc50", esc50)
    for k in range(number):
        meta.write_bytes((with_other_number if k % 2 else mutated)(data, rng))
        refused += loads_or_refused("esc50", esc50, table)
    print(f"\nmutated tables of ESC-50: {number}, {refused} refused")
    assert refused > number / 2


def test_odd_names_in_a_folder_of_sounds(mini_esc10, times):  # noqa: F811
    folder = os.fsencode(mini_esc10)
    table = datasets.load("esc10", mini_esc10)
    places = st.sampled_from([b"", b"001 - Dog bark/", b"010 - Fire crackling/"])
    parts = st.text(max_size=20).map(lambda x: x.encode(errors="surrogatepass")) | st.binary(
        max_size=20)

    @settings(max_examples=times(60, 1000), deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(places, parts, st.sampled_from([b".ogg", b".wav", b"", b".OGG", b".csv"]), st.booleans())
    def check(place, name, ending, is_folder):
        name = name.replace(b"/", b"").replace(b"\0", b"") + ending
        path = os.path.join(folder, place + name)
        if name in (b"", b".", b"..") or os.path.lexists(path):
            return
        os.mkdir(path) if is_folder else open(path, "wb").close()
        try:
            loads_or_refused("esc10", mini_esc10, table)
        finally:
            os.rmdir(path) if is_folder else os.unlink(path)

    check()


SETTINGS = [f"{room}.{name}" for room in ("features", "bank", "model", "train")
            for name in vars(getattr(experiments.experiment("acrnn"), room))]


def test_any_value_of_any_setting_is_taken_or_refused(times):
    @settings(max_examples=times(300, 5000), deadline=None, database=None)
    @given(st.sampled_from(SETTINGS), values() | st.text("0123456789.-e[],", max_size=8))
    def check(key, value):
        said = key
        try:
            config.config_hash(experiments.experiment("acrnn", changes={key: value}))
        except ValueError as error:
            said = str(error)
        assert key.partition(".")[2] in said

    check()


@settings(max_examples=200, deadline=None, database=None)
@given(st.text())
def test_any_unknown_setting_is_refused(key):
    if key not in SETTINGS:
        with pytest.raises(ValueError, match="unknown setting"):
            experiments.experiment("acrnn", changes={key: 1})


@pytest.mark.parametrize("data", [b"", b"junk" * 100, b"\x10\0\0\0\0\0\0\0" + b"{" * 16])
def test_files_that_are_no_checkpoint(tmp_path, data, capsys):
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    assert answers(["predict", "x.wav", "--checkpoint", str(path)], capsys) == 1


def test_a_mutated_checkpoint_is_refused_or_predicts(tmp_path, rng, times, capsys):
    source = inference.DATA / "acrnn.safetensors"
    whole = source.read_bytes()
    size = struct.unpack("<Q", whole[:8])[0]
    path, refused, number = tmp_path / "model.safetensors", 0, times(20, 300)
    for _ in range(number):
        path.write_bytes(mutated(whole[: 8 + size], rng) + whole[8 + size :])
        try:
            inference.load_model(path)
        except results.ResultsError as error:
            refused += str(path) in str(error)
    print(f"\nmutated checkpoints: {number}, {refused} refused")
    assert refused > number / 2


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(note, tensors) of a small untrained checkpoint, and a sound of two seconds."""
    folder = tmp_path_factory.mktemp("small")
    loop.save_model(*tiny.trainer(tiny.settings(), *tiny.task()), folder)
    with safe_open(folder / "model.safetensors", "pt") as file:
        note = json.loads(file.metadata()["acrnn"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    soundfile.write(folder / "sound.wav", np.random.default_rng(0).normal(0, 0.1, 88200), 44100)
    return note, tensors, folder / "sound.wav"


NUMBERS = st.sampled_from([0, 1, 2, 16, 64, 256, 4096, 10**6, 10**9, 10**400, -1, 0.5, 1e-300,
                           1e300, float("nan"), True, None, "64", [64]])


def any_note(note):
    """Changed notes: one value of the front end or the network, or all that goes by a name."""
    rooms = [(room, name) for room in ("features", "model") for name in note["experiment"][room]]

    def changed(place, value):
        (room, name), all_ = place, note["experiment"]
        return {**note, "experiment": {**all_, room: {**all_[room], name: value}}}

    setting = st.builds(changed, st.sampled_from(rooms), NUMBERS | st.integers(1, 2000) | values())
    return setting | st.builds(lambda name, value: {**note, name: value},
                               st.sampled_from(sorted(note)), values())


def any_tensor(tensors):
    """(name, tensor): one value or all of them replaced, another shape or another type."""
    filled = st.sampled_from([np.nan, np.inf, -np.inf, 3e38, 1e30, -1e30, 0.0, 1e-40])

    def made(drawn):
        name, value, how, at = drawn
        new = tensors[name].double().clone()
        if how == "one":
            new.view(-1)[at % new.numel()] = value
        elif how == "all":
            new.fill_(value)
        elif how == "shape":
            new = new.view(-1)[: at % new.numel()].clone()
        return name, new.to(torch.int8 if how == "type" else torch.float32)

    hows = st.sampled_from(["one", "all", "shape", "type"])
    names = st.sampled_from(["feature_mean", "feature_std"]) | st.sampled_from(sorted(tensors))
    return st.tuples(names, filled, hows, st.integers(0, 10**6)).map(made)


def test_any_checkpoint_predicts_with_finite_chances_or_is_refused(tmp_path, times, small):
    note, tensors, sound = small
    path, counts = tmp_path / "model.safetensors", {"predicted": 0, "refused": 0}

    @settings(max_examples=times(60, 3000), deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(any_note(note) | st.just(note), st.none() | any_tensor(tensors))
    def check(changed, tensor):
        content = {**tensors, **dict([tensor] if tensor else [])}
        save_file(content, path, {"acrnn": json.dumps(changed)})
        started, said = time.process_time(), None
        try:
            answer = inference.Predictor(path).file(sound)
        except results.ResultsError as error:
            said = str(error)
        if said:
            assert str(path) in said and "\n" not in said
        else:
            json.dumps(answer, allow_nan=False)
            total = sum(row["probability"] for row in answer["classes"])
            assert total == pytest.approx(1, abs=1e-4)
        counts["refused" if said else "predicted"] += 1
        assert time.process_time() - started < SECONDS

    check()
    assert device.peak_memory() / 2**30 < 4, "GiB"
    print(f"\ncheckpoints: {counts}")
    assert min(counts.values())


UNSAFE = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


@pytest.mark.parametrize("path", [path for room in ("acrnn_lib", "tools") for path in
                                  sorted((ROOT / room).rglob("*.py"))], ids=lambda path: path.name)
def test_nothing_reads_files_that_can_run_programs(path):
    """No pickle under any name, in the library or in a tool."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            assert not UNSAFE & {part for name in names for part in name.split(".")}, node.lineno
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in ("torch.load", "pd.read_pickle"), node.lineno
            assert node.attr not in ("to_pickle", "read_pickle"), node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            assert "load" not in [alias.name for alias in node.names], node.lineno
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False", path
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load":
            assert "allow_pickle" in [given.arg for given in node.keywords], node.lineno


# notebooks and their parameters


@pytest.fixture
def small_kit(tmp_path, monkeypatch):
    """A notebook that writes its parameters down, and nothing else to build."""
    for name in ("notebooks", "acrnn_lib", "results"):
        (tmp_path / name).mkdir()
    cells = [nbformat.v4.new_code_cell('DATASET = "synth"\nPROFILE = "smoke"\nDATA = None',
                                       metadata={"tags": ["parameters"]}),
             nbformat.v4.new_code_cell("import json\nwith open('../said.json', 'w') as file:\n"
                                       "    json.dump([DATASET, PROFILE, DATA], file)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "00_a.ipynb")
    monkeypatch.setattr(reproduce, "recount", lambda root: None)
    monkeypatch.setattr(reproduce, "build_book", lambda *given: "the book")
    for name in ("ACRNN_DATA", "ACRNN_SCHEDULER"):
        monkeypatch.setenv(name, "")  # which a run may set; afterwards they are as before
    monkeypatch.setattr(reproduce.run, "__defaults__",
                        (*reproduce.run.__defaults__[:-1], tmp_path))
    return tmp_path


def test_an_odd_name_of_a_folder_reaches_a_notebook_as_it_is(small_kit):
    odd = small_kit / 'a "b" \'c\' \\n {x} $y %s é 声'
    odd.mkdir()
    assert main(["reproduce", "--data", str(odd)]) == 0
    said = json.loads((small_kit / "said.json").read_text())
    assert said == ["synth", "smoke", str(odd.resolve())]


def test_any_value_of_a_notebooks_parameters_is_taken_or_refused(
        small_kit, monkeypatch, times, capsys):
    """Names come from lists, a folder must be there: all else is one line, before a cell runs."""
    executed = []
    monkeypatch.setattr(reproduce, "execute", lambda *given: executed.append(given))
    options = st.sampled_from(["--dataset", "--profile", "--data", "--only", "--scheduler"])
    word = st.text(max_size=30) | st.sampled_from(["synth", "esc10", "smoke", "full", "00", "book",
                                                   "a" * 5000, "../..", "tcp://[", "\0"])

    @settings(max_examples=times(100, 2000), deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(options, word), max_size=3))
    def check(given):
        executed.clear()
        try:
            status = main(["reproduce", *(f"{option}={value}" for option, value in given)])
        except SystemExit as stop:
            status = stop.code
        said = capsys.readouterr()
        assert status in (0, 1, 2) and "Traceback" not in said.err + said.out
        assert (status == 0) == bool(executed)
        if status == 1:
            assert said.err.startswith("error: ")

    check()


# every option of every command

CROSSVAL = ["crossval", "synth", "--experiments", "acrnn"]
WRONG = [  # (arguments, status, words of the error)
    (["dat"], 2, "did you mean data?"),
    (["crosval", "synth"], 2, "did you mean crossval?"),
    (["zzz"], 2, "unknown command 'zzz'"),
    (["data"], 2, "required"),
    (["data", "esc11"], 2, "esc10"),
    (["data", "esc10", "--data"], 2, "expected one argument"),
    (["data", "esc10", "--data", "/nowhere"], 1, "/nowhere: expected the folder of esc10"),
    (["features", "esc10", "--data", "/nowhere"], 1, "/nowhere"),
    (["features", "synth", "--workers", "two"], 2, "found 'two', expected a number"),
    (["features", "synth", "--experiment", "acrn"], 1, "did you mean acrnn"),
    (["features", "synth", "--profile", "smok"], 2, "smoke"),
    (["features", "synth", "--device", "gpu"], 2, "cuda"),
    (["experiments", "more"], 2, "unrecognized"),
    (["crossval", "synth"], 2, "--experiments"),
    ([*CROSSVAL, "--data", "/nowhere"], 1, "/nowhere"),
    ([*CROSSVAL, "--profile", "lit"], 2, "did you mean lite"),
    (["crossval", "synth", "--experiments", ""], 2, "found ''"),
    (["crossval", "synth", "--experiments", "crn"], 1, "did you mean crnn"),
    ([*CROSSVAL, "--folds", "1,x"], 2, "found '1,x'"),
    ([*CROSSVAL, "--folds", "1,9"], 1, "unknown fold 9"),
    ([*CROSSVAL, "--folds", "1,1"], 2, "1 twice"),
    ([*CROSSVAL, "--seeds", "a"], 2, "found 'a'"),
    ([*CROSSVAL, "--seeds=-1"], 2, "found '-1'"),
    ([*CROSSVAL, "--seeds", "0,0"], 2, "0 twice"),
    ([*CROSSVAL, "--device", "gpu"], 2, "cuda"),
    ([*CROSSVAL, "--workers", "-1"], 2, "expected"),
    ([*CROSSVAL, "--threads", "0"], 2, "expected a number from 1 to 1024"),
    ([*CROSSVAL, "--threads", "1025"], 2, "expected a number from 1 to 1024"),
    ([*CROSSVAL, "--threads", "9" * 20], 2, "expected a number from 1 to 1024"),
    ([*CROSSVAL, "--processes", "0"], 2, "expected a number from 1 to 1024"),
    ([*CROSSVAL, "--processes", "2", "--scheduler", "tcp://127.0.0.1:1"], 2, "not allowed with"),
    ([*CROSSVAL, "--insecure"], 2, "found no --scheduler"),
    ([*CROSSVAL, "--processes", "2", "--tls", "a", "b", "c"], 2, "found no --scheduler"),
    ([*CROSSVAL, "--scheduler", "tcp://127.0.0.1:1", "--tls", "a", "b", "c"], 2, "not encrypted"),
    ([*CROSSVAL, "--tls", "a", "b"], 2, "expected 3 arguments"),
    ([*CROSSVAL, "--scheduler", "here"], 1, "expected tcp://host:port"),
    ([*CROSSVAL, "--set", "train.epochs"], 2, "expected KEY=VALUE"),
    ([*CROSSVAL, "--set", "train.epochs=1", "--set", "train.epochs=2"], 2, "train.epochs twice"),
    ([*CROSSVAL, "--set", "train.epochs=0"], 1, "expected at least 1"),
    ([*CROSSVAL, "--set", "train.epoch=1"], 1, "did you mean epochs"),
    ([*CROSSVAL, "--set", "trian.epochs=1"], 1, "did you mean train"),
    ([*CROSSVAL, "--profiles", "smoke"], 2, "did you mean --profile?"),
    ([*CROSSVAL, "--profil=smoke"], 2, "did you mean --profile?"),
    (["crossval", "synth", "--experiment", "acrnn"], 2, "did you mean --experiments?"),
    (["report", "--jsn"], 2, "did you mean --json?"),
    (["report", "-json"], 2, "-json"),
    (["report", "/nowhere"], 1, "/nowhere: no complete runs"),
    (["report", "results", "--dataset", "esc11"], 2, "did you mean esc10"),
    (["grade", "/nowhere", "--limit", "0"], 2, "expected a number from 1"),
    (["grade", "/nowhere"], 1, "/nowhere: found no notebooks"),
    (["reset", "77", "--folder", "/nowhere"], 1, "77: expected one of 00"),
    (["student"], 2, "OUT"),
    (["onnx", "x.onnx", "--checkpoint", "/nowhere"], 1, "/nowhere"),
    (["demo", "out", "--runtime", "/nowhere"], 1, "/nowhere/ort.wasm.min.mjs: not found"),
    (["demo", "out", "--pages", "/nowhere", "--runtime", "."], 1, "found no index.html"),
    (["predict"], 2, "FILE"),
    (["predict", "/nowhere.wav"], 1, "/nowhere.wav: no such file"),
    (["predict", "x.wav", "--checkpoint", "/nowhere"], 1, "/nowhere"),
    (["predict", "x.wav", "--register", "/nowhere.py"], 1, "/nowhere.py: FileNotFoundError"),
    (["crossval", "synth", "--experiments", "acrnn", "--register", "/nowhere.py"], 1,
     "/nowhere.py: FileNotFoundError"),
    (["crossval", "clips", "--experiments", "acrnn"], 1, "expected synth, or esc10"),
    (["reproduce", "--dataset", "clips"], 1, "too few to train and test on"),
    (["data", "clips", "--data", "."], 1, "comes with the package"),
    (["reproduce", "--dataset", "esc"], 2, "esc10"),
    (["reproduce", "--profile", "papre"], 2, "did you mean paper"),
    (["reproduce", "--only", "99"], 2, "no step begins with 99"),
    (["reproduce", "--only", ""], 2, "found ''"),
    (["reproduce", "--data", "/nowhere", "--only", "00"], 1, "/nowhere"),
    (["reproduce", "--scheduler", "here", "--only", "00"], 1, "expected tcp://host:port"),
]


@pytest.mark.parametrize("arguments, status, words", WRONG, ids=lambda x: " ".join(x)
                         if isinstance(x, list) else None)
def test_wrong_options(arguments, status, words, capsys):
    try:
        found = main(arguments)
    except SystemExit as stop:
        found = stop.code
    printed = capsys.readouterr()
    assert found == status and words in printed.err + printed.out
    assert "Traceback" not in printed.err


def test_every_option_is_among_the_wrong_ones():
    commands = build_parser()._subparsers._group_actions[0].choices
    for name, command in commands.items():
        tried = {word.partition("=")[0] for arguments, *_ in WRONG if arguments[0] == name
                 for word in arguments}
        for action in command._actions:
            valued = action.option_strings and action.nargs != 0
            if valued and action.dest not in ("help", "out"):  # out: test_storage
                assert tried & set(action.option_strings), f"{name} {action.option_strings}"
