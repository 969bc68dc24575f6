"""Wrong predictions: counts by hand, and the test against chance on made runs."""

import numpy as np
import pandas as pd
import pytest

from acrnn_lib.evaluation import confusions, results

NAMES = ["dog", "rain", "sea", "fire"]


def made(root, experiment, said, seed=0):
    """A run over 40 clips, ten of each class; `said` maps a clip's number to a wrong class.

    Clips 2 k and 2 k + 1 are of one recording.
    """
    target = np.arange(40) // 10
    predicted = target.copy()
    for clip, answer in said.items():
        predicted[clip] = answer
    table = pd.DataFrame({"filename": [f"{k}.wav" for k in range(40)],
                          "clip_id": [f"1-{k // 2}-{'AB'[k % 2]}" for k in range(40)], "fold": 1,
                          "target": target})
    top = np.linspace(0.5, 0.89, 40).round(6)
    for k in range(4):
        table[f"p_{k}"] = np.where(predicted == k, top, (1 - top) / 3).round(6)
    folder = results.run_folder(root, "esc10", "lite", experiment, seed, 1)
    results.append_history(folder, {"epoch": 1, "loss": 1.0})
    return results.write(folder, table, {"config_hash": "h", "classes": NAMES})


def test_one_recording_in_a_cell_may_be_chance_and_eight_are_not(tmp_path):
    few = made(tmp_path, "few", {0: 1, 1: 1, 20: 3, 30: 0})  # two clips, one recording
    found = confusions.fullest_cell([few])
    assert found["recordings"] == 1 and found["median"] == 1 and found["p"] == 1
    # each second clip of dog and of rain: five recordings each, all taken for the same class
    many = made(tmp_path, "many", {k: 2 for k in range(0, 20, 2)})
    found = confusions.fullest_cell([many])
    assert (found["truth"], found["predicted"], found["recordings"]) == ("dog", "sea", 5)
    # all five of one row on one of three answers, in one of two rows: 2 * 3 / 3^5 at most
    assert found["p"] == pytest.approx(6 / 3**5, abs=0.012) and found["median"] < 5


def test_the_surest_errors_come_first_and_each_clip_once(tmp_path):
    runs = [made(tmp_path, "acrnn", {3: 1, 25: 0, 36: 2}, seed) for seed in (0, 1)]
    table = confusions.surest_errors(runs, 2)
    assert table.clip_id.tolist() == ["1-18-A", "1-12-B"]
    assert table.truth.tolist() == ["fire", "sea"] and table.predicted.tolist() == ["sea", "dog"]
    assert table.probability.tolist() == pytest.approx([0.86, 0.75])


def test_clips_that_all_experiments_miss(tmp_path):
    a = [made(tmp_path, "a", {0: 1, 4: 1}, 0), made(tmp_path, "a", {0: 1}, 1),
         made(tmp_path, "a", {0: 1}, 2)]
    b = [made(tmp_path, "b", {0: 2, 4: 2, 8: 2})]
    clips, expected = confusions.missed_by_all([a, b])
    assert clips == ["1-0-A"], "clip 4 is missed by one seed of three"
    assert expected == pytest.approx(40 * (1 / 40) * (3 / 40))
