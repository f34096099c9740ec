"""Crops whose targets are known, kept so that each of them teaches more than once.

What teachers say of a crop takes as long as the student's own step. So a batch is joined by crops
of earlier ones, drawn at random.
"""

import torch
from torch import Tensor

Samples = dict[str, Tensor]


class Replay:
    """The newest samples of a training, in half precision, and draws from them."""

    def __init__(self, uses: int, kept: int, seed: int) -> None:
        """Each sample is used `uses` times in the mean, while it is among the newest `kept`."""
        self.uses = uses
        self.kept = kept
        self.stored: list[Samples] = []
        self.random = torch.Generator().manual_seed(seed)

    def joined(self, fresh: Samples) -> Samples:
        """Return samples (B, ..) and, once there are some, `uses` - 1 times as many older ones.

        Numbers in float32 come back as such, rounded to half precision where they were kept.
        """
        count = len(next(iter(fresh.values())))
        more = (self.uses - 1) * count if self.stored else 0
        picks = torch.randint(len(self.stored) or 1, (more,), generator=self.random).tolist()
        older = [self.stored[pick] for pick in picks]
        self.stored += [
            {name: _halved(values[index]) for name, values in fresh.items()}
            for index in range(count)
        ]
        del self.stored[: -self.kept]
        return {
            name: torch.cat([values, *(sample[name].to(values.dtype)[None] for sample in older)])
            for name, values in fresh.items()
        }


def _halved(values: Tensor) -> Tensor:
    return values.half() if values.dtype == torch.float32 else values.clone()
