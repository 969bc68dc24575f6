"""Checks of notebook 08.

Notebook: 08_confusion_matrices
"""

import numpy as np

from ...evaluation import metrics
from ..exercises import FUNCTION, NUMBER, NUMBERS, NotRight, exercise


@exercise(NUMBER, "precision reads a column. How many clips were predicted to be sea, and how many "
          "of these were sea?")
def precision_of_sea(precision, toy):
    """The precision of "sea" in a small confusion matrix, rows truth, columns prediction."""
    right, recall = (toy["sea"]["sea"] / toy.sum(axis=axis)["sea"] for axis in (0, 1))
    if abs(precision - right) < 0.005:
        return (f"Right: {right:.2f}. The recall is {recall:.2f}: most clips of the sea are found, "
                "but many predictions of \"sea\" are wrong.")
    if abs(precision - recall) < 0.005:
        raise NotRight(f"{precision:g} is the recall: you read the row. Precision reads the "
                       "column.")
    raise NotRight(f"{precision:g} is not right. Divide the cell on the diagonal by the sum of its "
                   "column.")


@exercise(NUMBERS, "metrics.confusion(truth, guess, 10), with np.repeat(np.arange(10), 40).")
def always_rain(matrix):
    """The confusion matrix of a system that always predicts class 1 of ten."""
    if matrix.shape != (10, 10):
        raise NotRight(f"The matrix has shape {matrix.shape}, it should be (10, 10).")
    if matrix.sum() != 400:
        raise NotRight(f"The matrix counts {matrix.sum():g} clips; it should count 400.")
    if not np.all(matrix[:, 1] == 40):
        raise NotRight("All clips are predicted as rain, so one column has all counts. Did you "
                       "swap rows and columns?")
    return (f"Right. Accuracy and mean recall are both {metrics.recall(matrix).mean():.0%}: with "
            "equal classes they are the same number.")


@exercise(FUNCTION, "2PR / (P + R) is 2 x hits / (row sum + column sum). Can that be 0 / 0?")
def f1_scores(my_f1):
    """The F1 score of each class, 0 where nothing of it was found."""
    counts = np.array([[8, 2, 0], [1, 5, 0], [0, 0, 0]])
    hits = np.diag(counts)
    right = 2 * hits / np.maximum(counts.sum(0) + counts.sum(1), 1)
    with np.errstate(all="ignore"):
        mine = np.asarray(my_f1(counts), float)
    if mine.shape != (3,):
        raise NotRight(f"The shape is {mine.shape}, expected one number per class, (3,).")
    if np.isnan(mine).any():
        raise NotRight("A class without clips or without predictions gave NaN; it should be 0.")
    if np.allclose(mine[:2], (hits / np.maximum(counts.sum(1), 1))[:2]):
        raise NotRight("That is the recall alone.")
    if not np.allclose(mine, right):
        raise NotRight(f"Found {np.round(mine, 3)}, expected {np.round(right, 3)}.")
    return f"Right: {np.round(right, 2)}."
