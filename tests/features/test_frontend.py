"""The front end against an independent computation in float64, and its cutting into segments."""

import librosa
import numpy as np
import pytest
import scipy.fft
import torch
from gammatone.fftweight import fft_weights as package_weights

from acrnn_lib.config import FeatureConfig
from acrnn_lib.data import audio, datasets
from acrnn_lib.features import frontend, segments

CONFIG = FeatureConfig()


def energies_float64(wave, rate=44100, n_fft=1024, hop=512, bands=128, low=50.0, high=22050.0):
    """The design's formula, step by step, with the package's weights and NumPy's FFT."""
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(wave.astype(np.float64), n_fft // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    weights, _ = package_weights(n_fft, rate, bands, 1, low, high, n_fft // 2 + 1)
    return (weights**2) @ power.T


def relative_error(wave):
    expected = energies_float64(wave)
    front_end = frontend.LogGammatone()
    ours = front_end.energies(torch.from_numpy(wave)[None])[0].double().numpy()
    floor = CONFIG.log_floor
    return (np.abs(ours - expected) / (expected + floor)).max()


def test_energies_equal_float64_on_noise():
    wave = np.random.default_rng(0).standard_normal(44100).astype(np.float32) * 0.1
    assert relative_error(wave) < 1e-4


def test_energies_equal_float64_on_real_clips(esc10_root):
    table = datasets.load("esc10", esc10_root)
    worst = max(relative_error(audio.read(path, 5.0)) for path in table.path[::25])
    assert worst < 1e-4


def test_shape_scale_and_channels():
    wave = torch.randn(3, 220500, generator=torch.Generator().manual_seed(0))
    both = frontend.LogGammatone()(wave)
    assert both.shape == (3, 2, 128, 431) and both.dtype == torch.float32
    torch.testing.assert_close(both[:, 1], frontend.delta(both[:, 0]))
    louder = frontend.LogGammatone()(10 * wave)[:, 0]
    torch.testing.assert_close(louder, both[:, 0] + np.log(100), rtol=0, atol=1e-3)


def test_the_front_end_follows_its_config():
    config = FeatureConfig(sample_rate=16000, n_fft=512, hop_length=160, n_bands=24, f_min=100.0,
                           f_max=7000.0, log_floor=1e-3, delta_width=5)
    wave = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    static, slope = frontend.LogGammatone(config)(torch.from_numpy(wave)[None])[0]
    expected = np.log(energies_float64(wave, 16000, 512, 160, 24, 100.0, 7000.0) + 1e-3)
    np.testing.assert_allclose(static.numpy(), expected, atol=1e-4)
    torch.testing.assert_close(slope, frontend.delta(static, 5))


def test_a_tone_is_loudest_in_its_own_band_and_low_bands_come_first():
    from acrnn_lib.features.gammatone import centre_frequencies

    centres = centre_frequencies()
    for band in (40, 80, 120):
        time = torch.arange(22050) / 44100
        tone = torch.sin(2 * np.pi * float(centres[band]) * time)[None]
        static = frontend.LogGammatone()(tone)[0, 0, :, 20]
        assert abs(int(static.argmax()) - band) <= 1


def test_digital_silence_is_the_floor_and_autocast_changes_nothing():
    front_end = frontend.LogGammatone()
    silent = front_end(torch.zeros(1, 44100))
    torch.testing.assert_close(silent[0, 0], torch.full((128, 87), float(np.log(CONFIG.log_floor))))
    assert silent[0, 1].abs().max() < 1e-5
    wave = torch.randn(1, 44100, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(front_end(wave), front_end(wave.clone()), rtol=0, atol=0)
        assert front_end(wave).dtype == torch.float32


@pytest.mark.parametrize("shape", [(44100,), (1, 512), (1, 1, 44100)])
def test_waves_of_the_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match="waves: found shape") as refused:
        frontend.LogGammatone()(torch.zeros(shape))
    assert str(refused.value) == (
        f"waves: found shape {shape}, expected (batch, more than 512 samples)")
    assert frontend.LogGammatone()(torch.zeros(1, 513)).shape == (1, 2, 128, 2)


def test_delta_of_a_ramp_is_its_slope_and_of_a_constant_zero():
    ramp = torch.arange(50.0).repeat(2, 3, 1) * 0.5
    slopes = frontend.delta(ramp, 9)
    torch.testing.assert_close(slopes[..., 4:-4], torch.full((2, 3, 42), 0.5))
    torch.testing.assert_close(frontend.delta(ramp, 3)[..., 1:-1], torch.full((2, 3, 48), 0.5))
    assert frontend.delta(torch.ones(4, 20), 5).abs().max() < 1e-6
    for width in (1, 4):
        with pytest.raises(ValueError, match="width: found"):
            frontend.delta(ramp, width)


def test_frame_times_are_centres_in_seconds():
    times = frontend.frame_times(431)
    assert times[0] == 0 and times[1] == pytest.approx(512 / 44100) and len(times) == 431
    config = FeatureConfig(sample_rate=50000, hop_length=500)
    assert frontend.frame_times(3, config).tolist() == [0, 0.01, 0.02]


def test_the_silence_rule_is_relative_to_the_clip():
    generator = torch.Generator().manual_seed(0)
    wave = 1e-3 * torch.randn(1, 220500, generator=generator)
    assert len(segments.segment(frontend.LogGammatone()(wave)[0])) == 6
    wave[0, :20000] *= 1e4  # now the rest lies 80 dB below
    assert len(segments.segment(frontend.LogGammatone()(wave)[0])) == 1


def test_mfcc_is_the_dct_of_the_bands():
    static = torch.randn(2, 128, 9, dtype=torch.float64)
    expected = scipy.fft.dct(static.numpy(), axis=1, norm="ortho")
    found = frontend.mfcc(static)
    assert found.dtype == torch.float64 and found.shape == (2, 20, 9)
    np.testing.assert_allclose(found, expected[:, :20], atol=1e-12)
    np.testing.assert_allclose(frontend.mfcc(static[0].numpy(), 5), expected[0, :5], atol=1e-12)
    assert frontend.mfcc(static.float()).dtype == torch.float32


def test_rgb_goes_from_blue_over_green_to_red():
    colours = frontend.rgb(torch.tensor([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0]))
    assert torch.equal(colours[0], colours[1]) and torch.equal(colours[5], colours[6])
    assert colours.min() >= 0 and colours.max() <= 1
    assert colours[2].tolist() == [0, 0.5, 1] and colours[4].tolist() == [1, 0.5, 0]
    assert colours[3].tolist() == [0.5, 1, 0.5]
    assert frontend.rgb(np.array([[0.5]])).shape == (1, 1, 3)
    assert frontend.rgb(torch.zeros(2, device="meta")).device.type == "meta"  # as it would a GPU


def test_log_mel_holds_against_librosa():
    config = FeatureConfig(scale="mel", n_bands=40, f_min=100.0, f_max=8000.0)
    wave = np.random.default_rng(0).normal(0, 0.1, 44100).astype(np.float32)
    ours = frontend.front_end(config)(torch.from_numpy(wave)[None])[0, 0]
    theirs = librosa.feature.melspectrogram(
        y=wave, sr=44100, n_fft=1024, hop_length=512, window="hamming", center=True,
        pad_mode="reflect", n_mels=40, fmin=100.0, fmax=8000.0, norm=None)
    expected = np.log(theirs + config.log_floor)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-4, atol=1e-4)
