"""Trained networks: a checkpoint is checked as it is loaded, then its network runs on segments.

Notebook: 09_seeing_attention
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from .config import SYSTEMS, FeatureConfig, ModelConfig
from .data import audio
from .features.frontend import front_end, normalise
from .features.segments import network_input
from .files import ResultsError
from .models.baselines import network
from .registry import NETWORKS

LARGEST = 2**29  # bytes of a checkpoint; the paper's network has 15 million
# Lowest and highest settings accepted from a checkpoint, a few times wider than what the kit
# trains: beyond them a foreign file could take minutes and gigabytes for seconds of sound.
LIMITS = {
    "sample_rate": (audio.SAMPLE_RATE, audio.SAMPLE_RATE), "n_fft": (128, 4096),
    "hop_length": (128, 2048), "n_bands": (16, 256), "segment_frames": (18, 512),
    "segment_hop": (4, 512), "delta_width": (3, 99), "log_floor": (1e-30, 1.0),
    "silence_db": (1.0, 1e9), "rnn_cells": (1, 2048),
}
MOST_OVERLAP = 8  # segments that may share a frame; the kit trains with up to 6


def load_model(path: Path | str) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor, dict]:
    """Load a checkpoint and check it, with one silent segment as a test.

    Parameters
    ----------
    path : Path or str
        A model.safetensors.

    Returns
    -------
    model : torch.nn.Module
        In eval mode.
    mean, std : torch.Tensor, shape (channels,) or (channels, n_bands), float32
    note : dict
        classes (names), experiment (settings) and features (FeatureConfig).

    Raises
    ------
    ResultsError
        For a file that is no checkpoint of this kit, with settings outside LIMITS or values that
        are NaN or infinite.

    Notebook: 09_seeing_attention
    """
    try:
        if Path(path).stat().st_size > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        with safe_open(path, "pt") as file:
            note = json.loads((file.metadata() or {})["acrnn"])
            tensors = {key: file.get_tensor(key).to(torch.float32, copy=True)  # not mapped
                       for key in file.keys()}
        classes, stored = note["classes"], note["experiment"]
        if not (isinstance(classes, list) and classes
                and all(isinstance(name, str) for name in classes)):
            raise ValueError(f"classes: found {classes!r:.80}, expected a list of names")
        note["features"] = features = _settings(FeatureConfig, stored["features"])
        if features.segment_hop * MOST_OVERLAP < features.segment_frames:
            raise ValueError(f"segment_hop: expected at least segment_frames / {MOST_OVERLAP}")
        with torch.device("meta"):  # takes no memory: the file's tensors replace these
            model = network(_settings(ModelConfig, stored["model"]), len(classes),
                            len(features.channels))
        mean, std = _moments(tensors, features)
        model.load_state_dict(tensors, assign=True)
        silence = front_end(features).static(torch.zeros(1, shortest(features)))[0]
        answer(normalise(network_input(silence, [0], features), mean, std), model.eval())
    except Exception as error:  # a damaged or foreign file can raise anything
        reason = " ".join(f"{error}".split())[:300]  # torch prints a line per tensor
        raise ResultsError(f"{path}: not a checkpoint of this kit ({reason})") from error
    return model, mean, std, note


def _settings(kind, stored):
    """Config stored in a note; ValueError for a value of another type or outside LIMITS."""
    if (name := stored.get("network", "acrnn")) not in (*SYSTEMS, *NETWORKS):
        raise ValueError(f"network {name!r} is not known here: run the cell that registers it, or "
                         "name its file with --register")
    config = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()})
    for name, default in vars(kind()).items():
        value, (low, high) = getattr(config, name), LIMITS.get(name, (-math.inf, math.inf))
        if type(value) is not type(default) and (type(value), type(default)) != (int, float):
            raise ValueError(f"{name}: found {value!r:.80}, expected a {type(default).__name__}")
        if name in LIMITS and not low <= value <= high:
            raise ValueError(f"{name}: found {value}, expected {low} to {high}")
    return config


def _moments(tensors, features):
    """Pop mean and std from a file's tensors; ValueError for any invalid tensor."""
    for name, values in tensors.items():
        if not values.isfinite().all():
            raise ValueError(f"{name} holds numbers that are NaN or infinite")
    mean, std = tensors.pop("feature_mean"), tensors.pop("feature_std")
    channels, bands = len(features.channels), features.n_bands
    if mean.shape != std.shape or mean.shape not in ((channels,), (channels, bands)) or not (
            std > 0).all():
        raise ValueError(f"feature_mean, feature_std: found shapes {list(mean.shape)} and "
                         f"{list(std.shape)}, expected [{channels}] or [{channels}, {bands}], "
                         "deviations over 0")
    return mean, std


def shortest(config: FeatureConfig) -> int:
    """Length of the shortest wave that holds a whole segment.

    Parameters
    ----------
    config : FeatureConfig

    Returns
    -------
    int, samples
    """
    return (config.segment_frames - 1) * config.hop_length


def answer(x: torch.Tensor, model: torch.nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Run a network on segments.

    Parameters
    ----------
    x : torch.Tensor, shape (S, channels, n_bands, frames), float32
        Normalised segments.
    model : torch.nn.Module
        In eval mode.

    Returns
    -------
    probabilities : np.ndarray, shape (S, C), float64
    attention : np.ndarray, shape (S, T'), float64

    Raises
    ------
    ValueError
        For outputs that are NaN or infinite.
    """
    logits, weights, _ = outputs(x, model)
    return torch.from_numpy(logits).softmax(1).numpy(), weights


def outputs(x: torch.Tensor, model: torch.nn.Module
            ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """As `answer`, but logits, attention, and what the layer ``classifier`` reads.

    Returns
    -------
    logits : np.ndarray, shape (S, C), float64
    attention : np.ndarray, shape (S, T'), float64
    summaries : np.ndarray, shape (S, features), float64, or None
        None for a network without such a layer.

    Notebook: 13_your_own_sounds
    """
    with torch.inference_mode():
        logits, weights, *summaries = all_outputs(x, model)
    if not (logits.isfinite().all() and weights.isfinite().all()):
        raise ValueError("the network answers with NaN")
    return (logits.double().numpy(), weights.double().numpy(),
            summaries[0].double().numpy() if summaries else None)


def all_outputs(x: torch.Tensor, model: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    """Logits, attention, and what the layer ``classifier`` reads, where there is such a layer.

    Shapes as of `outputs`; tensors, so that an export can follow them.
    """
    seen, layer = [], getattr(model, "classifier", None)
    watched = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0])) if isinstance(
        layer, torch.nn.Linear) else None
    found = model(x, return_attention=True)
    if watched:
        watched.remove()
    return (*found, *seen)
