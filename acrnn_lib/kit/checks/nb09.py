"""Checks of notebook 09.

Notebook: 09_seeing_attention
"""

import numpy as np

from ...evaluation import metrics
from ..exercises import FUNCTION, NUMBER, NotRight, exercise


@exercise(NUMBER, "N = exp(-sum(p log p)), with the natural logarithm. For the first one N is 2.")
def effective_steps(n):
    """The effective number of steps of the weights 0.4, 0.1, ... 0.1."""
    p = np.array([0.4] + [0.1] * 6)
    right = np.exp(-(p * np.log(p)).sum())
    if abs(n - np.log(right)) < 0.05:
        raise NotRight(f"{n:g} is the entropy. Take its exponential.")
    if abs(n - np.log2(right)) < 0.05:
        raise NotRight(f"{n:g} is the entropy in bits. Use the natural logarithm, then the "
                       "exponential.")
    if abs(n - right) >= 0.05:
        raise NotRight(f"{n:g} is not right: N lies between 1 and 7.")
    return (f"Right: {right:.2f}. One step has four times the weight of the others, and still the "
            "effective number of steps is nearly six. A peak alone does not make attention "
            "concentrated.")


@exercise(NUMBER, "uniform weights are 1/7 each. How many of them lie inside?")
def uniform_share(share):
    """The share of uniform attention inside events that fill six of seven steps."""
    right = metrics.attention_share(np.ones((1, 7)), np.array([[True] * 6 + [False]]))
    if abs(share - right) >= 0.005:
        raise NotRight(f"{share:g} is not right: six steps of seven, each with the weight 1/7.")
    return (f"Right: {right:.2f}. So 80 % is *less* than uniform weights would get. A share "
            "cannot be interpreted without its control.")


@exercise(FUNCTION, "weights[inside][:, None] > weights[~inside] compares all pairs at once.")
def auc_by_hand(my_auc):
    """The AUC of a segment, by comparing every pair of steps; ties count half."""
    rng = np.random.default_rng(0)
    w, m = rng.random((20, 7)).round(1) + 0.01, rng.random((20, 7)) < 0.5
    m[:, 0], m[:, 1] = True, False  # every segment holds both
    right = metrics.attention_auc(w, m, average=False)
    mine = np.array([float(my_auc(*pair)) for pair in zip(w, m, strict=True)])
    strict = [np.mean(a[b][:, None] > a[~b]) for a, b in zip(w, m, strict=True)]
    if np.allclose(mine, 1 - right):
        raise NotRight("The comparison is reversed: count the pairs in which the step inside "
                       "has more weight.")
    if np.allclose(mine, strict):
        raise NotRight("Nearly right: pairs with equal weights count half.")
    if not np.allclose(mine, right):
        raise NotRight(f"The first segment gives {right[0]:.3f}, yours {mine[0]:.3f}.")
    return "Right, ties included."
