"""The optimizer of a recipe, its learning rate, and the moving average of the weights.

Notebook: 06_training_on_a_gpu
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..config import TrainConfig


def make_optimizer(model: torch.nn.Module, recipe: TrainConfig,
                   fused: bool = False) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum or AdamW; weight decay acts on weights, not on biases and norms.

    Parameters
    ----------
    model : torch.nn.Module
    recipe : config.TrainConfig
    fused : bool
        Fewer passes over the weights, with the same result but for rounding.

    Returns
    -------
    torch.optim.Optimizer

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


def learning_rate(recipe: TrainConfig, progress: float) -> float:
    """The learning rate at a point of training.

    Schedule ``step``: a tenth after each third. ``onecycle``: linear warm-up over the first
    quarter, then a cosine to 0.

    Parameters
    ----------
    recipe : config.TrainConfig
    progress : float, 0 to 1
        Share of the training that is done.

    Returns
    -------
    float

    Notebook: 06_training_on_a_gpu
    """
    if recipe.schedule == "step":
        return recipe.learning_rate * 0.1 ** min(int(progress * 3), 2)
    rise = 0.25
    if progress < rise:
        return recipe.learning_rate * (0.04 + 0.96 * progress / rise)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use a learning rate from the next step on.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    rate : float
    """
    for group in optimizer.param_groups:
        group["lr"] = rate


@contextmanager
def uphill(model: torch.nn.Module, radius: float) -> Iterator[None]:
    """A context in which the weights are moved along their gradient, to where the loss is larger.

    The gradient computed there, and used by the optimizer afterwards, is that of sharpness-aware
    minimisation: it leads to places whose surroundings have a small loss, too.

    Parameters
    ----------
    model : torch.nn.Module
        With gradients. At the end it has its weights and its statistics back.
    radius : float
        Distance, the square root of the sum over all weights.

    References
    ----------
    Foret et al. 2021 (SAM).

    Notebook: 06_training_on_a_gpu
    """
    weights = [p for p in model.parameters() if p.grad is not None]
    gradients = [p.grad for p in weights]
    kept = [value.detach().clone() for value in (*weights, *model.buffers())]
    scale = radius / torch.nn.utils.get_total_norm(gradients).clamp_min(1e-12)
    with torch.no_grad():
        torch._foreach_add_(weights, torch._foreach_mul(gradients, scale))
    try:
        yield
    finally:
        with torch.no_grad():
            for value, before in zip((*weights, *model.buffers()), kept, strict=True):
                value.copy_(before)


class MovingAverage(AveragedModel):
    """Exponential moving average (EMA) of a network's weights and statistics.

    ``module`` is the averaged copy. ``update()`` belongs after each step of the optimizer; the
    first one copies the weights as they are.

    Parameters
    ----------
    model : torch.nn.Module
        The network in training.
    decay : float, 0 to 1
        Upper limit of ``share``.

    References
    ----------
    Polyak and Juditsky 1992.

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, model: torch.nn.Module, decay: float):
        super().__init__(model, multi_avg_fn=self._follow, use_buffers=True)
        self.decay, self.update = decay, partial(self.update_parameters, model)

    @property
    def steps(self) -> int:
        """Number of updates so far."""
        return int(self.n_averaged)  # kept on the CPU, so that no GPU is waited for

    @steps.setter
    def steps(self, count: int) -> None:
        self.n_averaged.fill_(count)

    def _follow(self, averaged, current, _):
        follow(averaged, current, share(self.steps, self.decay))


def share(steps: int, decay: float) -> float:
    """EMA decay at step n: (1 + n) / (10 + n), at most ``decay``.

    A fixed decay would leave a large part of the initial weights in the average of a short run.

    Parameters
    ----------
    steps : int
        Updates so far, n.
    decay : float, 0 to 1

    Returns
    -------
    float, 0 to 1

    Notebook: 06_training_on_a_gpu
    """
    return min(decay, (1 + steps) / (10 + steps))


def follow(averaged: list[torch.Tensor], current: list[torch.Tensor], kept: float) -> None:
    """Update averaged tensors of one dtype in place: EMA of float tensors, copies of counts.

    Parameters
    ----------
    averaged, current : list of torch.Tensor
        Of the average, and of the network in training.
    kept : float, 0 to 1
        EMA decay.

    Notebook: 06_training_on_a_gpu
    """
    if averaged[0].is_floating_point():
        get_ema_multi_avg_fn(kept)(averaged, current, None)
    else:
        for count, value in zip(averaged, current, strict=True):
            count.copy_(value)
