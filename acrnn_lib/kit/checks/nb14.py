"""Checks of notebook 14.

Notebook: 14_change_it
"""

import numpy as np
import torch
from torch import nn

from ..exercises import FUNCTION, LAYER, WHOLE, NotRight, Untouched, exercise
from .nb04 import difference

FARTHEST = 10  # frames


class _Statistics(nn.Module):
    """Attentive statistics pooling."""

    def __init__(self, features):
        super().__init__()
        self.score = nn.Linear(features, 1)

    def forward(self, hidden):
        weights = self.score(hidden).squeeze(-1).softmax(dim=1)
        mean = (weights[..., None] * hidden).sum(dim=1)
        variance = (weights[..., None] * (hidden - mean[:, None]) ** 2).sum(dim=1)
        return torch.cat([mean, variance.clamp(min=1e-8).sqrt()], dim=1), weights


@exercise(LAYER, "compute weights and weighted mean as in notebook 04. Sum weights[..., None] * "
          "(hidden - mean[:, None]) ** 2 over the frames, and take the square root. torch.cat "
          "joins mean and deviation along dim=1.")
def statistics_pooling(build):
    """Weighted mean and weighted standard deviation over the frames, and the weights."""
    torch.manual_seed(0)
    reference, hidden = _Statistics(64), torch.randn(3, 7, 64)
    wrong = difference(build, (64,), reference, hidden)
    if wrong is None:
        raise Untouched
    layer = build(64).eval()
    if wrong and "the values" not in wrong:
        raise NotRight(wrong + ". The output is a tuple: (batch, 2 x features) and the weights.")
    layer.load_state_dict(reference.state_dict())
    if wrong:
        raise NotRight(_mistake(layer, reference, hidden) or wrong + ". The mean comes first, then "
                       "the deviation. The weights of a segment sum to 1 over its frames (dim=1).")
    # zeros, whose variance is 0 with the rounding of any CPU
    constant = torch.zeros(1, 7, 64, requires_grad=True)
    layer(constant)[0].sum().backward()
    if not constant.grad.isfinite().all():
        raise NotRight("The values are right, but the gradient is not finite where all frames are "
                       "equal: the slope of a square root at 0 is infinite. Clamp the variance.")
    return "Right: 65 parameters for 64 features, and the gradient is finite for equal frames, too."


def _mistake(layer, reference, hidden):
    """A sentence for a known mistake, or ""."""
    with torch.no_grad():
        found, (right, weights) = layer(hidden)[0], reference(hidden)
    mean, deviation = right.chunk(2, dim=1)
    second = (weights[..., None] * hidden**2).sum(dim=1)
    known = {"The two halves are exchanged: the mean comes first.": (deviation, mean),
             "The second half is the variance; its square root is missing.": (mean, deviation**2),
             "The deviation has no weights: use the weights of the mean.":
                 (mean, hidden.std(dim=1, unbiased=False)),
             "The second half is the root of the mean square; subtract the mean first.":
                 (mean, second.sqrt())}
    return next((said for said, halves in known.items()
                 if torch.allclose(found, torch.cat(halves, dim=1), atol=1e-4)), "")


@exercise(WHOLE, "a delta of 9 frames uses 4 on each side. How many does a delta of a delta use?")
def context_of_a_third_derivative(frames):
    """Context of three deltas of 9 frames, one after the other."""
    known = {4: "That is the context of one delta.", 8: "That is the context of two deltas.",
             24: "That is both sides together; the context is the frames on one side.",
             25: "That is the total width; the context is the frames on one side.",
             27: "Widths do not add up: neighbouring deltas read overlapping frames."}
    if frames in known:
        raise NotRight(known[frames])
    if frames != 12:
        raise NotRight(f"{frames} frames is not right. Each delta adds the frames that it uses on "
                       "one side.")
    return "Right: 4 + 4 + 4 frames on each side."


@exercise(FUNCTION, "shifts = rng.integers(-10, 11, len(static)); torch.stack of one "
          "part.roll(int(shift), dims=-1) for each segment.")
def time_shift(shift):
    """Roll each segment along time by its own random number of frames from -10 to 10."""
    static = torch.from_numpy(np.random.default_rng(0).normal(size=(2000, 4, 32))).float()
    before = static.clone()
    found, again, other = (shift(static, np.random.default_rng(seed)) for seed in (1, 1, 2))
    if not torch.equal(static, before):
        raise NotRight("Your function changes its input. Return a new tensor.")
    if not isinstance(found, torch.Tensor) or found.shape != static.shape or (
            found.dtype != static.dtype):
        raise NotRight(f"Expected a float32 tensor of shape {tuple(static.shape)}, found "
                       f"{getattr(found, 'dtype', type(found).__name__)} "
                       f"{tuple(getattr(found, 'shape', ()))}.")
    if not torch.equal(found, again):
        raise NotRight("Two calls with equal random numbers differ: draw from rng only. Otherwise "
                       "a run cannot be repeated or resumed.")
    moved = _shifts(static, found)
    if torch.equal(found, other):
        raise NotRight("Two calls with different random numbers agree: draw from rng.")
    if (moved == None).any():  # noqa: E711  an array
        raise NotRight(_not_rolled(static, found))
    if len(set(moved)) == 1:
        raise NotRight(f"All segments of the batch move by {moved[0]}: draw for each segment.")
    if (odd := [n for n in moved if abs(n) > FARTHEST]) or len(set(moved)) < 2 * FARTHEST + 1:
        never = sorted(set(range(-FARTHEST, FARTHEST + 1)) - set(moved))
        raise NotRight(f"A segment moves by {odd[0]} frames." if odd else
                       f"A move by {never[-1]} frames never occurs. rng.integers leaves out its "
                       "upper end.")
    return "Right: every segment moves by its own number of frames, and a run can be repeated."


def _shifts(static, found, dim=-1):
    """Frames by which each segment was rolled; None where it is no roll: array of object."""
    n = static.shape[dim]
    moved = np.full(len(static), None)
    for frames in range(-(n // 2), n // 2):
        same = (static.roll(frames, dim) == found).flatten(1).all(1).numpy()
        moved[same] = frames
    return moved


def _not_rolled(static, found):
    if (_shifts(static, found, dim=1) != None).all():  # noqa: E711
        return "The segments move along frequency. Time is the last dimension."
    if (_shifts(static, found, dim=0) != None).all():  # noqa: E711
        return "The segments exchange their places in the batch. Time is the last dimension."
    return ("A segment does not have the same frames as before, in the same order: frames that "
            "leave at one end must come in at the other (torch.roll).")
