"""The network in tables, and what its frames can see."""

import numpy as np
import pytest
import torch

from acrnn_lib.attention import explain
from acrnn_lib.config import ModelConfig
from acrnn_lib.models import acrnn
from acrnn_lib.models.acrnn import ACRNN, parameter_count
from acrnn_lib.models.summary import layer_table, published_readings, receptive_field

SCORER = 257  # one unit over 256 features, and its bias


def test_layer_table_shows_the_papers_shapes():
    table = layer_table().set_index("layer")
    assert table.output["l2"] == "32 x 128 x 128" and table.output["l2_pool"] == "32 x 32 x 42"
    assert table.output["l4_pool"] == "64 x 8 x 42" and table.output["l6_pool"] == "128 x 8 x 14"
    assert table.output["l8_pool"] == "256 x 4 x 7" and table.output["l9"] == "7 x 256"
    assert table.kernel["l1"] == "(3, 5)" and table.kernel["l3"] == "(3, 1)"
    assert table.parameters.sum() == parameter_count(ACRNN())
    assert table.multiply_adds["l2"] == 32 * 32 * 15 * 128 * 128
    assert table.multiply_adds["attention"] == 2 * 7 * 256
    assert table.multiply_adds.sum() == pytest.approx(0.45e9, rel=0.05)


def test_early_pooling_keeps_the_shapes_that_the_recurrent_layers_see():
    plain, early = (layer_table(ModelConfig(early_pooling=flag)).set_index("layer").output
                    for flag in (False, True))
    assert early["l2"] == "32 x 64 x 43"
    assert (plain["l6_pool":] == early["l6_pool":]).all()


def test_the_sum_with_gru_is_the_reading_that_rounds_to_the_published_size():
    table = published_readings()
    fits = table[table.rounds_to_published]
    assert set(fits.directions) == {"sum"} and set(fits.cell) == {"GRU"}
    keras = table[(table.cell == "GRU") & (table.biases_per_gate == 1)].set_index("directions")
    assert keras.parameters["sum"] == 3_802_442 + SCORER


@pytest.fixture(scope="module", params=[False, True], ids=["paper", "early pooling"])
def model(request):
    torch.manual_seed(0)
    config = ModelConfig(early_pooling=request.param, rnn_cells=16, init_std=0.0)
    return acrnn.ACRNN(config, 3).eval()


def test_receptive_field_agrees_with_the_table_of_layers_and_with_gradients(model):
    field = receptive_field(model)
    assert np.all(np.diff(field[:, 0]) == 18), "steps lie 18 frames apart"
    if not model.config.early_pooling:
        width, distance = 1, 1
        for _, _, kernel, pool in acrnn.CONVOLUTIONS:
            width += (kernel[1] - 1) * distance
            if pool:
                width, distance = width + (pool[1] - 1) * distance, distance * pool[1]
        assert np.all(field[:, 1] - field[:, 0] == width)
    moves = explain.sensitivity(model, torch.randn(2, 2, 128, 128), of="convolutions")
    assert moves.shape == (7, 128)
    for (first, last), row in zip(field, moves, strict=True):
        inside = np.zeros(128, bool)
        inside[max(first, 0) : last] = True
        assert np.all(row[~inside] == 0), "nothing outside"
        assert np.mean(row[inside] > 0) > 0.8  # a pool hands on its largest value only


def test_attention_in_the_cnn_leaves_the_count_as_it_is():
    plain, inside = (acrnn.ACRNN(ModelConfig(attention=a, rnn_cells=4)) for a in ("l10", "l4"))
    np.testing.assert_array_equal(receptive_field(plain), receptive_field(inside))
