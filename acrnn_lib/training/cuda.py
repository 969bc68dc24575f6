"""CUDA graph capture of a training step: one launch in place of hundreds.

A small network keeps a GPU busy for less time than the CPU takes to launch each of its kernels.
A CUDA graph launches all of them at once.

Notebook: 06_training_on_a_gpu
"""

from collections.abc import Callable

import torch

WARM_UP = 3  # calls before a capture, in which libraries choose their kernels


class Recorded:
    """CUDA graphs of a gradient computation: captured at its first call, replayed at later ones.

    Each set of input shapes has its own graph; the graphs share their memory.

    Parameters
    ----------
    model : torch.nn.Module
        The network whose gradients are computed.

    Notebook: 06_training_on_a_gpu
    """

    def __init__(self, model: torch.nn.Module):
        self.model = model
        self.records, self.pool = {}, torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[..., torch.Tensor], *given: torch.Tensor) -> torch.Tensor:
        """Call ``work`` for these tensors, by its graph, and set ``grad`` of the parameters.

        Parameters
        ----------
        work : callable
            One and the same function of CUDA tensors at each call. It sets the gradients to None,
            computes them and a tensor, may draw from torch's generator, does not synchronise with
            the CPU and changes nothing else but the model's buffers.
        *given : torch.Tensor
            On the CUDA device.

        Returns
        -------
        torch.Tensor
            What ``work`` returns.
        """
        shapes = tuple(value.shape for value in given)
        if shapes not in self.records:
            self.records[shapes] = self._record(work, given)
        graph, inputs, result, gradients = self.records[shapes]
        for place, value in zip(inputs, given, strict=True):
            place.copy_(value)
        graph.replay()
        for parameter, gradient in zip(self.model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        return result.clone()  # the next replay writes over it

    def _record(self, work, given):
        inputs = [value.clone() for value in given]
        self._warm_up(work, inputs)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            result = work(*inputs)
        return graph, inputs, result, [p.grad for p in self.model.parameters()]

    def _warm_up(self, work, inputs):
        """Some calls on another stream, as capture requires; they leave no trace."""
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        state, stream = torch.cuda.get_rng_state(), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                work(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        for buffer, before in buffers:
            buffer.copy_(before)
        torch.cuda.set_rng_state(state)
        self.model.zero_grad(set_to_none=True)
