"""The built book: every page whole without a network, for every reader, and its explorers move.

It is read from ACRNN_BOOK, else from book/_build/html; skipped where no book was built.
"""

import functools
import http.server
import os
import re
import threading
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from .conftest import ROOT

pytestmark = pytest.mark.slow

TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
PARTS = {part["caption"]: [chapter["file"] for chapter in part["chapters"]]
         for part in TOC["parts"]}
PAGES = [TOC["root"], *(page for part in PARTS.values() for page in part)]
SHOTS = ROOT / "build" / "screenshots"
PHONE = 390  # px
# how many a page has
EXPLORERS = {f"notebooks/{name}": many for name, many in {
    "02_gammatone_features": 1, "03_augmentation": 1, "04_the_model_layer_by_layer": 1,
    "07_result_tables": 1, "08_confusion_matrices": 1, "09_seeing_attention": 1,
    "13_your_own_sounds": 1}.items()}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def built():
    """Folder of the built book."""
    folder = Path(os.environ.get("ACRNN_BOOK") or ROOT / "book" / "_build" / "html")
    if not (folder / "index.html").is_file():
        pytest.skip(f"{folder}: no built book (make reproduce builds it)")
    return folder


@pytest.fixture(scope="module")
def book(built):
    """Address of a server of the built book on this computer."""
    handler = functools.partial(Quiet, directory=built)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def visit(page, address):
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_function("() => document.fonts.status === 'loaded'")


def unfair(page):
    """Serious and critical violations that axe-core finds, a line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
    found = axe.Axe().run(page).response["violations"]
    return [f"{rule['id']} ({rule['impact']}): {node['html'][:160]}" for rule in found
            if rule["impact"] in ("serious", "critical") for node in rule["nodes"]]


def test_axe_sees_what_it_should(book, watched):
    page, _ = watched()
    visit(page, f"{book}/glossary.html")
    page.evaluate("document.querySelector('article').insertAdjacentHTML('afterbegin', "
                  "'<input><p style=\"color:#aaa;background:#fff\">pale</p>')")
    rules = " ".join(unfair(page))
    assert "label (critical)" in rules and "color-contrast (serious)" in rules


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_fair_and_fits_a_phone(book, watched, name):
    page, wrong = watched()
    visit(page, f"{book}/{name}.html")
    assert not wrong  # before axe, which fetches style sheets by addresses of its own making
    images = page.locator("img").evaluate_all("all => all.map(e => [e.alt, e.src.slice(0, 80)])")
    assert not [source for alt, source in images if not alt.strip()]
    formulas = page.locator("article .math").count()
    page.wait_for_function("n => document.querySelectorAll('mjx-container').length >= n",
                           arg=formulas)
    assert not page.locator("mjx-merror").count()
    assert not unfair(page)
    page.set_viewport_size({"width": PHONE, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE, page.evaluate(
        """edge => [...document.querySelectorAll('main *')]
        .filter(e => e.getBoundingClientRect().right > edge + 1)
        .slice(0, 5).map(e => e.outerHTML.slice(0, 120))""", PHONE)


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorer_steps_through_its_states(book, watched, name):
    page, wrong = watched()
    visit(page, f"{book}/{name}.html")
    assert page.locator(".explorer").count() == EXPLORERS[name]
    for explorer in page.locator(".explorer").all():
        slider, said = explorer.locator("input[type=range]"), explorer.locator("output")
        states = explorer.locator("[data-state]")
        assert states.count() == int(slider.get_attribute("max")) + 1 > 1
        slider.focus()
        assert slider.bounding_box()["width"] >= 300
        for k in range(states.count()):
            assert [part.is_visible() for part in states.all()].index(True) == k
            assert said.inner_text() == states.nth(k).get_attribute("data-state")
            slider.press("ArrowRight")
    assert not wrong


def test_every_link_within_the_book_leads_to_its_place(built):
    """Files and anchors, of what Sphinx checks and what only the pages' own HTML names."""
    texts = {path: path.read_text(encoding="utf-8") for path in built.rglob("*.html")}
    named = {path: set(re.findall(r'\b(?:id|name)="([^"]+)"', text))
             for path, text in texts.items()}
    lost, seen = [], 0
    for path, text in texts.items():
        for link in re.findall(r'<a\b[^>]*\bhref="([^"]+)"', text):
            parts = urlsplit(unescape(link))
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
                continue
            seen += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            fragment = unquote(parts.fragment)
            there = target.is_file() and (not fragment or fragment in named.get(target, fragment))
            if not there:
                lost.append(f"{path.relative_to(built)}: {link}")
    assert seen > 1000 and not lost, sorted(set(lost))


def test_beside_every_player_stands_who_made_the_sound(built):
    players = 0
    for path in (built / "notebooks").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        for at in (found.start() for found in re.finditer("<audio", text)):
            players += 1
            before = unescape(re.sub(r'src="[^"]*"?', "", text[max(0, at - 700) : at]))
            assert re.search(r", by .+, (CC|Public|my own)|made by a formula", before), (
                f"{path.name}: {before[-300:]}")
    assert players > 20


def test_formulas_are_set(book, watched):
    page, wrong = watched()
    visit(page, f"{book}/notebooks/05_attention_from_scratch.html")
    page.wait_for_function("() => document.querySelectorAll('mjx-container').length > 3")
    assert not re.search(r"\\\(|\\\[", page.locator("article").inner_text())
    assert not wrong


def test_search_finds_gammatone(book, watched):
    page, wrong = watched()
    visit(page, f"{book}/search.html?q=gammatone")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    page.get_by_text(re.compile(r"found \d+ page", re.I)).first.wait_for()
    assert any("02_gammatone_features" in link.get_attribute("href") for link in found.all())
    assert not wrong


def test_dark_where_the_system_is_dark(book, watched):
    page, wrong = watched(scheme="dark")
    visit(page, f"{book}/notebooks/09_seeing_attention.html")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    light = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
                          ".slice(0, 3).reduce((sum, part) => sum + Number(part), 0)")
    assert light < 3 * 80
    assert not wrong  # before axe, which fetches style sheets by addresses of its own making
    assert not unfair(page)


@pytest.mark.parametrize("part", PARTS)
def test_screenshots_of_each_part(book, watched, part):
    page, _ = watched()
    visit(page, f"{book}/{PARTS[part][0]}.html")
    SHOTS.mkdir(parents=True, exist_ok=True)
    shot = SHOTS / f"{part.lower().replace(' ', '_')}.png"
    shot.unlink(missing_ok=True)
    page.screenshot(path=shot)
    assert shot.stat().st_size > 10_000
