"""Diagrams: well formed, with a text for who cannot see them, and as the code is."""

from xml.etree import ElementTree

import pytest

from acrnn_lib.config import FeatureConfig, ModelConfig
from acrnn_lib.models import summary
from acrnn_lib.viz import diagrams

SPACE = "{http://www.w3.org/2000/svg}"


def texts(svg):
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img" and len(root.get("aria-label")) > 50
    return [part.text for part in root.iter(f"{SPACE}text")], root


@pytest.mark.parametrize("n_classes, config", [(10, None), (50, ModelConfig(rnn="lstm"))])
def test_the_diagram_of_the_network_says_what_its_table_says(n_classes, config):
    table = summary.layer_table(config, n_classes)
    said, root = texts(diagrams.network(table))
    assert len(list(root.iter(f"{SPACE}rect"))) == len(table)
    for row in table.itertuples():
        assert any(text.startswith(row.layer.replace("_", " ")) for text in said)
        assert any(text.startswith(row.output.replace(" x ", " × ")) for text in said)
        assert not row.parameters or f"{row.parameters:,} parameters" in said
        assert not row.kernel or any(row.kernel in text for text in said)


def test_the_way_of_a_clip_follows_the_settings():
    said, _ = texts(diagrams.clip_path())
    assert {"128 bands × 431 frames", "5 s, 220,500 samples", "1024 samples, every 512",
            "each 2 × 128 × 128"} <= set(said)
    said, root = texts(diagrams.clip_path(FeatureConfig(n_bands=64, hop_length=1024), 50))
    assert "64 bands × 216 frames" in said and "50 probabilities" in said
    for text in root.iter(f"{SPACE}text"):  # nothing outside the picture
        assert 0 < float(text.get("x")) < diagrams.WIDTH
