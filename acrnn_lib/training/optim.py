"""The optimizer of a recipe, its learning rate, and the running average of the weights.

Notebook: 06_training_on_a_gpu
"""

import math
from functools import partial

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def make_optimizer(model, recipe, fused=False):
    """SGD with Nesterov momentum or AdamW; weight decay acts on weights, not on biases and norms.

    model : nn.Module; recipe : TrainConfig; fused : one kernel for all parameters, on a GPU.
    Notebook: 06_training_on_a_gpu
    """
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay},
              {"params": others, "weight_decay": 0.0}]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, recipe.learning_rate, recipe.momentum, nesterov=True,
                               fused=fused)
    return torch.optim.AdamW(groups, recipe.learning_rate, fused=fused)


def learning_rate(recipe, progress):
    """The learning rate at a point of training, progress from 0 to 1.

    step: a tenth after each third. onecycle: linear warm-up over the first quarter, then a cosine
    to 0. Notebook: 06_training_on_a_gpu
    """
    if recipe.schedule == "step":
        return recipe.learning_rate * 0.1 ** min(int(progress * 3), 2)
    rise = 0.25
    if progress < rise:
        return recipe.learning_rate * (0.04 + 0.96 * progress / rise)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))


def set_learning_rate(optimizer, rate):
    """Use a learning rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


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
