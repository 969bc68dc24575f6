"""Systems without a network: a mixture per class on MFCC frames, and three classifiers of
whole-clip statistics. All from scikit-learn; each chooses its one setting by cross-validation
inside the training folds.

Notebook: 11_six_systems
"""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

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

from ..config import as_dict
from ..data import audio, datasets
from ..device import machine
from ..evaluation import results
from ..features.frontend import delta, level_db, mfcc
from ..files import locked
from ..progress import bar
from .identity import identity
from .loop import folds_to_learn, stable_seed

FRAME = 512  # samples, 11.6 ms: frames of the statistics, side by side
N_MFCC = 20  # of the mixtures; their deltas as many again
EVERY = 2  # frames; with half of each window shared, every other frame says nearly all


def fit(experiment, table, copies, fold, seed, folder, *, train_folds=None, device="auto",
        report=None, extra=None, attention=True, reuse=False):
    """Fit one system on the other folds, predict this one, write the run folder.

    Arguments, result and errors as for ``loop.fit``; only the clips themselves are used
    (``copies[0]``), and training is one step, the only row of the history. ``device`` and
    ``attention`` are unused: these systems run on the CPU and attend to nothing.
    Notebook: 11_six_systems
    """
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
              else statistics(table, experiment.features))
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


def searcher(system, seed):
    """The classifier of a system with the settings it may choose from, tried fold against fold."""
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


def probabilities(model, inputs):
    """A row of shares per clip; where a model has only scores, their softmax."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(inputs)
    scores = model.decision_function(inputs)
    if scores.ndim == 1:  # two classes have one score
        scores = np.stack([-scores, scores], axis=1)
    return softmax(scores, axis=1)


class ClassMixtures(ClassifierMixin, BaseEstimator):
    """A Gaussian mixture per class; a clip goes to the class whose mixture likes its frames best.

    Inputs are (clips, frames, dimensions), NaN where a frame is left out; covariances are
    diagonal. Source: Reynolds and Rose 1995. Notebook: 11_six_systems
    """

    def __init__(self, components=16, seed=0):
        self.components, self.seed = components, seed

    def fit(self, clips, targets):
        self.classes_ = np.unique(targets)
        heard = _heard(clips)
        self.mean_, self.std_ = heard.mean(axis=0), heard.std(axis=0)
        mixture = GaussianMixture(self.components, covariance_type="diag", reg_covar=1e-3,
                                  tol=1e-2, max_iter=300, random_state=self.seed)
        self.mixtures_ = [clone(mixture).fit(self._scaled(clips[targets == k]))
                          for k in self.classes_]
        return self

    def decision_function(self, clips):
        """Mean log likelihood of a clip's frames under each class (clips, classes)."""
        return np.array([[m.score(self._scaled(clip[None])) for m in self.mixtures_]
                         for clip in clips])

    def predict(self, clips):
        return self.classes_[self.decision_function(clips).argmax(axis=1)]

    def _scaled(self, clips):
        return (_heard(clips) - self.mean_) / self.std_


def _heard(clips):
    rows = clips.reshape(-1, clips.shape[-1])
    return rows[~np.isnan(rows[:, 0])]


def frames(static, config, every=EVERY):
    """MFCC and their deltas of stored log-mel energies, float64 (clips, frames, 2 x 20).

    Frames ``config.silence_db`` under the loudest of their clip are NaN: digital silence is alike
    in all classes. Notebook: 11_six_systems
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


def statistics(table, config):
    """Mean and standard deviation over a clip of 12 MFCC and the zero-crossing rate.

    Returns float64 (clips, 26). Coefficient 0, the level, is left out. The published baselines of
    the data set are of this kind (Piczak 2015); lengths of frames are an assumption.
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
                   unit="clip")
        return np.array(list(rows), dtype=np.float64)
