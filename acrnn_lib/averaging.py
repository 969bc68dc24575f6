"""A running average of a network's weights, which often tests better than the last ones.

Notebook: 06_training_on_a_gpu
"""

from functools import partial

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class MovingAverage(AveragedModel):
    """A copy of a network, ``module``, whose weights and statistics follow those in training.

    model : nn.Module, the one in training; decay : see ``share``. ``update()`` belongs after each
    step of the optimizer: the weights after the first one are taken as they are.
    Source: Polyak and Juditsky 1992. Notebook: 06_training_on_a_gpu
    """

    def __init__(self, model, decay):
        super().__init__(model, multi_avg_fn=self._follow, use_buffers=True)
        self.decay, self.update = decay, partial(self.update_parameters, model)

    @property
    def steps(self):
        """Updates so far."""
        return int(self.n_averaged)  # kept on the CPU, so that no GPU is waited for

    @steps.setter
    def steps(self, count):
        self.n_averaged.fill_(count)

    def _follow(self, averaged, current, _):
        follow(averaged, current, share(self.steps, self.decay))


def share(steps, decay):
    """EMA decay after so many steps: (1 + steps) / (10 + steps), at most ``decay``.

    It forgets the first weights: with a fixed decay a short run would end with a good part of its
    random start in the average. Notebook: 06_training_on_a_gpu
    """
    return min(decay, (1 + steps) / (10 + steps))


def follow(averaged, current, kept):
    """Move tensors of one kind towards others, in place: ``kept`` of what they were, the rest of
    the others; counts are copied. Notebook: 06_training_on_a_gpu
    """
    if averaged[0].is_floating_point():
        get_ema_multi_avg_fn(kept)(averaged, current, None)
    else:
        for count, value in zip(averaged, current, strict=True):
            count.copy_(value)
