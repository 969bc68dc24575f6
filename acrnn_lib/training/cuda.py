"""Work recorded once on a GPU and replayed: one launch in place of hundreds.

A small network keeps a GPU busy for less time than the CPU takes to ask for each of its kernels.
A recording (a CUDA graph) asks for all of them at once.

Notebook: 06_training_on_a_gpu
"""

import torch

WARM_UP = 3  # calls before a recording, in which libraries choose their kernels


class Recorded:
    """Work on a GPU: the first call with tensors of some shapes records it, later ones replay.

    model : nn.Module whose gradients the work computes

    Calling it with ``work`` and CUDA tensors gives what ``work`` gives for them, and ``grad`` of
    the model's parameters. ``work`` is one and the same function of CUDA tensors each time: it sets
    the gradients to None, computes them and a tensor, draws from torch's generator at most, waits
    for nothing and changes nothing else but the model's buffers. Batches of a few sizes make a few
    recordings, which share their memory. Notebook: 06_training_on_a_gpu
    """

    def __init__(self, model):
        self.model = model
        self.records, self.pool = {}, torch.cuda.graph_pool_handle()

    def __call__(self, work, *given):
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
        """Some calls beside the main stream, as recording wants; they leave no trace."""
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
