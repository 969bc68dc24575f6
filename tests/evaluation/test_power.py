"""Statistical power against simulated McNemar tests."""

import numpy as np
import pytest

from acrnn_lib.evaluation import metrics, power


def test_the_power_is_the_share_of_significant_tests():
    rng, clips, difference, disagree = np.random.default_rng(0), 60, 0.15, 0.3
    draws = rng.multinomial(clips, [0.225, 0.075, 0.7], 2000)
    found = [metrics.mcnemar(np.arange(a + b) < a, np.arange(a + b) >= a)[0] <= 0.05
             for a, b, _ in draws]
    share = power.mcnemar_power(clips, difference, disagree)
    assert share == pytest.approx(np.mean(found), abs=0.035)
    assert power.mcnemar_power(clips, 0, disagree) < 0.05
    assert power.mcnemar_power(10 * clips, difference, disagree) > 0.99


def test_the_detectable_difference_is_the_smallest_with_the_power_asked_for():
    found = power.detectable(400, 0.1)
    assert power.mcnemar_power(400, found, 0.1) >= 0.8
    assert power.mcnemar_power(400, found - 0.0025, 0.1) < 0.8
    assert power.detectable(400, 0.1, power=0.5) < found < power.detectable(100, 0.1)
    assert np.isnan(power.detectable(20, 0.1)), "not even if one system wins every clip"
