"""Classify a sound with a trained network: an audio file, its bytes, or a wave in memory.

Notebook: 09_seeing_attention
"""

import functools
import itertools
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from .attention.maps import attention_curve
from .data import audio, levels
from .evaluation import metrics
from .evaluation.outside import Limits
from .evaluation.results import ResultsError, Run, is_complete, run_folder
from .features.frontend import front_end, level_db, normalise
from .features.segments import network_input, peak_level, segment_starts
from .files import printable
from .progress import bar
from .trained import load_model, outputs, shortest

DATA = files("acrnn_lib") / "assets"
BLOCK_SEGMENTS = 40  # hops read at a time: 30 s, so that memory does not grow with the file
ATTENDED = 1.5  # times the uniform weight


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

        Channels that cancel each other are not averaged, and a sound below the reference level of
        the network is raised to it (`data.levels`). So a sound is read twice: its level is only
        known at its end.

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
        level, mix, note = levels.uncancelled(lambda mix: self._level(sound, mix, progress))
        gain, judged = level.judged(self.limits.soft_dbfs, self.limits.reference_dbfs)
        found = self._pass(sound, levels.Mixer(mix.channel), 10 ** ((gain or 0) / 20), progress)
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

    def _level(self, sound, mix, progress):
        level = levels.Level()
        for _, wave, _ in self._blocks(sound, progress, mix):
            level.add(wave)
        return level

    def _pass(self, sound, mix, gain, progress):
        """Seconds, last block, arrays by segment, the level of each frame."""
        parts = []
        for start, wave, duration in self._blocks(sound, progress, mix):
            wave = audio.fit(wave * np.float32(gain), max(len(wave), shortest(self.config)))
            starts, probabilities, weights, summaries, static = self._block(wave)
            peak = peak_level(static, self.config).numpy()[starts]
            parts.append((start + starts, probabilities, weights, summaries, peak,
                          level_db(static).numpy()))
            seconds = duration  # of the whole sound, with the last block
        return seconds, static, *map(np.concatenate, zip(*parts, strict=True))

    def _short(self, seconds):
        least = shortest(self.config) / self.config.sample_rate
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
        last = shortest(c) / c.sample_rate
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
