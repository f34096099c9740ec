"""Steps of a network as CUDA graphs: their kernels are launched at once, not one by one.

A graph runs on the memory that it was captured with, always with as many crops or windows. So there
is one for each power of two, and what is fewer is filled up.   Axes: B batch.
"""

from collections.abc import Callable, Hashable
from functools import partial
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor

from tarvitpose.errors import UserError
from tarvitpose.utils.source_names import short

WARM_UPS = 3  # runs before a capture: libraries choose kernels and take memory in the first ones
Tensors = tuple[Tensor, ...]
Step = Callable[..., Tensors]  # from tensors (B, ...) to tensors (B, ...), each row by itself
Replay = Callable[[], Tensors]  # runs a step on what its inputs hold by then, into the same outputs
Capture = Callable[[Step, Tensors], Replay]


class CapturedStep(NamedTuple):
    """A step, and the memory that it reads."""

    inputs: Tensors
    replay: Replay


def capture(step: Step, inputs: Tensors) -> Replay:
    """Return a step on some memory of a GPU as one CUDA graph. Raises UserError.

    Other threads may use the GPU meanwhile.
    """
    device = inputs[0].device
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream):
                for _ in range(WARM_UPS):
                    step(*inputs)
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                outputs = step(*inputs)
        except RuntimeError as error:
            reason = short(" ".join(str(error).split()), 200)
            raise UserError(
                f"this network cannot run as CUDA graphs here ({reason}); leave out --cuda-graphs"
            ) from None
        torch.cuda.current_stream().wait_stream(stream)

    def replay() -> Tensors:
        with torch.cuda.device(device):
            graph.replay()
        return outputs

    return replay


class CudaGraphs:
    """The steps of one network, each captured when a batch of a new size first needs it."""

    def __init__(self, capture: Capture = capture) -> None:
        self._capture = capture
        self._captured: dict[Hashable, CapturedStep] = {}
        self._lock = Lock()  # the memory is that of all threads

    def run(self, step: Step, *inputs: Tensor, **constants: Hashable) -> Tensors:
        """Return what a step makes of inputs (B, ...), as tensors that no later run changes.

        For other `constants` it is captured anew.
        """
        count = len(inputs[0])
        rows = padded_size(count)
        shapes = [(rows, *given.shape[1:]) for given in inputs]
        key = (step, *constants.items(), *shapes)
        with self._lock:
            if key not in self._captured:
                memory = tuple(map(torch.Tensor.new_zeros, inputs, shapes))
                replay = self._capture(partial(step, **constants), memory)
                self._captured[key] = CapturedStep(memory, replay)
            memory, replay = self._captured[key]
            for held, given in zip(memory, inputs, strict=True):
                held[:count].copy_(given)
            return tuple(output[:count].clone() for output in replay())


def padded_size(count: int) -> int:
    """Return the size of the graph that runs a batch.

    >>> [padded_size(count) for count in (1, 2, 3, 8, 9)]
    [1, 2, 4, 8, 16]
    """
    return 1 << (count - 1).bit_length()
