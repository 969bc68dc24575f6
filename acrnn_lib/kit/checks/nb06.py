"""Checks of notebook 06, and the functions that train where an exercise is untouched.

Notebook: 06_training_on_a_gpu
"""

import math
from unittest import mock

import numpy as np
import torch
from torch.nn import functional as F

from ...experiments import experiment
from ...features import frontend
from ...training.optim import follow, learning_rate, share
from ..exercises import FUNCTION, NUMBER, WHOLE, NotRight, Untouched, exercise


def _numbers(found):
    values = np.asarray(found.detach().cpu() if torch.is_tensor(found) else found, dtype=float)
    if not np.isfinite(values).all():
        raise NotRight(f"Found {values!r:.60}: not every value is a finite number.")
    return values


def _close(found, goal):
    return np.allclose(found, goal, rtol=1e-4, atol=1e-7)


def _compare(mine, right, wrong, cases=((),)):
    """Compare two functions on all cases; wrong: functions with known mistakes, by message."""
    goals = [_numbers(right(*case)) for case in cases]
    found = [_numbers(mine(*case)) for case in cases]
    for part, goal in zip(found, goals, strict=True):
        if part.shape != goal.shape:
            raise NotRight(f"Found shape {part.shape}, expected {goal.shape}.")
    if all(map(_close, found, goals)):
        return "Right."
    for message, mistake in wrong.items():
        if all(_close(part, _numbers(mistake(*case)))
               for part, case in zip(found, cases, strict=True)):
            raise NotRight(message)
    worst = max(np.abs(part - goal).max() for part, goal in zip(found, goals, strict=True))
    raise NotRight(f"A value differs from the right one by {worst:.3g}.")


def textbook_draw(audible, per_clip, rng):
    """Rows (clip, copy, position) of an epoch, in random order."""
    rows = []
    for clip in range(len(audible[0])):
        copy = int(rng.integers(len(audible)))
        for position in rng.choice(np.flatnonzero(audible[copy][clip]), per_clip):
            rows.append((clip, copy, position))
    return rng.permutation(rows)


@exercise(FUNCTION, "a loop over range(len(audible[0])), the clips. In it: copy = "
          "rng.integers(len(audible)), positions = np.flatnonzero(audible[copy][clip]), then "
          "rng.choice(positions, per_clip).")
def draw(my_draw):
    """One random copy of each clip, random audible positions of it, all in random order."""
    copies, clips, positions, per_clip = 3, 4, 8, 2
    audible = np.random.default_rng(0).random((copies, clips, positions)) < 0.6
    audible[..., 0], audible[..., -1] = True, False  # something to draw, and something not to

    def epoch(seed):
        return _rows(my_draw(list(audible), per_clip, np.random.default_rng(seed)),
                     clips * per_clip)

    epochs = [epoch(seed) for seed in range(400)]
    if not np.array_equal(epochs[0], epoch(0)):
        raise NotRight("Equal generators give different rows: take all random numbers from rng.")
    for rows in epochs:
        _one_copy_of_each_clip(rows, audible, per_clip)
    drawn = set(map(tuple, np.concatenate(epochs).tolist()))
    if len(found := sorted({copy for _, copy, _ in drawn})) < copies:
        raise NotRight(f"In {len(epochs)} epochs only the copies {found} of {copies} were drawn.")
    if len(drawn) < audible.sum():
        raise NotRight(f"In {len(epochs)} epochs some audible positions were never drawn.")
    if all((np.diff(rows[:, 0]) >= 0).all() for rows in epochs):
        raise NotRight("The rows come in the order of the clips: rng.permutation(rows) mixes them.")
    return "Right."


def _rows(found, count):
    found = np.asarray(found)
    if found.shape != (count, 3) or found.dtype.kind not in "iu":
        raise NotRight(f"Found shape {found.shape} of {found.dtype}, expected {(count, 3)} whole "
                       "numbers: per_clip rows (clip, copy, position) for each clip.")
    return found


def _one_copy_of_each_clip(rows, audible, per_clip):
    copies, clips, positions = audible.shape
    if ((rows < 0) | (rows >= (clips, copies, positions))).any():
        raise NotRight("A row has a clip, copy or position that does not exist. The order in a row "
                       "is clip, copy, position.")
    if not audible[rows[:, 1], rows[:, 0], rows[:, 2]].all():
        raise NotRight("A position is not audible in its copy of the clip.")
    for clip in range(clips):
        of_clip = rows[rows[:, 0] == clip]
        if len(of_clip) != per_clip:
            raise NotRight(f"Clip {clip} has {len(of_clip)} segments, expected {per_clip}.")
        if len(set(of_clip[:, 1].tolist())) > 1:
            raise NotRight("The segments of a clip come from different copies. Choose one copy per "
                           "clip, then the positions.")


@exercise(WHOLE, "segments per epoch, divided by the batch size, times epochs.")
def steps(count):
    """Steps of `acrnn` on ESC-10 in lite: 4 folds of 80 clips, 3 segments, batches of 32, 20."""
    right = 4 * 80 * 3 // 32 * 20
    if count == right:
        return f"Right: {right}."
    if abs(count - right * 5 / 4) <= 10:  # however the last batch is rounded
        raise NotRight("That counts all five folds. The test fold is not used in training.")
    if count == right // 20:
        raise NotRight("That is one epoch. How many are there?")
    if count == right // 3:
        raise NotRight("Three segments are drawn from each clip.")
    raise NotRight(f"{count} is too {'large' if count > right else 'small'}.")


@exercise(FUNCTION, "mean.view(1, -1, 1, 1) has a shape that fits x. The same for std.")
def normalise(my_normalise):
    """Subtract the mean and divide by the deviation of each channel."""
    x = torch.randn(4, 2, 5, 6, generator=torch.Generator().manual_seed(0)) * 3 - 5
    mean, std = torch.tensor([-5.0, 0.5]), torch.tensor([3.0, 0.5])
    m, s = mean.view(1, 2, 1, 1), std.view(1, 2, 1, 1)
    if not torch.is_tensor(found := my_normalise(x.clone(), mean, std)):
        raise NotRight(f"Found {found!r:.60}, expected a tensor with the shape of x.")
    return _compare(my_normalise, frontend.normalise, {
        "The mean is not subtracted.": lambda *_: x / s,
        "Divide by the standard deviation, too.": lambda *_: x - m,
        "Subtract before you divide.": lambda *_: x / s - m,
        "Divide by the deviation, not by its square.": lambda *_: (x - m) / s**2,
        "These are mean and deviation of the batch. Use those that are given.": lambda *_: (
            x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True),
    }, [(x, mean, std)])


def _of_truth(values, targets):
    return values[torch.arange(len(targets)), targets]


@exercise(FUNCTION, "logits.log_softmax(1), then one entry per row: "
          "[torch.arange(len(targets)), targets].")
def cross_entropy(my_cross_entropy):
    """Mean over a batch of minus the log of the true class's probability, for large logits, too."""
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(6) % 4

    if getattr(my_cross_entropy, "__wrapped__", None) is F.cross_entropy:
        raise NotRight("That is F.cross_entropy. Write it with log_softmax or logsumexp.")

    def forbidden(*_, **__):
        raise NotRight("That calls F.cross_entropy. Write it with log_softmax or logsumexp.")

    def own(*given):
        with mock.patch.object(F, "cross_entropy", forbidden):
            return my_cross_entropy(*given)

    return _compare(own, F.cross_entropy, {
        "That is the sum. Return the mean over the batch.":
            lambda a, b: F.cross_entropy(a, b, reduction="sum"),
        "The sign is wrong: the logarithm of a probability is negative.":
            lambda a, b: -F.cross_entropy(a, b),
        "The logarithm is missing.": lambda a, b: -_of_truth(a.softmax(1), b).mean(),
        "Softmax is missing: logits are not probabilities.": lambda a, b: -_of_truth(a, b).mean(),
        "Softmax goes over the classes (dim 1), not over the batch.":
            lambda a, b: -_of_truth(a.log_softmax(0), b).mean(),
        "That uses softmax twice.": lambda a, b: F.cross_entropy(a.softmax(1), b),
    }, [(logits, targets), (200 * logits, targets)])


def textbook_step(model, optimizer, x, targets, zero=True, back=True, move=True, twice=False,
                  late=False):
    """One training step, on request with a known mistake; returns the loss."""
    if zero:
        optimizer.zero_grad()
    logits = model(x)
    loss = F.cross_entropy(logits.softmax(1) if twice else logits, targets)
    if back:
        loss.backward()
    if move:
        optimizer.step()
    return (F.cross_entropy(model(x), targets) if late else loss).item()


def _error(call):
    """The text of the error that a call raises."""
    try:
        call()
    except Exception as error:
        return str(error)


def _trace(step, **changes):
    """Weights of a small network after three steps, the last loss, and whether it can learn."""
    torch.manual_seed(0)
    net, targets = torch.nn.Linear(4, 3), torch.arange(8) % 3
    optimizer, before = torch.optim.SGD(net.parameters(), 0.5), net.weight.detach().clone()
    for _ in range(3):
        try:
            loss = step(net, optimizer, torch.randn(8, 4), targets, **changes)
        except Untouched:
            if torch.equal(before, net.weight):
                raise
            raise NotRight("The weights move, but the loss is not returned.") from None
        except NotRight as error:
            if _error(lambda: F.cross_entropy(torch.zeros(3), targets)) in str(error):
                raise NotRight("Here model(x) returns the logits alone, (batch, classes), without "
                               "attention weights: model(x)[0] would be the first row.") from None
            raise
        if torch.is_tensor(loss):
            raise NotRight("You return a tensor. Return the number in it, loss.item().")
    can_learn = not torch.equal(before, net.weight) or net.weight.grad is not None
    return [*net.weight.detach().flatten().tolist(), float(loss), can_learn]


@exercise(FUNCTION, "the five lines above, in a function; at its end `return loss.item()`.")
def step(my_step):
    """zero_grad, predict, cross-entropy, backward, step; judged by what the network learns."""
    def mistake(**changes):
        return lambda: _trace(textbook_step, **changes)

    return _compare(lambda: _trace(my_step), mistake(), {
        "zero_grad is missing: the gradients of all steps add up.": mistake(zero=False),
        "No gradient at optimizer.step: backward is missing, or zero_grad follows it.":
            mistake(back=False),
        "The weights do not move: step is missing, or it comes before backward.":
            mistake(move=False),
        "cross_entropy expects logits. It applies softmax itself.": mistake(twice=True),
        "That is the loss after the step. Return the one that backward was called on.":
            mistake(late=True)})


def _reduced(times):
    """A schedule that divides the first rate by 10, times(progress) times."""
    return lambda first, progress: first * 0.1 ** times(progress)


textbook_schedule = _reduced(lambda progress: min(int(progress * 3), 2))


@exercise(FUNCTION, "int(progress * 3) counts the thirds that are over. It must not exceed 2.")
def schedule(my_schedule):
    """The first rate in the first third, a tenth in the second, a hundredth in the last."""
    said = _compare(my_schedule, textbook_schedule, {
        "At progress 1 the rate falls a third time.": _reduced(lambda p: int(p * 3)),
        "The rate never falls.": _reduced(lambda p: 0),
        "It falls at once to the lowest rate after the first third.":
            _reduced(lambda p: 2 * (p >= 1 / 3)),
        "The rate is divided by 10 each time, not by 2.":
            lambda first, progress: first * 0.5 ** min(int(progress * 3), 2),
        "It falls only once.": _reduced(lambda p: int(p >= 1 / 3)),
        "It falls continuously. It must be constant within a third.": _reduced(lambda p: p * 3),
        "The first rate is the argument `first`. It is not always 0.01.":
            lambda first, progress: textbook_schedule(0.01, progress),
    }, [(first, p) for first in (0.01, 0.5) for p in (0, 0.2, 0.4, 0.5, 0.7, 0.99, 1)])
    for p in (0.3332, 0.3335, 0.6665, 0.6668):
        found, right = my_schedule(0.01, p), textbook_schedule(0.01, p)
        if not _close(found, right):
            raise NotRight(f"At progress {p} the rate is {found:g}, expected {right:g}: the thirds "
                           "end at 1/3 and 2/3, not at rounded numbers such as 0.33 and 0.66.")
    return said


@exercise(NUMBER, "how often has the rate been divided by 10 before epoch 250?")
def second_step(rate):
    """0.01, divided by 10 every 100 epochs, in epoch 250."""
    right = learning_rate(experiment("acrnn", "paper").train, 249 / 300)
    for found, message in (
            (10 * right, "That holds from epoch 101 to 200. Another 100 epochs have passed."),
            (right / 10, "That would be a third reduction. It would come after epoch 300."),
            (100 * right, "That is the rate of the first 100 epochs.")):
        if np.isclose(rate, found):
            raise NotRight(message)
    if not np.isclose(rate, right):
        raise NotRight(f"{rate:.5g} is too {'large' if rate > right else 'small'}.")
    return f"Right: {right:g}."


def textbook_epoch(model, optimizer, batches, step):
    """Mean loss of an epoch over its segments."""
    model.train()
    losses = [step(model, optimizer, x, targets) for x, targets in batches]
    return np.average(losses, weights=[len(x) for x, _ in batches])


@exercise(FUNCTION, "a loop over batches; add step(...) * len(x), and divide by the segments.")
def epoch(my_epoch):
    """A step for each batch, in training mode; here batches of 4, 4 and 2 segments."""
    def told(run):
        called = []

        def step(model, optimizer, x, targets):
            called.append(x)
            return x[0, 0].item()

        model, batches = torch.nn.Linear(1, 1).eval(), [
            (torch.full((size, 1), loss), torch.zeros(size))
            for size, loss in ((4, 1.0), (4, 3.0), (2, 8.0))]
        try:
            loss = run(model, None, batches, step)
        except NotRight as error:
            if called:
                raise
            raise NotRight(f"{error}. Call the argument `step`, not a function of your own: "
                           "here it has not been called.") from None
        if not called:
            raise NotRight("Call the argument `step` for each batch: it has not been called.")
        return [float(loss), model.training]

    return _compare(lambda: told(my_epoch), lambda: told(textbook_epoch), {
        "The small batch counts as much as the others. Weight by len(x).": lambda: [4, 1],
        "That is the last loss.": lambda: [8, 1],
        "That is the first loss.": lambda: [1, 1],
        "That is a sum. Divide by the number of segments.": lambda: [32, 1],
        "model.train() is missing.": lambda: [3.2, 0]})


def _averaged(values, decay, share=share):
    average = [torch.tensor(values[0], dtype=torch.float64)]
    for n, now in enumerate(values[1:], 1):
        follow(average, [torch.tensor(now, dtype=torch.float64)], share(n, decay))
    return average[0].item()


@exercise(FUNCTION, "a loop over enumerate(values[1:], 1), and min.")
def average(my_average):
    """EMA of one weight whose decay grows with the steps."""
    return _compare(my_average, _averaged, {
        "That is the average with a fixed decay: it keeps the initial value too long.":
            lambda v, d: _averaged(v, d, lambda n, d: d),
        "The first step has the number n = 1, not 0.":
            lambda v, d: _averaged(v, d, lambda n, d: share(n - 1, d)),
        "That is the plain mean of all steps.": lambda v, d: np.mean(v),
        "The share must not exceed decay.":
            lambda v, d: _averaged(v, d, lambda n, d: (1 + n) / (10 + n)),
        "The two shares are exchanged.": lambda v, d: _averaged(v, d, lambda n, d: 1 - share(n, d)),
        "That is the last value, without an average.": lambda v, d: v[-1],
    }, [([math.sin(k) + k for k in range(n)], d) for d, n in ((0.9, 40), (0.9, 200), (0.5, 5))])
