"""The leakage laboratory: fair splits, leaks that leak where they must and only there."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from acrnn_lib.config import FeatureConfig
from acrnn_lib.data import esc
from acrnn_lib.kit import leakage
from acrnn_lib.kit.small_network import SmallNetwork

ROOT = Path(__file__).parents[2]


def world(recordings=30, takes=3, classes=3, marked=8.0, seed=0):
    """Described clips whose recordings differ much and whose classes hardly do."""
    rng = np.random.default_rng(seed)
    source = np.repeat(np.arange(recordings), takes)
    target = source % classes
    table = pd.DataFrame({"clip_id": [f"c{k}" for k in range(len(source))], "source": source,
                          "target": target, "fold": source % 5 + 1})
    clips = (rng.normal(0, marked, (recordings, 24))[source]
             + rng.normal(0, 1, (len(source), 24))).astype(np.float32)
    copies = [clips, (clips + rng.normal(0, 0.3, clips.shape)).astype(np.float32)]
    owner = np.repeat(np.arange(len(source)), 3)
    segments = (clips[owner] + rng.normal(0, 0.3, (len(owner), 24))).astype(np.float32)
    return leakage.ClipStatistics(table, copies, segments, owner)


def shares(long, model=leakage.NEIGHBOUR):
    return long[long.model == model].groupby("protocol")["correct"].mean()


def test_description_is_of_bands_in_groups():
    static = np.zeros((2, 128, 50), np.float16)
    static[1, :4] = np.arange(50)  # the lowest group of bands
    found = leakage.describe(static)
    assert found.shape == (2, 160) and found.dtype == np.float32
    assert found[1, 0] == pytest.approx(24.5) and found[1, 32] == pytest.approx(np.arange(50).std())
    np.testing.assert_allclose(found[1, [64, 96, 128]], [4.9, 24.5, 44.1], rtol=1e-5)
    assert not found[0].any() and not found[1, 1:32].any()


def test_preparing_describes_clips_copies_and_segments():
    rng = np.random.default_rng(0)
    copies = [rng.normal(-8, 1, (5, 128, 431)).astype(np.float16) for _ in range(3)]
    table = pd.DataFrame({"clip_id": list("abcde"), "source": list("aabcd"), "target": 0})
    data = leakage.prepare(table, copies, FeatureConfig(), block=2)
    assert [c.shape for c in data.clips] == [(5, 160)] * 3
    assert data.segments.shape == (30, 160) and list(np.bincount(data.owner)) == [6] * 5
    np.testing.assert_allclose(data.segments[0], leakage.describe(copies[0][0, :, :128]))
    with pytest.raises(ValueError, match="4 rows of the table, 5 clips"):
        leakage.prepare(table[:4], copies, FeatureConfig())


@pytest.mark.parametrize("seed", range(5))
def test_folds_keep_groups_whole_and_are_even(seed):
    clips = esc.esc10_clips()
    split = leakage.stratified_group_kfold
    folds = split(clips.source, clips.target, seed)
    assert not len(leakage.shared_sources(clips.assign(fold=folds)))
    counts = pd.crosstab(clips.target, folds)
    assert counts.shape == (10, 5) and counts.to_numpy().min() >= 6
    assert counts.to_numpy().max() <= 10
    again, other = (split(clips.source, clips.target, seed + k) for k in (0, 1))
    np.testing.assert_array_equal(folds, again)
    assert (folds != other).any()
    single = pd.crosstab(clips.target, split(clips.clip_id, clips.target, seed))
    assert (single.to_numpy() == 8).all()


def test_folds_need_as_many_groups():
    with pytest.raises(ValueError, match="groups: found 4, expected at least 5"):
        leakage.stratified_group_kfold(list("aabbccdd"), [0] * 8, 0)


def test_every_model_is_tested_only_on_what_it_was_not_trained_on():
    data = world()
    folds = leakage.stratified_group_kfold(data.sources, data.targets, 0)
    tested = np.arange(90) < 20
    for name in leakage.models():
        probabilities = leakage.out_of_fold(name, data.clips[0], data.targets, folds, tested)
        assert probabilities.shape == (90, 3) and not probabilities[20:].any()
        np.testing.assert_allclose(probabilities[:20].sum(1), 1, rtol=1e-5)
    # one_hot that are known only to the tested fold cannot be learnt
    secret = np.where(folds == 0, 2, data.targets % 2)
    named = leakage.out_of_fold(leakage.NEIGHBOUR, data.clips[0], secret, folds,
                                np.ones(90, bool)).argmax(1)
    assert not (named[folds == 0] == 2).any()


def test_the_small_network_learns_and_is_seeded():
    data = world(marked=0.1)
    x = data.clips[0] + 3 * np.eye(24)[data.targets]
    probabilities = [SmallNetwork(seed).fit(x, data.targets + 4).predict_proba(x)
                     for seed in (0, 0, 1)]
    np.testing.assert_array_equal(*probabilities[:2])
    assert (probabilities[0] != probabilities[2]).any()
    network = SmallNetwork().fit(x, data.targets + 4)
    assert np.mean(network.predict(x) == data.targets + 4) > 0.95


def test_the_small_network_follows_its_gradient():
    rng = np.random.default_rng(0)
    x, one_hot = rng.normal(size=(7, 5)), np.eye(3)[[0, 1, 2, 0, 1, 2, 0]]
    network = SmallNetwork(hidden=4)
    network.weights = [rng.normal(size=(5, 4)), rng.normal(size=(4, 3))]
    network.biases = [rng.normal(size=4), rng.normal(size=3)]

    def loss():
        return -np.mean(np.log((network._forward(x)[1] * one_hot).sum(1)))

    for part, gradient in zip([*network.weights, *network.biases], network._gradients(x, one_hot),
                           strict=True):
        before, place = loss(), (0,) * part.ndim
        part[place] += 1e-6
        assert (loss() - before) / 1e-6 == pytest.approx(gradient[place], abs=1e-4)
        part[place] -= 1e-6


@pytest.mark.parametrize("leak", ["segments", "clips", "copies"])
def test_what_is_split_singly_leaks_through_its_recording(leak):
    found = shares(leakage.LEAKS[leak](world(), repeats=2))
    assert found["leaky"] > 0.85 and found["clean"] < 0.6


def test_single_clips_do_not_leak():
    """With one clip per recording the two protocols are random splits of the same kind."""
    found = shares(leakage.clip_split(world(recordings=90, takes=1), repeats=4))
    assert abs(found["leaky"] - found["clean"]) < 0.12


def test_copies_are_needed_for_their_leak():
    data = world()
    with pytest.raises(ValueError, match="no augmented copies"):
        leakage.copy_split(leakage.ClipStatistics(data.table, data.clips[:1], data.segments,
                                               data.owner))


def test_the_best_epoch_is_never_below_another():
    found = leakage.epoch_selection(world(), repeats=2, n_epochs=6)
    by_fold = found.groupby(["protocol", "repeat"])["correct"].mean().unstack("protocol")
    assert (by_fold["leaky"] >= by_fold["clean"]).all()
    assert (by_fold["leaky"] >= by_fold["last"]).all()


def test_an_inner_fold_left_out_changes_what_is_learnt_not_what_is_tested():
    data = world()
    folds = leakage.stratified_group_kfold(data.sources, data.targets, 0)
    curve, inner = (leakage.learning_curve(data, folds, 0, out, 0, 3) for out in ((), (1,)))
    assert curve.shape == inner.shape == (3, (folds == 0).sum()) and curve.dtype == bool


@pytest.mark.slow
def test_choosing_numbers_by_the_names_of_test_clips_leaks_and_scaling_does_not():
    rng = np.random.default_rng(0)
    data = world(recordings=40, takes=1, classes=2)
    noise = rng.normal(size=(40, 2000)).astype(np.float32)  # nothing to be learnt here
    found = leakage.preprocessing_on_all(leakage.ClipStatistics(data.table, [noise], noise,
                                                        np.arange(40)), repeats=2)
    chosen, scaled = shares(found, "10 best numbers"), shares(found, "scaling")
    assert chosen["leaky"] > chosen["clean"] + 0.1
    assert abs(scaled["leaky"] - scaled["clean"]) < 0.15


def test_every_clip_is_tested_once_per_repeat_and_counted():
    data = world()
    counts = leakage.run(data, 2, ["clips", "preparation"])
    assert list(counts.columns) == leakage.COLUMNS
    assert (counts.tests == 2).all() and counts.correct.between(0, 2).all()
    assert len(counts) == 90 * 2 * (3 + 3)
    table = leakage.inflation(counts)
    assert list(table.leak) == ["clips"] * 3 + ["preparation"] * 3
    np.testing.assert_allclose(table.difference, table.leaky - table.right)
    assert (table.lo <= table.difference).all() and (table.difference <= table.hi).all()
    assert leakage.inflation(counts, "last").empty


def test_the_same_seeds_give_the_same_counts():
    one, two = (leakage.run(world(), 1, ["segments"]) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_the_audit():
    table = pd.DataFrame({"source": ["a", "b", "a", "b", "c"], "side": [1, 1, 2, 1, 2]})
    found = leakage.shared_sources(table, side="side")
    assert found.to_dict("records") == [{"source": "a", "clips": 2, "sides": "1, 2"}]
    assert list(leakage.shared_sources(table[3:], side="side").columns) == ["source", "clips",
                                                                         "sides"]
    with pytest.raises(ValueError, match="'fold': missing"):
        leakage.shared_sources(table)
    with pytest.raises(ValueError, match="'source': missing, or empty"):
        leakage.shared_sources(table.assign(source=[None, *"bcde"]), side="side")
    assert leakage.shared_sources(esc.esc10_clips()).empty, "the official folds are sound"


def test_the_committed_evidence_is_whole():
    counts = pd.read_csv(ROOT / "results/leakage/esc10.csv", dtype={"source": str})
    facts = json.loads((ROOT / "results/leakage/esc10.json").read_text())
    assert list(counts.columns) == leakage.COLUMNS and set(counts.leak) == set(leakage.LEAKS)
    clips = esc.esc10_clips().set_index("clip_id").source
    for _, group in counts.groupby(["leak", "model", "protocol"]):
        assert group.set_index("clip_id").source.sort_index().equals(clips.sort_index())
    assert (counts.tests == facts["repeats"]).all()
    assert counts.correct.between(0, counts.tests).all()
