"""PoseTrack files with track ids against labels with theirs.   Axes: V videos, J joints."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.evaluation.comparison import Intervals
from tarvitpose.metrics.mot import Scores, TrackingCounts, count_tracks, identities, tracking_scores
from tarvitpose.metrics.posetrack_ap import FramePair, interval, present, video_draws
from tarvitpose.metrics.posetrack_mota import count_joints, posetrack_mota
from tarvitpose.utils.arrays import Float64


@dataclass(eq=False)
class TrackScorer:
    """Counts the tracks of one video after the other."""

    predictions: Path  # named in errors
    people: list[TrackingCounts] = field(default_factory=list)  # (V,)
    joints: list[Float64] = field(default_factory=list)  # (V,), (J, 4) each
    without_head: int = 0  # labelled people; with any, there is no score of joints

    def add(self, pairs: list[FramePair]) -> None:
        """Count a video's frames. Raises DataError where track ids are missing or stand twice."""
        try:
            self.people.append(count_tracks([identities(pair) for pair in pairs]))
        except ValueError as error:
            raise DataError(f"{self.predictions}: {error}; score without --tracks") from None
        heads = [np.isfinite(truth.head_boxes).all(1) for truth, _ in pairs]
        labelled = [present(truth.keypoints).any(1) for truth, _ in pairs]
        missing = (each & ~head for each, head in zip(labelled, heads, strict=True))
        self.without_head += sum(int(each.sum()) for each in missing)
        if not self.without_head:
            self.joints.append(count_joints(pairs))

    def scores(self, weights: Float64 | None = None) -> Scores:
        """Return the measures of people over the videos, counted as often as `weights`, (V,)."""
        return tracking_scores(self.people, weights)

    def joint_scores(self, weights: Float64 | None = None) -> Scores:
        """Return PoseTrack's MOTA by groups, joints and mean; {} where heads are missing."""
        return {} if self.without_head else posetrack_mota(self.joints, weights).columns

    def intervals(self, samples: int, seed: int = 0) -> tuple[Intervals, Intervals]:
        """Return the 95% intervals of `scores` and of `joint_scores` over draws of videos."""
        drawn = video_draws(len(self.people), samples, seed)  # (samples, V)
        return (
            _intervals(self.scores(weights) for weights in drawn),
            _intervals(self.joint_scores(weights) for weights in drawn),
        )


def _intervals(draws: Iterable[Scores]) -> Intervals:
    rows = list(draws)
    return {name: interval(row[name] for row in rows) for name in rows[0]} if rows else {}
