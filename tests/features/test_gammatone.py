"""The filters against the package they replace, on real sound where there is some."""

import numpy as np
import pytest
from gammatone.fftweight import fft_weights as package_weights
from gammatone.filters import erb_space
from gammatone.gtgram import gtgram as package_gtgram

from acrnn_lib.data import audio, datasets
from acrnn_lib.features import gammatone

SETTINGS = (44100, 1024 / 44100, 512 / 44100, 128, 50.0)


def errors(ours, theirs):
    """Largest difference, relative to the largest value and relative to each one by itself."""
    floor = 1e-8 * theirs.max()  # 160 dB under the peak: both are rounding noise below
    difference = np.abs(ours - theirs)
    return difference.max() / theirs.max(), (difference / np.maximum(theirs, floor)).max()


def test_centre_frequencies_equal_the_packages():
    ours = gammatone.centre_frequencies(128, 50.0, 22050.0)
    np.testing.assert_allclose(ours, erb_space(50.0, 22050.0, 128)[::-1], rtol=1e-12)
    assert (np.diff(ours) > 0).all() and ours[0] == pytest.approx(50) and ours[-1] < 22050


@pytest.mark.parametrize("n_fft, rate, bands, low, high", [
    (1024, 44100, 128, 50.0, 22050.0), (2048, 16000, 64, 20.0, 7000.0), (512, 8000, 10, 100.0, 4e3),
])
def test_weights_equal_the_packages(n_fft, rate, bands, low, high):
    ours = gammatone.fft_weights(n_fft, rate, bands, low, high)
    theirs, _ = package_weights(n_fft, rate, bands, 1, low, high, n_fft // 2 + 1)
    assert ours.dtype == np.float64 and ours.shape == (bands, n_fft // 2 + 1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)


def test_each_filter_has_gain_one_at_its_centre_and_less_elsewhere():
    centres = gammatone.centre_frequencies(32, 100.0, 8000.0)
    gains = np.abs(gammatone.response(centres, centres, 44100))
    np.testing.assert_allclose(np.diag(gains), 1)
    assert (gains <= 1.01).all()


def test_half_power_width_follows_the_erb():
    centre = 1000.0
    frequencies = np.linspace(500, 1500, 100001)
    power = np.abs(gammatone.response(frequencies, [centre], 44100)[0]) ** 2
    equivalent = np.trapezoid(power, frequencies)
    assert equivalent == pytest.approx(gammatone.erb(centre), rel=0.02)


@pytest.mark.parametrize("samples", [22050, 30011])
def test_gtgram_equals_the_package_on_noise(samples):
    wave = np.random.default_rng(0).standard_normal(samples)
    theirs = package_gtgram(wave, *SETTINGS)
    ours = gammatone.gtgram(wave, *SETTINGS)
    assert ours.shape == theirs.shape and ours.dtype == np.float64
    assert max(errors(ours, theirs)) < 1e-6


def test_gtgram_equals_the_package_on_a_click_that_rings_out():
    wave = np.zeros(44100)
    wave[1000] = 1.0
    overall, single = errors(gammatone.gtgram(wave, *SETTINGS), package_gtgram(wave, *SETTINGS))
    assert overall < 1e-12 and single < 1e-6


def test_silence_after_a_sound_becomes_zero_and_no_subnormal_number():
    """Some CPUs are slow with those, of which padded clips would be full."""
    wave = np.zeros(44100)
    wave[:2000] = np.random.default_rng(0).standard_normal(2000)
    found = gammatone.gtgram(wave, *SETTINGS)
    assert (found[:, 0] > 0).all() and (found[-1, 40:] == 0).all()
    assert not ((found > 0) & (found < 1e-150)).any()


def test_gtgram_equals_the_package_on_real_clips(esc10_root):
    table = datasets.load("esc10", esc10_root)
    for path in table.drop_duplicates("target").path[2::3]:
        wave = audio.read(path, seconds=1.5, start=1.0).astype(np.float64)
        theirs = package_gtgram(wave, *SETTINGS)
        overall, single = errors(gammatone.gtgram(wave, *SETTINGS), theirs)
        assert overall < 1e-10 and single < 1e-6


def test_gtgram_with_other_limits_and_rate():
    wave = np.random.default_rng(1).standard_normal(8000)
    arguments = (16000, 0.025, 0.010, 24, 80.0, 5000.0)
    np.testing.assert_allclose(gammatone.gtgram(wave, *arguments),
                               package_gtgram(wave, *arguments), rtol=1e-6)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="f_min, f_max: found 500"):
        gammatone.centre_frequencies(10, 500.0, 100.0)
    with pytest.raises(ValueError, match="f_max: found 9000"):
        gammatone.fft_weights(512, 16000, 10, 50.0, 9000.0)
    with pytest.raises(ValueError, match="wave: found 100 samples"):
        gammatone.gtgram(np.zeros(100), *SETTINGS)
