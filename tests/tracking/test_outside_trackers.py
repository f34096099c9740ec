"""ByteTrack and OC-SORT of the package `trackers` behind our protocol."""

import sys
from collections.abc import Callable

import numpy as np
import pytest

from tarvitpose.config import TrackerName
from tarvitpose.errors import UserError
from tarvitpose.tracking import IouTracker, Tracker, open_tracker

LEFT = [0, 0, 40, 100]
RIGHT = [300, 0, 340, 100]
OUTSIDE: tuple[TrackerName, ...] = ("bytetrack", "ocsort")
Open = Callable[..., Tracker]


@pytest.fixture(params=OUTSIDE)
def opened(request: pytest.FixtureRequest) -> Open:
    pytest.importorskip("trackers", reason="the optional package trackers is not installed")

    def open_it(start_threshold: float = 0.4) -> Tracker:
        return open_tracker(request.param, start_threshold=start_threshold)

    return open_it


def moved(box: list[int], x: float) -> list[float]:
    return [box[0] + x, box[1], box[2] + x, box[3]]


def test_the_built_in_tracker_is_the_default_and_needs_nothing() -> None:
    assert isinstance(open_tracker("iou", start_threshold=0.4), IouTracker)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_missing_package_is_named_with_the_way_to_get_it(
    name: TrackerName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(UserError, match=f"--tracker {name} needs .* --no-deps trackers") as caught:
        open_tracker(name, start_threshold=0.4)
    assert "\n" not in str(caught.value)


def test_people_keep_their_numbers_whatever_the_order_of_the_boxes(opened: Open) -> None:
    tracker, pairs = opened(), set()
    for index in range(40):
        boxes, scores = [moved(LEFT, 2 * index), moved(RIGHT, -2 * index)], [0.9, 0.8]
        order = [0, 1] if index % 3 else [1, 0]
        ids = tracker.update(np.array(boxes)[order], np.array(scores)[order], index)
        assert ids.dtype == np.int64
        if index > 2:
            pairs.add(tuple(ids[order].tolist()))
    assert len(pairs) == 1
    assert sorted(next(iter(pairs))) == [1, 2]


def test_nobody_is_nobody(opened: Open) -> None:
    tracker = opened()
    assert tracker.update([], [], 0).tolist() == []
    assert [tracker.update([LEFT], [0.9], index).tolist() for index in (1, 2, 3)][-1] == [1]
    assert tracker.update(np.zeros((0, 4)), [], 4).shape == (0,)
    assert tracker.carry(5).boxes.shape == (0, 4)


def test_numbers_are_never_given_twice(opened: Open) -> None:
    tracker, seen = opened(), []
    for visit in range(4):
        for index in range(5):
            ids = tracker.update([moved(LEFT, 50 * visit)], [0.9], 100 * visit + index)
        seen += ids.tolist()
    assert seen == [1, 2, 3, 4]


def test_a_number_outlasts_a_short_gap_only(opened: Open) -> None:
    for gap, same in ((10, True), (60, False)):
        tracker = opened()
        for index in range(5):
            before = tracker.update([LEFT], [0.9], index)
        for index in range(5, 5 + gap):
            tracker.update([], [], index)
        for index in range(5 + gap, 10 + gap):
            after = tracker.update([LEFT], [0.9], index)
        assert (after.tolist() == before.tolist()) == same


def test_a_faint_box_starts_no_track(opened: Open) -> None:
    tracker = opened(start_threshold=0.4)
    assert [tracker.update([LEFT], [0.3], index).tolist() for index in range(6)] == [[0]] * 6


def test_bytetrack_follows_someone_half_hidden() -> None:
    pytest.importorskip("trackers", reason="the optional package trackers is not installed")
    tracker = open_tracker("bytetrack", start_threshold=0.4)
    scores = [0.9, 0.9, 0.9, 0.3, 0.25, 0.9]
    ids = [tracker.update([LEFT], [score], index).tolist() for index, score in enumerate(scores)]
    assert ids[1:] == [[1]] * 5


@pytest.mark.parametrize("every", [2, 5])
def test_skipped_frames_count_as_such(opened: Open, every: int) -> None:
    tracker, seen = opened(), set()
    for index in range(0, 100, every):
        right, back = moved(LEFT, 2 * index), moved(RIGHT, -2 * index)
        ids = tracker.update([right, back], [0.9, 0.8], index)
        if index > 3 * every:
            seen.add(tuple(ids.tolist()))
    assert len(seen) == 1
    assert sorted(next(iter(seen))) == [1, 2]


def test_people_are_carried_on_at_their_velocity(opened: Open) -> None:
    tracker = opened()
    for index in range(0, 250, 5):
        tracker.update([moved(LEFT, index), RIGHT], [0.9, 0.8], index)
    boxes, scores, ids = tracker.carry(248)
    by_left = np.argsort(boxes[:, 0])
    expected = sorted([moved(LEFT, 248), [float(x) for x in RIGHT]])
    assert np.allclose(boxes[by_left], expected, atol=0.1)
    assert sorted(scores.tolist()) == pytest.approx([0.8, 0.9])
    assert ids.tolist() == [1, 2]


def test_frames_come_in_order(opened: Open) -> None:
    tracker = opened()
    tracker.update([LEFT], [0.9], 5)
    with pytest.raises(ValueError, match="frame 5 came after frame 5"):
        tracker.update([LEFT], [0.9], 5)
    with pytest.raises(ValueError, match="frame 4 came after frame 5"):
        tracker.carry(4)


def test_the_same_boxes_give_the_same_numbers(opened: Open) -> None:
    random = np.random.default_rng(0)
    boxes = [np.array([LEFT, RIGHT]) + random.normal(0, 3, (2, 4)) for _ in range(30)]
    first, second = opened(), opened()
    for index, some in enumerate(boxes):
        ids = [tracker.update(some, [0.9, 0.6], index).tolist() for tracker in (first, second)]
        assert ids[0] == ids[1]
