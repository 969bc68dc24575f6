"""Stretching, shifting, mixing and masking, measured on sounds whose answer is known."""

import math

import numpy as np
import pytest
import torch

from acrnn_lib.config import BankConfig
from acrnn_lib.features import augment

RATE = 44100


def tone(frequency, seconds=2.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


def pitch(wave):
    """The strongest frequency in Hz, by a parabola through the log spectrum's peak."""
    middle = wave[RATE // 4 : -RATE // 4]
    power = np.log(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) + 1e-12)
    peak = int(power.argmax())
    a, b, c = power[peak - 1 : peak + 2]
    return (peak + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / len(middle)


def cents(found, expected):
    return 1200 * np.log2(found / expected)


@pytest.mark.parametrize("rate", [0.8, 0.93, 1.0, 1.17, 1.3])
def test_stretch_changes_length_exactly_and_leaves_the_pitch(rate):
    wave = tone(440)
    result = augment.time_stretch(wave, rate)
    assert isinstance(result, np.ndarray) and result.dtype == np.float32
    assert len(result) == round(len(wave) / rate)
    assert abs(cents(pitch(result), 440)) < 1


@pytest.mark.parametrize("semitones", [-3.5, -1.2, 0.0, 2.0, 3.5])
def test_shift_moves_the_pitch_and_leaves_the_length(semitones):
    wave = tone(440)
    result = augment.pitch_shift(wave, semitones)
    assert len(result) == len(wave)
    assert abs(cents(pitch(result), 440 * 2 ** (semitones / 12))) < 3


def test_both_at_once():
    result = augment.stretch_and_shift(tone(440), 1.25, -2)
    assert len(result) == round(2 * RATE / 1.25)
    assert abs(cents(pitch(result), 440 * 2 ** (-2 / 12))) < 3


@pytest.mark.parametrize("change", [lambda w: augment.time_stretch(w, 0.9),
                                    lambda w: augment.pitch_shift(w, 1.5)])
def test_level_is_kept_and_batches_equal_single_waves(change):
    noise = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) * 0.1
    both = change(noise)
    np.testing.assert_allclose(both[1], change(noise[1]), atol=1e-5)
    as_tensor = change(torch.from_numpy(noise))
    assert isinstance(as_tensor, torch.Tensor)
    np.testing.assert_allclose(as_tensor.numpy(), both, atol=1e-6)
    tonal = tone(880) * 0.3
    rms = np.sqrt(np.mean(change(tonal)[5000:-5000] ** 2))
    assert rms == pytest.approx(0.3 / np.sqrt(2), rel=0.08)


@pytest.mark.parametrize("rate", [0.8, 0.999, 1.3, 2.5])
def test_compiled_and_plain_phases_are_the_same(rate, monkeypatch):
    """A tone, clicks, silence and noise; what a GPU would use against what a CPU uses."""
    rng = np.random.default_rng(0)
    wave = tone(440) + 0.01 * rng.standard_normal(2 * RATE).astype(np.float32)
    wave[RATE // 2 :: RATE // 4] = 1
    wave[RATE : RATE + 9000] = 0
    called = []
    turned = augment.turned
    monkeypatch.setattr(augment, "turned", lambda *given: called.append(1) or turned(*given))
    compiled = augment.time_stretch(wave, rate)
    assert not called
    monkeypatch.setattr(augment, "find_spec", lambda name: None)
    np.testing.assert_allclose(compiled, augment.time_stretch(wave, rate), atol=2e-5)
    assert called


def test_clips_side_by_side_leave_the_number_of_threads_alone():
    waves = np.random.default_rng(0).standard_normal((5, RATE)).astype(np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = augment.time_stretch(waves, 1.1)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found[4], augment.time_stretch(waves[4], 1.1))


def test_a_click_stays_in_its_place():
    wave = np.zeros(RATE, dtype=np.float32)
    wave[20000] = 1.0
    assert abs(int(np.abs(augment.time_stretch(wave, 0.8)).argmax()) - 25000) < 600
    assert abs(int(np.abs(augment.pitch_shift(wave, 3)).argmax()) - 20000) < 600


@pytest.mark.parametrize("rate", [0.8, 0.9, 1.2])
def test_a_click_in_faint_noise_keeps_its_height(rate):
    wave = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 1e-3
    wave[RATE] = 1.0
    stretched = augment.time_stretch(wave, rate)
    assert np.abs(stretched).max() > 0.7
    assert abs(int(np.abs(stretched).argmax()) - round(RATE / rate)) < 600


def test_nothing_changes_at_rate_one_and_no_shift():
    wave = np.random.default_rng(0).standard_normal(10000).astype(np.float32)
    np.testing.assert_array_equal(augment.time_stretch(wave, 1.0), wave)
    np.testing.assert_array_equal(augment.pitch_shift(wave, 0.0), wave)


@pytest.mark.parametrize("samples", [1, 300, 3000])
def test_waves_shorter_than_a_window(samples):
    assert len(augment.time_stretch(np.ones(samples, np.float32), 0.8)) == round(samples / 0.8)
    assert len(augment.pitch_shift(np.ones(samples, np.float32), 3.5)) == samples


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_bad_arguments_are_named(rate):
    with pytest.raises(ValueError, match="rate: found"):
        augment.time_stretch(tone(440), rate)
    with pytest.raises(ValueError, match="wave: found shape"):
        augment.time_stretch(np.zeros((2, 3, 4), np.float32), 1.1)
    with pytest.raises(ValueError, match="wave: found shape"):
        augment.pitch_shift(np.zeros(0, np.float32), 1)


def test_copies_depend_on_seed_clip_and_number_only():
    wave = np.random.default_rng(0).standard_normal(30000).astype(np.float32)
    bank = BankConfig()
    one = augment.augmented_copy(wave, "1-2-A", 1, bank)
    assert len(one) == len(wave) and one.dtype == np.float32
    np.testing.assert_array_equal(one, augment.augmented_copy(wave, "1-2-A", 1, bank))
    np.testing.assert_array_equal(wave, augment.augmented_copy(wave, "1-2-A", 0, bank))
    tensor = augment.augmented_copy(torch.from_numpy(wave), "1-2-A", 1, bank)
    assert isinstance(tensor, torch.Tensor)  # which may lie on a GPU and stays there
    np.testing.assert_array_equal(one, tensor.numpy())
    others = [augment.augmented_copy(wave, "1-2-B", 1, bank),
              augment.augmented_copy(wave, "1-2-A", 2, bank),
              augment.augmented_copy(wave, "1-2-A", 1, BankConfig(seed=1))]
    assert all(np.abs(one - other).max() > 0.1 for other in others)


def test_copies_cover_the_papers_ranges(monkeypatch):
    drawn = []
    monkeypatch.setattr(augment, "stretch_and_shift", lambda w, r, s: drawn.append((r, s)) or w)
    for clip in range(300):
        augment.augmented_copy(np.zeros(10, np.float32), f"1-{clip}-A", 1, BankConfig())
    rates, shifts = np.array(drawn).T
    assert 0.8 <= rates.min() < 0.83 and 1.27 < rates.max() <= 1.3
    assert -3.5 <= shifts.min() < -3.3 and 3.3 < shifts.max() <= 3.5
    assert abs(np.corrcoef(rates, shifts)[0, 1]) < 0.2


def test_mixing_adds_energies_and_shares_targets():
    rng = np.random.default_rng(0)
    static = torch.from_numpy(rng.normal(size=(16, 4, 5))).float()
    targets = torch.eye(16)
    mixed, shared = augment.mix(static, targets, 0.4, np.random.default_rng(1))
    torch.testing.assert_close(shared.sum(1), torch.ones(16))
    reference = np.random.default_rng(1)
    other, share = reference.permutation(16), reference.beta(0.4, 0.4, 16)
    for k in range(16):
        r = np.clip(share[k], 1e-4, 1 - 1e-4)
        expected = np.log(r**2 * np.exp(static[k].double().numpy())
                          + (1 - r) ** 2 * np.exp(static[other[k]].double().numpy()))
        np.testing.assert_allclose(mixed[k].numpy(), expected, atol=1e-4)
        assert shared[k, k] == pytest.approx(1.0 if other[k] == k else share[k], abs=1e-6)


def test_colours_are_smooth_filters_as_strong_as_allowed_and_no_stronger():
    static = torch.from_numpy(np.random.default_rng(0).normal(size=(300, 128, 7))).float()
    given = static.clone()
    result = augment.colour(static, 6.0, np.random.default_rng(1))
    torch.testing.assert_close(static, given, rtol=0, atol=0)
    gain = (result - static) * 10 / math.log(10)  # dB
    torch.testing.assert_close(gain, gain[..., :1].expand_as(gain), rtol=0, atol=1e-4)
    gain = gain[..., 0]
    assert 5.9 < gain.max() <= 6.001 and -6.001 <= gain.min() < -5.9 and abs(gain.mean()) < 0.2
    # from one knot to the next, 25.4 bands on, by 12 dB at most
    assert gain.diff(dim=1).abs().max() <= 12 / (127 / (augment.KNOTS - 1)) + 1e-3
    drawn = np.random.default_rng(1).uniform(-6, 6, (300, 1, augment.KNOTS))
    np.testing.assert_allclose(gain[:, [0, -1]], drawn[:, 0, [0, -1]], atol=1e-4)
    assert gain.std(0).min() > 1.5  # no band is spared


def test_masks_are_as_wide_as_allowed_and_no_wider():
    x = torch.ones(200, 2, 128, 128)
    result = augment.mask(x, 16, 24, np.random.default_rng(0))
    erased = (result == 0).all(1)
    bands, frames = erased.all(2).sum(1), erased.all(1).sum(1)
    assert bands.max() == 16 and frames.max() == 24 and bands.min() == 0 and frames.min() == 0
    assert set(result.unique().tolist()) == {0.0, 1.0}
    untouched = augment.mask(torch.ones(4, 2, 8, 8), 0, 0, np.random.default_rng(0))
    assert untouched.all()


@pytest.mark.parametrize("samples", [44100, 220500, 300000])
@pytest.mark.parametrize("semitones", [-3.5, -1.23, -0.01, 0.37, 2, 3.5])
def test_transform_sizes_factor_well_and_keep_the_ratio(samples, semitones):
    ratio = 2 ** (-semitones / 12)
    first, second = augment._transform_sizes(samples, ratio)
    assert first >= samples + augment.N_FFT
    assert abs(1200 * np.log2(second / first / ratio)) <= 0.5  # cents
    for size in (first, second):
        for prime in (2, 3, 5, 7, 11):
            while size % prime == 0:
                size //= prime
        assert size == 1
