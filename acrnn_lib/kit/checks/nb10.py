"""Checks of notebook 10.

Notebook: 10_is_attention_right
"""

import numpy as np

from ...attention import explain
from ..exercises import FUNCTION, NUMBER, NotRight, exercise


@exercise(NUMBER, "the first trapezoid falls from 0.9 to 0.1, the other six are flat; each is 1/7 "
          "wide.")
def area(found):
    """The area under 0.9, 0.1, ... 0.1, eight points over an interval of width 1."""
    right = explain.area(np.array([[0.9] + [0.1] * 7]))[0]
    if abs(found - 0.2) < 0.005:
        raise NotRight("That is the mean of the eight points. The two at the ends count half.")
    if abs(found - 7 * right) < 0.05:
        raise NotRight("The seven steps together are 1 wide, so divide by 7.")
    if abs(found - right) >= 0.005:
        raise NotRight(f"{found:g} is not right: only the first of the seven trapezoids is not "
                       "flat.")
    return (f"Right: {right:.3f}. It is above 0.1, because with nothing hidden the probability is "
            "still 0.9.")


@exercise(NUMBER, "one step is left. In how many of the seven cases is it a bark?")
def two_barks(probability):
    """The mean probability with six of seven steps hidden, if either of two barks is enough."""
    sets = np.arange(128)
    both_hidden = (sets & 1 > 0) & (sets & 2 > 0)  # the barks are steps 0 and 1
    right = explain.random_curves(np.where(both_hidden, 0.0, 1.0)[None])[0][0, 6]
    if abs(probability - 1 / 7) < 0.005:
        raise NotRight("There are two barks, and one of them is enough.")
    if abs(probability - (1 - right)) < 0.005:
        raise NotRight("That is the probability that neither bark is left.")
    if abs(probability - right) >= 0.005:
        raise NotRight(f"{probability:g} is not right: one step of seven is left, each equally "
                       "likely.")
    return (f"Right: {right:.3f}. Only two steps matter, but hiding one of them alone changes "
            "nothing. So an effect of zero for a single step does not prove that it is "
            "unimportant.")


@exercise(FUNCTION, "begin with hidden = 127, all seven bits; showing step t subtracts 2**t.")
def insertion(my_insertion):
    """The insertion curve from the probabilities of all 128 sets of hidden steps."""
    rng = np.random.default_rng(0)
    table, steps = rng.random((5, 128)), np.array([rng.permutation(7) for _ in range(5)])
    falls, right = explain.curves(table, steps)
    mine = np.array([my_insertion(row, list(order))
                     for row, order in zip(table, steps, strict=True)], float)
    if mine.shape != (5, 8):
        raise NotRight(f"Found shape {mine.shape[1:]} for one segment, expected eight numbers.")
    if np.allclose(mine, falls):
        raise NotRight("That is the deletion curve: it begins with nothing hidden.")
    if np.allclose(mine, right[:, ::-1]):
        raise NotRight("The order is reversed: the first number is the probability with "
                       "everything hidden.")
    if not np.allclose(mine, right):
        raise NotRight("Not right yet. With no step shown, all are hidden: set number 127.")
    return "Right. The deletion curve of the reversed order, read from its end, is the same curve."
