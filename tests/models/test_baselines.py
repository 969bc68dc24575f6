"""The other systems: networks that answer as the ACRNN does, and classifiers without a network."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from acrnn_lib.config import (
    CLASSICAL,
    NETWORKS,
    BankConfig,
    FeatureConfig,
    ModelConfig,
    config_hash,
)
from acrnn_lib.data import audio
from acrnn_lib.evaluation import results
from acrnn_lib.experiments import EXPERIMENTS, experiment
from acrnn_lib.features import store
from acrnn_lib.features.frontend import normalise
from acrnn_lib.models import baselines
from acrnn_lib.models.acrnn import ACRNN
from acrnn_lib.training import classical, loop
from tests import tiny

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class NoConstants(TorchDispatchMode):
    """Refuses tensors that are made on the CPU, which a recording on a GPU could not fetch."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for made in result if isinstance(result, tuple | list) else [result]:
            if isinstance(made, torch.Tensor):
                assert made.device.type == "meta", func
        return result


@pytest.mark.parametrize("name", [*NETWORKS, "att-l6", "sigmoid"])
def test_networks_compute_where_their_input_lies(name):
    model = experiment(name, "smoke").model if name not in NETWORKS else ModelConfig(network=name)
    with torch.device("meta"):
        network, x = baselines.network(model).to("meta"), torch.zeros(2, 2, 128, 128)
    with NoConstants():
        assert network(x).shape == (2, 10)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_answer_alike(name):
    torch.manual_seed(0)
    model = baselines.network(ModelConfig(network=name, rnn_cells=16, init_std=0.0), 7).eval()
    x = torch.randn(3, 2, 128, 128)
    logits, weights = model(x, return_attention=True)
    assert logits.shape == (3, 7) and len(weights) == 3
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    torch.testing.assert_close(model(x), logits)
    logits.logsumexp(1).sum().backward()
    assert all(p.grad is not None for p in model.parameters()), "a part that nothing reaches"


def test_attention_chooses_only_where_it_should():
    x = torch.randn(4, 2, 128, 128)
    for name in set(NETWORKS) - {"acrnn"}:
        weights = baselines.network(ModelConfig(network=name))(x, True)[1]
        uniform = torch.allclose(weights, weights[:1, :1].expand_as(weights))
        assert uniform == (name != "attention-rnn"), name


def test_network_by_default_is_the_papers():
    assert isinstance(baselines.network(), ACRNN)
    with pytest.raises(ValueError, match="unknown network 'svm'"):
        baselines.network(ModelConfig(network="svm"))
    with pytest.raises(ValueError, match="network: found 'x', expected one of acrnn"):
        ModelConfig(network="x")


def test_mixtures_find_the_class_whose_frames_are_alike():
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 2], 6)
    clips = rng.normal(0, 1, (12, 40, 4)) + 3 * targets[:, None, None]
    clips[:, 30:] = np.nan  # frames left out
    model = classical.ClassMixtures(components=2).fit(clips, targets)
    assert model.predict(clips).tolist() == targets.tolist()
    assert model.decision_function(clips).shape == (12, 2)


@pytest.mark.parametrize("system", ["knn", "svm", "forest"])
def test_classifiers_choose_inside_the_training_folds(system):
    rng = np.random.default_rng(1)
    targets = np.tile([0, 1, 2], 12)
    inputs = rng.normal(0, 0.3, (36, 5)) + targets[:, None]
    folds = np.repeat([2, 3, 4, 5], 9)
    search = classical.searcher(system, 0).fit(inputs, targets, groups=folds)
    assert search.n_splits_ == 4
    shares = classical.probabilities(search, inputs)
    np.testing.assert_allclose(shares.sum(1), 1)
    assert (shares.argmax(1) == targets).mean() > 0.9


def test_two_classes_have_two_columns():
    inputs, targets = np.array([[-1.0], [-2], [1], [2]] * 3), np.array([0, 0, 1, 1] * 3)
    search = classical.searcher("svm", 0).fit(inputs, targets, groups=np.repeat([1, 2, 3], 4))
    assert classical.probabilities(search, inputs).argmax(1).tolist() == targets.tolist()


def test_silent_frames_are_left_out():
    static = np.full((1, 128, 40), -13.0, np.float32)
    static[:, :, :20] = np.random.default_rng(0).normal(2, 1, (1, 128, 20))
    found = classical.frames(static, FeatureConfig(scale="mel"), every=1)
    assert found.shape == (1, 40, 40)
    assert not np.isnan(found[0, :20]).any() and np.isnan(found[0, 20:]).all()


@pytest.fixture(scope="module")
def small_table(tmp_path_factory):
    """Thirty clips on disk: tones, noise and clicks in five folds."""
    import soundfile

    folder, (table, _) = tmp_path_factory.mktemp("clips"), tiny.task(30)
    rng, t = np.random.default_rng(0), np.arange(44100) / 44100
    for k, target in enumerate(table.target):
        wave = [np.sin(2 * np.pi * (400 + 20 * k) * t), rng.normal(0, 0.3, t.size),
                (rng.random(t.size) < 1e-3).astype(float)][target]
        table.loc[k, "path"] = str(folder / table.path[k])
        soundfile.write(table.path[k], 0.3 * wave, 44100)
    return table


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_systems_leave_run_folders(name, small_table, tmp_path, monkeypatch):
    monkeypatch.setenv("ACRNN_CACHE", str(tmp_path / "cache"))
    chosen = experiment(name, "smoke", {"features.clip_seconds": 1.5})
    copies = store.load(small_table, chosen.features, chosen.bank, progress=False)
    folder = results.run_folder(tmp_path, "synth", "smoke", chosen.name, 0, 1)
    run = classical.fit(chosen, small_table, copies, 1, 0, folder, extra={"data_hash": "d"})
    run.verify()
    assert run.manifest["chosen"] and run.manifest["config_hash"] == config_hash(chosen)
    assert len(run.predictions) == 6 and len(run.history) == 1
    before = (folder / results.PREDICTIONS).read_bytes()
    assert classical.fit(chosen, small_table, copies, 1, 0, folder,
                         extra={"data_hash": "d"}).folder == run.folder
    assert (folder / results.PREDICTIONS).read_bytes() == before
    with pytest.raises(results.ResultsError, match="made with data_hash"):
        classical.fit(chosen, small_table, copies, 1, 0, folder, extra={"data_hash": "e"})


def test_a_misspelt_argument_of_a_classical_system_is_refused(tmp_path):
    names = set(inspect.signature(loop.fit).parameters)
    assert set(inspect.signature(classical.fit).parameters) == names, "crossval calls either"
    with pytest.raises(TypeError, match="train_fold'"):
        classical.fit(experiment("svm", "smoke"), *tiny.task(), 1, 0, tmp_path, train_fold=[2])


def test_statistics_are_26_numbers_per_clip(small_table):
    found = classical.statistics(small_table, FeatureConfig(clip_seconds=1.5))
    assert found.shape == (30, 26) and np.isfinite(found).all()
    wave = audio.read(small_table.path[1], 1.5)
    crossings = np.mean(np.diff(np.signbit(wave)) != 0)
    assert found[1, 12] == pytest.approx(crossings, rel=0.05)


def test_committed_runs_keep_their_hash():
    """Settings that were added later do not change what a published run is called."""
    for path in sorted((ROOT / "results").glob("*/*/*/seed*/fold1/manifest.json")):
        manifest = json.loads(path.read_text())
        if manifest["config"]["bank"].get("vocoder") == BankConfig().vocoder:
            name, *changes = manifest["experiment"].split("+")
            settings = dict(change.split("=") for change in changes)
            chosen = experiment(name, manifest["profile"], settings)
            assert config_hash(chosen) == manifest["config_hash"], path


def test_every_experiment_can_be_built_and_differs():
    for profile in ("lite", "paper"):
        hashes = {config_hash(experiment(name, profile)): name for name in EXPERIMENTS}
        same = set(EXPERIMENTS) - set(hashes.values())
        assert not same, f"{profile}: another experiment has the same settings as {same}"


def test_register_settings_act(tmp_path):
    """Each later setting changes what it says it changes."""
    table, copies = tiny.task()
    _, data = tiny.trainer(tiny.settings("acrnn", **{"train.normalise": "band"}), table, copies)
    assert data.mean.shape == (2, 128)
    x = data.segments.with_channels(data.segments.static_of(data.segments.all()[:40]))
    assert normalise(x, data.mean, data.std)[:, 0].mean((0, 2)).abs().max() < 0.5
    rng = np.random.default_rng(0)
    model = ACRNN(ModelConfig(attention="l6", keep_scale=False, rnn_cells=8))
    attend = model.cnn["l6_attention"]
    maps = torch.from_numpy(rng.normal(0, 1, (2, 128, 8, 14))).float()
    out, weights = attend(maps)
    torch.testing.assert_close(out, maps * weights[:, None, None])
