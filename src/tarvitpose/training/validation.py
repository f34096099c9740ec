"""What a run looks at while it trains: PCK on held-out clips, with and without the temporal part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from tarvitpose.data.dataset import single_threaded, validation_clips
from tarvitpose.data.degrade import Kind
from tarvitpose.data.records import Record
from tarvitpose.evaluation import ClipScores, Encoded, score_clips
from tarvitpose.training.step import TrainingStep


class ValidationSets:
    """The held-out clips with each kind of spoilt current frame.

    With a frozen encoder their features are kept, in float16, from the first look on.
    """

    def __init__(
        self, records: list[Record], kinds: tuple[Kind, ...], step: TrainingStep, fabric: Any
    ) -> None:
        self.records, self.kinds, self.step, self.fabric = records, kinds, step, fabric
        self.kept: dict[Kind, list[Encoded]] = {}

    def scores(self) -> dict[str, float]:
        """Return PCK@0.2 for each kind and mode, `val/clean/single` and so on; 0..100."""
        values: dict[str, float] = {}
        for kind in self.kinds if self.records else ():
            result = self.score(kind)
            values[f"val/{kind}/single"] = result.single_pck
            if self.step.model.config.temporal:
                values[f"val/{kind}/temporal"] = result.temporal_pck
        return values

    def score(self, kind: Kind) -> ClipScores:
        """Return the scores on clips whose current frame is spoilt in one way."""
        self.step.eval()
        with self.fabric.autocast():
            if "encoder" not in self.step.frozen:
                return score_clips(self.step.model, self._encode(kind))
            if kind not in self.kept:
                self.kept[kind] = [
                    (features.half(), regions, keypoints, visible)
                    for features, regions, keypoints, visible in self._encode(kind)
                ]
            kept = ((f.float(), *others) for f, *others in self.kept[kind])
            return score_clips(self.step.model, kept)  # type: ignore[arg-type]

    def _encode(self, kind: Kind) -> Iterator[Encoded]:
        loader = DataLoader(
            validation_clips(self.records, self.step.model.config, kind),
            batch_size=8,
            worker_init_fn=single_threaded,
        )
        for batch in self.fabric.setup_dataloaders(loader, use_distributed_sampler=False):
            with torch.inference_mode():
                features, regions = self.step.encode(batch)
            yield features, regions, batch["keypoints"], batch["visible"]


