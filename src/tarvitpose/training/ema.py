"""The running average of the weights (EMA), which is often better than the last ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Ema:
    """The average of everything in a model that training moves, BatchNorm's statistics included."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.average = {name: value.detach().clone() for name, value in moving(model)}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Let the average follow after a step (from 0), faster in the first ones."""
        # The start would otherwise stay in it for thousands of steps.
        decay = min(self.decay, (1 + step) / (10 + step))
        values = [value.detach() for _, value in moving(self.model)]
        follow: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        follow(list(self.average.values()), values, None)

    def resume(self, average: dict[str, Tensor]) -> None:
        """Go on from an average that was saved. Raises ValueError for that of another model."""
        if average.keys() != self.average.keys():
            raise ValueError("the running average is of another model")
        for name, value in self.average.items():
            value.copy_(average[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model have the average while the block runs."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, value in moving(self.model):
            trained = value.detach().clone()
            value.copy_(self.average[name])
            self.average[name].copy_(trained)


def moving(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the trained parameters and the floating-point buffers, by name."""
    yield from ((name, value) for name, value in model.named_parameters() if value.requires_grad)
    yield from ((name, value) for name, value in model.named_buffers() if value.is_floating_point())
