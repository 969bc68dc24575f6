"""The running average of weights against a loop that is written out."""

import copy

import pytest
import torch

from acrnn_lib.training.optim import MovingAverage


@pytest.mark.parametrize("decay", [0.2, 0.9])
def test_twenty_steps_equal_the_formula_bit_for_bit(decay):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8),
                                torch.nn.ReLU(), torch.nn.Linear(8, 3))
    average, expected = MovingAverage(model, decay), copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    for step in range(20):
        optimizer.zero_grad()
        model(torch.randn(5, 6)).square().mean().backward()
        optimizer.step()
        average.update()
        kept = min(decay, (1 + step) / (10 + step)) if step else 0.0
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                expected[name].lerp_(value, 1 - kept)
            else:
                expected[name].copy_(value)
        if step == 9:  # taken up again, as from a checkpoint
            state, average = average.module.state_dict(), MovingAverage(model, decay)
            average.module.load_state_dict(state)
            average.steps = 10
        for name, value in average.module.state_dict().items():
            assert torch.equal(value, expected[name]), (step, name)
    assert average.steps == average.module[1].num_batches_tracked == 20
    assert not torch.equal(average.module[0].weight, model[0].weight)
