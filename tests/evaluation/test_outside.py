"""Out-of-distribution scores: the committed table, its AUROC, the pretrained model's limits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from sklearn.metrics import roc_auc_score

from acrnn_lib import inference
from acrnn_lib.data import audio, datasets, levels
from acrnn_lib.evaluation import outside, results
from tests.tools import tool

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table():
    return outside.scores(ROOT / "results")


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(0)
    known = rng.random(200) < 0.3
    score = rng.normal(size=200).round(1) + known
    pairs = np.sign(score[known][:, None] - score[~known][None])
    found, low, high = outside.auroc_interval(known, score, np.arange(200))
    assert found == pytest.approx((pairs.mean() + 1) / 2) and low < found < high
    again = outside.auroc_interval(np.repeat(known, 4), np.repeat(score, 4),
                                   np.repeat(np.arange(200), 4))
    assert again[2] - again[1] == pytest.approx(high - low, abs=0.01), "clips of one recording"


def test_the_interval_of_an_auroc_is_that_of_draws_made_one_by_one(monkeypatch):
    rng, draws = np.random.default_rng(1), []
    known, source = rng.random(60) < 0.5, rng.integers(12, size=60).astype(str)
    score = rng.normal(size=60).round(1) + known
    monkeypatch.setattr(outside, "DRAWS", 40)
    found = outside.auroc_interval(known, score, source, seed=3)
    rng = np.random.default_rng(3)
    for _ in range(40):
        rows = np.concatenate([np.flatnonzero((source == names[k]) & (known == kind))
                               for kind in (True, False)
                               for names in [np.unique(source[known == kind])]
                               for k in rng.integers(len(names), size=len(names))])
        draws.append(roc_auc_score(known[rows], score[rows]))
    assert found == pytest.approx((roc_auc_score(known, score),
                                   *np.quantile(draws, [0.025, 0.975])), abs=1e-12)


def test_energy_is_the_log_of_the_sum():
    assert outside.energy([[0, 0], [1000, -1000]]) == pytest.approx([np.log(2), 1000])


def test_distance_is_that_from_the_nearest_class():
    rng = np.random.default_rng(0)
    target = np.arange(600) % 3
    x = rng.normal(size=(600, 2)) + 50 * target[:, None]
    centres = outside.Centres.of(x, target)
    near, far = centres.distance(np.array([[50.0, 50.0], [55.0, 50.0]]))
    assert near < 1 and far == pytest.approx(25, rel=0.2)
    assert centres.distance(x).mean() == pytest.approx(2, rel=0.1), "two features"


def test_the_table_holds_each_clip_once_by_the_network_that_did_not_hear_it(table):
    counts = table.groupby(["protocol", "kind"]).size()
    assert dict(counts["pretrained"]) == {"esc10": 80, "esc10-16k": 80, "generated": 8,
                                          "other-16k": 320}
    assert dict(counts.drop("pretrained")) == {
                            ("inner", "esc10"): 400, ("inner, paper", "esc10"): 160,
                            ("test", "esc10"): 400,
                            ("test", "esc10-16k"): 400, ("test", "other-16k"): 1600,
                            ("test", "generated"): 40}
    assert not table.duplicated(["protocol", "kind", "clip_id"]).any()
    real = table[table.kind != "generated"]
    assert (real.clip_id.str[0].astype(int) == real.fold).all()
    assert table.category[table.kind == "other-16k"].nunique() == 40


def test_the_card_tells_the_aurocs_and_false_alarms_of_the_table(table):
    text = (inference.DATA / "MODEL_CARD.md").read_text(encoding="utf-8")
    soft = pd.read_csv(ROOT / "results" / "ood" / "levels.csv")
    rows = tool("outside_evidence").card(table, soft, inference.load().limits)
    assert "\n".join(rows) in text and text.count("%") > 20


def test_about_one_known_recording_in_eleven_gets_the_note(table):
    own = table.query("protocol == 'pretrained' and kind == 'esc10'").distance
    assert np.mean(own > inference.load().limits.farthest) == pytest.approx(1 / 11, abs=0.01)
    for page in ("book/intro.md", "notebooks/00_start_here.ipynb",
                 "notebooks/13_your_own_sounds.ipynb"):
        assert "one in eleven" in (ROOT / page).read_text(encoding="utf-8")
    above = np.mean(own > outside.limit(table, "inner"))
    assert 0.2 < above < 0.25  # "more than a fifth", says notebook 13
    page = " ".join((ROOT / "results" / "README.md").read_text(encoding="utf-8").split())
    assert f"is exceeded by {100 * above:.1f} % of its test clips" in page


def test_the_limit_leaves_a_twentieth_of_the_inner_clips_above_it(table):
    inner = table.query("protocol == 'inner, paper'").distance
    limit = inference.load().limits.farthest
    assert np.mean(inner > limit) == pytest.approx(0.05, abs=0.01)
    assert limit == pytest.approx(outside.limit(table, "inner, paper"), rel=1e-4)


def test_soft_recordings_are_raised_to_the_level_that_was_best_on_inner_folds(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert tool("outside_evidence").best_reference() == inference.load().limits.reference_dbfs


def test_no_clip_of_esc10_gets_a_note_on_its_level(esc10_root):
    limits, clips = inference.load().limits, datasets.load("esc10", esc10_root)
    for path in clips.path[clips.category == "clock_tick"]:  # the softest class
        level = levels.Level()
        level.add(audio.read(path))
        assert level.judged(limits.soft_dbfs, limits.reference_dbfs)[1] is None


def test_limits_are_read_as_they_were_written(tmp_path):
    limits = inference.load().limits
    assert limits.save(tmp_path / "model.safetensors").stat().st_size < 200_000
    again = outside.Limits.beside(tmp_path / "model.safetensors")
    x = np.random.default_rng(0).normal(size=(5, 256))
    np.testing.assert_allclose(again.centres.distance(x), limits.centres.distance(x), rtol=1e-4)
    assert again.farthest == limits.farthest
    assert outside.Limits.beside(tmp_path / "elsewhere" / "model.safetensors") == outside.Limits()


@pytest.mark.parametrize("change", [
    {"means": np.full((10, 256), np.nan)}, {"precision": np.eye(3)}, {"numbers": np.zeros(2)},
    {"numbers": None}, None])
def test_damaged_limits_are_named(tmp_path, change):
    path = tmp_path / outside.FILE
    arrays = {"means": np.zeros((10, 256)), "precision": np.zeros(256 * 257 // 2),
              "numbers": np.zeros(5)}
    if change is None:
        path.write_bytes(b"no limits")
    else:
        save_file({k: v for k, v in (arrays | change).items() if v is not None}, path)
    with pytest.raises(results.ResultsError, match=r"limits\.safetensors: expected limits"):
        outside.Limits.beside(tmp_path / "model.safetensors")


def test_a_click_and_a_sound_far_from_training_get_a_note_beside_their_class():
    click = np.zeros(3 * 44100, np.float32)
    click[44100] = 0.5
    found = inference.predict(click)
    assert "unlike the training sounds: audible for 0.0" in found.note
    hum = np.sign(np.sin(2 * np.pi * 50 * np.arange(3 * 44100) / 44100)).astype(np.float32)
    notes = [inference.predict(0.3 * hum).note, found.note]
    assert any("times that of training, limit" in (note or "") for note in notes)


def test_the_note_names_each_limit_that_is_passed():
    centres = outside.Centres(np.array([[0.0, 0.0], [10.0, 0.0]]), np.diag([1.0, 4.0]))
    np.testing.assert_allclose(centres.distance(np.array([[1, 1], [9, 0], [5, 0]])), [5, 1, 25])
    limits = outside.Limits(shortest=0.5, farthest=2.0, mean_distance=3.0, centres=centres)
    near, far = np.array([[0, 1], [10, 1]]), np.array([[0, 1], [0, 2]])  # means 4 and 10
    assert limits.unlike(near, 0.5) is None
    assert limits.unlike(near, 0.25) == ("unlike the training sounds: audible for 0.25 s, the "
                                         "shortest of them for 0.50 s")
    assert limits.unlike(far, 0.5) == ("unlike the training sounds: distance 3.33 times that of "
                                       "training, limit 2.00")
    assert limits.unlike(far, 0.25).count(", ") == 3
    edge = outside.Limits(farthest=4 / 3, mean_distance=3.0, centres=centres)
    assert edge.unlike(near, 0.0) is None, "as far as the limit"
    assert outside.Limits().unlike(far, 0.0) is None


def test_aurocs_are_of_the_test_protocol_and_of_both_pairs(monkeypatch):
    monkeypatch.setattr(outside, "DRAWS", 20)
    means = {"esc10": 3, "esc10-16k": 9, "other-16k": 0, "generated": 0}
    rows = [(protocol, kind, f"{kind}-{k}", *(way * (k + mean) for way in (-sign, sign, sign)))
            for protocol, sign in (("test", 1), ("inner", -1)) for kind, mean in means.items()
            for k in range(8)]
    table = pd.DataFrame(rows, columns=["protocol", "kind", "source", "distance", "energy",
                                        "probability"])
    found = outside.aurocs(table)
    assert list(found.known) == ["esc10-16k"] * 3 + ["esc10"] * 3
    assert list(found.unknown) == ["other-16k"] * 3 + ["generated"] * 3
    assert list(found.score) == ["distance", "energy", "probability"] * 2
    assert (found.auroc[:3] == 1).all() and (found.auroc[3:] < 1).all()
    assert found.auroc[3:].nunique() == 1, "low distances are high scores"
