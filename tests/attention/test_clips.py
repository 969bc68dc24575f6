"""Attention over a whole clip in blocks, and what hiding blocks does to the answer."""

import numpy as np
import pytest
import torch

from acrnn_lib import inference
from acrnn_lib.attention import clips, explain
from acrnn_lib.config import FeatureConfig
from acrnn_lib.data import audio, datasets


def test_block_means_count_gaps_as_zero_and_know_the_short_last_block():
    curve = [1.0, 3.0, np.nan, 2.0, 5.0]
    np.testing.assert_allclose(clips.block_means(curve, 5, 2), [2, 1, 5])
    np.testing.assert_allclose(clips.block_means(curve, 8, 3), [4 / 3, 7 / 3, 0])


def test_blocks_are_inside_an_event_by_half_of_their_time():
    second = 44100 / 512 / clips.BLOCK  # blocks
    found = clips.block_events([(0.0, 1.0), (4.0, 5.0)], 431, FeatureConfig())
    assert found.tolist() == [k + 0.5 < second or k + 0.5 > 4 * second for k in range(12)]


@pytest.fixture(scope="module")
def bark():
    return audio.read(datasets.load("clips").query("category == 'dog'").iloc[0].path)


class Loud(torch.nn.Module):
    """Knows the class by what lies above the mean, and attends to nothing."""

    def forward(self, x, return_attention=False):
        heard = x[:, 0].clamp(min=0).mean((1, 2)) * 20
        logits = torch.stack([heard, *[torch.zeros_like(heard)] * 9], 1)
        return (logits, torch.full((len(x), 7), 1 / 7)) if return_attention else logits


@pytest.fixture(scope="module")
def found(bark):
    predictor = inference.Predictor()
    predictor.model = Loud()
    return predictor, clips.deletion(predictor, bark, 0, np.random.default_rng(0))


def test_deletion_curves_start_at_the_vote_and_end_with_nothing_heard(bark, found):
    predictor, (scores, curves) = found
    x, _, _ = explain.segments_of(predictor, bark)
    vote = Loud()(x).softmax(1)[:, 0].mean().item()
    assert set(curves) == set(clips.ORDERS) and set(scores) == set(clips.ORDERS) - {"random"}
    for curve in curves.values():
        assert curve.shape == (13,) and curve[0] == pytest.approx(vote)
        assert curve[-1] == pytest.approx(0.1)


def test_orders_that_point_at_what_a_network_hears_make_it_forget_sooner(found):
    _, (_, curves) = found
    assert curves["effect"].mean() < curves["random"].mean() - 0.05
    assert curves["energy"].mean() < curves["random"].mean() - 0.05
