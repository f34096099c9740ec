"""PoseTrack's AP of frames, which the package matches video by video."""

from collections.abc import Iterable

from tarvitpose.metrics.posetrack_ap import ApResult, FramePair, aggregate, match


def average_precision(frames: Iterable[FramePair]) -> ApResult:
    """Return the AP of predictions over all frames of all videos."""
    return aggregate([match(frames)])
