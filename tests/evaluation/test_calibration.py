"""Temperature and calibration error, against values that are known."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from acrnn_lib.evaluation import calibration

ROOT = Path(__file__).parents[2] / "results"


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found_again(true):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20000, 5))
    target = (softmax(logits / true, axis=1).cumsum(1) > rng.random((20000, 1))).argmax(1)
    shown = softmax(logits, axis=1)
    assert calibration.fitted_temperature(shown, target) == pytest.approx(true, rel=0.05)
    sharp = calibration.tempered(shown, true)
    np.testing.assert_allclose(sharp, softmax(logits / true, axis=1), atol=1e-4)
    assert (sharp.argmax(1) == shown.argmax(1)).all()
    assert calibration.calibration_error(sharp, target) < 0.015


def test_calibration_error_is_the_distance_of_confidence_and_accuracy():
    # ten answers of 0.9, six right: 0.3 apart; ten of 0.6, six right: 0 apart
    sure = np.tile([0.9, 0.1], (10, 1))
    unsure = np.tile([0.6, 0.4], (10, 1))
    target = np.array([0] * 6 + [1] * 4)
    assert calibration.calibration_error(sure, target) == pytest.approx(0.3)
    both = np.concatenate([sure, unsure]), np.concatenate([target, target])
    assert calibration.calibration_error(*both) == pytest.approx(0.15)
    assert calibration.calibration_error([[1.0, 0.0]], [0]) == 0


def test_likelihood_of_answers_is_that_of_the_true_class():
    found = calibration.negative_log_likelihood([[0.5, 0.5], [0.25, 0.75]], [0, 0])
    assert found == pytest.approx((np.log(2) + np.log(4)) / 2)


def test_the_pretrained_recipe_is_made_calibrated_by_its_inner_runs():
    temperature, table = calibration.table(ROOT)
    assert 0.3 < temperature < 0.7  # mixed sounds make answers too modest
    assert (table["with T"] < table["calibration error"] / 3).all()
    assert (table["mean probability"] < table["accuracy"]).all()
