"""The optimizer of a recipe and its learning rate.

Notebook: 06_training_on_a_gpu
"""

import math

import torch


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
