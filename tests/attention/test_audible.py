"""The attended sound, and the committed evidence on attention."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from acrnn_lib import inference
from acrnn_lib.attention import audible, explain
from acrnn_lib.features.segments import segment_starts
from tests.tools import ROOT, tool

EVIDENCE = sorted((ROOT / "results" / "attention").glob("*.json"))
SECOND = 44100  # samples


def noise(n=3 * SECOND):
    return np.random.default_rng(0).standard_normal(n).astype(np.float32)


def test_no_edge_of_the_volume_clicks():
    curve = np.random.default_rng(0).random(86) + 0.1
    curve[:5] = np.nan
    gain = audible.volume(curve, SECOND)
    assert gain.shape == (SECOND,) and gain.max() == 1 and gain.min() >= 0
    assert np.abs(np.diff(gain)).max() < 1e-3
    np.testing.assert_array_equal(audible.volume(np.nan_to_num(curve), SECOND), gain)


def test_uniform_attention_turns_nothing_down():
    np.testing.assert_allclose(audible.volume(np.full(87, 3.0), SECOND), 1)


def test_where_no_segment_is_the_volume_goes_down_at_the_end_as_well():
    gain = audible.volume(np.full(87, 3.0), 2 * SECOND)
    np.testing.assert_allclose(gain[: SECOND - 9000], 1)
    assert gain[SECOND + 9000 :].max() < 1e-6 and np.all(np.diff(gain) <= 1e-7)


@pytest.mark.parametrize("curve", [np.zeros(86), np.full(86, np.nan), -np.ones(86),
                                   np.ones((2, 9))])
def test_a_curve_without_weight_is_refused(curve):
    with pytest.raises(ValueError, match="expected weights"):
        audible.volume(curve, SECOND)


def test_shifted_curves_are_as_narrow_and_stay_where_segments_are():
    curve = np.r_[np.full(10, np.nan), np.arange(100.0), np.full(5, np.nan)]
    moved = audible.shifted(curve, 4)
    assert len(moved) == 4
    for k, one in enumerate(moved, 1):
        np.testing.assert_array_equal(np.isnan(one), np.isnan(curve))
        np.testing.assert_array_equal(one[10:110], np.roll(np.arange(100.0), 20 * k))
    assert curve[10] == 0, "the curve itself is left alone"


@pytest.fixture
def listener():
    """A network whose answer is the level of what it hears, and whose weights are told to it."""
    predictor = inference.Predictor()

    def told(weights):
        def model(x, return_attention=True):
            level = x[:, 0].mean(dim=(1, 2))
            rows = torch.tensor(weights, dtype=torch.float32).expand(len(x), 7)
            return torch.stack([level, torch.zeros_like(level)], 1), rows

        predictor.model = model
        return predictor

    return told


def bark(at=0.0, seconds=0.2, background=1e-4):
    """Noise that begins at a time and lasts a while, over noise 60 dB below it."""
    wave, first, length = background * noise(), round(at * SECOND), round(seconds * SECOND)
    wave[first : first + length] += 0.1 * noise(length)
    return wave.astype(np.float32)


FIRST = [0.7] + [0.05] * 6  # attention on the first step


def account(listener, weights, wave, habit=(1 / 7,) * 7):
    rows = audible.account(listener(weights), wave, 0, np.array(habit))
    assert [row["mask"] for row in rows] == ["attention", "shifted", "habit", "energy",
                                             "attention, level", "shifted, level", "softer"]
    return {row["mask"]: SimpleNamespace(**row) for row in rows}


def test_uniform_attention_leaves_no_rest(listener):
    rows = account(listener, [1 / 7] * 7, bark(1.5))
    for mask in ("attention", "shifted", "habit", "softer"):
        assert rows[mask].gain == pytest.approx(1, abs=1e-6)
        assert rows[mask].attended_db == pytest.approx(0, abs=1e-6)
        assert rows[mask].rest_db < -100
        assert rows[mask].attended == pytest.approx(rows[mask].whole, abs=1e-6)


def test_the_energy_mask_follows_the_bark(listener):
    row = account(listener, [1 / 7] * 7, bark(1.5))["energy"]
    assert row.gain < 0.4 < 0.8 < row.loud_gain
    assert row.attended_db > -2 and row.rest_db < row.attended_db


def test_attention_on_the_bark_is_ahead_of_its_shifts_which_are_as_narrow(listener):
    rows = account(listener, FIRST, bark(0.0), habit=FIRST[::-1])
    assert rows["attention"].gain == pytest.approx(rows["shifted"].gain, rel=0.15)
    assert rows["attention"].loud_gain > 0.9 > 2 * rows["shifted"].loud_gain
    assert rows["attention"].attended > rows["shifted"].attended
    assert rows["habit"].loud_gain < 0.3, "habit's last steps lie elsewhere"
    softer = rows["softer"]
    assert softer.gain == pytest.approx(10 ** (rows["attention"].attended_db / 20))
    assert softer.rest < softer.attended <= softer.whole, "this network names by level"


def test_at_equal_level_a_judge_of_level_sees_no_pointing():
    """What it credits attention with is gone once the louder of each pair is turned down."""
    wave, asked = bark(0.0), []
    whole = np.square(wave, dtype=float).sum()
    curves = [np.r_[np.ones(60), np.zeros(200)], np.r_[np.zeros(200), np.ones(60)],
              np.r_[np.full(200, 0.2), np.ones(60)]]
    volumes = [audible.volume(curve, len(wave)) for curve in curves]
    gains = {"attention": volumes[:1], "shifted": volumes[1:]}

    def chance(sound):  # of a network that names by level
        asked.append(float(np.square(sound, dtype=float).sum() / whole))
        return asked[-1]

    found = {mask: [audible._heard(wave, gain, chance) for gain in some]
             for mask, some in gains.items()}
    first = len(asked)
    rows = audible._levelled(wave, gains, found, chance)
    for k, shift in enumerate(found["shifted"]):
        attention = found["attention"][0]
        assert attention["attended"] > shift["attended"] and attention["rest"] < shift["rest"]
        for part in audible.PARTS:
            ours, other = rows["attention"][k], rows["shifted"][k]
            assert ours[part] == pytest.approx(other[part], rel=1e-3)
            assert ours[part] == pytest.approx(min(attention[part], shift[part]), rel=1e-3)
            assert ours[f"{part}_db"] == other[f"{part}_db"]
    assert len(asked) - first == 2 * len(curves[1:]), "one of each pair and part, turned down"


def test_every_part_is_asked_in_the_segments_of_the_whole(listener):
    """A rest without the bark is quiet throughout: judged by itself, all of it would be audible."""
    wave, predictor = bark(0.0, seconds=0.02, background=1e-5), listener(FIRST)
    starts = explain.segments_of(predictor, wave)[1]
    assert len(starts) < len(segment_starts(1 + len(wave) // 512))
    row = account(listener, FIRST, wave)["attention"]
    assert 0 < row.audible < 0.1
    curve = inference.attention_curve(starts, np.tile(FIRST, (len(starts), 1)))
    rest = wave * (1 - audible.volume(curve, len(wave)))
    for sound, told in ((wave, row.whole), (rest, row.rest)):
        chances, _, at = predictor.wave(sound)
        assert told == pytest.approx(chances[np.isin(at, starts), 0].mean(), abs=1e-6)
    mine = explain.segments_of(predictor, rest.astype(np.float32))[1]
    assert len(mine) != len(starts), "judged by itself the rest has other segments"


# -- the committed evidence --------------------------------------------------------------------


def table(manifest, kind=""):
    path = manifest.with_name(f"{manifest.stem}{kind}.csv")
    content, made = path.read_bytes(), json.loads(manifest.read_text())
    assert hashlib.sha256(content).hexdigest() == made["sha256"][path.name]
    found = pd.read_csv(path, dtype={"clip_id": str})
    assert len(content) < 1_000_000 and found.clip_id.nunique() == made["clips"]
    assert set(found.clip_id.str[0].astype(int)) == set(made["folds"]), "only clips never heard"
    return found, made


@pytest.mark.skipif(not EVIDENCE, reason="no evidence yet: tools/attention_evidence.py")
@pytest.mark.parametrize("manifest", EVIDENCE, ids=lambda path: path.stem)
def test_the_committed_curves_are_whole_and_their_areas_recount(manifest):
    found, made = table(manifest)
    assert set(found.order) == {"attention", "energy", "habit", "effect", "random", "best"}
    assert not found.duplicated(["fill", "clip_id", "order"]).any()
    assert len(found) == 6 * made["clips"] * len(made["fills"])
    for name, letter in (("deletion", "d"), ("insertion", "i")):
        curve = found[[f"{letter}{k}" for k in range(8)]].to_numpy()
        assert np.all((curve >= 0) & (curve <= 1))
        np.testing.assert_allclose(explain.area(curve), found[name], atol=2e-5)
    np.testing.assert_allclose(found.d0, found.i7, atol=2e-5)
    areas = found.set_index(["fill", "clip_id", "order"])[["deletion", "insertion"]].unstack()
    assert (areas["deletion"].sub(areas["deletion"]["best"], axis=0) >= -2e-5).all(axis=None)
    assert (areas["insertion"].sub(areas["insertion"]["best"], axis=0) <= 2e-5).all(axis=None)
    random = found[found.order == "random"]
    np.testing.assert_allclose(random.deletion, random.insertion, atol=2e-5)


@pytest.mark.skipif(not EVIDENCE, reason="no evidence yet: tools/attention_evidence.py")
@pytest.mark.parametrize("manifest", EVIDENCE, ids=lambda path: path.stem)
def test_the_committed_sounds_are_whole(manifest):
    found, made = table(manifest, "-sound")
    assert not found.duplicated(["clip_id", "mask"]).any() and len(found) == 7 * made["clips"]
    assert (found.groupby("clip_id").whole.nunique() == 1).all()
    shares = found[["audible", "gain", "loud_gain", "whole", "attended", "rest"]]
    assert shares.stack().between(0, 1).all()
    assert (found[["attended_db", "rest_db"]] <= 1e-4).all(axis=None)


def test_the_tool_makes_the_committed_rows_again(esc10_root, tmp_path, monkeypatch):
    maker, name = tool("attention_evidence"), "acrnn-plus"
    monkeypatch.setattr(maker, "OUT", tmp_path)
    made = json.loads((ROOT / "results" / "attention" / f"{name}.json").read_text())
    monkeypatch.setattr(maker, "habits", lambda *_: [np.linspace(0.2, 0.1, 7)])  # of all clips
    maker.main(name, [inference.DATA / "acrnn.safetensors"], esc10_root, ["mean"], 1, limit=1)
    again = json.loads((tmp_path / f"{name}.json").read_text())
    same = ("data_hash", "experiment", "seed", "folds", "classes", "segments_per_clip")
    assert {key: again[key] for key in same} == {key: made[key] for key in same}
    for kind, keys in (("", ["fill", "clip_id", "order"]), ("-sound", ["clip_id", "mask"])):
        mine, theirs = (pd.read_csv(place / f"{name}{kind}.csv").set_index(keys)
                        for place in (tmp_path, ROOT / "results" / "attention"))
        assert len(mine) == (6 if not kind else 7)
        mine = mine[mine.index.get_level_values(-1) != "habit"]
        np.testing.assert_allclose(mine, theirs.loc[mine.index], rtol=0.01, atol=0.02)


def test_a_habit_is_the_mean_over_other_recordings(monkeypatch):
    """Clips 0 and 1 come from one recording; the second segment of each is silent."""
    rows = np.array([[1.0, 0.0], [0.8, 0.2], [0.4, 0.6], [0.2, 0.8]])
    predictor = SimpleNamespace(
        wave=lambda k: (None, np.stack([rows[k], [9, 9]]), np.array([0, 64])))
    monkeypatch.setattr(explain, "segments_of", lambda *_: (None, np.array([0]), None))
    clips = [SimpleNamespace(source=source) for source in "aabc"]
    habits = tool("attention_evidence").habits(predictor, clips, range(4))
    np.testing.assert_allclose(habits, [rows[2:].mean(0)] * 2 + [rows[[0, 1, 3]].mean(0),
                                                                rows[:3].mean(0)])


def test_the_tool_takes_one_experiment_each_fold_once():
    kit = inference.DATA / "acrnn.safetensors"
    with pytest.raises(SystemExit, match=r"--checkpoint: found \[\('acrnn-plus', 'paper', 0\)\] on "
                                         r"folds \[1, 1\], expected one experiment"):
        next(tool("attention_evidence").networks([kit, kit]))
