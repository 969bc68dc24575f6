"""What a run is: experiment, seed, fold, settings, data, device and the code that computes it.

All of it stands in the manifest and in the checkpoint, and is compared before a run is resumed or
reused, so that no folder is taken for another run.

Notebook: 06_training_on_a_gpu
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

import torch

from ..config import CLASSICAL, Experiment, ModelConfig, config_hash
from ..device import pick_device
from ..models.baselines import network
from ..registry import registered_code
from .probe import pick_precision

# The files whose code decides a prediction, under acrnn_lib; all others show, store, distribute or
# explain.
_INPUT = (*(f"data/{name}.py" for name in ("audio", "decoders", "lengths")), "features/*.py",
          "evaluation/metrics.py")
NETWORK = (*_INPUT, "models/acrnn.py", "models/baselines.py", "models/fused*.py",
           *(f"training/{name}.py" for name in ("batches", "cuda", "loop", "optim",
                                                "testing")))
WITHOUT_NETWORK = (*_INPUT, "training/classical.py")

HINTS = ("annotation", "returns")  # fields of a syntax tree that compute nothing


def identity(experiment: Experiment, seed: int, fold: int, train_folds: list[int], n_classes: int,
             device: torch.device | str | None = "auto", extra: dict | None = None) -> dict:
    """All that two runs must have in common to be the same run.

    Parameters
    ----------
    experiment : config.Experiment
    seed, fold : int
    train_folds : list of int
    n_classes : int
    device : auto, cpu, cuda, mps or None
        None leaves out device and precision, which another machine will choose.
    extra : dict, optional
        May hold ``data_hash`` and ``protocol`` of the run.

    Returns
    -------
    dict
        Ready for JSON. ``code_hash`` and ``model_hash`` are those of the present code.
    """
    system, extra = experiment.model.network, extra or {}
    found = {"experiment": experiment.name, "profile": experiment.profile, "seed": seed,
             "fold": fold, "train_folds": train_folds, "config_hash": config_hash(experiment),
             **{name: extra[name] for name in ("data_hash", "protocol") if name in extra},
             "code_hash": code_hash(WITHOUT_NETWORK if system in CLASSICAL else NETWORK)}
    if own := registered_code(experiment):
        trees = {name: [_code(tree) for tree in found] for name, found in own.items()}
        found["code_hash"] += "+" + _digest(trees)
    if system in CLASSICAL:
        return found | {"device": "cpu", "precision": "float64"}
    found["model_hash"] = model_hash(experiment.model, n_classes, experiment.features.channels)
    if device is not None:
        device = pick_device(device)
        found |= {"device": device.type, "precision": pick_precision(device)}
    return found


def model_hash(config: ModelConfig, n_classes: int,
               channels: tuple[str, ...] = ("static", "delta")) -> str:
    """Twelve hex digits over the names and shapes of a network's weights.

    They also change where a notebook replaced a layer or a constant in memory, which no source file
    shows.

    Parameters
    ----------
    config : config.ModelConfig
    n_classes : int
    channels : tuple of str
        Names of the input channels.

    Returns
    -------
    str
    """
    with torch.device("meta"):
        state = network(config, n_classes, len(channels)).state_dict()
    return _digest([[name, list(value.shape)] for name, value in state.items()])


@cache
def code_hash(patterns: tuple[str, ...]) -> str:
    """Twelve hex digits over the code of some of the kit's files, not over comments and docstrings.

    Parameters
    ----------
    patterns : tuple of str
        Glob patterns under acrnn_lib, such as ``features/*.py``.

    Returns
    -------
    str
    """
    folder = Path(__file__).parents[1]
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return _digest([[path.relative_to(folder).as_posix(), _code(ast.parse(path.read_bytes()))]
                    for path in paths])


def _code(node):
    """A syntax tree as nested lists, without docstrings and empty fields.

    Python's own dumps differ from version to version.
    """
    if isinstance(node, list):
        return [_code(part) for part in node if not _is_text(part)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [[name, _code(value)] for name, value in ast.iter_fields(node)
              if value not in (None, []) and name not in HINTS]
    return [type(node).__name__, *fields]


def _is_text(node):
    """A docstring, or any other string that stands alone: it computes nothing."""
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str))


def _digest(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]
