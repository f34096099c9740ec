"""What a run looks at while it trains: PCK on held-out clips, in both modes."""

from __future__ import annotations

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
    """The held-out clips with each kind of degraded current frame.

    With a frozen encoder their features are kept, in float16, from the first look on.
    """

    def __init__(
        self,
        records: list[Record],
        kinds: tuple[Degradation, ...],
        step: TrainingStep,
        fabric: Any,
        *,
        workers: int = 0,
    ) -> None:
        """`workers` are the processes that prepare clips, of this data set alone."""
        self.records, self.kinds, self.step, self.fabric = records, kinds, step, fabric
        self.workers = workers
        self.kept: dict[Degradation, list[Encoded]] = {}

    @property
    def names(self) -> list[str]:
        """The names of all scores: `val/clean/single` and so on; none without records."""
        config = self.step.model.config
        modes = ("single", *["temporal"] * config.temporal, *["mask"] * config.masked)
        kinds = self.kinds if self.records else ()
        return [f"val/{kind}/{mode}" for kind in kinds for mode in modes]

    def scores(self) -> dict[str, float]:
        """Return PCK@0.2 of each kind and mode by name, 0..100.

        `val/clean/mask` and so on are no scores: the share of tokens, in percent, that a joint may
        look at. Where it drifts, the mask's threshold changes its meaning.
        """
        found: dict[str, float] = {}
        for kind in self.kinds if self.records else ():
            result = self.score(kind)
            found[f"val/{kind}/single"] = result.single_pck
            found[f"val/{kind}/temporal"] = result.temporal_pck
            found[f"val/{kind}/mask"] = result.mask_coverage
        return {name: found[name] for name in self.names}

    def score(self, kind: Degradation) -> ClipScores:
        """Return the scores on clips whose current frame is degraded in one way."""
        self.step.eval()
        with self.fabric.autocast():
            return score_clips(self.step.model, self._encoded(kind))

    def _encoded(self, kind: Degradation) -> Iterator[Encoded]:
        model = self.step.model
        if kind not in self.kept:
            clips = validation_clips(self.records, model.config, kind)
            batches = encoded_batches(model, clips, self.fabric.device, workers=self.workers)
            if "encoder" not in self.step.frozen:
                yield from batches
                return
            self.kept[kind] = [(features.half(), *others) for features, *others in batches]  # type: ignore[misc]
        for half, seen, keypoints, visible in self.kept[kind]:
            features = half.float()
            # A decoder that learns sees other regions each time.
            regions = seen if "decoder" in self.step.frozen else model.regions(features)
            yield features, regions, keypoints, visible


def fixed_share(records: Sequence[Record], share: float) -> list[Record]:
    """Return a share of the records, at least one of them, in their order; always the same ones."""
    order = np.random.default_rng(0).permutation(len(records))
    return [records[at] for at in sorted(order[: ceil(share * len(records))])]
