"""Calibration: how far probabilities are from the shares of right answers, and a temperature.

Notebook: 08_confusion_matrices
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from . import results

LEAST = 1e-7  # probabilities are stored with six digits
# the pretrained model's recipe: its inner runs, its test runs, and the pretrained model itself
INNER = "inner-4", "paper", "acrnn-plus+train.colour_db=12"
TESTED = {"test folds, three seeds": ("", "paper", "acrnn-plus"),
          "pretrained, fold 1": ("shipped", "paper", "acrnn-plus")}


def tempered(probabilities: ArrayLike, temperature: float) -> np.ndarray:
    """Probabilities p^(1 / T), divided by their sum: sharper for T below 1, flatter above.

    The order of the classes stays, and so does the accuracy.

    Parameters
    ----------
    probabilities : array-like, shape (clips, classes)
    temperature : float, over 0

    Returns
    -------
    np.ndarray, shape (clips, classes), float64

    References
    ----------
    Guo et al., On calibration of modern neural networks, 2017.

    Notebook: 08_confusion_matrices
    """
    raised = np.clip(np.asarray(probabilities, float), LEAST, 1) ** (1 / temperature)
    return raised / raised.sum(axis=1, keepdims=True)


def negative_log_likelihood(probabilities: ArrayLike, target: ArrayLike) -> float:
    """Mean of -ln of the true class's probability.

    Notebook: 08_confusion_matrices
    """
    rows = np.arange(len(target))
    return float(-np.log(np.clip(np.asarray(probabilities, float)[rows, target], LEAST, 1)).mean())


def fitted_temperature(probabilities: ArrayLike, target: ArrayLike) -> float:
    """Temperature, between 0.1 and 10, of the lowest negative log-likelihood.

    Parameters
    ----------
    probabilities : array-like, shape (clips, classes)
        Of clips that neither training nor test has seen.
    target : array-like, shape (clips,), int

    Returns
    -------
    float

    Notebook: 08_confusion_matrices
    """
    return float(np.exp(minimize_scalar(
        lambda log: negative_log_likelihood(tempered(probabilities, np.exp(log)), target),
        bounds=np.log([0.1, 10.0]), method="bounded").x))


def calibration_error(probabilities: ArrayLike, target: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, over bins.

    Parameters
    ----------
    probabilities : array-like, shape (clips, classes)
    target : array-like, shape (clips,), int
    bins : int
        Of equal width, for the highest probability; each counts by its number of clips.

    Returns
    -------
    float
        0 to 1.

    Notebook: 08_confusion_matrices
    """
    probabilities = np.asarray(probabilities, float)
    highest, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == target
    of = np.minimum((highest * bins).astype(int), bins - 1)
    apart = pd.DataFrame({"apart": right - highest}).groupby(of)["apart"]
    return float((apart.mean().abs() * apart.size()).sum() / len(highest))


def table(root: Path | str = "results") -> tuple[float, pd.DataFrame]:
    """Temperature of the pretrained model's recipe from its inner runs, and what it changes.

    Parameters
    ----------
    root : Path or str
        The committed results.

    Returns
    -------
    temperature : float
        Fitted on the inner runs, no test run among them.
    pd.DataFrame
        A row per group of TESTED: mean of the highest probability, accuracy, expected calibration
        error and negative log-likelihood, the last two also with the temperature.

    Raises
    ------
    ResultsError
        If runs are missing.

    Notebook: 08_confusion_matrices
    """
    def of(place):
        folder, profile, experiment = place
        runs = results.load(Path(root, folder), "esc10", profile, experiment)
        long = results.predictions(runs)
        return long.filter(regex=r"^p_\d+$").to_numpy(), long["target"].to_numpy()

    temperature, rows = fitted_temperature(*of(INNER)), {}
    for name, place in TESTED.items():
        found, target = of(place)
        sharp = tempered(found, temperature)
        rows[name] = {
            "mean probability": found.max(axis=1).mean(),
            "accuracy": (found.argmax(axis=1) == target).mean(),
            "calibration error": calibration_error(found, target),
            "with T": calibration_error(sharp, target),
            "negative log-likelihood": negative_log_likelihood(found, target),
            "with T ": negative_log_likelihood(sharp, target)}
    return temperature, pd.DataFrame(rows).T
