"""Classify a sound with a trained network: an audio file, its bytes, or a wave in memory.

Notebook: 09_seeing_attention
"""

import functools
import itertools
import json
import math
import re
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from safetensors import safe_open

from .attention.maps import attention_curve
from .config import SYSTEMS, FeatureConfig, ModelConfig
from .data import audio, levels
from .evaluation import metrics
from .evaluation.outside import Limits
from .evaluation.results import ResultsError, Run, is_complete, run_folder
from .features.frontend import front_end, level_db, normalise
from .features.segments import network_input, peak_level, segment_starts
from .files import printable
from .models.baselines import network
from .progress import bar
from .registry import NETWORKS

DATA = files("acrnn_lib") / "assets"
BLOCK_SEGMENTS = 40  # hops read at a time: 30 s, so that memory does not grow with the file
ATTENDED = 1.5  # times the uniform weight
SPANS = 10  # attended spans that are printed
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
        silence = front_end(features).static(torch.zeros(1, _shortest(features)))[0]
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


def _shortest(config):
    """Length of the shortest wave that holds a whole segment, in samples."""
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


def tested_in(root: Path | str) -> Run:
    """The run that tested the pretrained model, according to its model card.

    Parameters
    ----------
    root : Path or str
        Folder that holds ``results``.

    Returns
    -------
    Run

    Notebook: 13_your_own_sounds
    """
    card = (DATA / "MODEL_CARD.md").read_text(encoding="utf-8")
    return Run.at(Path(root) / re.search(r"\| evidence \| `(.+)` \|", card)[1])


def own_or_pretrained(root: Path | str, dataset: str, profile: str,
                         experiments: tuple[str, ...] = ("acrnn", "acrnn-plus"),
                         seed: int = 0) -> tuple["Predictor", dict]:
    """The network of one of your own runs on a data set, else the pretrained model.

    Parameters
    ----------
    root : Path or str
        Folder of the runs.
    dataset, profile : str
    experiments : tuple of str
        Tried in this order, fold by fold.
    seed : int

    Returns
    -------
    predictor : Predictor
    about : dict
        label : experiment, data set, profile and test fold
        fold : int, the test fold
        own : bool, whether it is of an own run
        known : bool, whether it was trained on ``dataset``

    Raises
    ------
    ResultsError
        For a run whose checkpoint is damaged.

    Notebook: 10_is_attention_right
    """
    folders = [run_folder(root, dataset, profile, name, seed, fold)
               for name in experiments for fold in range(1, 6)]
    own = [folder / "model.safetensors" for folder in folders if is_complete(folder)
           and (folder / "model.safetensors").is_file()]
    predictor = Predictor(own[0] if own else None)
    note = load_model(predictor.path)[-1]
    trained_on, made = dataset if own else "esc10", note["experiment"]
    label = f"{made['name']} ({trained_on}, {made['profile']}, fold {note['fold']})"
    return predictor, {"label": label, "fold": note["fold"], "own": bool(own),
                       "known": trained_on == dataset}


@dataclass(frozen=True)
class Prediction:
    """A network's output for one sound, of its S audible segments; S = 0 if it cannot be judged.

    Attributes
    ----------
    seconds : float, s
        Length of the sound.
    note : str or None
        Warnings: measured values with their limits.
    probabilities : np.ndarray, shape (C,), float64
        After the segment vote; None for a sound that cannot be judged.
    starts : np.ndarray, shape (S,), int64, frames
        First frame of each segment.
    segments : np.ndarray, shape (S, C), float64
        Probabilities of each segment.
    weights : np.ndarray, shape (S, T'), float64
        Attention of each segment.
    static : np.ndarray, shape (n_bands, frames), float32
        Log energies of the last block, which is the whole sound up to 30 s.

    Notebook: 09_seeing_attention
    """

    seconds: float
    note: str | None
    probabilities: np.ndarray | None
    starts: np.ndarray
    segments: np.ndarray
    weights: np.ndarray
    static: np.ndarray


class Predictor:
    """A trained network with its front end.

    Parameters
    ----------
    checkpoint : Path or str, optional
        A run's model.safetensors; default: the pretrained model.

    Raises
    ------
    ResultsError
        For a file that is no valid checkpoint, and for damaged limits beside it.

    Notebook: 00_start_here
    """

    def __init__(self, checkpoint: Path | str | None = None):
        self.path = checkpoint or DATA / "acrnn.safetensors"
        self.model, self.mean, self.std, note = load_model(self.path)
        self.classes, self.config = note["classes"], note["features"]
        self.majority = note["experiment"].get("train", {}).get("vote") == "majority"
        self.front_end, self.limits = front_end(self.config), Limits.beside(self.path)

    def file(self, path: Path | str, top: int = 3, progress: bool = False) -> dict:
        """Classify an audio file of any length, read in blocks.

        Segments vote as in the network's test, but the file is used in full, while a run cuts or
        pads each clip to ``clip_seconds``.

        Parameters
        ----------
        path : Path or str
        top : int
            Number of classes to return.
        progress : bool
            Show a progress bar for a long file.

        Returns
        -------
        dict
            file : str
            seconds : float
            classes : list of {"name", "probability"}, best first; empty for silence and other
            sounds that cannot be judged
            attended : list of [start, end] in s, where the mean attention is 1.5 x uniform or more
            note : warnings with the measured value and the limit, or None
            error : None

        Raises
        ------
        AudioError
            For an unusable file.
        ResultsError
            For a checkpoint whose outputs are NaN or infinite.

        Notebook: 09_seeing_attention
        """
        found = self.predict(path, progress)
        result = {"file": str(path), "seconds": round(found.seconds, 3), "classes": [],
                  "attended": [], "note": found.note, "error": None}
        if found.probabilities is None:
            return result
        best = np.argsort(-found.probabilities)[:top]
        return result | {
            "classes": [{"name": self.classes[k],
                         "probability": round(float(found.probabilities[k]), 6)} for k in best],
            "attended": self._attended(found.starts, found.weights, found.seconds),
        }

    def predict(self, sound: Path | str | BinaryIO | np.ndarray,
                progress: bool = False) -> Prediction:
        """Classify a sound.

        Channels that cancel each other are not averaged, and a soft sound is raised, both with a
        note (`data.levels`). A sound of normal level is classified as it is.

        Parameters
        ----------
        sound : Path, str, binary file object, or np.ndarray, shape (N,), float32, 44.1 kHz
        progress : bool
            Show a progress bar for a long file.

        Returns
        -------
        Prediction

        Raises
        ------
        AudioError, ResultsError
            As in ``file``.

        Notebook: 09_seeing_attention
        """
        (found, level), mix, note = levels.uncancelled(
            lambda mix: self._pass(sound, mix, 1.0, progress))
        gain, judged = level.judged(self.limits.soft_dbfs, self.limits.reference_dbfs)
        if gain:
            again = levels.Mixer(mix.channel)
            found, _ = self._pass(sound, again, 10 ** (gain / 20), progress)
        seconds, static, starts, probabilities, weights, summaries, peak, loud = found
        heard = (peak > peak.max() - self.config.silence_db) & (gain is not None)
        notes = [note, judged]
        if gain is not None:
            audible = (loud > loud.max() - self.config.silence_db).sum() * self.config.hop_length
            notes += [self._short(seconds),
                      self.limits.unlike(summaries[heard], audible / self.config.sample_rate)]
        vote = (metrics.vote(probabilities[heard], np.zeros(heard.sum(), int), self.majority)[0]
                if heard.any() else None)
        return Prediction(seconds, "; ".join(filter(None, notes)) or None, vote, starts[heard],
                          probabilities[heard], weights[heard], static.numpy())

    def _pass(self, sound, mix, gain, progress):
        """Seconds, last block, arrays by segment, the level of each frame; Level of the sound."""
        parts, level = [], levels.Level()
        for start, wave, duration in self._blocks(sound, progress, mix):
            level.add(wave)
            wave = audio.fit(wave * np.float32(gain), max(len(wave), _shortest(self.config)))
            starts, probabilities, weights, summaries, static = self._block(wave)
            peak = peak_level(static, self.config).numpy()[starts]
            parts.append((start + starts, probabilities, weights, summaries, peak,
                          level_db(static).numpy()))
            seconds = duration  # of the whole sound, with the last block
        return (seconds, static, *map(np.concatenate, zip(*parts, strict=True))), level

    def _short(self, seconds):
        least = _shortest(self.config) / self.config.sample_rate
        return None if seconds >= least else (
            f"shorter than a segment ({least:.2f} s): padded with silence, so do not rely on the "
            "answer")

    def wave(self, wave: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the network on all segments of a wave, silent ones included.

        Parameters
        ----------
        wave : np.ndarray, shape (N,), float32, 44.1 kHz

        Returns
        -------
        probabilities : np.ndarray, shape (S, C), float64
        attention : np.ndarray, shape (S, T'), float64
        starts : np.ndarray, shape (S,), int64, frames
            First frame of each segment.

        Raises
        ------
        ValueError
            For a wave shorter than a segment.
        ResultsError
            As in ``file``.
        """
        starts, probabilities, weights, *_ = self._block(np.asarray(wave, dtype=np.float32))
        return probabilities, weights, starts

    def _blocks(self, sound, progress, mix=None):
        """Yield (first frame, wave, seconds of the whole) of blocks that fit into memory.

        A wave is one block. The seconds are those that a file states, or None, until the last.
        """
        c = self.config
        if isinstance(sound, np.ndarray):
            yield 0, np.asarray(sound, np.float32), len(sound) / audio.SAMPLE_RATE
            return
        step = BLOCK_SEGMENTS * c.segment_hop * c.hop_length / c.sample_rate
        length = step + (c.segment_frames - c.segment_hop - 1) * c.hop_length / c.sample_rate
        last = _shortest(c) / c.sample_rate
        blocks = audio.blocks(sound, length, step, last, mix)
        first = next(blocks)
        total = None if first[1] is None else audio.n_blocks(first[1], step, last)
        shown = bar(itertools.chain([first], blocks), label=printable(sound), total=total,
                    unit="block", show=progress and total not in (1, 2))
        for k, (wave, seconds) in enumerate(shown):
            yield k * BLOCK_SEGMENTS * c.segment_hop, wave, seconds

    def _block(self, wave):
        c = self.config
        with torch.inference_mode():
            static = self.front_end.static(torch.from_numpy(wave)[None])[0]
            starts = segment_starts(static.shape[-1], c)
            x = normalise(network_input(static, starts, c), self.mean, self.std)
        try:
            logits, weights, summaries = outputs(x, self.model)
            if summaries is None:
                summaries = np.empty((len(x), 0))
            return (starts, torch.from_numpy(logits).softmax(1).numpy(), weights, summaries,
                    static)
        except ValueError as error:
            raise ResultsError(f"{self.path}: {error}") from error

    def _attended(self, starts, weights, seconds):
        curve = attention_curve(starts, weights, self.config.segment_frames)
        frame = self.config.hop_length / self.config.sample_rate
        on = np.concatenate([[False], curve >= ATTENDED, [False]])
        edges = np.flatnonzero(on[1:] != on[:-1]).reshape(-1, 2) - 0.5  # around frames' centres
        return [[round(max(a, 0.0), 3), round(min(b, seconds), 3)] for a, b in edges * frame
                if a < seconds]


@functools.lru_cache(maxsize=2)
def load(checkpoint: Path | str | None = None) -> Predictor:
    """A cached Predictor; default: the pretrained model.

    Notebook: 00_start_here
    """
    return Predictor(checkpoint)


def predict(sound: Path | str | BinaryIO | np.ndarray,
            checkpoint: Path | str | None = None) -> Prediction:
    """Classify a sound with a trained network.

    Parameters
    ----------
    sound : Path, str, binary file object, or np.ndarray, shape (N,), float32, 44.1 kHz
    checkpoint : Path or str, optional
        A model.safetensors; default: the pretrained model.

    Returns
    -------
    Prediction

    Raises
    ------
    AudioError
        For an unusable sound.
    ResultsError
        For an unusable checkpoint.
    """
    return load(checkpoint).predict(sound)


def command(paths: list[str], checkpoint: Path | str | None = None, as_json: bool = False) -> int:
    """Run the `predict` command: print the result of each file.

    Parameters
    ----------
    paths : list of str
    checkpoint : Path or str, optional
        Default: the pretrained model.
    as_json : bool
        Print one JSON object instead of text.

    Returns
    -------
    int
        Exit status: 1 if any file was unusable, else 0.
    """
    predictor = Predictor(checkpoint)
    outcomes = []
    for path in paths:
        try:
            outcome = predictor.file(path, progress=not as_json)
        except audio.AudioError as error:
            outcome = {"file": str(path), "seconds": None, "classes": [], "attended": [],
                       "note": None, "error": str(error)}
        outcomes.append(outcome)
        if not as_json:
            _print(outcome)
    if as_json:
        print(json.dumps({"files": outcomes}))
    return int(any(outcome["error"] for outcome in outcomes))


def _print(outcome):
    if outcome["error"]:
        print(f"error: {outcome['error']}", file=sys.stderr)
        return
    print(f"{printable(outcome['file'])}  ({outcome['seconds']:.2f} s)")
    if outcome["note"]:
        print(f"  note: {outcome['note']}")
    for row in outcome["classes"]:
        print(f"  {row['probability']:6.1%}  {row['name']}")
    spans = outcome["attended"]
    if spans:
        more = f"{len(spans)} spans, --json lists all; the first {SPANS}: " * (len(spans) > SPANS)
        shown = ", ".join(f"{start:.2f}-{end:.2f} s" for start, end in spans[:SPANS])
        print(f"  attended: {more}{shown}")
