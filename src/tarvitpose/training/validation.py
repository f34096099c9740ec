"""PCK on held-out clips while a run trains, in both modes."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np

from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.degrade import Degradation
from tarvitpose.data.records import Record
from tarvitpose.evaluation.clips import ClipScores, Encoded, encoded_batches, score_clips
from tarvitpose.training.step import TrainingStep


class ValidationSets:
    """The held-out clips, once with each degradation of the current frame.

    With a frozen encoder their features stay in memory, in float16, from the first time on.
    """

    def __init__(
        self,
        records: list[Record],
        degradations: tuple[Degradation, ...],
        step: TrainingStep,
        fabric: Any,
        *,
        workers: int = 0,
    ) -> None:
        """`workers` are the processes that prepare these clips alone."""
        self.records, self.degradations = records, degradations
        self.step, self.fabric, self.workers = step, fabric, workers
        self.encoded: dict[Degradation, list[Encoded]] = {}

    @property
    def names(self) -> list[str]:
        """The names of all scores: `val/clean/single` and so on; none without records."""
        config = self.step.model.config
        modes = ("single", *["temporal"] * config.temporal, *["mask"] * config.masked)
        degradations = self.degradations if self.records else ()
        return [f"val/{degradation}/{mode}" for degradation in degradations for mode in modes]

    def scores(self) -> dict[str, float]:
        """Return PCK@0.2 of each degradation and mode by name, 0..100.

        `val/clean/mask` and so on are no scores: the share of tokens, in percent, that a joint may
        look at. Where it drifts, the mask's threshold changes its meaning.
        """
        scores: dict[str, float] = {}
        for degradation in self.degradations if self.records else ():
            result = self.score(degradation)
            scores[f"val/{degradation}/single"] = result.single_pck
            scores[f"val/{degradation}/temporal"] = result.temporal_pck
            scores[f"val/{degradation}/mask"] = result.mask_coverage
        return {name: scores[name] for name in self.names}

    def score(self, degradation: Degradation) -> ClipScores:
        """Return the scores on clips whose current frame is degraded in one way."""
        self.step.eval()
        with self.fabric.autocast():
            return score_clips(self.step.model, self._encoded(degradation))

    def _encoded(self, degradation: Degradation) -> Iterator[Encoded]:
        model = self.step.model
        if degradation not in self.encoded:
            clips = validation_clips(self.records, model.config, degradation)
            batches = encoded_batches(model, clips, self.fabric.device, workers=self.workers)
            if "encoder" not in self.step.frozen:
                yield from batches
                return
            self.encoded[degradation] = [
                (features.half(), *others)  # type: ignore[misc]
                for features, *others in batches
            ]
        for half, stored, keypoints, visible in self.encoded[degradation]:
            features = half.float()
            # A decoder that learns gives other regions each time.
            regions = stored if "decoder" in self.step.frozen else model.regions(features)
            yield features, regions, keypoints, visible


def fixed_share(records: Sequence[Record], share: float) -> list[Record]:
    """Return a share of the records, at least one of them, in their order; always the same ones."""
    order = np.random.default_rng(0).permutation(len(records))
    return [records[at] for at in sorted(order[: ceil(share * len(records))])]
