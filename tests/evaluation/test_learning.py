"""Training accuracy beside test accuracy, and costs, of made runs whose numbers are known."""

import numpy as np
import pandas as pd
import pytest

from acrnn_lib.evaluation import learning, results
from tests.evaluation.test_tables import make


@pytest.fixture
def runs(tmp_path):
    """Two folds of four clips, two epochs, one test clip wrong; watched."""
    made = []
    for fold, share in ((1, 0.8), (2, 1.0)):
        folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, fold)
        for epoch in (1, 2):
            results.append_history(folder, {"epoch": epoch, "accuracy": share * epoch / 2})
            results.append_history(folder, {"epoch": epoch, "clips": 4, "last": 1 + epoch},
                                   results.WATCHED["test"])
        target = np.array([0, 1, 0, 1])
        said = np.array([1, 1, 0, 1]) if fold == 1 else target
        table = pd.DataFrame({
            "filename": [f"{k}.wav" for k in range(4)], "clip_id": [f"{fold}-{k}-A" for k in
            range(4)], "fold": fold, "target": target, "p_0": 1.0 - said, "p_1": 1.0 * said})
        made.append(results.write(folder, table, {
            "config_hash": "h", "watched": "so", "config": {"train": {"epochs": 2}},
            "device": "cpu",
            "wall_seconds": 60.0 * fold, "threads": 2, "segments_per_second": 10.0 * fold}))
    return made


def test_training_accuracy_is_that_of_the_last_epoch_and_test_accuracy_is_counted(runs):
    (row,) = learning.training_and_test(runs).itertuples()
    assert (row.dataset, row.profile, row.experiment, row.epochs) == ("esc10", "lite", "acrnn", 2)
    assert row.training == pytest.approx(0.9) and row.test == pytest.approx(7 / 8)
    assert row.lo < row.test < row.hi


def test_curves_by_epoch_are_means_over_runs(runs):
    table = learning.by_epoch(runs)
    assert table.index.tolist() == [1, 2]
    assert table.training.tolist() == pytest.approx([0.45, 0.9])
    assert table.test.tolist() == pytest.approx([4 / 8, 6 / 8])


def test_without_watched_runs_there_is_no_test_curve(tmp_path):
    folder = results.run_folder(tmp_path, "esc10", "lite", "acrnn", 0, 1)
    results.append_history(folder, {"epoch": 2, "accuracy": 0.5})
    table = learning.by_epoch([make(tmp_path, "acrnn", 1)])
    assert table.training[2] == 0.5 and table.test.isna().all()


def test_systems_without_epochs_are_left_out(tmp_path):
    one = make(tmp_path, "knn", 1, config={"train": {"epochs": 1}})
    assert learning.training_and_test([one]).empty and learning.training_and_test([]).empty


def test_costs_are_summed_over_folds(runs):
    (row,) = learning.costs(runs).to_dict("records")
    assert (row["minutes"], row["device"], row["precision"], row["threads"]) == (
        3, "cpu", "", "2")
    assert row["segments_per_second"] == 15
