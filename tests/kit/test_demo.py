"""The exported network answers as the library does, and the page's files are those it needs."""

import io
import json
import shutil
import subprocess
from copy import copy, deepcopy
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from acrnn_lib import inference, trained
from acrnn_lib.data import audio, datasets, levels
from acrnn_lib.evaluation import outside
from acrnn_lib.features.frontend import normalise
from acrnn_lib.features.segments import network_input, segment_starts
from acrnn_lib.kit import demo, onnx_export

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return onnx_export.export(tmp_path_factory.mktemp("onnx") / "acrnn.onnx", inference.load())


def test_exported_network_equals_the_library_on_all_bundled_clips(exported):
    predictor, session = inference.load(), onnxruntime.InferenceSession(exported)
    c = predictor.config
    for path in datasets.load("clips")["path"]:
        wave = audio.read(path)
        static = predictor.front_end.static(torch.from_numpy(wave)[None])[0]
        starts = segment_starts(static.shape[-1], c)
        x = normalise(network_input(static, starts, c), predictor.mean, predictor.std)
        found = session.run(list(onnx_export.OUTPUTS), {onnx_export.INPUT: x.numpy()})
        probabilities, weights = trained.answer(x, predictor.model)
        powers = np.exp(found[0] - found[0].max(axis=1, keepdims=True))
        np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), probabilities,
                                   atol=1e-4)
        for output, expected in zip(found, trained.outputs(x, predictor.model), strict=True):
            np.testing.assert_allclose(output, expected, atol=1e-3)
        np.testing.assert_allclose(found[1], weights, atol=1e-4)


def test_export_stores_float16_and_is_the_same_each_time(exported, tmp_path):
    again = onnx_export.export(tmp_path / "again.onnx", inference.load())
    assert again.read_bytes() == exported.read_bytes()
    assert exported.stat().st_size < 8e6  # float32 would be 15 MB


def test_weights_that_float16_does_not_hold_stay_float32(exported, tmp_path):
    other = copy(inference.load())
    other.model = deepcopy(other.model)
    other.model.classifier.weight.data += 1e-5
    path = onnx_export.export(tmp_path / "other.onnx", other)
    x = np.random.default_rng(0).normal(size=(2, 2, 128, 128)).astype(np.float32)
    found, = onnxruntime.InferenceSession(path).run(["logits"], {onnx_export.INPUT: x})
    expected = other.model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


class Pooled(torch.nn.Module):
    """A network of a learner: no layer named classifier."""

    def forward(self, x, return_attention=False):
        logits = x.mean(dim=(1, 3))[:, :10]
        return (logits, x.mean(dim=(1, 2)).softmax(1)) if return_attention else logits


def test_a_network_without_classifier_has_no_summaries(tmp_path):
    other = copy(inference.load())
    other.model = Pooled().eval()
    path = onnx_export.export(tmp_path / "other.onnx", other)
    outputs = [output.name for output in onnxruntime.InferenceSession(path).get_outputs()]
    assert outputs == ["logits", "attention"] == list(onnx_export.output_names(other))


def test_settings_are_those_of_the_checkpoint():
    found, predictor = demo.settings(inference.load()), inference.load()
    assert found["hop_length"] == predictor.config.hop_length
    assert found["classes"] == predictor.classes
    assert len(found["owners"]) == predictor.config.segment_frames
    assert len(found["centres"]) == predictor.config.n_bands
    assert len(found["colours"]) == 256 and max(map(max, found["colours"])) <= 255
    json.dumps(found)


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_levels_in_the_browser_are_those_of_the_library(tmp_path):
    t, rng = np.arange(8000) / 44100, np.random.default_rng(0)
    waves = [level * np.sin(2 * np.pi * 440 * t) for level in (0, 1e-5, 1e-4, 3e-3, 0.05, 0.1, 1)]
    waves += [np.full(8000, 0.5), 0.3 + 0.01 * waves[-1], rng.normal(size=900) * 1e-3]
    stereo = [(waves[6], waves[6]), (waves[6], 0 * t), (0.5 * waves[6], -waves[6]),
              tuple(rng.normal(size=(2, 8000)))]
    limits = demo.settings(inference.load())["limits"]
    given = {"waves": [wave.tolist() for wave in waves], "limits": limits,
             "stereo": [[part.tolist() for part in pair] for pair in stereo]}
    (tmp_path / "given.json").write_text(json.dumps(given))
    script = Path("book/demo/levels.js").resolve().as_uri()
    (tmp_path / "run.mjs").write_text(f"""import {{ judged, mix }} from "{script}";
        import fs from "fs";
        const {{ waves, stereo, limits }} = JSON.parse(fs.readFileSync("given.json"));
        const mixed = stereo.map((pair) => mix(pair.map((x) => Float32Array.from(x)), limits));
        console.log(JSON.stringify([
          waves.map((wave) => judged(Float32Array.from(wave), limits)),
          mixed.map(({{ wave, note }}) => [Array.from(wave.slice(0, 99)), note])]));""")
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True,
                          check=True)
    judged, mixed = json.loads(done.stdout)
    for wave, found in zip(waves, judged, strict=True):
        level = levels.Level()
        level.add(wave.astype(np.float32))
        gain, note = level.judged(limits["soft_dbfs"], limits["reference_dbfs"])
        assert found["gain"] == (gain if gain is None else pytest.approx(gain, abs=1e-3))
        assert found["note"].rstrip(".").lower() == (note or "").lower()
    for pair, (wave, note) in zip(stereo, mixed, strict=True):
        chunk = np.stack(pair, axis=1).astype(np.float32)
        expected, _, said = levels.uncancelled(lambda mix, chunk=chunk: mix(chunk))
        np.testing.assert_allclose(wave, expected[:99], atol=1e-6)
        assert note.rstrip(".").lower() == (said or "").lower()


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_distance_and_note_in_the_browser_are_those_of_the_library(tmp_path):
    """Of limits of any size: what was fitted again needs no change of the page."""
    rng = np.random.default_rng(0)
    centres = outside.Centres(rng.normal(size=(3, 5)), np.cov(rng.normal(size=(5, 50))))
    limits = outside.Limits(shortest=0.3, farthest=1.25, mean_distance=2.0, centres=centres)
    (tmp_path / "centres.f32").write_bytes(demo.centres(limits))
    cases = [(scale * rng.normal(size=(4, 5)), seconds) for scale in (0.1, 3)
             for seconds in (0.2, 0.4)]
    given = [[summaries.tolist(), seconds] for summaries, seconds in cases]
    numbers = {name: getattr(limits, name) for name in outside.NUMBERS[2:]}
    script = Path("book/demo/outside.js").resolve().as_uri()
    (tmp_path / "run.mjs").write_text(f"""import {{ distance, unlike }} from "{script}";
        import fs from "fs";
        const bytes = fs.readFileSync("centres.f32"), limits = {json.dumps(numbers)};
        const centres = new Float32Array(Uint8Array.from(bytes).buffer);
        console.log(JSON.stringify({json.dumps(given)}.map(([summaries, seconds]) => {{
          const far = distance(summaries, centres, limits);
          return [far, unlike(seconds, far, limits)];
        }})));""")
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True,
                          check=True)
    notes = set()
    for (summaries, seconds), (far, note) in zip(cases, json.loads(done.stdout), strict=True):
        assert far == pytest.approx(limits.distance(summaries), rel=1e-5)
        notes.add(note)
        assert note.rstrip(".").lower() == (limits.unlike(summaries, seconds) or "").lower()
    assert len(notes) == 4


def test_clips_are_flac_that_all_browsers_decode_to_the_same_numbers(tmp_path):
    rows = demo._clips(tmp_path)
    assert len(rows) == 19 and {Path(row["file"]).suffix for row in rows} == {".flac"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5e6
    for row, path in zip(rows, datasets.load("clips")["path"], strict=True):
        data = (tmp_path / row["file"]).read_bytes()
        samples = soundfile.read(io.BytesIO(data), dtype="int32")[0]
        assert soundfile.info(io.BytesIO(data)).subtype == "PCM_24" and not (samples % 2**14).any()
        assert np.abs(samples / 2**31 - audio.read(path)).max() <= 2**-17
    assert data == (tmp_path / demo._clips(tmp_path)[-1]["file"]).read_bytes()


def runtime(folder):
    folder.mkdir()
    for name in demo.FILES:
        (folder / name).write_text("something else")
    return folder


@pytest.mark.parametrize("spoil, words", [
    (lambda folder: (folder / "ort.wasm.min.mjs").unlink(), "not found, expected a file of"),
    (lambda folder: None, "expected that of onnxruntime-web"),
])
def test_another_runtime_is_refused(spoil, words, tmp_path):
    folder = runtime(tmp_path / "dist")
    spoil(folder)
    with pytest.raises(ValueError, match=words):
        demo.demo(tmp_path / "out", "book/demo", folder)
    assert not (tmp_path / "out").exists()


def test_pages_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match="found no index"):
        demo.demo(tmp_path / "out", tmp_path, runtime(tmp_path / "dist"))


def test_without_npm_it_says_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="npm: not found"):
        demo.fetched()
