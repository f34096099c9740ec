"""One optimiser step: its batches, their gradients, and what to do when a number is not finite."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tarvitpose.errors import DataError
from tarvitpose.training.batches import next_batch
from tarvitpose.training.config import TrainConfig
from tarvitpose.training.devices import gathered, stop_all, together
from tarvitpose.training.optim import set_rate
from tarvitpose.training.step import Batch, TrainingStep

SMALLEST_SCALE = 2.0**-14  # of the loss in 16-mixed: 30 overflows below the first one


class Stepper:
    """Takes optimiser steps. `module` is what Fabric made of `step`, `optimizer` likewise."""

    def __init__(
        self, config: TrainConfig, *, fabric: Any, module: Any, step: TrainingStep, optimizer: Any
    ) -> None:
        self.fabric, self.module, self.step, self.optimizer = fabric, module, step, optimizer
        self.seed, self.parts = config.run.seed, config.run.accumulate
        self.clip_norm = config.optim.clip_norm or math.inf
        self.scaler = getattr(fabric.strategy.precision, "scaler", None)  # of 16-mixed alone

    @property
    def rate(self) -> float:
        """The learning rate of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def take(self, batches: Iterator[Batch], index: int, rate_factor: float) -> tuple[float, bool]:
        """Take step `index` (from 0); return its loss and whether the weights moved.

        They do not where 16-mixed overflows: the next step then has a smaller loss scale. Raises
        DataError where the loss or the gradient is not finite; the model is as before the step.
        """
        set_rate(self.optimizer, rate_factor)
        self.module.train()
        # BatchNorm's averages move forwards, before anybody knows whether the loss is finite.
        self.before = [buffer.clone() for buffer in self.step.model.buffers()]
        names: list[str] = []
        total = 0.0
        for part in range(self.parts):
            with together(self.fabric):
                batch = next_batch(batches)
            names += batch["name"]
            self._seed(index, part)
            with self.fabric.no_backward_sync(self.module, enabled=part < self.parts - 1):
                loss = self.module(batch)
                total += self._checked(loss, batch, index)
                self.fabric.backward(loss / self.parts)
        moved = self._move(names, index)
        return total / self.parts, moved

    def _seed(self, index: int, part: int) -> None:
        """Let random numbers depend on step, part and rank alone: a resumed run is exact."""
        rank, ranks = self.fabric.global_rank, self.fabric.world_size
        torch.manual_seed(self.seed * 1_000_003 + (index * self.parts + part) * ranks + rank)

    def _checked(self, loss: Tensor, batch: Batch, index: int) -> float:
        """Return the mean loss of all ranks, or stop them all."""
        mean = float(self.fabric.all_reduce(loss.detach().clone(), reduce_op="mean"))
        if not math.isfinite(mean):
            local = loss.item()
            names = [] if math.isfinite(local) else list(batch["name"])
            self._stop(f"step {index + 1}: the loss is {mean}", names)
        return mean

    def _move(self, names: list[str], index: int) -> bool:
        """Clip the gradients and let the optimiser move the weights, if they are finite."""
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=self.clip_norm, error_if_nonfinite=False
        )
        finite = bool(torch.isfinite(norm))
        if not finite and (self.scaler is None or self.scaler.get_scale() < SMALLEST_SCALE):
            self._stop(f"step {index + 1}: the gradient is not finite", names)
        self.optimizer.step()  # with a scaler, it does nothing but shrink the scale on overflow
        self.optimizer.zero_grad()
        return finite

    def _stop(self, problem: str, names: list[str]) -> None:
        """Undo the step and stop all ranks, naming the clips of those that are at fault."""
        for buffer, value in zip(self.step.model.buffers(), self.before, strict=True):
            buffer.copy_(value)
        self.optimizer.zero_grad()
        all_names = [name for part in gathered(self.fabric, names) for name in part]
        stop_all(self.fabric, DataError(f"{problem}; the batch is {', '.join(all_names)}"))
