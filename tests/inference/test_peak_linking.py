"""Frames come back in order, each joint at one of its peaks, with that peak's score."""

import numpy as np
import pytest

from tarvitpose.inference.peak_linking import Decoded, linked
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.results import Frame, TrackedFrame

PEOPLE = (1, 2, 0, 1, 2, 2)  # in each frame; the first of two is track 1, a lone one too


def frames(swapped: int = 3) -> list[Decoded]:
    """Return frames in which the highest peak of track 1 is elsewhere in frame `swapped`."""
    results = []
    for index, people in enumerate(PEOPLE):
        boxes = np.tile(np.float32([0, 0, 50, 100]), (people, 1))
        tracked = TrackedFrame(
            Frame(index, index / 25, np.zeros((4, 4, 3), np.uint8)),
            boxes,
            np.ones(people, np.float32),
            np.arange(1, people + 1),
        )
        keypoints = np.full((people, 1, 2), 10 + index, np.float32)
        lower = np.full((people, 1, 2, 3), 80, np.float32)
        lower[..., 2] = (0.5, 0.0)
        scores = np.full((people, 1), 0.6, np.float32)
        if index == swapped:
            keypoints[0], lower[0, 0, 0, :2] = lower[0, 0, 0, :2].copy(), keypoints[0].copy()
        results.append((tracked, PoseArrays(keypoints, scores, lower_peaks=lower)))
    return results


@pytest.mark.parametrize("lag", [0.0, 0.1, 9.0])
def test_order_and_places(lag: float) -> None:
    results = list(linked(frames(), lag))
    assert [tracked.frame.index for tracked, _ in results] == list(range(len(PEOPLE)))
    for (tracked, joints), people in zip(results, PEOPLE, strict=True):
        assert joints.keypoints.shape == (people, 1, 2)
        np.testing.assert_array_equal(joints.keypoints, 10 + tracked.frame.index)
    assert results[3][1].scores[0, 0] == np.float32(0.5)  # of the peak that was taken
    assert results[4][1].scores[0, 0] == np.float32(0.6)


def test_frames_come_as_soon_as_they_are_decided() -> None:
    read = []

    def reading() -> object:
        for result in frames():
            read.append(result)
            yield result

    results = linked(reading(), 0.09)  # type: ignore[arg-type]
    next(results)
    assert len(read) == 4


def test_without_lower_peaks_nothing_changes() -> None:
    plain = [(tracked, PoseArrays(joints.keypoints, joints.scores)) for tracked, joints in frames()]
    for (_, before), (_, after) in zip(plain, linked(plain, 1.0), strict=True):
        assert np.array_equal(before.keypoints, after.keypoints)
