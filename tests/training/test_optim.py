"""The running average of weights, and the move uphill, against what is written out."""

import copy

import pytest
import torch

from acrnn_lib.training.optim import MovingAverage, uphill


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


def test_uphill_the_gradient_is_that_of_the_moved_weights_and_all_comes_back():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8),
                                torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
    x = torch.randn(20, 6).double()

    def gradients(of):
        of.zero_grad()
        of(x).square().mean().backward()
        return [p.grad.clone() for p in of.parameters()]

    first = gradients(model)
    before = copy.deepcopy(model.state_dict())
    with uphill(model, 0.1):
        moved = [p.detach().clone() for p in model.parameters()]
        second = gradients(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name

    length = sum(float(g.square().sum()) for g in first) ** 0.5
    by_hand = copy.deepcopy(model)
    for parameter, gradient in zip(by_hand.parameters(), first, strict=True):
        parameter.data += 0.1 * gradient / length
    torch.testing.assert_close(moved, list(map(torch.Tensor.detach, by_hand.parameters())))
    torch.testing.assert_close(second, gradients(by_hand))
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), second, strict=True))


def test_uphill_of_a_gradient_of_zero_moves_nothing():
    model = torch.nn.Linear(2, 1)
    (model(torch.zeros(1, 2)) * 0).sum().backward()
    before = model.weight.clone()
    with uphill(model, 0.1):
        assert torch.equal(model.weight, before) and torch.isfinite(model.bias).all()
