"""Segments: where they begin, which are silent, what the network reads of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acrnn_lib.attention import maps
from acrnn_lib.config import FeatureConfig
from acrnn_lib.features import frontend
from acrnn_lib.features.frontend import delta
from acrnn_lib.features.segments import (
    Segments,
    audible,
    audible_starts,
    cut,
    network_input,
    segment,
    segment_starts,
    shorter,
)
from tests import tiny

CONFIG = FeatureConfig()


@settings(deadline=None)
@given(st.integers(128, 2000))
def test_segments_cover_every_frame_and_end_at_the_end(n_frames):
    starts = segment_starts(n_frames)
    assert starts[0] == 0 and starts[-1] == n_frames - 128
    assert (np.diff(starts) > 0).all() and (np.diff(starts) <= 64).all()


def test_too_few_frames_for_a_segment():
    with pytest.raises(ValueError, match="n_frames: found 127"):
        segment_starts(127)


def test_silent_segments_are_dropped_but_never_all():
    wave = torch.zeros(1, 220500)
    generator = torch.Generator().manual_seed(0)
    wave[0, :44100] = 0.1 * torch.randn(44100, generator=generator)
    kept = segment(frontend.LogGammatone()(wave)[0])
    assert kept.shape == (2, 2, 128, 128)  # those from frame 0 and 64; the others hear nothing
    silent = frontend.LogGammatone()(torch.zeros(1, 220500))[0]
    assert len(segment(silent)) == 6  # nothing is louder than anything else


def test_audible_of_many_clips_is_that_of_each_and_counts_decibels():
    config = FeatureConfig(segment_frames=4, silence_db=30.0)
    static = torch.full((2, 3, 8, 20), -40.0)
    static[0, 0, :, 5], static[0, 1, :, 5] = 0.0, 10.0  # every clip has its own peak
    below = 30 * np.log(10) / 10  # 30 dB in log energy
    static[0, 0, :, 15], static[0, 1, :, 15] = 0.01 - below, 9.99 - below
    static[1, :, :, 0] = torch.tensor([3.0, 4.0, 5.0])[:, None]
    found = audible(static, config)
    assert found.shape == (2, 3, 17)
    starts = [np.flatnonzero(row).tolist() for row in found.reshape(6, 17).numpy()]
    assert starts[0] == [*range(2, 6), *range(12, 16)]  # 29.96 dB under the peak is heard
    assert starts[1] == [*range(2, 6)]  # 30.04 dB is not
    assert starts[2] == [*range(17)]  # the same everywhere
    assert starts[3] == starts[4] == starts[5] == [0]
    alone = audible(static[0, 0], config)
    assert alone.shape == (17,) and torch.equal(alone, found[0, 0])
    static[0, 0, :, 15] = -30 * np.log(10) / 10
    static[0, 0, 1:] = -1e4  # one band alone, so that 30 dB are 30 dB
    assert not audible(static[0, 0], config)[12:].all()


def test_a_frame_exactly_at_the_limit_is_silent():
    static = torch.tensor([[0.0, -7.0]])
    limit = float(torch.tensor(7.0) * (10 / np.log(10)))  # 7 in log energy, to the last bit
    config = FeatureConfig(segment_frames=1, silence_db=limit)
    assert audible(static, config).tolist() == [True, False]


def test_segments_follow_their_config():
    config = FeatureConfig(segment_frames=16, segment_hop=8, silence_db=20.0)
    clip = torch.zeros(2, 128, 44)
    clip[0, :, 20:] = -10.0  # 43 dB less: silent for this rule, not for the base's 60 dB
    kept = segment(clip, config)
    assert kept.shape == (3, 2, 128, 16)  # not those from 24 and 28
    for part, start in zip(kept, (0, 8, 16), strict=True):
        assert torch.equal(part, clip[..., start : start + 16])


def test_drawing_takes_one_copy_per_clip_and_only_audible_places():
    _, copies = tiny.task()
    for copy in copies:
        copy[0, :, 150:] = -60  # silence at the end of the first clip
    segments = Segments(copies, np.arange(30), tiny.settings().features)
    rows = segments.draw(4, np.random.default_rng(0))
    assert len(rows) == 30 * 4 and set(rows[:, 1]) == {0, 1}
    assert len({(clip, copy) for clip, copy, _ in rows}) == 30
    fixed = segments.draw(0, np.random.default_rng(0))
    assert set(fixed[:, 2]) == {0, 64, 72} and len(segments.all()) == 90
    again = segments.draw(4, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, again)


@pytest.mark.parametrize("per_clip", [0, 4])
def test_all_copies_of_each_clip_are_drawn_equally_often(per_clip):
    _, copies = tiny.task()
    segments = Segments(copies, np.arange(30), tiny.settings().features)
    rows = segments.draw(per_clip, np.random.default_rng(0), all_copies=True)
    found, times = np.unique(rows[:, :2], axis=0, return_counts=True)
    assert found.tolist() == [[clip, copy] for clip in range(30) for copy in (0, 1)]
    assert set(times) == {per_clip or 3}


def test_the_delta_of_a_segment_is_that_of_the_whole_clip():
    _, copies = tiny.task()
    segments = Segments(copies, np.arange(30), tiny.settings().features)
    x = segments.with_channels(segments.static_of([(5, 1, 0), (5, 1, 33), (5, 1, 72)]))
    whole = delta(torch.from_numpy(copies[1][5]).float())
    for k, start in enumerate((0, 33, 72)):
        torch.testing.assert_close(x[k, 1], whole[:, start : start + 128], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(x[k, 0], torch.from_numpy(
            copies[1][5][:, start : start + 128]).float())


def test_moments_are_those_of_the_clips_and_their_delta():
    _, copies = tiny.task()
    segments = Segments(copies, np.arange(30), tiny.settings().features)
    mean, std = segments.moments()
    assert mean[0].item() == pytest.approx(copies[0].astype(np.float64).mean(), abs=1e-3)
    assert std[0].item() == pytest.approx(copies[0].astype(np.float64).std(), rel=1e-3)
    assert abs(mean[1].item()) < 1e-3


def test_frame_energy_is_the_energy_under_each_weight():
    copies = tiny.task()[1]
    segments = Segments(copies, np.arange(3), FeatureConfig())
    drawn = np.array([[0, 0, 10], [2, 0, 40]])
    found = maps.frame_energy(segments.static_of(drawn), 7, segments)
    clip = np.exp(copies[0][2][:, 40:166].astype(np.float64)).sum(0).reshape(7, 18).sum(1)
    np.testing.assert_allclose(found[1], clip / clip.sum(), rtol=1e-3)


def test_energy_shares_are_those_of_blocks_and_ignore_what_is_left_over():
    power = torch.tensor([[1.0, 3.0, 2.0, 2.0, 9.0]])
    assert frontend.energy_shares(power, 2, 2).tolist() == [[0.5, 0.5]]
    assert frontend.energy_shares(power[:, :3], 2, 2)[0].tolist() == pytest.approx([2 / 3, 1 / 3])
    copies = tiny.task()[1]
    segments = Segments(copies, np.arange(3), CONFIG)
    static = segments.static_of([(2, 0, 40)])
    clip = np.exp(copies[0][2][:, 40:148].astype(np.float64)).sum(0).reshape(6, 18).sum(1)
    np.testing.assert_allclose(segments.energy(static, 18, 6)[0], clip / clip.sum(), rtol=1e-3)


@pytest.mark.parametrize("shape", [(3,), (3, 5)])
def test_normalising_subtracts_and_divides_each_channel_or_band(shape):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(2, 3, 5, 4))).float()
    mean, std = (torch.from_numpy(rng.uniform(1, 2, shape)).float() for _ in range(2))
    found = frontend.normalise(x, mean, std)
    for channel in range(3):
        for band in range(5):
            place = (channel, band)[: len(shape)]
            torch.testing.assert_close(found[:, channel, band],
                                       (x[:, channel, band] - mean[place]) / std[place])


def test_channels_are_stacked_in_the_order_of_the_config():
    static = torch.randn(2, 128, 30)
    config = FeatureConfig(channels=("delta", "static"), delta_width=5)
    found = frontend.with_channels(static, config)
    assert torch.equal(found[:, 1], static) and torch.equal(found[:, 0], delta(static, 5))
    assert frontend.context_frames(config) == 2
    assert frontend.context_frames(FeatureConfig(channels=("static",))) == 0
    assert frontend.context_frames(CONFIG) == 4


def test_segments_of_a_clip_are_the_same_by_every_way():
    """From the store, from a clip's log energies, and from the whole clip's channels."""
    copies = tiny.task()[1]
    copies[0][7, :, 140:] = -60
    static = torch.from_numpy(copies[0][7]).float()
    starts = audible_starts(static, CONFIG)
    assert starts.tolist() == [0, 64, 72]
    store = Segments(copies, [7], CONFIG)
    assert store.fixed_starts(0).tolist() == store.all()[:, 2].tolist() == starts.tolist()
    drawn = store.with_channels(store.static_of(store.all()))
    alone = network_input(static, starts, CONFIG)
    whole = segment(frontend.with_channels(static, CONFIG), CONFIG)
    torch.testing.assert_close(alone, drawn, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(whole, drawn, atol=1e-5, rtol=1e-5)
    assert torch.equal(cut(static, [3, 5], 7)[1], static[:, 5:12])


def test_moments_of_each_band_are_those_of_the_clips():
    copies = tiny.task()[1]
    mean, std = Segments(copies, np.arange(10, 20), CONFIG).moments(per_band=True)
    clips = torch.from_numpy(copies[0][10:20].astype(np.float64))
    both = frontend.with_channels(clips, CONFIG)
    torch.testing.assert_close(mean.double(), both.mean((0, 3)), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(std.double(), both.std((0, 3), correction=0), atol=1e-4, rtol=1e-3)


def test_beyond_a_clip_its_first_and_last_frames_are_repeated():
    copies = tiny.task()[1]
    segments = Segments(copies, [3, 5], CONFIG)
    clip = copies[1][5].astype(np.float32)
    first, last = segments.static_of([(1, 1, 0), (1, 1, 72)]).numpy()
    assert first.shape == (128, 136) and first.dtype == np.float32
    np.testing.assert_array_equal(first, np.pad(clip, ((0, 0), (4, 0)), "edge")[:, :136])
    np.testing.assert_array_equal(last, np.pad(clip, ((0, 0), (0, 4)), "edge")[:, -136:])
    inside = segments.static_of([(0, 0, 20)])[0].numpy()
    np.testing.assert_array_equal(inside, copies[0][3][:, 16:152].astype(np.float32))


def test_segments_from_a_devices_memory_are_those_of_the_store():
    """As on a GPU, here on the CPU."""
    copies, chosen = tiny.task()[1], np.arange(3, 30, 2)
    store, moved = (Segments(copies, chosen, CONFIG) for _ in range(2))
    moved.bank = moved.moved()
    assert moved.bank.shape == (2, 14, 128, 200) and moved.bank.dtype == torch.float16
    rows = [(0, 0, 0), (13, 1, 72), (6, 1, 33)]
    assert torch.equal(moved.static_of(rows), store.static_of(rows))
    for ours, theirs in zip(moved.moments(), store.moments(), strict=True):
        assert torch.equal(ours, theirs)


def test_silent_places_of_a_copy_are_that_copys_own():
    copies = tiny.task()[1]
    copies[1][4, :, 100:] = -60
    segments = Segments(copies, [4], CONFIG)
    assert segments.fixed_starts(0).tolist() == [0, 64, 72]
    assert segments.fixed_starts(0, copy=1).tolist() == [0, 64, 72]
    copies[1][4, :, :] = -60
    copies[1][4, :, 190:] = -8
    silent = Segments(copies, [4], CONFIG)
    assert silent.fixed_starts(0, copy=1).tolist() == [64, 72]
    for seed in range(8):
        rows = silent.draw(0, np.random.default_rng(seed))
        expected = [64, 72] if rows[0, 1] else [0, 64, 72]
        assert sorted(rows[:, 2]) == expected


def test_shorter_windows_lie_in_their_segment_and_are_audible():
    config = FeatureConfig(segment_frames=100)
    static = torch.full((2, 128, 100), -60.0)
    static[0, :, 70:75] = 0.0  # the only sound
    static[1] = torch.arange(100.0)  # louder and louder: all but the end is silent
    segments = Segments([static.numpy().astype(np.float16)], np.arange(2), config)
    drawn = segments.static_of(np.array([(0, 0, 0), (1, 0, 0)] * 40))
    found = shorter(drawn, 20, np.random.default_rng(0), config)
    assert found.shape == (80, 128, 20 + 2 * segments.context)
    inner = found[..., segments.context : -segments.context]
    assert (inner[::2] == 0).any(-1).all()  # each hears the sound, at different places
    assert len({int((row[0] == 0).nonzero()[0, 0]) for row in inner[::2]}) > 10
    last = inner[1::2, 0, -1]  # 60 dB are 13.8 in the log of energies
    assert (last > 99 - 13.8).all() and last.unique().numel() > 5
    assert (inner[1::2, 0].diff() == 1).all()
