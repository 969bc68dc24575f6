"""Tables of the committed evidence on attention, each against a small case counted by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from acrnn_lib.attention import evidence
from acrnn_lib.evaluation import metrics
from tests.tools import ROOT


@pytest.fixture(scope="module")
def committed():
    return evidence.committed(ROOT / "results" / "attention")


def case(**areas):
    """Curves of two clips of one network: deletion areas by order, insertion is 1 - deletion."""
    rows = [{"network": "n", "fill": "f", "order": order, "clip_id": clip, "source": clip,
             "deletion": values[k], "insertion": 1 - values[k]}
            for order, values in areas.items() for k, clip in enumerate("ab")]
    return pd.DataFrame(rows)


AREAS = {"attention": (0.3, 0.5), "energy": (0.3, 0.5), "mean profile": (0.6, 0.8),
         "random": (0.5, 0.7), "effect": (0.2, 0.2), "best": (0.1, 0.3)}


def test_the_committed_tables_have_every_network_clip_and_name(committed):
    curves, sounds = committed
    assert list(curves.network.unique()) == list(sounds.network.unique())
    assert curves.network.iloc[0] == "acrnn (lite, seed 1), ESC-10 folds 1 to 5"
    assert set(curves.order) == set(evidence.ORDERS)
    assert set(curves.fill) == set(evidence.FILLINGS.values())
    assert "shifted, equal level" in set(sounds["mask"]) and "habit" not in set(sounds["mask"])
    assert (curves.source == curves.clip_id.str.split("-").str[1]).all()
    assert (sounds.groupby("clip_id")["class"].nunique() == 1).all()


def test_without_files_the_tables_are_empty(tmp_path):
    assert all(table.empty for table in evidence.committed(tmp_path))


def test_a_gain_is_positive_where_attention_hides_the_important_steps_first():
    gains = evidence.occlusion_gains(case(**AREAS)).set_index(["kind", "order"])
    for kind in ("deletion", "insertion"):
        assert gains.gain[kind, "random"] == pytest.approx(0.2)
        assert gains.gain[kind, "energy"] == 0 > gains.gain[kind, "best"]
        assert np.isnan(gains.gain[kind, "attention"])
    assert gains.area["deletion", "mean profile"] == pytest.approx(0.7)


def test_a_relative_gain_is_a_share_of_the_best_order():
    found = evidence.relative_gains(evidence.occlusion_gains(case(**AREAS))).set_index("order")
    assert [found.lowest["attention"], found.highest["attention"]] == pytest.approx([0.5, 0.5])
    assert found.lowest["mean profile"] == pytest.approx(-0.25)


def sounds_of(shift, silent=()):
    """Four clips; attention's attended part is 0.1 more probable than that of its shift."""
    rows = [{"network": "n", "clip_id": clip, "source": clip, "mask": mask,
             "audible": 0.5 if clip in silent else 1.0, "attended": 0.8 - away * shift + k / 100,
             "rest": 0.3 + away * shift}
            for k, clip in enumerate("abcd")
            for mask, away in (("attention", 0), ("shifted", 1), ("attention, equal level", 0),
                               ("shifted, equal level", 0.5))]
    return pd.DataFrame(rows)


def test_shifts_are_compared_at_equal_level_and_apart_for_silence():
    found = evidence.shift_gains(sounds_of(0.1, silent="d"))
    assert len(found) == 3 * 2 * 2
    clips = found.groupby("about").clips.first()
    assert clips.to_dict() == {"all clips": 4, "no silence": 3, "with silence": 1}
    whole = found[found.about == "all clips"].set_index(["part", "baseline"]).difference
    for part in ("attended", "rest"):
        assert whole[part, "shifted"] == pytest.approx(0.1)
        assert whole[part, "shifted, equal level"] == pytest.approx(0.05)


def test_answers_are_corrected_for_all_questions_together(committed):
    curves, sounds = committed
    gains, shifts = evidence.occlusion_gains(curves), evidence.shift_gains(sounds)
    found = evidence.answers({}, gains, shifts)
    networks = curves.network.nunique()
    assert len(found) == networks * (2 * 2 * 3 + 2 * 2)
    p = [*gains[gains.order.isin(evidence.BASELINES)].p,
         *shifts[(shifts.baseline == "shifted, equal level")
                 & (shifts.about != "with silence")].p]
    np.testing.assert_allclose(found["p (Holm)"], metrics.holm(p))
    yes = found.answer == "yes"
    assert ((found["p (Holm)"] <= 0.05) & (found.difference > 0)).equals(yes) and yes.any()
    counted = evidence.counted(found)
    assert counted[["yes", "not significant", "no: less"]].to_numpy().sum() == len(found)


def run_of(weights, **more):
    """A run with two segments of each of two clips: the first half of a step is an event."""
    kept = {"all_clips": np.array(["1-a-A", "1-a-A", "1-b-A", "1-b-A"]),
            "all_starts": np.zeros(4), "hop_seconds": np.float64(512 / 44100),
            "all_weights": np.tile(weights, (4, 1)), "all_energy": np.ones((4, 7))}
    return SimpleNamespace(experiment="acrnn", profile="lite", attention=kept | more)


def test_attention_on_the_event_has_the_whole_share():
    step = 18 * 512 / 44100
    events = {clip: [(0.0, 2.1 * step)] for clip in ("1-a-A", "1-b-A")}  # two steps of seven
    on, off = ([0.5, 0.5, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0.5, 0.5])
    for weights, share in ((on, 1.0), (off, 0.0)):
        table = evidence.inside_known_events([run_of(np.array(weights))], events)
        assert table.attrs == {"segments": 4, "recordings": 2, "filled": pytest.approx(2 / 7)}
        row = table.set_index(["measure", "weights"])
        assert row.value["share inside", "attention"] == pytest.approx(share)
        assert row.value["share inside", "uniform"] == pytest.approx(2 / 7)


def test_runs_without_attention_of_all_segments_or_with_uniform_one_are_left_out():
    some, flat = run_of(np.linspace(0.2, 0.1, 7)), run_of(np.full(7, 1 / 7))
    few = SimpleNamespace(experiment="acrnn", profile="lite", attention={"attention": 1})
    none = SimpleNamespace(experiment="acrnn", profile="lite", attention=None)
    assert evidence.with_events([some, flat, few, none]) == {"acrnn (lite, synthetic)": [some]}
