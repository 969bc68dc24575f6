"""A learner's own network, channel and augmentation: one cell each, no file of the kit touched."""

import ast
import linecache

import numpy as np
import pytest
import soundfile
import torch

from acrnn_lib import config, experiments, inference, registry
from acrnn_lib.commands import main
from acrnn_lib.config import FeatureConfig
from acrnn_lib.evaluation import results
from acrnn_lib.features import segments
from acrnn_lib.training import crossval, identity, loop
from tests import tiny

HEADS = '''
import torch
from torch import nn
from acrnn_lib.models.acrnn import ACRNN, FrameAttention
from acrnn_lib.registry import register_network

N_HEADS = 4

class Heads(nn.Module):
    def __init__(self, features, scaling):
        super().__init__()
        self.heads = nn.ModuleList(FrameAttention(features, scaling) for _ in range(N_HEADS))

    def forward(self, hidden):
        summaries, weights = zip(*[head(hidden) for head in self.heads])
        return torch.stack(summaries).mean(0), torch.stack(weights).mean(0)

@register_network("multi-head")
class MultiHead(ACRNN):
    def __init__(self, config, n_classes, in_channels):
        super().__init__(config, n_classes, in_channels)
        self.attention = Heads(self.l10.size, config.scaling)
'''
DELTA = '''
from acrnn_lib.features.frontend import delta
from acrnn_lib.registry import register_channel

@register_channel("delta-delta", context=8)
def delta_delta(static, config):
    return delta(delta(static, config.delta_width), config.delta_width)
'''
SHIFT = '''
import torch
from acrnn_lib.registry import register_augmentation

@register_augmentation("band-shift")
def band_shift(static, rng):
    """Move each segment by up to two bands, the spectral shape stays."""
    return torch.stack([part.roll(int(rng.integers(-2, 3)), 0) for part in static])
'''
CELLS = {  # name: the cell, what is changed by its name
    "multi-head": (HEADS, {"model.network": "multi-head"}),
    "delta-delta": (DELTA, {"features.channels": "static,delta,delta-delta"}),
    "band-shift": (SHIFT, {"train.augmentations": "band-shift"}),
}
SMALL = {key: value for key, value in tiny.SETTINGS.items()} | {"train.epochs": 2}


def cell(source, name="<ipython-input-1>"):
    """Run a cell as a notebook does: in a namespace of its own, its text known to Python."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), {"__name__": "__main__"})


@pytest.fixture(autouse=True)
def forget():
    """What a test registers is gone after it."""
    before = [dict(known) for known in (registry.NETWORKS, registry.CHANNELS, registry.CONTEXT,
                                        registry.AUGMENTATIONS)]
    yield
    for known, old in zip((registry.NETWORKS, registry.CHANNELS, registry.CONTEXT,
                           registry.AUGMENTATIONS), before, strict=True):
        known.clear()
        known.update(old)


def fit(root, name):
    chosen = experiments.experiment("acrnn-plus", "smoke", {**SMALL, **CELLS[name][1]})
    folder = results.run_folder(root, "tiny", "smoke", chosen.name, 0, 1)
    return loop.fit(chosen, *tiny.task(), 1, 0, folder, device="cpu")


@pytest.mark.parametrize("name", CELLS)
def test_a_learners_change_is_one_cell_trained_and_predicted_with(tmp_path, name):
    cell(CELLS[name][0])
    run = fit(tmp_path, name)
    assert np.isfinite(run.history.loss).all() and len(run.predictions) == 6
    sound = tmp_path / "noise.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, 100_000), 44100)
    predictor = inference.Predictor(run.folder / "model.safetensors")
    answer = predictor.file(sound)
    assert sum(row["probability"] for row in answer["classes"]) == pytest.approx(1, abs=1e-4)
    kinds = {"multi-head": predictor.model.__class__.__name__ == "MultiHead",
             "delta-delta": predictor.model.cnn["l1"][0].in_channels == 3,
             "band-shift": run.manifest["config"]["train"]["augmentations"] == ["band-shift"]}
    assert kinds[name]


@pytest.mark.slow
@pytest.mark.parametrize("name, old, new", [
    ("multi-head", "N_HEADS = 4", "N_HEADS = 2"),
    ("multi-head", ".mean(0), torch", ".sum(0), torch"),
    ("delta-delta", "config.delta_width), config", "3), config"),
    ("band-shift", "integers(-2, 3)", "integers(-3, 4)")])
def test_a_changed_cell_makes_the_run_anew(tmp_path, capsys, name, old, new):
    source = CELLS[name][0]
    cell(source)
    first = fit(tmp_path, name).manifest["code_hash"]
    cell(source + "\n# a remark\n", "<ipython-input-2>")
    assert fit(tmp_path, name).manifest["code_hash"] == first
    assert not capsys.readouterr().err
    assert old in source
    cell(source.replace(old, new), "<ipython-input-3>")
    assert fit(tmp_path, name).manifest["code_hash"] != first
    assert "made by another version of the code" in capsys.readouterr().err


def test_a_network_that_is_not_registered_is_named(tmp_path):
    cell(HEADS)
    run = fit(tmp_path, "multi-head")
    del registry.NETWORKS["multi-head"]
    with pytest.raises(results.ResultsError, match="'multi-head' is not known here: run the cell"):
        inference.load_model(run.folder / "model.safetensors")
    with pytest.raises(ValueError, match="network: found 'multi-head'"):
        experiments.experiment("acrnn", "smoke", {"model.network": "multi-head"})


ALL = {key: value for _, changes in CELLS.values() for key, value in changes.items()}


def trained(out, away=None):
    """A run with everything registered, in this process or in another one."""
    run, = crossval.run("synth", ["acrnn-plus"], "smoke", folds=[1], out=out, device="cpu",
                        changes={**SMALL, "bank.copies": 0, **ALL}, away=away, threads=1,
                        progress=False, attention=False)
    return run


@pytest.mark.slow
def test_another_process_is_given_what_is_registered(tmp_path, capsys):
    """A process of its own predicts the same by the same code, and its run is known again."""
    pytest.importorskip("distributed", reason="Dask is not installed")
    for number, (source, _) in enumerate(CELLS.values()):
        cell(source, f"<ipython-input-{number}>")
    here, there = trained(tmp_path / "here"), trained(tmp_path / "there", {"processes": 1})
    assert "+" in there.manifest["code_hash"] == here.manifest["code_hash"]
    assert (there.folder / "predictions.csv").read_bytes() == (
        here.folder / "predictions.csv").read_bytes()
    written = (there.folder / "manifest.json").stat().st_mtime_ns
    assert trained(tmp_path / "there").folder == there.folder
    assert (there.folder / "manifest.json").stat().st_mtime_ns == written, "trained again"


@pytest.mark.slow
def test_a_file_that_is_registered_by_the_command_is_known_to_its_processes(tmp_path, capsys):
    pytest.importorskip("distributed", reason="Dask is not installed")
    (tmp_path / "mine.py").write_text("".join(source for source, _ in CELLS.values()), "utf-8")
    settings = {**SMALL, "bank.copies": 0, **ALL}
    command = ["crossval", "synth", "--experiments", "acrnn-plus", "--profile", "smoke",
               "--device", "cpu", "--out", str(tmp_path), "--processes", "1", "--register",
               str(tmp_path / "mine.py"),
               *(word for key, value in settings.items() for word in ("--set", f"{key}="
                 f"{str(value).lower() if isinstance(value, bool) else value}"))]
    assert main(command) == 0, capsys.readouterr().err
    run, = results.load(tmp_path)
    assert run.manifest["config"]["model"]["network"] == "multi-head"
    sound = tmp_path / "noise.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, 100_000), 44100)
    predict = ["predict", str(sound), "--checkpoint", str(run.folder / "model.safetensors"),
               "--register", str(tmp_path / "mine.py")]
    assert main(predict) == 0, capsys.readouterr().err


def test_received_code_keeps_its_hash_where_its_source_cannot_be_read():
    """As in another process: no text of the cell, and a base class that no function mentions."""
    pickle = pytest.importorskip("cloudpickle", reason="comes with Dask")
    base = "class Base(ACRNN):\n    def nothing(self):\n        return N_HEADS\n\n\n"
    cell(HEADS.replace("@register", base + "@register").replace("MultiHead(ACRNN)",
                                                               "MultiHead(Base)"))
    cell(DELTA, "<ipython-input-2>")
    chosen = experiments.experiment("acrnn-plus", "smoke", CELLS["multi-head"][1]
                               | CELLS["delta-delta"][1])
    before = identity.identity(chosen, 0, 1, [2], 10, "cpu")
    sent = pickle.dumps(registry.registered_parts(chosen))
    for known in (registry.NETWORKS, registry.CHANNELS, registry.CONTEXT):
        for name in ("multi-head", "delta-delta"):
            known.pop(name, None)
    linecache.clearcache()
    registry.receive(pickle.loads(sent))
    assert registry.CONTEXT["delta-delta"] == 8
    assert identity.identity(chosen, 0, 1, [2], 10, "cpu") == before


def test_what_cannot_be_sent_is_named(tmp_path, monkeypatch):
    parallel = pytest.importorskip("acrnn_lib.training.parallel")
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    cell("import threading\nlock = threading.Lock()\n"
         + SHIFT.replace("return torch", "with lock:\n        return torch"))
    table = tiny.task()[0].assign(source="1")
    monkeypatch.setattr(crossval.datasets, "load", lambda *_: table)
    monkeypatch.setattr(crossval.datasets, "data_hash", lambda _: "d")
    with distributed.LocalCluster(processes=False, n_workers=1, host="127.0.0.1",
                                  protocol="tcp://", dashboard_address=None) as cluster, \
            distributed.Client(cluster) as client, \
            pytest.raises(parallel.ClusterError, match="registered code cannot be sent"):
        parallel.run(client, crossval.plan(
            "synth", ["acrnn-plus"], "smoke", [1], (0,), "cpu", None, None,
            {"train.augmentations": "band-shift"}, False, 1, True), tmp_path)


def test_the_kits_own_names_are_not_taken():
    with pytest.raises(ValueError, match="network 'acrnn': is the kit's own"):
        cell(HEADS.replace('"multi-head"', '"acrnn"'))
    with pytest.raises(ValueError, match="channel 'delta': is the kit's own"):
        cell(DELTA.replace('"delta-delta"', '"delta"'))
    assert registry.CONTEXT["delta"](FeatureConfig()) == 4, "the refused one changed its context"


def test_a_channels_context_is_what_it_reads():
    """Segments of a clip, with their context, have the channel that the whole clip has there."""
    cell(DELTA)
    features = FeatureConfig(channels=("delta-delta", "static", "delta"))
    copies = tiny.task()[1]
    drawn = segments.Segments(copies, np.arange(30), features)
    x = drawn.with_channels(drawn.static_of([(5, 1, 33)]))
    assert x.shape == (1, 3, 128, 128)
    whole = segments.with_channels(torch.from_numpy(copies[1][5]).float(), features)
    torch.testing.assert_close(x[0], whole[..., 33:161], atol=1e-5, rtol=1e-5)
    again = segments.network_input(torch.from_numpy(copies[1][5]).float(), [33], features)
    torch.testing.assert_close(again, x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("changes, message", [
    ({"features.channels": "static,slope"}, "channels: found 'slope', expected one of static"),
    ({"features.channels": "static,static"}, "channels: found .* expected different names"),
    ({"features.channels": ""}, "channels: found .* expected different names"),
    ({"train.augmentations": "nothing"}, "augmentations: found 'nothing'"),
])
def test_unknown_names_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        experiments.experiment("acrnn", "smoke", changes)


def test_a_later_setting_leaves_earlier_hashes():
    """A rule, not a mark by hand: whatever is added with a default changes no hash."""
    for part in (config.FeatureConfig, config.BankConfig, config.ModelConfig, config.TrainConfig):
        later = {f for f in part.__dataclass_fields__ if f not in part.FIRST}
        hashed = config.hashed(part())
        assert set(hashed) == set(part.FIRST) and not later & set(hashed)


def test_functions_and_constants_that_are_mentioned_count():
    source = '''
from acrnn_lib.registry import register_augmentation

STEPS = {"up": [0.5, 1.0]}

def amount(): return 1.0

@register_augmentation("louder")
def louder(static, rng):
    return static + amount() * STEPS["up"][1]
'''
    hashes = []
    for number, text in enumerate([source, source.replace("return 1.0", "return 2.0"),
                                   source.replace("0.5", "0.7")]):
        cell(text, f"<ipython-input-{number}>")
        chosen = experiments.experiment("acrnn", "smoke", {"train.augmentations": "louder"})
        trees = registry.registered_code(chosen)["augmentation louder"]
        assert len(trees) == 3 and all(isinstance(tree, ast.AST) for tree in trees)
        hashes.append(identity.identity(chosen, 0, 1, [2], 10, "cpu")["code_hash"])
    assert len(set(hashes)) == 3
