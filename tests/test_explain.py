"""Attention held to account: event masks, hidden steps, reach of a step, the attended sound."""

import hashlib
import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from acrnn_lib import acrnn, explain, predict
from acrnn_lib.config import FeatureConfig, ModelConfig, as_dict, experiment
from tests.tools import ROOT, tool

C = FeatureConfig()
HOP = C.hop_length / C.sample_rate
EVIDENCE = sorted((ROOT / "results" / "attention").glob("*.json"))


def rng(seed=0):
    return np.random.default_rng(seed)


# -- events ------------------------------------------------------------------------------------


def test_a_step_owns_18_frames_and_the_last_one_what_is_left():
    owner = explain.owners(128)
    assert np.bincount(owner).tolist() == [18] * 6 + [20]
    assert owner[17] == 0 and owner[18] == 1 and owner[-1] == 6
    with pytest.raises(ValueError, match="expected 1 to 5"):
        explain.owners(5, 7)


def test_event_share_equals_a_count_over_a_fine_grid():
    events, starts = [(0.1, 0.32), (0.7, 1.9), (2.5, 2.51)], np.array([0, 64, 100])
    share = explain.event_share(events, starts)
    for s, row in zip(starts, share, strict=True):
        for t, value in enumerate(row):
            left = (s + 18 * t - 0.5) * HOP
            grid = left + (np.arange(20000) + 0.5) / 20000 * 18 * HOP
            on = np.any([(grid >= a) & (grid < b) for a, b in events], axis=0)
            assert value == pytest.approx(on.mean(), abs=2e-4)
    np.testing.assert_array_equal(explain.event_mask(events, starts), share >= 0.5)


def test_event_share_is_whole_inside_and_nothing_outside():
    np.testing.assert_allclose(explain.event_share([(-1, 9)], [0, 303]), 1)
    np.testing.assert_array_equal(explain.event_share([], [0], n_steps=42), np.zeros((1, 42)))
    share = explain.event_share([(-1, (18 - 0.5) * HOP)], [0])[0]  # to the end of the first step
    np.testing.assert_allclose(share, [1, 0, 0, 0, 0, 0, 0], atol=1e-12)


def test_only_segments_with_event_and_background_are_asked():
    share = np.array([[0.0] * 7, [1, 1, 0, 0, 0, 0, 0], [1] * 7, [1, 1, 1, 1, 0, 0, 0]])
    assert explain.mixed_segments(share).tolist() == [False, True, False, False]
    assert explain.mixed_segments(share, 0, 1).all()


def test_weights_inside_events_are_measured_beside_their_controls():
    mask = rng().random((40, 7)) < 0.4
    mask[:, 0], mask[:, 1], mask[0] = True, False, True  # the first says nothing
    source = np.arange(40) // 2
    weights = {"right": mask + 1e-9, "uniform": np.ones(mask.shape), "wrong": ~mask + 1e-9}
    table = explain.inside_events(weights, mask, source).set_index(["measure", "weights"])
    assert table.attrs == {"segments": 39, "recordings": 20}
    assert table.loc[("AUC", "right"), "value"] == 1
    assert table.loc[("AUC", "uniform"), "value"] == 0.5
    assert table.loc[("AUC", "wrong"), "ahead"] == 1
    assert table.loc[("share inside", "uniform"), "value"] == pytest.approx(mask[1:].mean())
    row = table.loc[("share inside", "uniform")]
    assert 0 < row.ahead_lo < row.ahead < row.ahead_hi and row.p < 0.01
    assert np.isnan(table.loc[("AUC", "right"), "ahead"])
    with pytest.raises(ValueError, match="both event and background"):
        explain.inside_events(weights, np.ones_like(mask), source)


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


def test_the_quietest_frames_are_the_fill():
    x = torch.randn(2, 5, 100)
    x[0, :, 40:50] -= 100
    torch.testing.assert_close(explain.quiet_frame(x), x[..., 40:50].mean(-1))


def listener(x):
    """A stand-in for a network: the more in band 0 after frame 40, the surer of class 1."""
    return torch.stack([torch.zeros(len(x)), x[:, 0, 0, 40:].mean(-1) * 3], dim=1)


def test_every_set_of_steps_is_hidden_once():
    x = torch.rand(2, 2, 4, 128)
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
    x, fill = torch.randn(1, 2, 128, 128), torch.randn(2, 128)
    fast = explain.subset_chances(network, x, 1, fill, n_steps=3)
    slow = explain.subset_chances(lambda x: network(x), x, 1, fill, n_steps=3)
    np.testing.assert_allclose(fast, slow, atol=1e-5)
    rest, _ = explain._shared(network, x[0], fill, 7)
    done = len(network.cnn) - len(rest.cnn)
    assert done == {"l2": 3}.get(network.config.attention, 6), "up to the pool of l4"
    assert network(x).shape == (1, 3), "the network itself is whole"


def test_curves_hide_and_show_one_step_after_the_other():
    x, order = torch.rand(3, 2, 4, 128), np.array([[2, 0, 1], [0, 1, 2], [1, 2, 0]])
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


def test_occlusion_takes_the_highest_score_first():
    x = torch.rand(2, 2, 4, 128)
    chances = explain.subset_chances(listener, x, 1)
    effects = explain.single_effects(chances)
    np.testing.assert_allclose(effects[:, :2], 0, atol=1e-6)  # it does not listen there
    assert np.all(effects[:, 3:] > 0)
    found = explain.occlusion(chances, effect=effects, wrong=-effects)
    assert set(found) == {"effect", "wrong", "random"}
    falls, rises = ({name: explain.area(both[k]) for name, both in found.items()} for k in (0, 1))
    assert np.all(falls["effect"] < falls["random"]) and np.all(falls["random"] < falls["wrong"])
    assert np.all(rises["effect"] > rises["random"]) and np.all(rises["random"] > rises["wrong"])


def test_area_is_one_for_a_curve_that_never_falls():
    np.testing.assert_allclose(explain.area(np.ones((2, 8))), 1)
    np.testing.assert_allclose(explain.area(np.linspace(1, 0, 8)[None]), 0.5)


# -- how far a step sees -----------------------------------------------------------------------


@pytest.fixture(scope="module", params=[False, True], ids=["paper", "early pooling"])
def model(request):
    torch.manual_seed(0)
    config = ModelConfig(early_pooling=request.param, rnn_cells=16, init_std=0.0)
    return acrnn.ACRNN(config, 3).eval()


def test_receptive_field_agrees_with_the_table_of_layers_and_with_gradients(model):
    field = explain.receptive_field(model)
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


def test_every_frame_moves_every_weight(model):
    moves = explain.sensitivity(model, torch.randn(1, 2, 128, 128))
    assert moves.shape == (7, 128) and np.mean(moves > 0) > 0.99
    with pytest.raises(ValueError, match="'weights' or 'convolutions'"):
        explain.sensitivity(model, torch.randn(1, 2, 128, 128), of="all")


def test_attention_in_the_cnn_leaves_the_count_as_it_is():
    plain, inside = (acrnn.ACRNN(ModelConfig(attention=a, rnn_cells=4)) for a in ("l10", "l4"))
    np.testing.assert_array_equal(explain.receptive_field(plain), explain.receptive_field(inside))


# -- the network's own segments, and the attended sound -----------------------------------------


def test_segments_are_those_that_the_predictor_hears(tmp_path):
    torch.manual_seed(0)
    chosen = experiment("acrnn-plus", "smoke")
    tensors = acrnn.ACRNN(chosen.model, 3).state_dict()
    tensors |= {"feature_mean": torch.tensor([-8.0, 0.0]), "feature_std": torch.tensor([2.0, 0.1])}
    note = {"experiment": as_dict(chosen), "classes": ["a", "b", "c"], "fold": 1, "seed": 0}
    save_file(tensors, tmp_path / "model.safetensors", {"acrnn": json.dumps(note)})
    predictor = predict.Predictor(tmp_path / "model.safetensors")
    wave = rng().standard_normal(3 * 44100).astype(np.float32) * 0.1
    wave[60000:] = 0  # the last two segments are silent
    _, weights, starts = predictor.wave(wave)
    x, kept, static = explain.segments_of(predictor, wave)
    assert kept.tolist() == starts[:-2].tolist() and static.shape == (128, 1 + len(wave) // 512)
    with torch.inference_mode():
        again = predictor.model(x, return_attention=True)[1]
    np.testing.assert_allclose(again, weights[:-2], atol=1e-5)


def test_the_attended_sound_and_the_rest_add_up():
    wave, curve = rng().standard_normal(44100).astype(np.float32), rng().random(86) + 0.1
    curve[:5] = np.nan
    attended, rest, gain = explain.attended_wave(wave, curve)
    np.testing.assert_allclose(attended + rest, wave, atol=1e-6)
    assert gain.max() == 1 and gain.min() >= 0
    assert np.abs(np.diff(gain)).max() < 1e-3, "no edge that would click"
    again = explain.attended_wave(wave, np.nan_to_num(curve))[2]
    np.testing.assert_array_equal(again, gain)


def test_uniform_attention_attends_to_everything():
    wave = rng().standard_normal(44100).astype(np.float32)
    attended, rest, gain = explain.attended_wave(wave, np.ones(86))
    np.testing.assert_allclose(gain, 1)
    np.testing.assert_allclose(attended, wave)
    assert np.abs(rest).max() < 1e-6


@pytest.mark.parametrize("curve", [np.zeros(86), np.full(86, np.nan), -np.ones(86),
                                   np.ones((2, 9))])
def test_a_curve_without_weight_is_refused(curve):
    with pytest.raises(ValueError, match="expected weights"):
        explain.attended_wave(np.zeros(44100, np.float32), curve)


class Loud:
    """A stand-in for a Predictor: the first class's logit is the clip's level, weights as told."""

    def __init__(self, weights):
        real = predict.Predictor()
        self.config, self.front_end, self.mean, self.std = (
            real.config, real.front_end, real.mean, real.std)
        self.weights = torch.tensor(weights, dtype=torch.float32)

    def model(self, x, return_attention=True):
        level = x[:, 0].mean(dim=(1, 2))
        return torch.stack([level, torch.zeros_like(level)], 1), self.weights.expand(len(x), 7)


def bark(at, n=3 * 44100):
    """Noise from ``at`` on, for 0.3 s, over noise 60 dB below it."""
    wave = rng().standard_normal(n) * 1e-4
    first = round(at * 44100)
    wave[first : first + 13230] += rng().standard_normal(13230) * 0.1
    return wave.astype(np.float32)


def test_uniform_attention_leaves_no_rest_and_its_mirror_is_itself():
    rows = {row["mask"]: row for row in explain.sound_account(Loud([1 / 7] * 7), bark(1.5), 0)}
    assert set(rows) == {"attention", "mirrored", "energy"}
    for mask in ("attention", "mirrored"):
        assert rows[mask]["gain"] == pytest.approx(1)
        assert rows[mask]["attended_db"] == pytest.approx(0, abs=1e-6)
        assert rows[mask]["rest_db"] < -100
        assert rows[mask]["attended"] == pytest.approx(rows[mask]["whole"])


def test_the_energy_mask_follows_the_bark():
    row = explain.sound_account(Loud([1 / 7] * 7), bark(1.5), 0)[2]
    assert row["mask"] == "energy" and row["gain"] < 0.4 < 0.8 < row["energy_gain"]
    assert row["attended_db"] > -2 and row["rest_db"] < row["attended_db"]


def test_weights_in_the_wrong_place_turn_the_bark_down():
    """At the clip's start one segment alone covers its first steps, so the mask is known there."""
    rows = explain.sound_account(Loud([0.7, *[0.05] * 6]), bark(0.0), 0)
    attention, mirrored, _ = rows
    assert attention["gain"] == pytest.approx(mirrored["gain"], rel=0.1), "as narrow"
    assert attention["energy_gain"] > 2 * mirrored["energy_gain"]
    assert attention["attended_db"] > mirrored["attended_db"] + 3
    chance = torch.tensor([row["attended"] for row in rows])
    assert chance[0] > chance[1], "what is left is quieter, and this network names by level"


# -- the committed evidence --------------------------------------------------------------------


def table(manifest, kind=""):
    path = manifest.with_name(f"{manifest.stem}{kind}.csv")
    content, made = path.read_bytes(), json.loads(manifest.read_text())
    assert hashlib.sha256(content).hexdigest() == made["sha256"][path.name]
    found = pd.read_csv(path, dtype={"clip_id": str})
    assert len(content) < 800_000 and found.clip_id.nunique() == made["clips"]
    assert set(found.clip_id.str[0].astype(int)) == set(made["folds"]), "only clips never heard"
    return found, made


@pytest.mark.skipif(not EVIDENCE, reason="no evidence yet: tools/attention_evidence.py")
@pytest.mark.parametrize("manifest", EVIDENCE, ids=lambda path: path.stem)
def test_the_committed_curves_are_whole_and_their_areas_recount(manifest):
    found, made = table(manifest)
    assert set(found.order) == {"attention", "energy", "effect", "random"}
    assert not found.duplicated(["fill", "clip_id", "order"]).any()
    assert len(found) == 4 * made["clips"] * len(made["fills"])
    for name, letter in (("deletion", "d"), ("insertion", "i")):
        curve = found[[f"{letter}{k}" for k in range(8)]].to_numpy()
        assert np.all((curve >= 0) & (curve <= 1))
        np.testing.assert_allclose(explain.area(curve), found[name], atol=2e-5)
    np.testing.assert_allclose(found.d0, found.i7, atol=2e-5)
    random = found[found.order == "random"]
    np.testing.assert_allclose(random.deletion, random.insertion, atol=2e-5)


@pytest.mark.skipif(not EVIDENCE, reason="no evidence yet: tools/attention_evidence.py")
@pytest.mark.parametrize("manifest", EVIDENCE, ids=lambda path: path.stem)
def test_the_committed_sounds_are_whole(manifest):
    found, made = table(manifest, "-sound")
    assert not found.duplicated(["clip_id", "mask"]).any() and len(found) == 3 * made["clips"]
    assert (found.groupby("clip_id").whole.nunique() == 1).all()
    assert found[["gain", "energy_gain", "whole", "attended", "rest"]].stack().between(0, 1).all()
    assert (found[["attended_db", "rest_db"]] <= 1e-4).all(axis=None)


def test_the_tool_makes_the_committed_rows_again(esc10_root, tmp_path, monkeypatch):
    maker, name = tool("attention_evidence"), "acrnn-plus"
    monkeypatch.setattr(maker, "OUT", tmp_path)
    made = json.loads((ROOT / "results" / "attention" / f"{name}.json").read_text())
    maker.main(name, [predict.DATA / "acrnn.safetensors"], esc10_root, ["mean"], 1, limit=1)
    again = json.loads((tmp_path / f"{name}.json").read_text())
    same = ("data_hash", "experiment", "seed", "folds", "classes", "segments_per_clip")
    assert {key: again[key] for key in same} == {key: made[key] for key in same}
    for kind, keys in (("", ["fill", "clip_id", "order"]), ("-sound", ["clip_id", "mask"])):
        mine, theirs = (pd.read_csv(place / f"{name}{kind}.csv").set_index(keys)
                        for place in (tmp_path, ROOT / "results" / "attention"))
        assert len(mine) == (4 if not kind else 3)
        np.testing.assert_allclose(mine, theirs.loc[mine.index], rtol=0.01, atol=0.02)


def test_the_tool_takes_one_experiment_each_fold_once():
    kit = predict.DATA / "acrnn.safetensors"
    with pytest.raises(SystemExit, match=r"--checkpoint: found \[\('acrnn-plus', 'lite', 0\)\] on "
                                         r"folds \[1, 1\], expected one experiment"):
        next(tool("attention_evidence").networks([kit, kit]))
