"""Who is who between frames, on boxes that one can follow by hand."""

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from tarvitpose.tracking import IouTracker

LEFT = [0, 0, 10, 20]
MIDDLE = [100, 0, 110, 20]
RIGHT = [200, 0, 210, 20]


def moved(box: list[int], x: float, y: float = 0) -> list[float]:
    return [box[0] + x, box[1] + y, box[2] + x, box[3] + y]


def update(
    tracker: IouTracker, boxes: list[list[float]] | list[list[int]], index: int
) -> list[int]:
    ids: NDArray[np.int64] = tracker.update(np.array(boxes), np.full(len(boxes), 0.5), index)
    assert ids.dtype == np.int64
    assert ids.shape == (len(boxes),)
    return ids.tolist()


def test_people_keep_their_numbers_whatever_the_order_of_the_boxes() -> None:
    tracker = IouTracker()
    assert update(tracker, [LEFT, RIGHT], 0) == [1, 2]
    assert update(tracker, [moved(RIGHT, 1), moved(LEFT, 1)], 1) == [2, 1]


def test_the_surer_of_two_new_people_is_numbered_first() -> None:
    ids = IouTracker().update([LEFT, MIDDLE, RIGHT], [0.5, 0.9, 0.7], 0)
    assert ids.tolist() == [3, 1, 2]


def test_permuted_detections_get_permuted_numbers() -> None:
    rng = np.random.default_rng(0)
    frames = []
    for index in range(6):  # three people close to each other, two of them equally sure
        boxes = np.array([moved(LEFT, 2 * index), moved(LEFT, 5), moved(LEFT, 8 - index, 4)])
        frames.append((boxes + rng.normal(0, 0.5, boxes.shape), np.array([0.5, 0.5, 0.9])))
    straight = IouTracker()
    expected = [straight.update(*frame, i) for i, frame in enumerate(frames)]
    for order in map(list, permutations(range(3))):
        tracker = IouTracker()
        for index, (boxes, scores) in enumerate(frames):
            ids = tracker.update(boxes[order], scores[order], index)
            assert ids.tolist() == expected[index][order].tolist()


@pytest.mark.parametrize(("shift", "same"), [(5, True), (6, False)])
def test_an_overlap_below_the_threshold_is_another_person(shift: int, same: bool) -> None:
    tracker = IouTracker(iou_threshold=0.3)
    update(tracker, [LEFT], 0)  # shifted by 5 of 10: IoU 5 / 15; by 6: 4 / 16
    assert update(tracker, [moved(LEFT, shift)], 1) == [1 if same else 2]


def test_the_sum_of_overlaps_decides_and_not_the_best_single_one() -> None:
    tracker = IouTracker(iou_threshold=0.1)
    update(tracker, [[0, 0, 10, 10]], 0)
    update(tracker, [[0, 0, 10, 10], [4, 0, 14, 10]], 1)
    # Shifted by 3 the first box has IoU 7/13 with track 1 and 9/11 with track 2, the second
    # has 5/15 with track 1 and 9/11 with track 2: greedily track 2 could go to either one.
    assert update(tracker, [[3, 0, 13, 10], [5, 0, 15, 10]], 2) == [1, 2]


def test_a_pair_that_does_not_count_takes_nobodys_place() -> None:
    tracker = IouTracker(iou_threshold=0.5)
    update(tracker, [[0, 0, 10, 10], [7, 0, 17, 10]], 0)
    # The one new box fits track 1 (IoU 8/12); its 5/15 with track 2 lies below the threshold.
    assert update(tracker, [[2, 0, 12, 10]], 1) == [1]


@pytest.mark.parametrize(("gap", "expected"), [(0, 1), (1, 1), (3, 1), (4, 2)])
def test_a_lost_person_resumes_only_within_the_longest_gap(gap: int, expected: int) -> None:
    tracker = IouTracker(max_gap=3)
    update(tracker, [LEFT], 0)
    for index in range(1, gap + 1):
        assert update(tracker, [], index) == []
    assert update(tracker, [LEFT], gap + 1) == [expected]


def test_skipped_frames_count_as_a_gap() -> None:
    tracker = IouTracker(max_gap=3)
    assert update(tracker, [LEFT], 10) == [1]
    assert update(tracker, [LEFT], 14) == [1]  # 11, 12 and 13 are missing
    assert update(tracker, [LEFT], 19) == [2]


def test_numbers_are_never_given_twice() -> None:
    tracker = IouTracker(max_gap=0)
    seen = [update(tracker, [LEFT], index)[0] for index in range(0, 10, 2)]
    assert seen == [1, 2, 3, 4, 5]


def test_a_walking_person_is_found_again_where_the_walk_leads() -> None:
    tracker = IouTracker()
    for index in range(20):
        update(tracker, [moved(LEFT, 2 * index)], index)
    where = moved(LEFT, 2 * 29)  # ten frames later, 20 pixels on: no overlap with the last box
    assert update(tracker, [where], 29) == [1]


def test_a_lost_person_is_not_expected_ever_further_away() -> None:
    tracker = IouTracker()
    for index in range(30):
        update(tracker, [moved(LEFT, 2 * index)], index)
    assert update(tracker, [moved(LEFT, 2 * 29 + 2 * 15)], 29 + 25) == [1]


@pytest.mark.parametrize("hidden", [0, 6, 12])
@pytest.mark.parametrize("speed", [4, 8])
def test_two_people_who_cross_keep_their_numbers(speed: int, hidden: int) -> None:
    tracker, first, second = IouTracker(), [], []
    for index in range(80):
        away = speed * (index - 40)
        in_front, behind = [away, 5, away + 80, 205], [-away, 0, 80 - away, 200]
        seen = [in_front] if abs(index - 40) < hidden / 2 else [behind, in_front]
        ids = update(tracker, seen, index)
        first.append(ids[-1])
        second += ids[:-1]
    assert set(first) == {first[0]}
    assert set(second) == {second[0]}
    assert first[0] != second[0]


def test_nobody_is_nobody() -> None:
    tracker = IouTracker()
    assert update(tracker, [], 0) == []
    assert update(tracker, [LEFT], 1) == [1]
    assert update(tracker, [], 2) == []


@pytest.mark.parametrize("index", [4, 5])
def test_frames_come_in_order(index: int) -> None:
    tracker = IouTracker()
    update(tracker, [LEFT], 5)
    with pytest.raises(ValueError, match=f"frame {index} came after frame 5"):
        tracker.update([LEFT], [0.5], index)


def test_the_callers_boxes_may_change_afterwards() -> None:
    tracker, boxes = IouTracker(), np.array([LEFT], np.float32)
    tracker.update(boxes, [0.5], 0)
    boxes += 1000
    assert update(tracker, [LEFT], 1) == [1]


def test_a_faint_box_goes_on_with_a_track_but_starts_none() -> None:
    tracker = IouTracker(start_threshold=0.4)
    near, far = [0, 0, 10, 20], [100, 0, 110, 20]
    assert tracker.update([near, far], [0.9, 0.39], 0).tolist() == [1, 0]
    assert tracker.update([near, far], [0.2, 0.3], 1).tolist() == [1, 0]
    assert tracker.update([near, far], [0.2, 0.4], 2).tolist() == [1, 2]


def test_a_sure_box_comes_before_a_faint_one_that_overlaps_more() -> None:
    tracker = IouTracker(start_threshold=0.4)
    tracker.update([[0, 0, 10, 20]], [0.9], 0)
    sure, faint = [0, 0, 10, 14], [0, 0, 10, 20]
    assert tracker.update([faint, sure], [0.3, 0.8], 1).tolist() == [0, 1]


def test_people_are_carried_on_at_their_velocity_until_the_next_detection() -> None:
    tracker = IouTracker()
    for index in range(0, 250, 5):  # 1 pixel to the right a frame, seen in every fifth
        tracker.update([moved(RIGHT, 300), moved(LEFT, index)], [0.5, 0.75], index)
    boxes, scores, ids = tracker.carry(248)
    assert np.allclose(boxes, [moved(LEFT, 248), moved(RIGHT, 300)], atol=1e-2)
    assert scores.tolist() == [0.75, 0.5]  # the surer one was numbered first
    assert ids.tolist() == [1, 2]
    assert (boxes.dtype, scores.dtype, ids.dtype) == (np.float32, np.float32, np.int64)


def test_in_the_frame_of_the_update_people_are_where_they_were_seen() -> None:
    tracker = IouTracker()
    update(tracker, [LEFT], 0)
    update(tracker, [moved(LEFT, 3)], 1)
    assert tracker.carry(1).boxes.tolist() == [moved(LEFT, 3)]


def test_who_was_not_seen_in_the_last_update_is_not_carried() -> None:
    tracker = IouTracker(start_threshold=0.4)
    tracker.update([LEFT, MIDDLE, RIGHT], [0.9, 0.8, 0.3], 0)  # RIGHT starts no track
    tracker.update([MIDDLE], [0.7], 5)
    assert tracker.carry(7).track_ids.tolist() == [2]
    assert tracker.carry(7).scores.tolist() == pytest.approx([0.7])


@pytest.mark.parametrize("is_updated", [False, True])
def test_nobody_is_carried_where_nobody_was_seen(is_updated: bool) -> None:
    tracker = IouTracker()
    if is_updated:
        update(tracker, [], 0)
    boxes, scores, ids = tracker.carry(3)
    assert (boxes.shape, scores.shape, ids.shape) == ((0, 4), (0,), (0,))


def test_carrying_changes_nothing() -> None:
    plain, carried = IouTracker(), IouTracker()
    for index in range(0, 30, 5):
        boxes = [moved(LEFT, 1.5 * index), moved(MIDDLE, -index)]
        for tracker in (plain, carried):
            tracker.update(boxes, [0.9, 0.8], index)
        for between in range(index, index + 5):
            carried.carry(between).boxes[:] = 0
    for tracker in (plain, carried):
        assert update(tracker, [moved(LEFT, 45), moved(MIDDLE, -30)], 30) == [1, 2]
    assert np.array_equal(plain.carry(33).boxes, carried.carry(33).boxes)


def test_nobody_is_carried_back_in_time() -> None:
    tracker = IouTracker()
    update(tracker, [LEFT], 5)
    with pytest.raises(ValueError, match="frame 4 came after frame 5"):
        tracker.carry(4)


@pytest.mark.parametrize(("skipped", "same"), [(0, False), (1, False), (2, True), (5, True)])
def test_after_skipped_frames_a_person_may_be_a_little_further_away(
    skipped: int, same: bool
) -> None:
    tracker = IouTracker(iou_threshold=0.3)
    update(tracker, [LEFT], 0)
    far = moved(LEFT, 7)  # of 10: IoU 3 / 17; grown by a tenth on each side 5 / 19, by two 7 / 21
    assert update(tracker, [far], skipped + 1) == [1 if same else 2]


def test_the_second_chance_takes_no_pair_apart() -> None:
    tracker = IouTracker()
    update(tracker, [LEFT, moved(LEFT, 12)], 0)
    # Grown, the newcomer reaches track 1, which has its own box already.
    assert update(tracker, [LEFT, moved(LEFT, 12), moved(LEFT, -4)], 6) == [1, 2, 3]


def test_people_who_walk_past_each_other_keep_their_numbers_with_every_tenth_frame() -> None:
    tracker, first, second = IouTracker(), set(), set()
    for index in range(0, 160, 10):
        forth, back = [index, 5, index + 40, 125], [160 - index, 0, 200 - index, 120]
        ids = update(tracker, [forth, back], index)
        first.add(ids[0])
        second.add(ids[1])
    assert len(first) == len(second) == 1
    assert first != second
