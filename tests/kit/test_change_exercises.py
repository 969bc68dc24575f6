"""The exercises of notebook 14 name each mistake."""

import re
from pathlib import Path

import pytest

from acrnn_lib.kit.exercises import NotRight, answers
from tests.kit.test_exercises import attempt, exercises, room_before

PATH = Path(__file__).parents[2] / "notebooks" / "14_change_it.ipynb"
GIVEN = answers(PATH.parent / "solutions" / f"{PATH.stem}.py")
SAID = {  # words of the message for each wrong answer of the solutions' file, in its order
    "n14-e1": ["square root is missing", "has no weights", "subtract the mean", "are exchanged",
               "(dim=1)", "gradient is not finite", "(3, 128)", "values"],
    "n14-e2": ["one delta", "two deltas", "do not add up", "13 frames is not right"],
    "n14-e3": ["draw for each segment", "10 frames never occurs", "draw from rng only",
               "different random numbers agree", "along frequency", "A segment moves by",
               "come in at the other", "changes its input", "Expected a float32 tensor"],
}


@pytest.mark.parametrize("cell", exercises(PATH))
def test_each_wrong_answer_is_named(cell):
    wrong = [answer.code for answer in GIVEN if answer.cell == cell and answer.wrong]
    room, check = room_before(PATH, cell, wrong)
    for code, words in zip(wrong, SAID[cell], strict=True):
        with pytest.raises(NotRight, match=re.escape(words)):
            attempt(room, check, code)


def test_a_shift_may_be_written_without_a_loop():
    room, check = room_before(PATH, "n14-e3", ["torch"])
    assert "Right" in attempt(room, check, (
        "def my_shift(static, rng):\n"
        "    shifts = torch.from_numpy(rng.integers(-10, 11, (len(static), 1)))\n"
        "    frames = (torch.arange(static.shape[-1]) - shifts) % static.shape[-1]\n"
        "    return static.gather(2, frames[:, None].expand_as(static))\n"))
