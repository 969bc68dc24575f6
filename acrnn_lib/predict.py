"""Name the sounds in any audio file, and the times that the network attended to.

Notebook: 09_seeing_attention
"""

import json
import math
import re
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from . import audio, evaluate
from .baselines import network
from .config import FeatureConfig, ModelConfig
from .features import front_end, level_db, segment_starts
from .progress import bar
from .results import ResultsError, Run
from .steps import owners

DATA = files("acrnn_lib") / "data"
BLOCK_SEGMENTS = 40  # hops read at a time: 30 s, so that memory does not grow with the file
SILENCE_DBFS = -90.0  # dB; the rounding noise of 16-bit audio lies at -98
ATTENDED = 1.5  # times the uniform weight
LARGEST = 2**29  # bytes of a checkpoint; the paper's network has 15 million
# What a checkpoint may ask for, lowest and highest, a few times to both sides of what the kit
# trains: beyond it a stranger's file would take minutes and gigabytes for seconds of sound.
LIMITS = {
    "sample_rate": (audio.SAMPLE_RATE, audio.SAMPLE_RATE), "n_fft": (128, 4096),
    "hop_length": (128, 2048), "n_bands": (16, 256), "segment_frames": (18, 512),
    "segment_hop": (4, 512), "delta_width": (3, 99), "log_floor": (1e-30, 1.0),
    "silence_db": (1.0, 1e9), "rnn_cells": (1, 2048),
}
MOST_OVERLAP = 8  # segments that a frame may lie in; the kit trains with up to 6


def load_model(path):
    """Read a trained network: (model in eval mode, mean, std, note dict).

    mean, std : (2,), or (2, n_bands) of a network that was trained with one per band. The note
    holds the experiment's settings, its ``features`` as a FeatureConfig, and the names of the
    classes. Raises ResultsError, naming the file, for one that is not such a checkpoint, asks for
    more than LIMITS or holds numbers that are none; a silent segment has then gone all the way.
    Notebook: 09_seeing_attention
    """
    try:
        if Path(path).stat().st_size > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        with safe_open(path, "pt") as file:
            note = json.loads((file.metadata() or {})["acrnn"])
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}
        classes, stored = note["classes"], note["experiment"]
        if not (isinstance(classes, list) and classes
                and all(isinstance(name, str) for name in classes)):
            raise ValueError(f"classes: found {classes!r:.80}, expected a list of names")
        note["features"] = features = _settings(FeatureConfig, stored["features"])
        if features.segment_hop * MOST_OVERLAP < features.segment_frames:
            raise ValueError(f"segment_hop: expected at least segment_frames / {MOST_OVERLAP}")
        with torch.device("meta"):  # takes no memory: the tensors of the file come in their place
            model = network(_settings(ModelConfig, stored["model"]), len(classes))
        mean, std = _moments(tensors, features.n_bands)
        model.load_state_dict(tensors, assign=True)
        silence = torch.zeros(1, _shortest(features))
        _answer(front_end(features)(silence), model.eval(), mean, std)
    except Exception as error:  # whatever a damaged or foreign file may be the cause of
        reason = " ".join(f"{error}".split())[:300]  # torch's have a line per tensor
        raise ResultsError(f"{path}: not a checkpoint of this kit ({reason})") from error
    return model, mean, std, note


def _settings(kind, stored):
    """The config that a note holds; ValueError for a value of another type or outside LIMITS."""
    config = kind(**stored)
    for name, default in vars(kind()).items():
        value, (low, high) = getattr(config, name), LIMITS.get(name, (-math.inf, math.inf))
        if type(value) is not type(default) and (type(value), type(default)) != (int, float):
            raise ValueError(f"{name}: found {value!r:.80}, expected a {type(default).__name__}")
        if name in LIMITS and not low <= value <= high:
            raise ValueError(f"{name}: found {value}, expected {low} to {high}")
    return config


def _moments(tensors, n_bands):
    """Take mean and std out of a file's tensors; ValueError if any tensor is not usable."""
    for name, values in tensors.items():
        if not values.isfinite().all():
            raise ValueError(f"{name} holds numbers that are NaN or infinite")
    mean, std = tensors.pop("feature_mean"), tensors.pop("feature_std")
    if mean.shape != std.shape or mean.shape not in ((2,), (2, n_bands)) or not (std > 0).all():
        raise ValueError(f"feature_mean, feature_std: found shapes {list(mean.shape)} and "
                         f"{list(std.shape)}, expected [2] or [2, {n_bands}], deviations over 0")
    return mean, std


def _shortest(config):
    """Samples (int) of the shortest wave that has a whole segment."""
    return (config.segment_frames - 1) * config.hop_length


def _answer(x, model, mean, std):
    """Probabilities (S, C) and attention (S, T'), float64, of segments (S, 2, n_bands, frames).

    Raises ValueError where the network's answer is not made of numbers.
    """
    with torch.inference_mode():
        x = (x - mean.view(1, 2, -1, 1)) / std.view(1, 2, -1, 1)
        logits, weights = model(x, return_attention=True)
    chances, weights = logits.double().softmax(1).numpy(), weights.double().numpy()
    if not (np.isfinite(chances).all() and np.isfinite(weights).all()):
        raise ValueError("the network answers with NaN")
    return chances, weights


def tested_in(root):
    """The results.Run that the network of the kit was tested in, as its model card names it.

    root : the folder that holds ``results``. Notebook: 13_your_own_sounds
    """
    card = (DATA / "MODEL_CARD.md").read_text(encoding="utf-8")
    return Run.at(Path(root) / re.search(r"\| evidence \| `(.+)` \|", card)[1])


class Predictor:
    """A trained network with its front end; see ``Predictor.file``.

    checkpoint : a model.safetensors of a run; by default the one that comes with the kit.
    Raises ResultsError for a file that is not such a checkpoint. Notebook: 00_start_here
    """

    def __init__(self, checkpoint=None):
        self.path = checkpoint or DATA / "acrnn.safetensors"
        self.model, mean, std, note = load_model(self.path)
        self.mean, self.std = mean.view(1, 2, -1, 1), std.view(1, 2, -1, 1)
        self.classes, self.config = note["classes"], note["features"]
        self.majority = note["experiment"].get("train", {}).get("vote") == "majority"
        self.front_end = front_end(self.config)

    def file(self, path, top=3, progress=False):
        """Predict one audio file of any length, read in blocks.

        Segments vote as they did in the network's test, but a file is taken as long as it is,
        where a run cuts or pads each clip to ``clip_seconds``. Returns a dict: file, seconds,
        classes (``top`` of {"name", "probability"}, best first; none for silence), attended
        ([[start, end]] in s, where the attention, averaged over the segments, is at least 1.5
        times uniform), note (a warning or None), error (None). Raises AudioError for a file that
        cannot be used, ResultsError for a checkpoint whose answer to it is no number.
        Notebook: 09_seeing_attention
        """
        seconds = audio.duration(path)
        result = {"file": str(path), "seconds": round(seconds, 3), "classes": [], "attended": [],
                  "note": None, "error": None}
        parts, peak = [], 0.0
        for start, wave in self._blocks(path, seconds, progress):
            peak = max(peak, float(np.abs(wave).max()))
            parts.append((start, *self._block(wave)))
        if peak < 10 ** (SILENCE_DBFS / 20):
            return result | {"note": f"silence: nothing above {SILENCE_DBFS:.0f} dB of full scale"}
        if seconds < self._segment_seconds():
            result["note"] = f"shorter than a segment ({self._segment_seconds():.2f} s): padded"
        levels = np.concatenate([level for _, _, _, _, level in parts])
        loud = levels > levels.max() - self.config.silence_db
        chances = np.concatenate([chance for _, _, chance, _, _ in parts])[loud]
        chances = evaluate.vote(chances, np.zeros(len(chances), int), self.majority)[0]
        best = np.argsort(-chances)[:top]
        starts = np.concatenate([start + s for start, s, _, _, _ in parts])[loud]
        weights = np.concatenate([weight for _, _, _, weight, _ in parts])[loud]
        return result | {
            "classes": [{"name": self.classes[k], "probability": round(float(chances[k]), 6)}
                        for k in best],
            "attended": self._attended(starts, weights, seconds),
        }

    def wave(self, wave):
        """Probabilities (S, C), attention (S, T') and first frames (S,) of a wave's segments.

        wave : (N,) float32 at 44.1 kHz. Silent segments are kept: their level is not judged here.
        Raises ValueError for a wave under one segment, ResultsError like ``file``.
        """
        starts, chances, weights, _ = self._block(np.asarray(wave, dtype=np.float32))
        return chances, weights, starts

    def _segment_seconds(self):
        return _shortest(self.config) / self.config.sample_rate

    def _blocks(self, path, seconds, progress):
        c = self.config
        step = BLOCK_SEGMENTS * c.segment_hop * c.hop_length / c.sample_rate
        length = step + (c.segment_frames - c.segment_hop - 1) * c.hop_length / c.sample_rate
        # as many as begin a whole segment before the file's end; the last one reads up to there
        count = max(1, math.floor((seconds - _shortest(c) / c.sample_rate) / step) + 1)
        silent = not progress or count < 3
        for k in bar(range(count), label=str(path), total=count, unit="block", show=not silent):
            last = k == count - 1
            wave = audio.read(path, None if last else length, start=k * step)
            yield k * BLOCK_SEGMENTS * c.segment_hop, audio.fit(wave, max(len(wave), _shortest(c)))

    def _block(self, wave):
        c = self.config
        with torch.inference_mode():
            features = self.front_end(torch.from_numpy(wave)[None])[0]
            starts = segment_starts(features.shape[-1], c)
            x = torch.stack([features[..., s : s + c.segment_frames] for s in starts])
            level = level_db(x[:, 0]).amax(-1)
        try:
            return starts, *_answer(x, self.model, self.mean, self.std), level.numpy()
        except ValueError as error:
            raise ResultsError(f"{self.path}: {error}") from error

    def _attended(self, starts, weights, seconds):
        curve = attention_curve(starts, weights, self.config.segment_frames)
        frame = self.config.hop_length / self.config.sample_rate
        on = np.concatenate([[False], curve >= ATTENDED, [False]])
        edges = np.flatnonzero(on[1:] != on[:-1]).reshape(-1, 2) - 0.5  # around frames' centres
        return [[round(max(a, 0.0), 3), round(min(b, seconds), 3)] for a, b in edges * frame
                if a < seconds]


def attention_curve(starts, weights, segment_frames=128):
    """One attention curve over the input frames of a clip, from overlapping segments.

    starts : (S,) first frame of each segment; weights : (S, T'), each row summing to 1. Returns
    (frames,): the mean over the segments that cover a frame of T' x weight, so that 1 is uniform;
    NaN where no segment is.
    Of the seven steps after l8, step t owns the input frames [18 t, 18 t + 18), see
    ``steps.owners``; what reaches it through convolutions and GRU is wider, so read times as
    blunt. Notebook: 09_seeing_attention
    """
    n_weights = weights.shape[1]
    owner = owners(segment_frames, n_weights)
    total = np.zeros(starts.max() + segment_frames)
    count = np.zeros_like(total)
    for start, row in zip(starts, weights, strict=True):
        total[start : start + segment_frames] += n_weights * row[owner]
        count[start : start + segment_frames] += 1
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def command(paths, checkpoint=None, as_json=False):
    """The predict command: a result per file; returns 1 if any file could not be used."""
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
    print(f"{outcome['file']}  ({outcome['seconds']:.2f} s)")
    if outcome["note"]:
        print(f"  note: {outcome['note']}")
    for row in outcome["classes"]:
        print(f"  {row['probability']:6.1%}  {row['name']}")
    spans = ", ".join(f"{start:.2f}-{end:.2f} s" for start, end in outcome["attended"])
    if spans:
        print(f"  attended: {spans}")
