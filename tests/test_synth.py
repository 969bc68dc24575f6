"""The generated data set: frozen, balanced, honest about its events, and not too easy."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch

from acrnn_lib import datasets, synth
from acrnn_lib.features import LogGammatone

FROZEN = "a742aeabcc429068e2efb89af44b9edd649c3f8fb070095697fff2e1defa78f7"


@pytest.fixture(scope="module")
def clips():
    """Every second clip of the plan, with its wave and events."""
    table = synth.plan().iloc[::2].reset_index(drop=True)
    made = [synth.render(clip_id) for clip_id in table.clip_id]
    return table, [wave for wave, _ in made], [events for _, events in made]


def test_the_set_is_frozen():
    """Another plan, sound or event means another VERSION, and attention measured anew.

    Eight bits of each sample, as the last digits of sines may differ between processors.
    """
    digest = hashlib.sha256(synth.plan().to_csv(index=False).encode())
    for clip_id in synth.plan().drop_duplicates("target").clip_id:
        wave, events = synth.render(clip_id)
        digest.update(np.round(wave * 127).astype(np.int8).tobytes())
        digest.update(repr(events).encode())
    assert (synth.VERSION, digest.hexdigest()) == (1, FROZEN)


def test_plan_is_balanced_and_recordings_stay_in_one_fold():
    plan = synth.plan()
    assert len(plan) == 400 and plan.clip_id.is_unique
    assert (plan.groupby(["fold", "target"]).size() == 8).all()
    assert (plan.groupby("source")[["fold", "target"]].nunique() == 1).all(axis=None)
    assert 250 < plan.source.nunique() < 380
    assert tuple(plan.drop_duplicates("target").category) == synth.CLASSES


def test_a_clip_does_not_depend_on_what_was_rendered_before():
    ids = list(synth.plan().clip_id[[3, 200, 399]])
    forwards = [synth.render(clip_id)[0] for clip_id in ids]
    backwards = [synth.render(clip_id)[0] for clip_id in reversed(ids)][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="is not one of the 400 clips"):
        synth.render("9-9-Z")


def test_waves_are_in_range_and_differ_in_level(clips):
    _, waves, _ = clips
    peaks = np.array([np.abs(wave).max() for wave in waves])
    assert all(wave.shape == (220500,) and wave.dtype == np.float32 for wave in waves)
    assert 0 < peaks.min() and peaks.max() <= 1 and peaks.max() / peaks.min() > 4


def test_events_are_ordered_inside_the_clip_and_louder_than_the_rest(clips):
    _, waves, events = clips
    louder = []
    for wave, found in zip(waves, events, strict=True):
        edges = np.array(found).ravel()
        assert len(edges) >= 2 and (np.diff(edges) >= 0).all()
        assert edges[0] >= 0 and edges[-1] <= 5
        inside = np.zeros(len(wave), bool)
        for onset, offset in found:
            assert offset > onset
            inside[round(onset * 44100) : round(offset * 44100)] = True
        if inside.mean() < 0.9:
            louder.append(np.mean(wave[inside] ** 2) > np.mean(wave[~inside] ** 2))
    assert np.mean(louder) > 0.9


def test_many_clips_hold_event_and_background_and_some_hold_silence(clips):
    _, waves, events = clips
    shares = np.array([sum(b - a for a, b in found) / 5 for found in events])
    assert np.mean((shares > 0.1) & (shares < 0.8)) > 0.7
    assert 0.1 < np.mean([(wave[-2205:] == 0).all() for wave in waves]) < 0.6


def test_mean_spectra_do_not_tell_the_classes(clips):
    """A linear classifier on time-averaged log energies: above chance, far from solved."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table, waves, _ = clips
    front_end = LogGammatone()
    with torch.inference_mode():
        means = np.stack([front_end(torch.from_numpy(wave)[None])[0, 0].mean(-1).numpy()
                          for wave in waves])
    scores = []
    for fold in range(1, 6):
        test = (table.fold == fold).to_numpy()
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1))
        model.fit(means[~test], table.target[~test])
        scores.append(model.score(means[test], table.target[test]))
    assert 0.2 < np.mean(scores) < 0.75


def test_writing_killed_leaves_nothing_and_a_whole_folder_loads(tmp_path):
    folder = tmp_path / "synth"
    code = f"from acrnn_lib import synth; synth.write({str(folder)!r})"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True,
                               stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".synth-*/synth/*.wav")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not folder.exists()
    synth.write(folder)
    with pytest.raises(FileExistsError, match="is not empty"):
        synth.write(folder)
    table = datasets.load("synth", folder)
    assert len(table) == 400 and len(synth.events(folder).clip_id.unique()) == 400
    wave, _ = synth.render(table.clip_id[7])
    stored, rate = soundfile.read(table.path[7], dtype="float32")
    assert rate == 44100
    np.testing.assert_allclose(stored, wave, atol=2e-4)
