"""An explorer on a page, without a kernel or a built book: its sound ends when its slider moves."""

from types import SimpleNamespace

import numpy as np
import pytest

from acrnn_lib.viz import widgets

pytestmark = pytest.mark.slow


def test_the_sound_of_a_state_ends_when_the_slider_moves(watched):
    clip = SimpleNamespace(clip_id="1-1-A", category="dog", author="A. N. Other", url="",
                           licence="CC0")
    wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * 44100) / 44100)
    explorer = widgets.augmentation(wave.astype(np.float32), clip)
    explorer.states = explorer.states[:2]
    page, wrong = watched()
    page.set_content(f"<body>{explorer.page()}</body>")
    slider, player = page.locator("input[type=range]"), page.locator("audio").first
    assert slider.bounding_box()["width"] >= 300
    slider.click(position={"x": 2, "y": 5})  # a page may play after a click
    player.evaluate("e => {e.loop = true; return e.play()}")
    assert not player.evaluate("e => e.paused")
    slider.press("ArrowRight")
    assert page.locator("output").inner_text() == explorer.say(explorer.states[1])
    assert player.evaluate("e => e.paused")
    page.set_viewport_size({"width": 390, "height": 800})
    assert slider.bounding_box()["width"] <= 390
    assert not wrong
