"""The printed book: no browser, no pages, and a browser that fails."""

import os

import pytest

from tests.tools import tool

print_book = tool("print_book")


def test_the_first_browser_at_hand_is_taken():
    def which(name):
        return f"/bin/{name}" if "chrome" in name else None

    assert print_book.find_browser(which=which) == "/bin/google-chrome"
    with pytest.raises(SystemExit, match="looked for lynx"):
        print_book.find_browser("lynx", which)
    with pytest.raises(SystemExit, match="looked for chromium, "):
        print_book.find_browser(which=lambda _: None)


def test_a_book_without_executed_notebooks_is_not_printed(tmp_path):
    with pytest.raises(SystemExit, match="run `make reproduce` first"):
        print_book.one_page(tmp_path, tmp_path / "out")


@pytest.mark.skipif(os.name == "nt", reason="the browser of this test is a shell script")
@pytest.mark.parametrize("prints", ["nothing at all", "%PDF-1.4 whole"])
def test_an_earlier_print_is_replaced_only_by_a_whole_one(tmp_path, prints):
    out, browser = tmp_path / "book.pdf", tmp_path / "browser"
    out.write_text("%PDF earlier")
    browser.write_text('#!/bin/sh\nfor word; do case $word in --print-to-pdf=*) '
                       f'echo "{prints}" > "${{word#*=}}";; esac; done\n')
    browser.chmod(0o755)
    if prints.startswith("%PDF"):
        print_book.print_page(browser, tmp_path / "page.html", out)
        assert out.read_text() == "%PDF-1.4 whole\n" and not list(tmp_path.glob("*.partial*"))
    else:
        with pytest.raises(SystemExit, match="printed nothing"):
            print_book.print_page(browser, tmp_path / "page.html", out)
        assert out.read_text() == "%PDF earlier"
