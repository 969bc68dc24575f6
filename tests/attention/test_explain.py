"""Evaluating attention: event masks, hidden steps, gradients, the attended sound."""

import itertools
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from acrnn_lib import inference
from acrnn_lib.attention import explain
from acrnn_lib.attention.maps import owners, step_frames
from acrnn_lib.config import FeatureConfig, ModelConfig, as_dict
from acrnn_lib.experiments import experiment
from acrnn_lib.models import acrnn

C = FeatureConfig()
HOP = C.hop_length / C.sample_rate


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_step_owns_18_frames_and_the_last_one_what_is_left():
    owner = owners(128)
    assert np.bincount(owner).tolist() == [18] * 6 + [20]
    assert owner[17] == 0 and owner[18] == 1 and owner[-1] == 6
    for n_steps in (0, 200):
        with pytest.raises(ValueError, match=f"n_steps: found {n_steps}, expected 1 to 128"):
            owners(128, n_steps)
    assert step_frames(128, 8) == 16, "of a network that is not the kit's"
    assert step_frames(128, 1) == 128, "networks that sum up a picture have one step"


@pytest.mark.parametrize("frames, early, layer", [
    (128, False, "l10"), (128, False, "l2"), (128, False, "l6"), (128, True, "l2"),
    (128, True, "l4"), (25, False, "l6"), (26, True, "l6"), (26, True, "l10"),
    (140, False, "l10"), (64, False, "l10"), (256, True, "l10"), (431, False, "l10")])
def test_steps_are_as_far_apart_as_the_networks_pools_say(frames, early, layer):
    model = acrnn.ACRNN(ModelConfig(early_pooling=early, attention=layer, rnn_cells=4)).eval()
    with torch.inference_mode():
        n_steps = model(torch.zeros(1, 2, 128, frames), return_attention=True)[1].shape[1]
    pools = {"l2": 3, "l4": 3, "l6": 9, "l8": 18, "l10": 18}
    assert step_frames(frames, n_steps) == pools[layer]
    owner = owners(frames, n_steps)
    assert len(owner) == frames and owner[-1] == n_steps - 1


def test_energy_of_steps_is_a_weight():
    static = rng().normal(size=(128, 200))
    energy = explain.step_energy(static, [0, 72])
    np.testing.assert_allclose(energy.sum(axis=1), 1)
    power = np.exp(static).sum(axis=0)
    assert energy[1, 3] / energy[1, 6] == pytest.approx(
        power[72 + 54 : 72 + 72].sum() / power[72 + 108 : 72 + 126].sum())


# -- hiding steps ------------------------------------------------------------------------------


def test_hidden_steps_get_the_fill_and_nothing_else_changes():
    x, fill = torch.randn(2, 2, 5, 128), torch.arange(10.0).view(2, 5)
    hidden = np.zeros((2, 7), bool)
    hidden[0, 2] = hidden[1, 6] = True
    for filling in (None, fill):
        y = explain.hide(x, hidden, filling)
        expected = torch.zeros(2, 5) if filling is None else fill
        assert torch.equal(y[0, :, :, 36:54], expected[..., None].expand(2, 5, 18))
        assert torch.equal(y[1, :, :, 108:], expected[..., None].expand(2, 5, 20))
        assert torch.equal(y[0, :, :, :36], x[0, :, :, :36])
        assert torch.equal(y[0, :, :, 54:], x[0, :, :, 54:])
        assert torch.equal(y[1, :, :, :108], x[1, :, :, :108])


def test_the_quietest_frames_are_the_fill_but_for_digital_silence():
    x, static = torch.randn(2, 5, 100), torch.rand(5, 100)
    static[:, 40:50] -= 10  # 43 dB
    torch.testing.assert_close(explain.quiet_frame(x, static), x[..., 40:50].mean(-1))
    static[:, 60:] -= 20  # 87 dB: of the 60 frames left, six are a tenth
    quiet = 40 + static[:, 40:50].logsumexp(0).argsort()[:6]
    torch.testing.assert_close(explain.quiet_frame(x, static), x[..., quiet].mean(-1))


def listener(x):
    """A stand-in for a network: the more in band 0 after frame 40, the surer of class 1."""
    return torch.stack([torch.zeros(len(x)), x[:, 0, 0, 40:].mean(-1) * 3], dim=1)


def test_every_set_of_steps_is_hidden_once():
    x = torch.rand(2, 2, 4, 60)
    chances = explain.subset_chances(listener, x, 1, n_steps=3, batch=5)
    assert chances.shape == (2, 8)
    for b, steps in enumerate(itertools.product([False, True], repeat=3)):
        hidden = np.tile(steps[::-1], (2, 1))
        expected = listener(explain.hide(x, hidden)).softmax(1)[:, 1]
        np.testing.assert_allclose(chances[:, b], expected, rtol=1e-6)


@pytest.mark.parametrize("changes", [{"early_pooling": True}, {}, {"attention": "l2"}])
def test_layers_that_hidden_steps_share_change_nothing(changes):
    torch.manual_seed(0)
    network = acrnn.ACRNN(ModelConfig(rnn_cells=16, init_std=0.0, **changes), 3).eval()
    x, fill = torch.randn(1, 2, 128, 60), torch.randn(2, 128)
    fast = explain.subset_chances(network, x, 1, fill, n_steps=3)
    slow = explain.subset_chances(lambda x: network(x), x, 1, fill, n_steps=3)
    np.testing.assert_allclose(fast, slow, atol=1e-5)
    rest, _ = explain._shared(network, x[0], fill, 3)
    done = len(network.cnn) - len(rest.cnn)
    assert done == {"l2": 3}.get(network.config.attention, 6), "up to the pool of l4"
    assert network(x).shape == (1, 3), "the network itself is whole"


def test_curves_hide_and_show_one_step_after_the_other():
    x, order = torch.rand(3, 2, 4, 60), np.array([[2, 0, 1], [0, 1, 2], [1, 2, 0]])
    chances = explain.subset_chances(listener, x, 1, n_steps=3)
    deletion, insertion = explain.curves(chances, order)
    for k in range(4):
        hidden = np.zeros((3, 3), bool)
        for row, steps in enumerate(order):
            hidden[row, steps[:k]] = True
        gone = listener(explain.hide(x, hidden)).softmax(1)[:, 1]
        shown = listener(explain.hide(x, ~hidden)).softmax(1)[:, 1]
        np.testing.assert_allclose(deletion[:, k], gone, rtol=1e-6)
        np.testing.assert_allclose(insertion[:, k], shown, rtol=1e-6)
    np.testing.assert_array_equal(deletion[:, 0], insertion[:, -1])
    backwards = explain.curves(chances, order[:, ::-1])[1]
    np.testing.assert_array_equal(deletion, backwards[:, ::-1])


def test_random_order_is_the_mean_of_all_orders():
    chances = rng().random((2, 16))
    every = [explain.curves(chances, np.tile(order, (2, 1)))
             for order in itertools.permutations(range(4))]
    for k in (0, 1):
        np.testing.assert_allclose(explain.random_curves(chances)[k],
                                   np.mean([both[k] for both in every], axis=0))


def test_the_best_curves_are_those_of_the_best_of_all_orders():
    chances = rng().random((3, 32))
    every = [explain.curves(chances, np.tile(order, (3, 1)))
             for order in itertools.permutations(range(5))]
    deletion, insertion = (np.stack([explain.area(both[k]) for both in every]) for k in (0, 1))
    falls, rises = explain.best_curves(chances)
    np.testing.assert_allclose(explain.area(falls), deletion.min(axis=0))
    np.testing.assert_allclose(explain.area(rises), insertion.max(axis=0))
    np.testing.assert_array_equal(falls[:, 0], chances[:, 0])
    np.testing.assert_array_equal(rises[:, 0], chances[:, -1])


def test_occlusion_takes_the_highest_score_first():
    x = torch.rand(2, 2, 4, 128)
    chances = explain.subset_chances(listener, x, 1)
    effects = explain.single_effects(chances)
    np.testing.assert_allclose(effects[:, :2], 0, atol=1e-6)  # it does not listen there
    assert np.all(effects[:, 3:] > 0)
    found = explain.occlusion(chances, effect=effects, wrong=-effects)
    assert set(found) == {"effect", "wrong", "random", "best"}
    falls, rises = ({name: explain.area(both[k]) for name, both in found.items()} for k in (0, 1))
    assert np.all(falls["effect"] < falls["random"]) and np.all(falls["random"] < falls["wrong"])
    assert np.all(rises["effect"] > rises["random"]) and np.all(rises["random"] > rises["wrong"])


def test_area_is_one_for_a_curve_that_never_falls():
    np.testing.assert_allclose(explain.area(np.ones((2, 8))), 1)
    np.testing.assert_allclose(explain.area(np.linspace(1, 0, 8)[None]), 0.5)


# -- gradients ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[False, True], ids=["paper", "early pooling"])
def model(request):
    torch.manual_seed(0)
    config = ModelConfig(early_pooling=request.param, rnn_cells=16, init_std=0.0)
    return acrnn.ACRNN(config, 3).eval()


def test_every_frame_moves_every_weight(model):
    moves = explain.sensitivity(model, torch.randn(1, 2, 128, 128))
    assert moves.shape == (7, 128) and np.mean(moves > 0) > 0.99
    with pytest.raises(ValueError, match="'weights' or 'convolutions'"):
        explain.sensitivity(model, torch.randn(1, 2, 128, 128), of="all")


# -- the network's own segments, and the attended sound -----------------------------------------


def test_segments_are_those_that_the_predictor_hears(tmp_path):
    torch.manual_seed(0)
    chosen = experiment("acrnn-plus", "smoke")
    tensors = acrnn.ACRNN(chosen.model, 3).state_dict()
    tensors |= {"feature_mean": torch.tensor([-8.0, 0.0]), "feature_std": torch.tensor([2.0, 0.1])}
    note = {"experiment": as_dict(chosen), "classes": ["a", "b", "c"], "fold": 1, "seed": 0}
    save_file(tensors, tmp_path / "model.safetensors", {"acrnn": json.dumps(note)})
    predictor = inference.Predictor(tmp_path / "model.safetensors")
    wave = rng().standard_normal(3 * 44100).astype(np.float32) * 0.1
    wave[60000:] = 0  # the last two segments are silent
    _, weights, starts = predictor.wave(wave)
    x, kept, static = explain.segments_of(predictor, wave)
    assert kept.tolist() == starts[:-2].tolist() and static.shape == (128, 1 + len(wave) // 512)
    with torch.inference_mode():
        again = predictor.model(x, return_attention=True)[1]
    np.testing.assert_allclose(again, weights[:-2], atol=1e-5)
