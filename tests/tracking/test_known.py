"""People whose numbers are known: where they are expected between two frames of a file of boxes."""

import numpy as np
import pytest

from tarvitpose.tracking.known import KnownTracks
from tarvitpose.tracking.track import LONGEST_GAP
from tarvitpose.utils.arrays import Float32


def box(x: float) -> Float32:
    return np.array([x, 10, x + 20, 60], np.float32)


def noted(*frames: tuple[int, dict[int, float]]) -> KnownTracks:
    """Return tracks that have seen people at x in frames, by number."""
    tracks = KnownTracks()
    for index, people in frames:
        boxes = np.array([box(x) for x in people.values()]).reshape(-1, 4)
        tracks.note(boxes, np.full(len(people), 0.9), np.array([*people], np.int64), index)
    return tracks


def test_nobody_is_expected_before_anybody_was_seen() -> None:
    assert not len(KnownTracks().carry(3).boxes)
    assert not len(noted((0, {})).carry(1).boxes)


def test_people_keep_their_numbers_and_scores() -> None:
    carried = noted((0, {7: 0.0, 2: 50.0})).carry(1)
    assert sorted(carried.track_ids.tolist()) == [2, 7]
    assert carried.scores == pytest.approx([0.9, 0.9])


def test_whoever_was_seen_once_stays_and_whoever_moves_goes_on() -> None:
    still, walking = noted((0, {1: 5.0})), noted((0, {1: 0.0}), (1, {1: 4.0}), (2, {1: 8.0}))
    assert still.carry(4).boxes[0] == pytest.approx(box(5))
    left = walking.carry(3).boxes[0, 0]
    assert 8 < left <= 12 + 1e-4  # on its way, no faster than it walked


def test_the_size_stays_while_the_place_moves() -> None:
    carried = noted((0, {1: 0.0}), (1, {1: 4.0}), (2, {1: 8.0})).carry(4).boxes[0]
    assert carried[2:] - carried[:2] == pytest.approx([20, 50], abs=0.5)


def test_whoever_was_not_there_in_the_last_frame_is_not_expected() -> None:
    carried = noted((0, {1: 0.0, 2: 50.0}), (1, {2: 50.0})).carry(2)
    assert carried.track_ids.tolist() == [2]


def test_a_number_that_comes_back_after_long_begins_anew() -> None:
    gap = LONGEST_GAP + 2
    back = noted((0, {1: 0.0}), (1, {1: 4.0}), (1 + gap, {1: 90.0}))
    assert back.carry(2 + gap).boxes[0] == pytest.approx(box(90))


def test_boxes_that_are_changed_afterwards_change_nothing() -> None:
    tracks, boxes = KnownTracks(), np.array([box(5)])
    tracks.note(boxes, [0.9], np.array([1]), 0)
    boxes[:] = 0
    assert tracks.carry(1).boxes[0] == pytest.approx(box(5))


@pytest.mark.parametrize("index", [3, 2])
def test_frames_come_in_order(index: int) -> None:
    tracks = noted((3, {1: 0.0}))
    with pytest.raises(ValueError, match=str(index)):
        tracks.note([box(1)], [0.9], np.array([1]), index)
