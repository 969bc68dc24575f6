"""The network in the browser answers as `predict` does."""

import functools
import http.server
import json
import os
import re
import shutil
import threading

import numpy as np
import pytest
import soundfile
import torch

from acrnn_lib import inference
from acrnn_lib.data import audio, datasets
from acrnn_lib.evaluation import outside
from acrnn_lib.kit import demo

from .conftest import ROOT, WAIT

pytestmark = pytest.mark.slow

READ = """() => [...document.querySelectorAll('.acrnn-answer tbody tr')].map(
    row => [row.dataset.name, Number(row.dataset.probability)])"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of the demonstration."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    return demo.demo(tmp_path_factory.mktemp("demo"), ROOT / "book" / "demo")


@pytest.fixture(scope="module")
def site(folder):
    """Address of a server of it on this computer."""
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page(site, watched):
    page, wrong = watched()
    page.goto(f"{site}/index.html")
    page.wait_for_selector("option:nth-child(2)", state="attached")
    yield page
    assert not wrong


def answer(page):
    """Probabilities by class that the page shows."""
    page.wait_for_selector(".acrnn-demo[data-state=done]", state="attached", timeout=WAIT)
    return dict(page.evaluate(READ))


def same(found, sound):
    """Same class as `predict`, probabilities within 0.01."""
    expected = dict(zip(inference.load().classes, inference.predict(sound).probabilities,
                        strict=True))
    assert max(found, key=found.get) == max(expected, key=expected.get)
    np.testing.assert_allclose([found[name] for name in expected], list(expected.values()),
                               atol=0.01)


def test_bundled_clips_get_the_answers_of_the_library(page):
    for place, path in enumerate(datasets.load("clips")["path"], start=1):
        page.select_option("select", index=place)
        same(answer(page), path)


CLASSIFIED = """async (file) => {
    const { classify, decode } = await import('./network.js');
    const bytes = await (await fetch(file)).arrayBuffer();
    const found = await classify((await decode(bytes)).wave);
    return [found.distance, found.note];
}"""


def test_distances_and_notes_of_bundled_clips_are_those_of_the_library(page, folder, monkeypatch):
    """Of the clips, which are like those of training, and of a part of each, which is not."""
    seen, unlike = [], outside.Limits.unlike
    monkeypatch.setattr(outside.Limits, "unlike", lambda limits, summaries, seconds: (
        seen.append(limits.distance(summaries)) or unlike(limits, summaries, seconds)))
    noted = 0
    for path in sorted((folder / "clips").iterdir()):
        changed = folder / "changed.flac"
        changed.write_bytes(audio.encoded(np.sin(9 * audio.read(path)[40_000:130_000])))
        for sound in (path, changed):
            far, note = page.evaluate(CLASSIFIED, sound.relative_to(folder).as_posix())
            expected = inference.predict(sound).note or ""
            assert far == pytest.approx(seen[-1], rel=0.01)
            assert parts(note, ". ") == parts(expected, "; "), path.name
            noted += "distance" in expected
    assert len(seen) == 38 and noted


def parts(note, mark):
    """What a note says, in small letters, its distance in tenths."""
    found = re.sub(r"distance ([\d.]+)", lambda m: f"distance {float(m[1]):.1f}", note.lower())
    return found.rstrip(".").split(mark)


def test_clips_of_esc10_get_the_answers_of_the_library(page, esc10_root):
    """Fifty clips, ten of each fold, as files from the reader's disk."""
    clips = datasets.load("esc10", esc10_root)
    chosen = clips.groupby("fold").nth(list(range(0, 80, 8)))["path"]
    assert len(chosen) == 50
    for path in chosen:
        page.set_input_files("input[type=file]", path)
        same(answer(page), path)


def test_features_equal_the_library_s(page, folder):
    path = folder / "clips" / json.loads((folder / "clips.json").read_text())[0]["file"]
    found = page.evaluate("""async (file) => {
        const { decode, load } = await import('./network.js');
        const { logGammatone } = await import('./frontend.js');
        const bytes = await (await fetch(file)).arrayBuffer();
        const { settings, filters } = await load();
        return Array.from(logGammatone((await decode(bytes)).wave, settings, filters).values);
    }""", f"clips/{path.name}")
    predictor = inference.load()
    expected = predictor.front_end.static(torch.from_numpy(audio.read(path))[None])[0].numpy()
    np.testing.assert_allclose(np.reshape(found, expected.shape), expected, atol=1e-3)


def test_silence_and_other_files_get_a_sentence(page, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(44100), 44100)
    page.set_input_files("input[type=file]", tmp_path / "silence.wav")
    page.wait_for_function("document.querySelector('.acrnn-note').textContent.includes('Silence')")
    (tmp_path / "text.wav").write_text("no sound")
    page.set_input_files("input[type=file]", tmp_path / "text.wav")
    page.wait_for_selector(".acrnn-demo[data-state=failed]", state="attached")
    assert "cannot be classified" in page.inner_text(".acrnn-note")
    assert not page.query_selector_all(".acrnn-answer tr")


def test_the_answer_goes_when_another_sound_is_chosen(page):
    page.select_option("select", index=1)
    assert answer(page)
    page.route("**/clips/*", lambda route: None)  # never answered
    page.select_option("select", index=2)
    assert page.get_attribute(".acrnn-demo", "data-state") == "busy"
    assert not page.query_selector_all(".acrnn-answer tr")


def test_a_short_sound_is_padded_with_a_note(page, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "short.wav"
    soundfile.write(path, 0.1 * rng.normal(size=22050), 44100, subtype="FLOAT")
    page.set_input_files("input[type=file]", path)
    same(answer(page), path)
    assert "Shorter than a segment" in page.inner_text(".acrnn-note")


@pytest.mark.parametrize("kind", ["soft", "crossed"])
def test_levels_and_channels_are_treated_as_by_the_library(page, tmp_path, kind):
    wave = audio.read(datasets.load("clips")["path"].iloc[3])
    wave = 0.01 * wave if kind == "soft" else np.stack([wave, -0.8 * wave], axis=1)
    path = tmp_path / f"{kind}.wav"
    soundfile.write(path, wave, 44100)
    page.set_input_files("input[type=file]", path)
    same(answer(page), path)
    said = page.inner_text(".acrnn-note")
    assert {"soft": "Raised by", "crossed": "only channel 1 is used"}[kind] in said
    assert ("Unlike" in said) == ("unlike" in (inference.predict(path).note or ""))


def test_recording_is_classified(page):
    page.click("button")
    assert len(answer(page)) == 10


def test_opened_as_a_file_it_says_what_to_do(browser, site, tmp_path):
    for name in os.listdir(ROOT / "book" / "demo"):
        shutil.copyfile(ROOT / "book" / "demo" / name, tmp_path / name)
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_selector(".acrnn-note")
    assert "http.server" in page.inner_text(".acrnn-note")
    page.close()


def test_axe_finds_nothing(page):
    from axe_playwright_python.sync_playwright import Axe

    page.select_option("select", index=1)
    answer(page)
    found = Axe().run(page)
    assert not found.response["violations"], found.generate_report()
