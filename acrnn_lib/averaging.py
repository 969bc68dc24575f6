"""A running average of a network's weights, which often tests better than the last ones.

Notebook: 06_training_on_a_gpu
"""

import copy
from functools import cached_property

from torch.optim.swa_utils import get_ema_multi_avg_fn


class MovingAverage:
    """A network, ``module``, whose weights and statistics follow those of one in training.

    model : nn.Module, the one in training; decay : see ``share``.
    Source: Polyak and Juditsky 1992. Notebook: 06_training_on_a_gpu
    """

    def __init__(self, model, decay):
        self.model, self.module = model, copy.deepcopy(model)
        self.decay, self.steps = decay, 0

    @cached_property
    def pairs(self):
        """((averaged, current) of all weights and statistics, the same of all counts)."""
        pairs = list(zip(self.module.state_dict().values(), self.model.state_dict().values(),
                         strict=True))
        return ([pair for pair in pairs if pair[0].is_floating_point()],
                [pair for pair in pairs if not pair[0].is_floating_point()])

    def update(self):
        """After a step of the optimizer; the weights after the first one are taken as they are."""
        real, counts = self.pairs
        for count, value in counts:
            count.copy_(value)
        kept = share(self.steps, self.decay) if self.steps else 0.0
        follow(*zip(*real, strict=True), kept)
        self.steps += 1


def share(steps, decay):
    """What the average after so many steps keeps of itself: (1 + steps) / (10 + steps), at most
    ``decay``.

    It forgets the first weights: with a fixed decay a short run would end with a good part of its
    random start in the average. Notebook: 06_training_on_a_gpu
    """
    return min(decay, (1 + steps) / (10 + steps))


def follow(averaged, current, kept):
    """Move tensors towards others, in place: ``kept`` of what they were, the rest of the others.

    Notebook: 06_training_on_a_gpu
    """
    get_ema_multi_avg_fn(kept)(averaged, current, None)
