"""The built book: every page whole without a network, for every reader, and its explorers move.

It is read from ACRNN_BOOK, else from book/_build/html; skipped where no book was built.
"""

import functools
import http.server
import json
import os
import re
import threading
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.tools import tool

from .conftest import ROOT

pytestmark = pytest.mark.slow

TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
PARTS = {part["caption"]: [chapter["file"] for chapter in part["chapters"]]
         for part in TOC["parts"]}
PAGES = [TOC["root"], *(page for part in PARTS.values() for page in part),
         *(f"reference/{path.stem}" for path in sorted((ROOT / "book/reference").glob("*.md")))]
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
    cut = page.evaluate("""() => [...document.querySelectorAll('article pre')].filter(
        e => e.offsetParent && e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)""")
    assert not cut, "lines of code or of an output end beyond the edge"
    torn = page.evaluate("""() => [...document.querySelectorAll('article td:first-child code')]
        .filter(e => e.getClientRects().length > 1).map(e => e.innerText)""")
    assert not torn, "names in the first column of a table are broken"
    assert page.evaluate("""() => [...document.querySelectorAll('article thead')].every(
        e => e.textContent.trim())"""), "the head of a table is empty"
    page.set_viewport_size({"width": PHONE, "height": 800})
    torn = page.evaluate("""() => [...document.querySelectorAll('article :is(h2, .descname)')]
        .filter(e => e.offsetParent && e.innerText.length < 22 && !/ /.test(e.innerText.trim()))
        .filter(e => e.getBoundingClientRect().height > 1.8 * parseFloat(
            getComputedStyle(e).lineHeight)).map(e => e.innerText)""")
    assert not torn, "names of the reference are broken"
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


def test_pages_weigh_little(built):
    """At most 3 MB each with their pictures and sounds, 55 MB in all, 30 without the network that
    runs in the browser."""
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "base64," not in re.sub(r"data:image/svg", "", text), path
        assert '>Type<span class="colon">:</span></dt>' not in text, f"{path}: a sentence is torn"
        assert not re.search(r"Name: .+, dtype: \w+\s*<", text), f"{path}: raw text of pandas"
        assert not re.search(r'src="[^"]+\.og[ga]"', text), f"{path}: older Safari plays no Ogg"
        parts = {(path.parent / part).resolve()
                 for part in re.findall(r'src="([^":?#]+\.(?:png|webp|svg|flac|mp3))"', text)}
        weight = path.stat().st_size + sum(part.stat().st_size for part in parts)
        assert weight < 3e6, f"{path.name}: {weight / 1e6:.1f} MB"
    sizes = {path.relative_to(built): path.stat().st_size
             for path in built.rglob("*") if path.is_file()}
    demo = sum(size for path, size in sizes.items() if path.parts[0] == "demo")
    assert sum(sizes.values()) < 55e6 and sum(sizes.values()) - demo < 30e6


def test_figures_tables_and_equations_have_numbers(built):
    numbers = {"Figure": [], "Table": []}
    for path in (built / "notebooks").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        for kind, number in re.findall(r'caption-number">(Figure|Table) (\d+)', text):
            numbers[kind].append(int(number))
        formulas = re.findall(r'<div class="math[^>]* id="equation[^>]*>', text)
        assert text.count('class="eqno"') >= len(formulas)
        cells = json.loads((ROOT / "notebooks" / f"{path.stem}.ipynb").read_text("utf-8"))["cells"]
        wanted = {cell["id"] for cell in cells if "caption" in cell["metadata"]}
        shown = set(re.findall(r'<figure[^>]* id="([^"]+)"', text))
        assert len(wanted - shown) <= 2, f"{path.stem}: {wanted - shown}"  # no runs: no figure
    for kind, found in numbers.items():
        assert len(found) == len(set(found)) > 8, kind


def test_terms_and_citations_are_linked_and_terms_explained(book, watched):
    page, wrong = watched()
    visit(page, f"{book}/notebooks/03_augmentation.html")
    assert page.locator("a.citation-link", has_text="Park et al. 2019").get_attribute(
        "href") == "../bibliography.html#park-2019"
    terms = page.locator("a.term")
    assert terms.count() > 2
    assert all(len(title) > 20 for title in terms.evaluate_all("all => all.map(e => e.title)"))
    assert not wrong


@pytest.mark.parametrize("name", EXPLORERS)
def test_on_paper_explorers_show_a_picture_and_solutions_are_open(book, watched, name):
    page, wrong = watched()
    visit(page, f"{book}/{name}.html")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for explorer in page.locator(".explorer").all():
        assert not explorer.locator("input[type=range]").is_visible()
        assert explorer.locator("[data-state]").first.is_visible()
        note = explorer.locator("output").evaluate("e => getComputedStyle(e, '::before').content")
        assert "a control moves this picture" in note
    folds = page.locator("details:not(.above-input)")
    assert folds.count() and all(folds.evaluate_all("all => all.map(fold => fold.open)"))
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not any(folds.evaluate_all("all => all.map(fold => fold.open)"))
    assert not wrong


def test_a_printed_page_has_bookmarks_ten_points_and_begins_with_its_title(
        built, book, watched, browser, tmp_path):
    print_book = tool("print_book")
    out = tmp_path / "page.pdf"
    print_book.print_page(print_book.find_browser(), built / "paper.html", out)
    assert b"/Outlines" in out.read_bytes()
    page, _ = watched()
    visit(page, f"{book}/paper.html")
    page.emulate_media(media="print")
    points = page.locator("article p").nth(3).evaluate(
        "e => parseFloat(getComputedStyle(e).fontSize)")
    assert abs(points * 72 / 96 - 10) < 0.1
    titles = page.locator("h1").evaluate_all("all => all.filter(e => e.offsetParent).map("
                                             "e => getComputedStyle(e).breakBefore)")
    assert titles and titles[0] == "auto"  # else the first page would be empty
    rule = "".join(path.read_text() for path in (built / "_static").glob("print.css"))
    assert "counter(page)" in rule.split("@page")[1].split("}")[0]


SMALLEST = 8 / 72  # inches: the letters of a legend; our figures have 100 or, in players, 80 dpi


@pytest.mark.parametrize("name", ["notebooks/01_listen_and_look", "notebooks/02_gammatone_features",
                                  "notebooks/08_confusion_matrices"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_in_figures_are_legible_on_a_phone(book, watched, name, scheme):
    page, _ = watched(width=PHONE, scheme=scheme)
    visit(page, f"{book}/{name}.html")
    shown = page.locator("article img").evaluate_all(
        "all => all.filter(e => e.offsetParent).map(e => [e.getBoundingClientRect().width,"
        "e.naturalWidth, e.closest('.text_html') ? 80 : 100])")
    assert len(shown) > 3
    for width, natural, dpi in shown:
        assert width / natural * dpi * SMALLEST > 9, (width, natural, dpi)


def test_wide_tables_have_a_frame_of_their_own(book, watched):
    page, _ = watched(width=1400)
    for name in PAGES:
        visit(page, f"{book}/{name}.html")
        wide = page.evaluate("""() => [...document.querySelectorAll('article table')].filter(t => {
            let box = t.parentElement;
            while (!/auto|scroll/.test(getComputedStyle(box).overflowX)
                   && box.tagName != 'ARTICLE') box = box.parentElement;
            return t.offsetWidth > box.clientWidth + 1 && box.tagName == 'ARTICLE';
        }).map(t => t.innerText.slice(0, 60))""")
        assert not wide, f"{name}: {wide}"
        if name in ("notebooks/00_start_here", "card"):
            assert page.evaluate("""() => [...document.querySelectorAll('article table')].every(
                t => t.offsetWidth <= document.querySelector('article').clientWidth)"""), name


def test_formulas_are_set(book, watched):
    page, wrong = watched()
    visit(page, f"{book}/notebooks/05_attention_from_scratch.html")
    page.wait_for_function("() => document.querySelectorAll('mjx-container').length > 3")
    assert not re.search(r"\\\(|\\\[", page.locator("article").inner_text())
    assert not wrong


@pytest.mark.parametrize("way", ["file", "http"])
def test_search_finds_gammatone_and_shows_sentences(built, book, watched, way):
    page, wrong = watched()
    page.context.unroute_all()  # whose gate lets no file through
    place = built.as_uri() if way == "file" else book
    page.goto(f"{place}/search.html?q=gammatone")
    found = page.locator("#search-results li")
    found.first.wait_for()
    page.get_by_text(re.compile(r"found \d+ page", re.I)).first.wait_for()
    links = found.locator("a").evaluate_all("all => all.map(e => e.getAttribute('href'))")
    assert any("02_gammatone_features" in link for link in links)
    excerpts = found.locator("p.context").all_inner_texts()
    assert len(excerpts) > 10
    assert all("gammatone" in text.lower() for text in excerpts)
    assert not [text for text in excerpts if re.search(r"\.ipynb|Contents|Skip to|Show code", text)]
    assert not wrong


@pytest.mark.parametrize("name", PAGES)
def test_dark_where_the_system_is_dark(book, watched, name):
    """No grey slab behind text, tables and players; pictures keep a white ground of their own."""
    page, wrong = watched(scheme="dark")
    visit(page, f"{book}/{name}.html")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    light = page.evaluate("""() => [document.body,
        ...document.querySelectorAll('.cell_output .text_html, .cell_output .explorer, figure')]
        .map(e => getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number))
        .filter(([r, g, b, a]) => a !== 0 && r + g + b > 3 * 80)""")
    assert not light
    grounds = page.locator("article img").evaluate_all(
        "all => all.map(e => getComputedStyle(e).backgroundColor)")
    assert set(grounds) <= {"rgb(255, 255, 255)"}
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
