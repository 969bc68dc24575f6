"""The network against what is published and computed about it."""

import pytest
import torch

from acrnn_lib.config import ModelConfig
from acrnn_lib.models.acrnn import (
    ACRNN,
    FrameAttention,
    MapAttention,
    parameter_count,
    scale_scores,
)

SCORER = 257  # one unit over 256 features, and its bias


@pytest.mark.parametrize("options, n_classes, expected", [
    ({"attention": "none"}, 10, 3_805_514),
    ({"attention": "none"}, 50, 3_815_794),
    ({"attention": "none", "directions": "concat"}, 10, 4_201_290),
    ({"attention": "none", "directions": "concat"}, 50, 4_221_810),
    ({"attention": "none", "rnn": "lstm"}, 10, 4_725_066),
    ({}, 10, 3_805_514 + SCORER),
    ({"early_pooling": True}, 10, 3_805_514 + SCORER),
])
def test_parameters_are_those_counted_by_hand(options, n_classes, expected):
    assert parameter_count(ACRNN(ModelConfig(**options), n_classes)) == expected


@pytest.mark.parametrize("scaling", ["softmax", "sigmoid"])
@pytest.mark.parametrize("attention, frames", [
    ("none", 7), ("l2", 42), ("l4", 42), ("l6", 14), ("l8", 7), ("l10", 7),
])
def test_attention_sums_to_one_at_every_place(attention, frames, scaling):
    model = ACRNN(ModelConfig(attention=attention, scaling=scaling)).eval()
    x = torch.randn(2, 2, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits, weights = model(x, return_attention=True)
        torch.testing.assert_close(model(x), logits)
    assert logits.shape == (2, 10) and weights.shape == (2, frames)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    uniform = torch.full_like(weights, 1 / frames)
    assert torch.allclose(weights, uniform) == (attention == "none")


def test_frame_attention_is_a_weighted_mean():
    layer = FrameAttention(4, "softmax")
    hidden = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    summary, weights = layer(hidden)
    scores = hidden @ layer.score.weight[0] + layer.score.bias
    expected = torch.softmax(scores, 1)
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(summary, (expected[..., None] * hidden).sum(1))


def test_uniform_map_attention_leaves_the_map_as_it_was():
    layer = MapAttention(8, "softmax")
    torch.nn.init.zeros_(layer.score.weight)
    x = torch.randn(2, 8, 4, 6, generator=torch.Generator().manual_seed(0))
    result, weights = layer(x)
    torch.testing.assert_close(result, x)
    torch.testing.assert_close(weights, torch.full((2, 6), 1 / 6))


def test_scaling_prefers_higher_scores():
    scores = torch.tensor([[0.0, 1.0, 3.0]])
    for scaling in ("softmax", "sigmoid"):
        weights = scale_scores(scores, scaling)[0]
        assert weights[0] < weights[1] < weights[2]
    torch.testing.assert_close(scale_scores(scores, "softmax"), scores.softmax(1))


def test_every_parameter_learns():
    model = ACRNN()
    x = torch.randn(4, 2, 128, 128, generator=torch.Generator().manual_seed(0))
    torch.nn.functional.cross_entropy(model(x), torch.arange(4)).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent in ([], ["attention.score.bias"])  # softmax does not see a common shift


def test_other_lengths_pass_through():
    model = ACRNN().eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 2, 128, 200), True)[1].shape == (1, 11)


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match="attention: found 'l3'"):
        ModelConfig(attention="l3")
    with pytest.raises(ValueError, match="rnn: found 'tcn'"):
        ModelConfig(rnn="tcn")


@pytest.mark.parametrize(("place", "dropped"), [("outputs", (0, 1, 1)), ("inputs", (1, 1, 0))])
def test_dropout_is_where_the_setting_says(place, dropped):
    """Half of l9's input, of l10's and of what attention reads is zero, or none of it."""
    torch.manual_seed(0)
    network, shares = ACRNN(ModelConfig(dropout_on=place), 3).train(), []
    # the ReLU before it leaves zeros of its own
    network.cnn["l8_pool"].register_forward_hook(lambda *given: given[2] + 1)
    for layer in (network.l9, network.l10, network.attention):
        layer.register_forward_pre_hook(
            lambda _, given: shares.append((given[0] == 0).float().mean().item()))
    network(torch.randn(2, 2, 128, 128))
    assert shares == pytest.approx([0.5 * each for each in dropped], abs=0.05)


def test_parts_are_heard_one_by_one_and_weighed_by_a_second_attention():
    model = ACRNN(ModelConfig(parts=3, early_pooling=True)).eval()
    one = ACRNN(ModelConfig(early_pooling=True)).eval()
    one.load_state_dict({k: v for k, v in model.state_dict().items() if "part" not in k})
    x = torch.randn(2, 2, 128, 431, generator=torch.Generator().manual_seed(0))
    states = []
    one.classifier.register_forward_hook(lambda _, given, __: states.append(given[0]))
    with torch.inference_mode():
        logits, weights = model(x, return_attention=True)
        padded = torch.cat([x, x[..., -1:]], 3)
        inner = torch.stack([one(part, True)[1] for part in padded.split(144, 3)], 1)
        summary, outer = model.part_attention(torch.stack(states, 1))
        torch.testing.assert_close(model.classifier(summary), logits)
    assert weights.shape == (2, 24)
    torch.testing.assert_close(weights.view(2, 3, 8), outer[:, :, None] * inner)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert parameter_count(model) == 3_805_514 + 2 * SCORER < 3.82e6


def test_parts_need_a_first_attention():
    with pytest.raises(ValueError, match="parts: found 2, expected 1 for attention none"):
        ModelConfig(parts=2, attention="none")
