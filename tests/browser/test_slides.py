"""Slides in a browser: nothing is fetched from elsewhere, formulas are set, a figure fits."""

import functools
import http.server
import threading

import nbformat
import pytest

from acrnn_lib.kit.reproduce import notebooks
from tests.test_slides import executed, make_slides

from .test_book import Quiet

pytestmark = pytest.mark.slow


def test_a_deck_is_shown_without_a_network(tmp_path, watched):
    (tmp_path / "executed").mkdir()
    path = next(path for path in notebooks() if path.stem.startswith("05"))
    nbformat.write(executed(path), tmp_path / "executed" / path.name)
    make_slides.main(tmp_path / "executed", tmp_path / "slides")
    handler = functools.partial(Quiet, directory=tmp_path / "slides")
    page, wrong = watched()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{server.server_port}/{path.stem}.html")
        page.wait_for_function("() => window.Reveal && Reveal.isReady() && MathJax.typesetPromise")
        page.wait_for_function("() => document.querySelectorAll('mjx-container').length")
        for number in range(page.evaluate("Reveal.getTotalSlides()")):
            page.evaluate(f"Reveal.slide({number}, 0, 9)")
            low = page.evaluate("Math.max(...[...Reveal.getCurrentSlide().querySelectorAll('*')]"
                                ".map(e => e.getBoundingClientRect().bottom))")
            assert low <= 900, f"slide {number} ends at {low:.0f} of 900 px"
        server.shutdown()
    assert not wrong
