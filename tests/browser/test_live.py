"""The explorers where a kernel runs, in JupyterLab and in the app: every control is moved."""

import secrets
import shutil
import sys
import time

import nbformat
import numpy as np
import pytest

from acrnn_lib.data import audio
from acrnn_lib.kit import app
from acrnn_lib.kit.grading import code_cells, needed, needs

from .conftest import ROOT, WAIT, free_port, private, served

pytestmark = pytest.mark.slow

# notebook: what its explorer is called, and how many controls that has
EXPLORERS = {
    "02_gammatone_features": ("widgets.filter_bank(", 4),
    "03_augmentation": ("widgets.augmentation(", 2),
    "04_the_model_layer_by_layer": ("widgets.shapes(", 5),
    "07_result_tables": ("widgets_results.results_of(", 1),
    "08_confusion_matrices": ("widgets_results.confusion(", 1),
    "09_seeing_attention": ("widgets_results.attention(", 3),
    "13_your_own_sounds": ("sounds.OwnSounds(", 1),
}
WHOLE = ("02", "03", "09", "13")  # run from the first cell to the last
TONE = audio.encoded(0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * 44100) / 44100), form="WAV")
# the last explorer of the page: the box around the view, which is its last part
BOX = "[...document.querySelectorAll('.widget-vbox')].filter(e => e.querySelector('.widget-html'))"
VIEW = f"[...{BOX}.at(-1)?.querySelectorAll('.widget-html-content') ?? []].at(-1)?.innerHTML"
# what it shows, and from now on the time of the last deed
LOOK = (f"() => {{window.clock ??= ['change', 'click', 'keydown'].map(kind => "
        f"addEventListener(kind, () => {{window.deed = performance.now()}}, true)); "
        f"return {VIEW}}}")
# labels that are cut off, lists that are too narrow for their words, narrow tracks of sliders
CRAMPED = """box => [
    ...[...box.querySelectorAll('.widget-label')].filter(e => e.scrollWidth > e.clientWidth),
    ...[...box.querySelectorAll('select')].filter(e => {
        const pen = document.createElement('canvas').getContext('2d');
        pen.font = getComputedStyle(e).font;
        return [...e.options].some(o => pen.measureText(o.text).width > e.clientWidth)}),
    ...[...box.querySelectorAll('.noUi-target')].filter(e => e.getBoundingClientRect().width < 300),
].map(e => e.outerHTML.slice(0, 120))"""
CHANGED = (f"before => {{const now = {VIEW}; if (!now || now === before || "
           "now.includes('aria-busy')) return false; "
           "window.took = performance.now() - window.deed; return true}")
CONTROLS = ("select, .widget-toggle-buttons button:not(.mod-active), .noUi-handle")
RUN = """async path => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = await app.commands.execute('docmanager:open', {path, factory: 'Notebook'});
    await panel.context.ready;
    await panel.sessionContext.ready;
    const kernel = panel.sessionContext.session.kernel;
    while (kernel.connectionStatus !== 'connected') {
        await new Promise(done => kernel.connectionStatusChanged.connect(done));
    }
    await app.commands.execute('notebook:run-all-cells');
}"""


def copied(name, folder):
    """A copy of a notebook; of those not in WHOLE, its explorer and the cells that this needs."""
    path = ROOT / "notebooks" / f"{name}.ipynb"
    if name.startswith(WHOLE):
        shutil.copy(path, folder / "notebooks")
        return
    cells = code_cells(path)
    codes = [code for _, _, code in cells]
    at = next(k for k, code in enumerate(codes) if EXPLORERS[name][0] in code)
    kept = [*needed(cells[:at], needs(codes[at])), codes[at]]
    made = nbformat.read(path, 4)
    made.cells = [nbformat.v4.new_code_cell(code) for code in kept]
    nbformat.write(made, folder / "notebooks" / f"{name}.ipynb")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab, started as `make lab` does, over copies of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    (folder / "results").symlink_to(ROOT / "results")
    for name in EXPLORERS:
        copied(name, folder)
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyter", "lab", "--ip=127.0.0.1", f"--port={port}",
               "--no-browser", "--expose-app-in-browser", f"--IdentityProvider.token={token}",
               "--allow-root", "--LabApp.check_for_updates_class="
               "jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"]
    with served(command, "is running at", folder / "notebooks", private(folder)):
        yield f"http://127.0.0.1:{port}/lab?token={token}"


def changes(page, act):
    """Do something to the explorer; what it shows must become something else. Returns ms."""
    before = page.evaluate(LOOK)
    act()
    page.wait_for_function(CHANGED, arg=before)
    return page.evaluate("window.took")


def move(page, control):
    """Give a control another value, as a hand would."""
    control.scroll_into_view_if_needed()
    kind = control.evaluate("e => e.tagName")
    if kind == "SELECT":
        other = control.evaluate("e => [...e.options].findIndex(o => !o.selected)")
        control.select_option(index=other)
    elif kind == "BUTTON":
        control.click()
    else:
        last = control.evaluate("e => e.ariaValueNow === e.ariaValueMax")
        control.focus()
        control.press("ArrowLeft" if last else "ArrowRight")


def move_all(page, expected):
    """Move every control of the last explorer, one after the other; tells (-s) how long it took."""
    page.wait_for_function(f"() => {VIEW}")
    box = page.locator(".widget-vbox", has=page.locator(".widget-html")).last
    count = box.locator(CONTROLS).count()
    assert count == expected
    assert not box.evaluate(CRAMPED)
    took = [changes(page, lambda k=k: move(page, box.locator(CONTROLS).nth(k)))
            for k in range(count)]
    print("\nanswered after", ", ".join(f"{ms:.0f}" for ms in took), "ms")


def give_sounds(page):
    """Choose files and record: each time an answer, and a file's name is only a name."""
    chooser = page.locator(".acrnn-recorder input[type=file]")
    files = {"<script>alert(1)</script>.wav": TONE,
             "large.wav": audio.encoded(np.zeros(6_000_000), form="WAV"), "note.txt": b"no sound"}
    for name, data in files.items():
        changes(page, lambda n=name, d=data: chooser.set_input_files(
            {"name": n, "mimeType": "audio/wav", "buffer": d}))
        page.get_by_text(f"{name}: see the answer below").wait_for()
        assert f"{name}" in page.locator(".widget-html-content").last.inner_text()
    assert "Not heard" in page.locator(".widget-html-content").last.inner_text()
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_text("Waiting for your recording").wait_for()
    view = page.locator(".widget-html-content").last
    assert not view.locator("img, audio").count(), "no old picture while a new sound comes"
    page.wait_for_function("start => performance.now() > start + 500",  # half a second of beeps
                           arg=page.evaluate("performance.now()"))
    changes(page, page.get_by_role("button", name="Stop").click)
    page.get_by_text("your recording.wav: see the answer below").wait_for()


def follow_the_sound(page):
    """The line over the picture goes where the player is."""
    line = "document.querySelector('.widget-html .cursor').style.left"
    page.wait_for_function("() => document.querySelector('.widget-html audio')")
    before = page.evaluate(line)
    page.evaluate("document.querySelector('.widget-html audio').currentTime = 2.5")
    page.wait_for_function(f"before => parseFloat({line}) > parseFloat(before) + 20", arg=before)


def old_sound_ends(page):
    """A sound that plays is over when a control moves."""
    page.locator(".widget-html audio").last.evaluate(
        "e => {window.heard = e; e.loop = true; return e.play()}")
    box = page.locator(".widget-vbox", has=page.locator(".widget-html")).last
    changes(page, lambda: move(page, box.locator(CONTROLS).first))
    page.wait_for_function("() => window.heard.paused")


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorer_in_jupyterlab(lab, watched, name):
    page, wrong = watched()
    started = time.monotonic()
    page.goto(lab)
    page.wait_for_function("() => window.jupyterapp")
    page.evaluate(RUN, f"{name}.ipynb")
    move_all(page, EXPLORERS[name][1])
    if name.startswith("08"):
        rows = page.locator(".widget-gridbox button").evaluate_all(
            "all => new Set(all.map(e => Math.round(e.getBoundingClientRect().top))).size")
        assert rows == 10, "a row of the matrix is a row on the page"
        cell = page.locator(".widget-gridbox button", has_text="1").last  # the first is chosen now
        changes(page, cell.click)
    if name.startswith(("09", "13")):
        follow_the_sound(page)
    if name.startswith(("02", "03", "09")):
        old_sound_ends(page)
    if name.startswith("13"):
        give_sounds(page)
    assert not wrong
    print(f"opened, run and moved in {time.monotonic() - started:.0f} s")  # told, not held to


@pytest.fixture(scope="module")
def voila(tmp_path_factory):
    """Address of the app, with its token."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "results").symlink_to(ROOT / "results")
    command, environment = app.command([f"--port={free_port()}", "--no-browser"], folder)
    searched = environment["JUPYTER_PATH"]
    with served(command, "?token=", folder, private(folder) | {"JUPYTER_PATH": searched}) as said:
        yield said


def test_app(voila, watched):
    page, wrong = watched()
    page.goto(voila, timeout=WAIT)
    move_all(page, 1)
    give_sounds(page)
    assert page.get_by_role("heading", name="Your own sounds").is_visible()
    assert not page.get_by_text("from acrnn_lib import").count(), "no code is shown"
    context = page.context.browser.new_context()  # somebody else, with the same address less token
    other = context.new_page()
    other.goto(voila.partition("?")[0])
    assert "/login" in other.url and not other.locator(".widget-html").count()
    context.close()
    assert not wrong


def test_without_a_microphone_a_sentence_says_so(voila, watched):
    page, _ = watched()
    page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page.goto(voila, timeout=WAIT)
    page.get_by_text("gives no microphone to this page").wait_for()
    assert not page.get_by_role("button", name="Record").is_visible()
    changes(page, lambda: page.locator(".acrnn-recorder input[type=file]").set_input_files(
        {"name": "tone.wav", "mimeType": "audio/wav", "buffer": TONE}))
