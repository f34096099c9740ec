"""What a run looks at while it trains: PCK on held-out clips, in both modes."""

from __future__ import annotations

from typing import Any

from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.degrade import Kind
from tarvitpose.data.records import Record
from tarvitpose.evaluation.clips import ClipScores, Encoded, encoded_batches, score_clips
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
            model, device = self.step.model, self.fabric.device
            clips = validation_clips(self.records, model.config, kind)
            batches = encoded_batches(model, clips, device)
            if "encoder" not in self.step.frozen:
                return score_clips(model, batches)
            if kind not in self.kept:
                self.kept[kind] = [
                    (features.half(), regions, keypoints, visible)
                    for features, regions, keypoints, visible in batches
                ]
            kept = ((f.float(), *others) for f, *others in self.kept[kind])
            return score_clips(model, kept)  # type: ignore[arg-type]
