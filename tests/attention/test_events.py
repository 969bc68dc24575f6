"""Attention against known events: shares counted on a fine grid, measures beside their controls."""

import numpy as np
import pytest
import torch

from acrnn_lib.attention import events
from acrnn_lib.attention.maps import step_frames
from acrnn_lib.config import FeatureConfig, ModelConfig
from acrnn_lib.models import acrnn

C = FeatureConfig()
HOP = C.hop_length / C.sample_rate


def test_event_share_equals_a_count_over_a_fine_grid():
    known, starts = [(0.1, 0.32), (0.7, 1.9), (2.5, 2.51)], np.array([0, 64, 100])
    share = events.event_share(known, starts)
    for s, row in zip(starts, share, strict=True):
        for t, value in enumerate(row):
            left = (s + 18 * t - 0.5) * HOP
            grid = left + (np.arange(20000) + 0.5) / 20000 * 18 * HOP
            on = np.any([(grid >= a) & (grid < b) for a, b in known], axis=0)
            assert value == pytest.approx(on.mean(), abs=2e-4)
    np.testing.assert_array_equal(events.event_mask(known, starts), share >= 0.5)


def test_event_share_is_whole_inside_and_nothing_outside():
    np.testing.assert_allclose(events.event_share([(-1, 9)], [0, 303]), 1)
    np.testing.assert_array_equal(events.event_share([], [0], n_steps=42), np.zeros((1, 42)))
    share = events.event_share([(-1, (18 - 0.5) * HOP)], [0])[0]  # to the end of the first step
    np.testing.assert_allclose(share, [1, 0, 0, 0, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("layer", ["l2", "l4"])
def test_what_begins_behind_the_segment_is_no_event_of_it(layer):
    model = acrnn.ACRNN(ModelConfig(early_pooling=True, attention=layer, rnn_cells=4)).eval()
    with torch.inference_mode():
        n_steps = model(torch.zeros(1, 2, 128, 128), return_attention=True)[1].shape[1]
    behind, within = ([((64 + 128 - 0.5) * HOP, 9)], [((64 + 126 - 0.5) * HOP, 9)])
    assert n_steps * step_frames(128, n_steps) > 128
    np.testing.assert_array_equal(events.event_share(behind, [64], n_steps), np.zeros((1, 43)))
    share = events.event_share(within, [64], n_steps)[0]
    np.testing.assert_allclose(share, [0] * 42 + [1])


def test_only_segments_with_event_and_background_are_asked():
    share = np.array([[0.0] * 7, [1, 1, 0, 0, 0, 0, 0], [1] * 7, [1, 1, 1, 1, 0, 0, 0]])
    assert events.mixed_segments(share).tolist() == [False, True, False, False]
    assert events.mixed_segments(share, 0, 1).all()


def test_weights_inside_events_are_measured_beside_their_controls():
    mask = np.random.default_rng(0).random((40, 7)) < 0.4
    mask[:, 0], mask[:, 1], mask[0] = True, False, True  # the first says nothing
    source = np.arange(40) // 2
    weights = {"right": mask + 1e-9, "uniform": np.ones(mask.shape), "wrong": ~mask + 1e-9}
    table = events.inside_events(weights, mask, source).set_index(["measure", "weights"])
    assert table.attrs == {"segments": 39, "recordings": 20}
    assert table.loc[("AUC", "right"), "value"] == 1
    assert table.loc[("AUC", "uniform"), "value"] == 0.5
    assert table.loc[("AUC", "wrong"), "ahead"] == 1
    assert table.loc[("share inside", "uniform"), "value"] == pytest.approx(mask[1:].mean())
    row = table.loc[("share inside", "uniform")]
    assert 0 < row.ahead_lo < row.ahead < row.ahead_hi and row.p < 0.01
    assert np.isnan(table.loc[("AUC", "right"), "ahead"])
    with pytest.raises(ValueError, match="both event and background"):
        events.inside_events(weights, np.ones_like(mask), source)
