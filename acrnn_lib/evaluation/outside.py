"""Out-of-distribution sounds: a score for them, its limit for a network, and how well it does.

Notebook: 13_your_own_sounds
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from scipy.special import logsumexp

from ..files import ResultsError, write_bytes

DRAWS = 1000  # of the bootstrap
FILE = "limits.safetensors"
NUMBERS = ("soft_dbfs", "reference_dbfs", "shortest", "farthest", "mean_distance")


@dataclass(frozen=True)
class Centres:
    """Where the classes of the training data lie in the network's penultimate layer.

    Attributes
    ----------
    means : np.ndarray, shape (C, features), float64
        Of the training segments of each class.
    precision : np.ndarray, shape (features, features), float64
        Inverse of the covariance within the classes, shrunk as by Ledoit and Wolf.

    Notebook: 13_your_own_sounds
    """

    means: np.ndarray
    precision: np.ndarray

    @classmethod
    def of(cls, summaries: np.ndarray, target: np.ndarray) -> "Centres":
        """Fit to training segments, (S, features), of classes (S,)."""
        from sklearn.covariance import LedoitWolf  # slow to load; a prediction needs none of it

        means = np.stack([summaries[target == k].mean(axis=0) for k in range(target.max() + 1)])
        return cls(means, LedoitWolf().fit(summaries - means[target]).precision_)

    def distance(self, summaries: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance from the nearest class, shape (S,), float64.

        References
        ----------
        Lee et al., A simple unified framework for detecting out-of-distribution samples, 2018.
        """
        apart = [summaries.astype(float) - mean for mean in self.means]
        return np.min([np.sum(x @ self.precision * x, axis=1) for x in apart], axis=0)


@dataclass(frozen=True)
class Limits:
    """Limits beyond which a sound is unlike the training sounds of a network; by default none.

    Attributes
    ----------
    soft_dbfs, reference_dbfs : float, dB of full scale
        A sound below the second is raised to it; below the first, with a note.
    shortest : float, s
        Audible part of the training clip that has least of it.
    farthest : float
        Largest mean distance of the segments of a sound like those of training, in multiples of
        ``mean_distance``.
    mean_distance : float
        That of the training clips.
    centres : Centres, optional

    Notebook: 13_your_own_sounds
    """

    soft_dbfs: float = -math.inf
    reference_dbfs: float = -math.inf
    shortest: float = 0.0
    farthest: float = math.inf
    mean_distance: float = 1.0
    centres: Centres | None = None

    @classmethod
    def beside(cls, checkpoint: Path | str) -> "Limits":
        """Read limits.safetensors from the folder of a checkpoint; the defaults without one.

        Raises
        ------
        ResultsError
            For a file without these numbers and arrays.
        """
        path = Path(checkpoint).with_name(FILE)
        if not path.is_file():
            return cls()
        try:
            found = load_file(path)
            if not all(np.isfinite(values).all() for values in found.values()):
                raise ValueError("holds numbers that are NaN or infinite")
            means = found["means"].astype(float)
            upper = np.zeros((means.shape[1],) * 2)
            upper[np.triu_indices_from(upper)] = found["precision"]
            numbers = {name: float(value) for name, value
                       in zip(NUMBERS, found["numbers"], strict=True)}
        except (OSError, KeyError, ValueError, IndexError, SafetensorError) as error:
            raise ResultsError(f"{path}: expected limits of a network ({error})") from error
        return cls(**numbers, centres=Centres(means, upper + np.triu(upper, 1).T))

    def save(self, checkpoint: Path | str) -> Path:
        """Write limits.safetensors beside a checkpoint."""
        path = Path(checkpoint).with_name(FILE)
        write_bytes(path, save({
            "means": self.centres.means.astype(np.float32),
            "precision": self.centres.precision[np.triu_indices_from(self.centres.precision)]
            .astype(np.float32),  # symmetric: one half is enough
            "numbers": np.array([getattr(self, name) for name in NUMBERS])}))
        return path

    def unlike(self, summaries: np.ndarray, seconds: float) -> str | None:
        """What tells a sound from those of training, with the measured values; None for nothing.

        Parameters
        ----------
        summaries : np.ndarray, shape (S, features)
            Inputs of the classifier, of the audible segments.
        seconds : float, s
            Audible part of the sound.
        """
        said = []
        if seconds < self.shortest:
            said.append(f"audible for {seconds:.2f} s, the shortest of them for "
                        f"{self.shortest:.2f} s")
        if self.centres and (far := self.distance(summaries)) > self.farthest:
            said.append(f"distance {far:.2f} times that of training, limit {self.farthest:.2f}")
        return f"unlike the training sounds: {', '.join(said)}" if said else None

    def distance(self, summaries: np.ndarray) -> float:
        """Mean distance of segments, (S, features), in multiples of that of training."""
        return float(self.centres.distance(summaries).mean() / self.mean_distance)


def energy(logits: ArrayLike) -> np.ndarray:
    """Log of the sum of the exponentials of the logits: high for sounds like those of training.

    Parameters
    ----------
    logits : array-like, shape (..., C), float

    Returns
    -------
    np.ndarray, shape (...), float64

    References
    ----------
    Liu et al., Energy-based out-of-distribution detection, NeurIPS 2020 (there with a minus).

    Notebook: 13_your_own_sounds
    """
    return logsumexp(np.asarray(logits, float), axis=-1)


def auroc_interval(known: ArrayLike, score: ArrayLike, source: ArrayLike, seed: int = 0
                   ) -> tuple[float, float, float]:
    """AUROC of a score, and its 95 % bootstrap interval over recordings.

    Parameters
    ----------
    known : array-like, shape (n,), bool
        Whether a clip is of a class of the training data.
    score : array-like, shape (n,), float
        High for known classes.
    source : array-like, shape (n,)
        The recording of each clip; those of known and of unknown clips are drawn separately.
    seed : int

    Returns
    -------
    auroc, low, high : float

    Notebook: 13_your_own_sounds
    """
    known, score, source = np.asarray(known, bool), np.asarray(score, float), np.asarray(source)
    apart = pd.DataFrame(np.subtract.outer(score[known], score[~known]), source[known],
                         source[~known])
    won = (apart > 0) + 0.5 * (apart == 0)
    # a draw counts each recording some number of times, and so each pair of a known and an unknown
    pairs = won.groupby(level=0).sum().T.groupby(level=0).sum().T.to_numpy()
    clips = [np.unique(source[known == kind], return_counts=True)[1] for kind in (True, False)]
    rng = np.random.default_rng(seed)
    draws = [[np.bincount(rng.integers(n, size=n), minlength=n) for n in pairs.shape]
             for _ in range(DRAWS)]
    of_known, of_unknown = (np.array(times) for times in zip(*draws, strict=True))
    found = (of_known @ pairs * of_unknown).sum(axis=1) / (of_known @ clips[0]) / (
        of_unknown @ clips[1])
    low, high = np.quantile(found, [0.025, 0.975])
    return float(won.to_numpy().mean()), float(low), float(high)


def scores(root: Path | str = "results") -> pd.DataFrame:
    """The committed scores of known, unknown and generated sounds, a row per clip and protocol.

    Parameters
    ----------
    root : Path or str
        Root of the committed runs.

    Returns
    -------
    pd.DataFrame
        protocol (inner: the networks that the limit was chosen with; test), kind (esc10, esc10-16k,
        other-16k, generated), fold, clip_id, source, category, distance, energy, probability.

    Notebook: 13_your_own_sounds
    """
    return pd.read_csv(Path(root) / "ood" / "scores.csv", dtype={"source": str})


def limit(table: pd.DataFrame, protocol: str, share: float = 0.05) -> float:
    """Distance that a share of the clips of one protocol lies above.

    Parameters
    ----------
    table : pd.DataFrame
        From ``scores``.
    protocol : str
        Of networks on inner folds, no test fold among them: "inner" (profile lite), or
        "inner, paper", whose recipe is that of the pretrained model.
    share : float
        0 to 1.

    Returns
    -------
    float
        In multiples of the training clips' mean.

    Notebook: 13_your_own_sounds
    """
    return float(np.quantile(table["distance"][table["protocol"] == protocol], 1 - share))


SCORES = {"distance": -1, "energy": 1, "probability": 1}  # sign that is high for known classes
PAIRS = (("esc10-16k", "other-16k"), ("esc10", "generated"))


def aurocs(table: pd.DataFrame) -> pd.DataFrame:
    """AUROC of each score, with its interval, for known against unknown sounds.

    Parameters
    ----------
    table : pd.DataFrame
        As of `scores`; only the protocol "test" counts.

    Returns
    -------
    pd.DataFrame
        known, unknown, score, auroc, low, high.

    Notebook: 13_your_own_sounds
    """
    table, rows = table[table.protocol == "test"], []
    for known, unknown in PAIRS:
        both = table[table.kind.isin([known, unknown])]
        rows += [(known, unknown, name, *auroc_interval(both.kind == known, sign * both[name],
                                                        both.source))
                 for name, sign in SCORES.items()]
    return pd.DataFrame(rows, columns=["known", "unknown", "score", "auroc", "low", "high"])
