"""Mixing on waves: the same numbers as the front end gives for the mixed wave."""

import numpy as np
import pytest
import torch

from acrnn_lib.config import FeatureConfig
from acrnn_lib.features import augment, frontend
from acrnn_lib.features.interference import Waves
from acrnn_lib.features.segments import Segments

SAMPLES = round(5.0 * 44100)


@pytest.fixture(scope="module", params=["gammatone", "mel"])
def sounds(request):
    """Four noises, two copies of each: (settings, waves, features)."""
    features, rng = FeatureConfig(scale=request.param), np.random.default_rng(0)
    waves = [(0.1 * rng.standard_normal((4, SAMPLES))).astype(np.float16) for _ in range(2)]
    front_end = frontend.front_end(features)
    copies = [front_end.static(torch.from_numpy(wave).float()).half().numpy() for wave in waves]
    return features, waves, copies


def test_spectra_are_those_behind_the_features_also_beyond_the_ends(sounds):
    features, waves, copies = sounds
    rows = np.array([[0, 0, 0], [1, 1, 303], [3, 1, 57]])
    segments, found = (made(given, np.arange(4), features) for made, given in (
        (Segments, copies), (Waves, waves)))
    power = found.spectra(rows).abs().square().transpose(1, 2)
    energies = found.front_end.power_weights @ power + features.log_floor
    assert (energies.log() - segments.static_of(rows)).abs().max() < 0.005


def test_clips_are_counted_among_the_chosen_ones(sounds):
    features, waves, _ = sounds
    few, all_of_them = (Waves(waves, rows, features) for rows in (np.array([2, 3]), np.arange(4)))
    torch.testing.assert_close(few.spectra(np.array([[1, 1, 9]])),
                               all_of_them.spectra(np.array([[3, 1, 9]])))


def test_segments_mixed_on_waves_are_segments_of_the_mixed_wave(sounds):
    features, waves, copies = sounds
    rows, gains = np.array([[0, 0, 100], [1, 1, 100], [2, 0, 100]]), np.array([1.0, 0.5, 3.0])
    segments, found = Segments(copies, np.arange(4), features), Waves(waves, np.arange(4), features)
    louder = torch.from_numpy(2 * np.log(gains)).float().view(-1, 1, 1)
    static = segments.static_of(rows)
    static, gain = static + louder, torch.zeros_like(static) + louder
    mixed, _ = augment.mix(static, torch.eye(3), 1.0, np.random.default_rng(5),
                           found.interference(rows, gain))
    without, _ = augment.mix(static, torch.eye(3), 1.0, np.random.default_rng(5))

    rng = np.random.default_rng(5)
    other, share = rng.permutation(3), rng.beta(1.0, 1.0, 3)
    assert (other != np.arange(3)).any()
    louder_waves = np.stack([gain * waves[copy][clip].astype(float)
                             for gain, (clip, copy, _) in zip(gains, rows, strict=True)])
    sums = share[:, None] * louder_waves + (1 - share)[:, None] * louder_waves[other]
    expected = found.front_end.static(torch.from_numpy(sums).float())[:, :, 96:232]
    error, error_without = ((x - expected).abs() for x in (mixed, without))
    assert error.mean() < 0.003 and error.quantile(0.99) < 0.03
    assert error_without.mean() > 0.1


def test_waves_that_cancel_leave_a_thousandth():
    static = torch.zeros(2, 4, 5)
    mixed, _ = augment.mix(static, torch.eye(2), 1.0, np.random.default_rng(1),
                           lambda other: torch.full_like(static, -1.001))
    rng = np.random.default_rng(1)
    rng.permutation(2)
    r = rng.beta(1.0, 1.0, 2)
    together = r**2 + (1 - r)**2
    expected = np.log(np.maximum(together - 2.002 * r * (1 - r), 1e-3 * together))
    np.testing.assert_allclose(mixed[:, 0, 0], expected, rtol=1e-3)

    opposite, _ = augment.mix(static, torch.eye(2), 1e6, np.random.default_rng(1),
                              lambda other: torch.full_like(static, -1.001))
    np.testing.assert_allclose(opposite, np.log(0.5 * 1e-3), rtol=1e-3)
