"""Attention over a whole clip in blocks, and what hiding blocks does to the answer."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch

from acrnn_lib import inference
from acrnn_lib.attention import clips, explain
from acrnn_lib.config import FeatureConfig
from acrnn_lib.data import audio, datasets
from acrnn_lib.files import ResultsError


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


def rows(network, gain, auc=None):
    """Clips of five recordings, whose attention is ahead of energy by 0.1 and of chance by gain."""
    rng = np.random.default_rng(0)
    for clip in range(20):
        base = rng.uniform(0.4, 0.6)
        for order, area in (("attention", base - gain), ("energy", base - gain + 0.1),
                            ("random", base), ("effect", 0.1)):
            yield {"network": network, "dataset": "synth" if auc else "esc10", "clip_id": clip,
                   "source": str(clip // 4), "order": order, "area": area,
                   "auc": {"attention": auc, "energy": 0.5}.get(order, np.nan) if auc else np.nan}


def test_gains_are_positive_where_attention_is_ahead():
    table = clips.gains(pd.DataFrame([*rows("segments", 0.2), *rows("whole clip", 0.15)]))
    found = table.set_index(["measure", "network", "baseline"]).gain
    assert found.index.get_level_values("measure").unique().tolist() == ["deletion"]
    assert found["deletion", "segments", "random"] == pytest.approx(0.2)
    assert found["deletion", "whole clip", "energy"] == pytest.approx(0.1)
    assert found["deletion", "whole clip", "segments"] == pytest.approx(-0.05)
    assert (table.clips == 20).all() and (table.lo <= table.gain).all()


def test_gains_on_known_events_are_differences_of_auc():
    table = clips.gains(pd.DataFrame([*rows("segments", 0.2, 0.7), *rows("whole clip", 0.2, 0.8)]))
    found = table[table.measure == "AUC"].set_index(["network", "baseline"]).gain
    assert found["segments", "energy"] == pytest.approx(0.2)
    assert found["whole clip", "segments"] == pytest.approx(0.1)


def test_committed_curves_are_those_of_their_manifest(tmp_path):
    path = tmp_path / "clips.csv"
    pd.DataFrame(rows("segments", 0.2)).to_csv(path, index=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest}))
    assert len(clips.committed(path)) == 80
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(ResultsError, match="SHA-256"):
        clips.committed(path)


def test_notebook_09_says_what_was_measured():
    table = clips.gains(clips.committed("results/whole-clip/clips.csv"))
    rows = table.set_index(["dataset", "measure", "network", "baseline"])
    for network, clear in (("segments", False), ("whole clip", True)):
        for dataset in ("esc10", "synth"):
            assert (rows.lo[dataset, "deletion", network, "energy"] > 0) == clear
    assert (rows.lo[:, "deletion", "whole clip", "segments"] > 0).all()
    assert rows.hi["synth", "AUC", "segments", "energy"] < 0  # "clearly worse than energy"
    assert rows.lo["synth", "AUC", "whole clip", "energy"] < 0 < rows.hi[
        "synth", "AUC", "whole clip", "energy"]  # "not clearly"
