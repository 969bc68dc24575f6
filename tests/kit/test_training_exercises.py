"""The exercises of notebook 06 answer nonsense with a sentence, and name each mistake."""

import re
from pathlib import Path

import pytest

from acrnn_lib.kit.exercises import NotRight, answers
from tests.kit.test_exercises import attempt, code_cells, exercises, room_before

PATH = Path(__file__).parents[2] / "notebooks" / "06_training_on_a_gpu.ipynb"
NONSENSE = ["'0.5 or so'", "float('nan')", "[0.1, float('inf')]", "[[1, 2], [3]]", "{'a': 1}",
            "True", "object()", "-10**9", "lambda *given: 'text'", "lambda *given: 1 / 0",
            "lambda *given: float('nan')", "lambda: 0.5", "int", "[]", "np.zeros(3)",
            "lambda *given: np.zeros((2, 2))"]
SAID = {  # words of the message for each wrong answer of the solutions' file, in its order
    "n06-92": ["not audible", "only the copies [0]", "different copies", "order of the clips",
               "never drawn", "does not exist", "from rng", "expected (8, 3)"],
    "n06-42": ["all five folds", "one epoch", "601 is too large"],
    "n06-61": ["not subtracted", "of the batch", "RuntimeError"],
    "n06-63": ["is the sum", "logarithm is missing", "not every value", "sign is wrong",
               "calls F.cross_entropy"],
    "n06-65": ["zero_grad is missing", "backward is missing", "do not move", "softmax itself",
               "not returned"],
    "n06-67": ["a third time", "never falls", "differs from", "argument `first`"],
    "n06-45": ["Another 100 epochs", "0.00011 is too large"],
    "n06-69": ["Weight by len", "the last loss", "train() is missing"],
    "n06-54": ["fixed decay", "plain mean", "not exceed decay"],
}


def room_of(cell):
    untouched = next(code for identifier, _, code in code_cells(PATH) if identifier == cell)
    given = [a.code for a in answers(PATH.parent / "solutions" / f"{PATH.stem}.py")
             if a.cell == cell]
    room, check = room_before(PATH, cell, [untouched, "np", *given])
    return room, check, re.search(r"^(?:def )?(my_\w+)", untouched, re.M)[1]


@pytest.mark.parametrize("cell", exercises(PATH))
def test_nonsense_gets_a_sentence(cell):
    room, check, name = room_of(cell)
    for answer in NONSENSE:
        with pytest.raises(NotRight) as caught:
            attempt(room, check, f"{name} = {answer}")
        assert 15 < len(str(caught.value)) < 300, answer
    assert "Hint" in attempt(room, check, f"{name} = None")


@pytest.mark.parametrize("cell", exercises(PATH))
def test_each_wrong_answer_is_named(cell):
    room, check, _ = room_of(cell)
    wrong = [a.code for a in answers(PATH.parent / "solutions" / f"{PATH.stem}.py")
             if a.cell == cell and a.wrong]
    for code, words in zip(wrong, SAID[cell], strict=True):
        with pytest.raises(NotRight, match=re.escape(words)):
            attempt(room, check, code)


def test_a_step_may_clear_the_gradients_at_its_end():
    room, check, _ = room_of("n06-65")
    assert "Right" in attempt(room, check, (
        "def my_step(model, optimizer, x, targets):\n"
        "    loss = F.cross_entropy(model(x), targets)\n"
        "    loss.backward()\n    optimizer.step()\n    model.zero_grad()\n"
        "    return loss.item()\n"))
    with pytest.raises(NotRight, match="zero_grad follows it"):
        attempt(room, check, (
            "def my_step(model, optimizer, x, targets):\n"
            "    loss = F.cross_entropy(model(x), targets)\n"
            "    loss.backward()\n    model.zero_grad()\n    optimizer.step()\n"
            "    return loss.item()\n"))
