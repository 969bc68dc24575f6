"""Checks of notebook 05.

Notebook: 05_attention_from_scratch
"""

import numpy as np
import torch

from ...models.acrnn import scale_scores
from ..exercises import FUNCTION, NUMBERS, WHOLE, NotRight, exercise


@exercise(WHOLE, "with a factor of 1 the largest weight is 0.24. Only the two largest "
          "scores matter in the end; their difference is 0.3.")
def sharpness(factor, scores=(0.5, 0.2, 0.1, 1.0, 0.7, 0.3, 0.1)):
    """The smallest whole factor with which the largest softmax weight is at least 0.9."""
    def top(factor):
        return torch.softmax(factor * torch.as_tensor(scores), -1).max().item()

    if top(factor) < 0.9:
        raise NotRight(f"With {factor} the largest weight is {top(factor):.3f}: still below 0.9.")
    if top(factor - 1) >= 0.9:
        raise NotRight(f"{factor} is enough ({top(factor):.3f}), but it is not the smallest whole "
                       "number.")
    return f"Right: {factor} gives {top(factor):.3f}, {factor - 1} gives {top(factor - 1):.3f}."


@exercise(NUMBERS, "(H ** 2).sum(axis=1) has six numbers. What must they be divided by?")
def energy_weights(weights, H):
    """Weights in proportion to the energy of each frame of H, (frames, features)."""
    right = (H**2).sum(axis=1) / (H**2).sum()
    if weights.shape != right.shape:
        raise NotRight(f"Found shape {weights.shape}, expected {len(right)} weights, one per "
                       "frame.")
    if not np.isclose(weights.sum(), 1):
        raise NotRight(f"The weights sum to {weights.sum():.3f}, not to 1.")
    if not np.allclose(weights, right):
        raise NotRight("They sum to 1, but differ from the energies divided by their sum by up to "
                       f"{np.abs(weights - right).max():.3f}.")
    return (f"Right: frame 3 gets {right[3]:.3f}. For this sequence the energy alone is largest "
            "in the event frame, so energy is a baseline for attention.")


@exercise(FUNCTION, "torch.sigmoid, then a sum over dim=1 with keepdim=True.")
def sigmoid_scaling(my_scale):
    """Sigmoids of scores (batch, frames), divided by their sum over the frames."""
    scores = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    right, mine = scale_scores(scores, "sigmoid"), my_scale(scores)
    if not torch.is_tensor(mine) or mine.shape != right.shape:
        raise NotRight(f"Your function returned {type(mine).__name__} of shape {np.shape(mine)}, "
                       f"expected a tensor of shape {tuple(right.shape)}.")
    if torch.allclose(mine, torch.sigmoid(scores)):
        raise NotRight("These are the gates. They do not sum to one yet.")
    if torch.allclose(mine, scores.softmax(1)):
        raise NotRight("That is softmax, which normalises over frames.")
    if not torch.allclose(mine.sum(1), torch.ones(3)):
        raise NotRight(f"The rows sum to {mine.sum(1).numpy().round(3)}: divide by the sum over "
                       "the frames.")
    if not torch.allclose(mine, right):
        raise NotRight("The weights sum to one, but differ from the sigmoid scaling.")
    return "Right."
