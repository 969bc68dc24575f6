"""Classical systems: a mixture model of MFCC frames, and three classifiers of clip statistics.

All are from scikit-learn; each chooses its one hyperparameter by cross-validation inside the
training folds.

Notebook: 11_six_systems
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from ..config import Experiment, FeatureConfig, as_dict
from ..data import audio, datasets
from ..device import machine
from ..evaluation import results
from ..features.frontend import delta, level_db, mfcc
from ..files import locked
from ..progress import bar
from .identity import identity
from .loop import folds_to_learn, stable_seed

if TYPE_CHECKING:
    import pandas as pd

FRAME = 512  # samples, 11.6 ms: frames of the statistics, side by side
N_MFCC = 20  # of the mixtures; their deltas as many again
EVERY = 2  # frames; windows overlap by half, so every other frame holds nearly all


def fit(experiment: Experiment, table: "pd.DataFrame", copies: list[np.ndarray], fold: int,
        seed: int, folder: Path | str, *, train_folds: list[int] | None = None,
        device: torch.device | str = "auto", report: Callable[[dict], None] | None = None,
        extra: dict | None = None, attention: bool = True, reuse: bool = False,
        watch: bool = False, waves: list[np.ndarray] | None = None) -> results.Run:
    """Fit one system on the other folds, predict this one, write the run folder.

    Parameters, result and errors as for ``loop.fit``. Only the clips themselves (``copies[0]``)
    are used; the history has one row. ``device``, ``attention`` and ``waves`` are unused: these
    systems run on the CPU, have no attention and mix nothing. ``watch`` is refused: there are no
    epochs.

    Notebook: 11_six_systems
    """
    if watch:
        raise ValueError(f"{experiment.name}: has no epochs to watch, expected a network")
    train_folds = folds_to_learn(table, fold, train_folds)
    same = identity(experiment, seed, fold, train_folds, len(datasets.class_names(table)),
                    extra=extra)
    with locked(folder):
        if results.take_up(folder, same, reuse):
            return results.Run.at(folder)
        return _fit(experiment, table, copies, fold, seed, folder, train_folds, report,
                    extra or {}, same)


def _fit(experiment, table, copies, fold, seed, folder, train_folds, report, extra, same):
    started = time.time()
    inputs = (frames(copies[0], experiment.features) if experiment.model.network == "mfcc-gmm"
              else statistics(table, experiment.features, progress=report is not None))
    learnt, tested = table.fold.isin(train_folds).to_numpy(), (table.fold == fold).to_numpy()
    search = searcher(experiment.model.network, stable_seed(seed, fold) % 2**32)
    targets = table.target.to_numpy()
    with threadpool_limits(1):  # small matrices: more threads cost more than they bring
        search.fit(inputs[learnt], targets[learnt], groups=table.fold[learnt])
    row = {"epoch": 1, "accuracy": float(np.mean(search.predict(inputs[learnt]) ==
                                                 targets[learnt])),
           "seconds": round(time.time() - started, 2), "segments": int(learnt.sum()),
           "segments_per_second": round(learnt.sum() / (time.time() - started), 1)}
    results.truncate_history(folder, 0)
    results.append_history(folder, row)
    if report:
        report(row)
    chances = np.zeros((tested.sum(), len(datasets.class_names(table))))
    chances[:, search.classes_] = probabilities(search, inputs[tested])
    manifest = {
        "config": as_dict(experiment), **same, "parameters": None,
        "classes": datasets.class_names(table), "chosen": search.best_params_,
        **machine(torch.device("cpu"), "float64", "contiguous"), **extra,
        "wall_seconds": round(time.time() - started, 1),
        "segments_per_second": row["segments_per_second"],
    }
    return results.write(folder, results.prediction_table(table[tested], chances), manifest)


def searcher(system: str, seed: int) -> GridSearchCV:
    """Classifier of a system with its hyperparameter grid, for leave-one-fold-out search.

    Parameters
    ----------
    system : mfcc-gmm, knn, svm or forest
    seed : int, 0 to 2**32 - 1

    Returns
    -------
    sklearn.model_selection.GridSearchCV
    """
    scaled = partial(make_pipeline, StandardScaler())
    model, choices = {
        "mfcc-gmm": (ClassMixtures(seed=seed), {"components": [8, 16, 32]}),
        "knn": (scaled(KNeighborsClassifier()),
                {"kneighborsclassifier__n_neighbors": [1, 3, 5, 9, 15]}),
        "svm": (scaled(LinearSVC(random_state=seed, max_iter=20000)),
                {"linearsvc__C": [0.001, 0.01, 0.1, 1.0]}),
        "forest": (RandomForestClassifier(500, random_state=seed),
                   {"max_features": ["sqrt", 0.5]}),
    }[system]
    return GridSearchCV(model, choices, cv=LeaveOneGroupOut())


def probabilities(model: BaseEstimator, inputs: np.ndarray) -> np.ndarray:
    """Class probabilities; for a model with scores only, their softmax.

    Parameters
    ----------
    model : fitted scikit-learn classifier
    inputs : np.ndarray, shape (clips, ...)

    Returns
    -------
    np.ndarray, shape (clips, classes), float64
    """
    if hasattr(model, "predict_proba"):
        return model.predict_proba(inputs)
    scores = model.decision_function(inputs)
    if scores.ndim == 1:  # two classes have one score
        scores = np.stack([-scores, scores], axis=1)
    return softmax(scores, axis=1)


class ClassMixtures(ClassifierMixin, BaseEstimator):
    """A Gaussian mixture per class; a clip gets the class of the highest likelihood.

    Clips are (clips, frames, dimensions) with NaN in frames that are left out; covariances are
    diagonal.

    Parameters
    ----------
    components : int
        Gaussians per class.
    seed : int

    References
    ----------
    Reynolds and Rose 1995.

    Notebook: 11_six_systems
    """

    def __init__(self, components: int = 16, seed: int = 0):
        self.components, self.seed = components, seed

    def fit(self, clips: np.ndarray, targets: np.ndarray) -> "ClassMixtures":
        """Fit a mixture to the frames of each class.

        Parameters
        ----------
        clips : np.ndarray, shape (clips, frames, dimensions)
        targets : np.ndarray, shape (clips,), int

        Returns
        -------
        ClassMixtures
            Itself.
        """
        self.classes_ = np.unique(targets)
        heard = _heard(clips)
        self.mean_, self.std_ = heard.mean(axis=0), heard.std(axis=0)
        mixture = GaussianMixture(self.components, covariance_type="diag", reg_covar=1e-3,
                                  tol=1e-2, max_iter=300, random_state=self.seed)
        self.mixtures_ = [clone(mixture).fit(self._scaled(clips[targets == k]))
                          for k in self.classes_]
        return self

    def decision_function(self, clips: np.ndarray) -> np.ndarray:
        """Mean log likelihood of a clip's frames under each class (clips, classes)."""
        return np.array([[m.score(self._scaled(clip[None])) for m in self.mixtures_]
                         for clip in clips])

    def predict(self, clips: np.ndarray) -> np.ndarray:
        """Class with the highest likelihood (clips,)."""
        return self.classes_[self.decision_function(clips).argmax(axis=1)]

    def _scaled(self, clips):
        return (_heard(clips) - self.mean_) / self.std_


def _heard(clips):
    rows = clips.reshape(-1, clips.shape[-1])
    return rows[~np.isnan(rows[:, 0])]


def frames(static: np.ndarray, config: FeatureConfig, every: int = EVERY) -> np.ndarray:
    """MFCC and their deltas of stored log-mel energies.

    Parameters
    ----------
    static : np.ndarray, shape (clips, n_bands, frames)
    config : config.FeatureConfig
    every : int, frames
        Step from one frame that is kept to the next.

    Returns
    -------
    np.ndarray, shape (clips, ceil(frames / every), 2 x N_MFCC), float64
        NaN in frames ``config.silence_db`` below the loudest of their clip, as digital silence is
        alike in all classes.

    Notebook: 11_six_systems
    """
    found = []
    for clip in static:
        energy = torch.from_numpy(np.array(clip)).double()
        coefficients = mfcc(energy, N_MFCC)
        both = torch.cat([coefficients, delta(coefficients, config.delta_width)]).T
        level = level_db(energy)
        both[level < level.max() - config.silence_db] = np.nan
        found.append(both[::every].numpy())
    return np.stack(found)


def statistics(table: "pd.DataFrame", config: FeatureConfig, progress: bool = True) -> np.ndarray:
    """Mean and standard deviation over a clip of 12 MFCC and the zero-crossing rate.

    Coefficient 0, the level, is left out. Frame lengths are an assumption.

    Parameters
    ----------
    table : pd.DataFrame
        Clip table, with the paths of the sounds.
    config : config.FeatureConfig
    progress : bool
        Show a progress bar.

    Returns
    -------
    np.ndarray, shape (clips, 26), float64

    References
    ----------
    The published baselines of the data set are of this kind (Piczak 2015).

    Notebook: 11_six_systems
    """
    import librosa

    def describe(path):
        wave = audio.read(path, config.clip_seconds)
        coefficients = librosa.feature.mfcc(y=wave, sr=config.sample_rate, n_mfcc=13, n_fft=FRAME,
                                            hop_length=FRAME, n_mels=40)[1:]
        crossings = librosa.feature.zero_crossing_rate(wave, frame_length=FRAME, hop_length=FRAME)
        both = np.concatenate([coefficients, crossings])
        return np.concatenate([both.mean(axis=1), both.std(axis=1)])

    with ThreadPoolExecutor() as pool:
        rows = bar(pool.map(describe, table.path), label="statistics", total=len(table),
                   unit="clip", show=progress)
        return np.array(list(rows), dtype=np.float64)
