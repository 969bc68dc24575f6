"""Checks of notebook 00.

Notebook: 00_start_here
"""

import numpy as np

from ...data.audio import AudioError
from ..exercises import NUMBERS, PATH, WHOLE, NotRight, exercise


@exercise(WHOLE, "the last possible start is 862 - 128. How many multiples of 64 are not above it?")
def segments(count):
    """Segments of 128 frames in 862, 64 apart, the last one aligned to the end."""
    regular = (862 - 128) // 64 + 1
    right = regular + int((regular - 1) * 64 + 128 < 862)
    if count == regular:
        raise NotRight("Nearly. The regular segments end before frame 862, so one more is aligned "
                       "to the end.")
    if count != right:
        raise NotRight(f"{count} is not right: count the starts 0, 64, 128, ... that still fit.")
    return f"Right: {regular} regular ones and one that is aligned to the end."


@exercise(PATH, "a path as text, relative to the notebooks' folder.")
def own_sound(path, network):
    """Any file that can be played is as right; shows what `network`, a Predictor, says about it."""
    try:
        answer = network.file(path)
    except AudioError as error:
        raise NotRight(f"This cannot be played: {error}.") from None
    rows = [f"  {row['probability']:6.1%}  {row['name']}" for row in answer["classes"]]
    if rows:
        rows.append("The probabilities of all ten classes sum to 1, whatever the sound is. If none "
                    "of them is right, a useful answer is 'none of these', and this network cannot "
                    "give it (notebook 13 tries a threshold on the highest probability).")
    return "\n".join([f"{answer['seconds']:.1f} s {answer['note'] or ''}", *rows])


@exercise(NUMBERS, "two segments that are nearly undecided, and one that is very certain.")
def outvoted(votes):
    """Three segments, two of which prefer class 0, while their mean prefers class 1."""
    if votes.shape != (3, 2):
        raise NotRight(f"Shape {votes.shape}: three segments and two classes are (3, 2).")
    if not (votes >= 0).all() or not np.allclose(votes.sum(axis=1), 1, atol=1e-6):
        raise NotRight("Each row must hold probabilities: numbers from 0 to 1 whose sum is 1.")
    prefer, mean = int((votes[:, 0] > votes[:, 1]).sum()), votes[:, 1].mean()
    if prefer != 2:
        raise NotRight(f"{prefer} of the segments prefer class 0; it should be two.")
    if mean <= 0.5:
        raise NotRight(f"The mean gives class 1 only {mean:.2f}. The third must be more certain.")
    return f"Right: two against one, and class 1 has probability {mean:.2f} for the clip."
