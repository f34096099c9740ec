"""Who is who by motion and clothes, on boxes and colours that one can follow by hand."""

from itertools import permutations

import numpy as np
import pytest

from tarvitpose.tracking import BodyTracker
from tarvitpose.tracking.appearance import describe, difference
from tarvitpose.tracking.motion import Motion
from tarvitpose.utils.arrays import UInt8

SIZE = (300, 800)
RED, BLUE, GREEN = (200, 30, 30), (30, 30, 200), (40, 170, 40)
Box = list[float]
Person = tuple[Box, tuple[int, int, int]]


def standing(x: float, y: float = 50) -> Box:
    """A person 100 pixels tall, whose left edge is at x."""
    return [x, y, x + 40, y + 100]


def picture(*people: Person) -> UInt8:
    """Paint the people as blocks of their colour, the last one in front."""
    image = np.full((*SIZE, 3), 128, np.uint8)
    for (left, top, right, bottom), colour in people:
        image[int(top) : int(bottom), max(int(left), 0) : max(int(right), 0)] = colour
    return image


def update(
    tracker: BodyTracker, index: int, rate: float, *people: Person, hidden: int = 0
) -> list[int]:
    """Track the people in front of the first `hidden`, in a picture of all of them."""
    boxes = [box for box, _ in people[hidden:]]
    scores = np.full(len(boxes), 0.9)
    return tracker.update(boxes, scores, index, index / rate, picture(*people)).tolist()


def test_people_keep_their_numbers_whatever_the_order_of_the_boxes() -> None:
    boxes = np.array([standing(0), standing(200), standing(240)])
    for order in map(list, permutations(range(3))):
        tracker = BodyTracker()
        assert tracker.update(boxes, [0.9, 0.8, 0.7], 0).tolist() == [1, 2, 3]
        moved = np.add(boxes, [2, 0, 2, 0])[order]
        ids = tracker.update(moved, np.array([0.9, 0.8, 0.7])[order], 1)
        assert ids.tolist() == [number + 1 for number in order]


@pytest.mark.parametrize("rate", [10, 25, 60])
@pytest.mark.parametrize("dropped", [0.0, 0.5])
def test_who_walks_past_another_keeps_the_number_at_any_rate(rate: int, dropped: float) -> None:
    random, tracker, firsts, seconds = np.random.default_rng(0), BodyTracker(), set(), set()
    for index in range(4 * rate):
        if index and random.random() < dropped:
            continue
        away = 80 * (index / rate - 2)  # pixels: 0.8 heights a second, side by side after two
        first, second = standing(400 + away, 55), standing(400 - away)
        ids = tracker.update([first, second], [0.9, 0.8], index, index / rate).tolist()
        firsts.add(ids[0])
        seconds.add(ids[1])
    assert (firsts, seconds) == ({1}, {2})


def test_time_counts_and_not_the_number_of_frames() -> None:
    for rate in (5, 50):
        tracker = BodyTracker()
        tracker.update([standing(100)], [0.9], 0, 0.0)
        assert tracker.update([standing(100)], [0.9], rate, 1.0).tolist() == [1]
        assert tracker.update([standing(100)], [0.9], 3 * rate, 3.0).tolist() == [2]


@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_the_size_of_the_picture_changes_nothing(scale: float) -> None:
    random = np.random.default_rng(1)
    plain, scaled = BodyTracker(), BodyTracker()
    for index in range(30):
        boxes = np.array([standing(10 * index), standing(300 - 9 * index)])
        boxes = boxes + random.normal(0, 5, boxes.shape)
        expected = plain.update(boxes, [0.9, 0.8], index).tolist()
        assert scaled.update(boxes * scale, [0.9, 0.8], index).tolist() == expected


def test_two_who_meet_and_turn_back_are_told_apart_by_their_clothes() -> None:
    numbers: dict[bool, list[int]] = {}
    for with_clothes in (False, True):
        tracker = BodyTracker()
        for index in range(60):
            away = 90 * abs(index / 30 - 1)  # they hide each other at 1 s, then walk back
            left, right = standing(400 - away), standing(400 + away)
            image = picture((left, RED), (right, BLUE)) if with_clothes else None
            is_hidden = away < 20
            boxes = [right] if is_hidden else [left, right]
            ids = tracker.update(boxes, [0.9] * len(boxes), index, index / 30, image).tolist()
        numbers[with_clothes] = ids
    assert numbers[True] == [1, 2]


def test_hidden_legs_are_no_other_person() -> None:
    tracker = BodyTracker()
    for index in range(10):
        tracker.update([standing(100)], [0.9], index)
    left, top, right, bottom = standing(100)
    assert tracker.update([[left, top, right, bottom - 45]], [0.9], 10).tolist() == [1]


def test_somebody_far_away_is_another_person() -> None:
    tracker = BodyTracker()
    tracker.update([standing(100)], [0.9], 0)
    assert tracker.update([standing(200)], [0.9], 1).tolist() == [2]


def test_a_faint_box_goes_on_with_a_track_but_starts_none() -> None:
    tracker = BodyTracker(start_threshold=0.4)
    boxes = [standing(0), standing(300)]
    assert tracker.update(boxes, [0.9, 0.39], 0).tolist() == [1, 0]
    assert tracker.update(boxes, [0.2, 0.3], 1).tolist() == [1, 0]
    assert tracker.update(boxes, [0.2, 0.4], 2).tolist() == [1, 2]


def test_fainter_boxes_go_on_with_somebody_for_a_second_and_start_nobody() -> None:
    tracker = BodyTracker(start_threshold=0.3, continue_threshold=0.2)
    boxes = [standing(0), standing(300)]
    assert tracker.update(boxes, [0.3, 0.1], 0, 0.0).tolist() == [1, 0]
    ids = [tracker.update(boxes, [0.1, 0.1], i, i / 26).tolist() for i in range(1, 31)]
    assert ids == [[1, 0]] * 26 + [[0, 0]] * 4
    assert tracker.update(boxes, [0.2, 0.1], 31, 31 / 26).tolist() == [1, 0]  # as without them


def test_a_faint_box_must_lie_where_somebody_lost_is_expected_and_beside_others() -> None:
    def second(box: Box, score: float = 0.9, other: float = 60) -> list[int]:
        tracker = BodyTracker(start_threshold=0.3, continue_threshold=0.2)
        tracker.update([standing(0), standing(60)], [0.9, 0.9], 0)
        return tracker.update([standing(other), box], [score, 0.1], 1).tolist()

    assert second(standing(2)) == [2, 1]
    assert second([0.0, 60.0, 30.0, 130.0]) == [2, 1]  # half of the person: 2,100 of 4,000 pixels
    assert second([0.0, 60.0, 30.0, 110.0]) == [2, 0]  # less than half
    assert second([10.0, 50.0, 60.0, 150.0], other=50) == [2, 1]  # a fifth of it is hidden
    assert second([10.0, 50.0, 60.0, 150.0], other=44) == [2, 0]  # a third: perhaps the other one
    assert second(standing(62)) == [2, 0]  # a second box of who has one


@pytest.mark.parametrize(("back", "number"), [(4.0, 1), (4.3, 2)])  # seconds
def test_faint_boxes_neither_prolong_the_wait_for_somebody_nor_teach_colours(
    back: float, number: int
) -> None:
    tracker, red, blue = BodyTracker(0.3, continue_threshold=0.2), (standing(100), RED), BLUE
    tracker.update([red[0]], [0.9], 0, 0.0, picture(red))
    for index in range(1, 41):
        ids = tracker.update([red[0]], [0.1], index, index / 40, picture((red[0], blue)))
        assert ids.tolist() == [1 if index <= 20 else 0]  # from half a second on in other clothes
    assert tracker.update([red[0]], [0.9], 41, back, picture(red)).tolist() == [number]


def test_other_boxes_have_the_tracks_that_they_have_without_faint_ones() -> None:
    random = np.random.default_rng(2)
    plain = BodyTracker(0.3, continue_threshold=0.2)
    faint = BodyTracker(0.3, continue_threshold=0.2, looks_on=True)
    went_on = 0
    for index in range(200):
        away = 100 * np.sin(index / 30)
        boxes = np.array([standing(300 + away), standing(300 - away), standing(500)])
        boxes += random.normal(0, 3, boxes.shape)
        scores = np.where(random.random(3) < 0.4, 0.15, 0.6)
        usual = scores > 0.2
        ids = faint.update(boxes, scores, index)
        assert ids[usual].tolist() == plain.update(boxes[usual], scores[usual], index).tolist()
        went_on += int((ids[~usual] > 0).sum())
    assert went_on > 50


def test_who_went_on_in_a_faint_box_is_carried_on_from_there() -> None:
    tracker = BodyTracker(0.3, continue_threshold=0.2)
    tracker.update([standing(100)], [0.9], 0)
    tracker.update([standing(104)], [0.1], 1)
    boxes, scores, ids = tracker.carry(1)
    assert (boxes.tolist(), ids.tolist()) == ([standing(104)], [1])
    assert scores.tolist() == pytest.approx([0.1])


def test_who_has_no_box_for_a_moment_is_where_the_speed_leads() -> None:
    tracker = BodyTracker(0.3, continue_threshold=0.2, looks_on=True)
    for index in range(20):
        tracker.update([standing(4 * index)], [0.9], index, index / 20)
    lefts = []
    for index in range(20, 30):
        assert tracker.update([], [], index, index / 20).tolist() == []
        boxes, scores, ids = tracker.carry(index, index / 20)
        assert (scores.tolist(), ids.tolist()) in (([0.0], [1]), ([], []))
        lefts += boxes[:, 0].tolist()
    assert lefts == pytest.approx([80, 84, 88, 92, 96], abs=8)  # 0.3 seconds; speed fades
    assert lefts == sorted(lefts)
    assert tracker.update([standing(116)], [0.9], 30, 1.5).tolist() == [1]


@pytest.mark.parametrize(
    ("score", "back", "looks_on", "expected"),
    [
        (0.35, 1, True, [0]),  # 20 x 30 of 40 x 100 pixels: an arm, and nobody new
        (0.45, 1, True, [1]),  # a sure box is believed
        (0.35, 8, True, [1]),  # and a doubtful one after 0.3 seconds: somebody may be half hidden
        (0.35, 1, False, [1]),  # where nothing stands in for a box, it is better than none
    ],
)
def test_a_doubtful_box_of_a_small_part_of_somebody_is_no_box(
    score: float, back: int, looks_on: bool, expected: list[int]
) -> None:
    tracker = BodyTracker(0.3, continue_threshold=0.2, looks_on=looks_on)
    for index in range(10):
        tracker.update([standing(100)], [0.9], index, index / 25)
    part = [110.0, 90.0, 130.0, 120.0]
    assert tracker.update([part], [score], 9 + back, (9 + back) / 25).tolist() == expected
    boxes, _, ids = tracker.carry(9 + back)
    assert ids.tolist() == [1]
    is_whole = expected == [0]
    assert boxes.tolist() == [pytest.approx(standing(100) if is_whole else part, abs=2)]


def test_who_is_in_a_part_stands_where_they_must_be_even_over_somebody_else() -> None:
    def carried(*boxes: Box) -> list[int]:
        tracker = BodyTracker(0.3, continue_threshold=0.2, looks_on=True)
        for index in range(10):
            tracker.update([standing(100), standing(120)], [0.9, 0.8], index, index / 25)
        scores = [0.9, 0.3][: len(boxes)]
        assert tracker.update(boxes, scores, 10, 0.4).tolist() == [2, 0][: len(boxes)]
        return sorted(tracker.carry(10)[2].tolist())

    assert carried(standing(120)) == [2]  # half hidden, and nothing says that they are there
    assert carried(standing(120), [100.0, 90.0, 115.0, 120.0]) == [1, 2]


def test_nobody_is_where_the_speed_leads_without_looking_on_or_over_somebody_else() -> None:
    def carried(*boxes: Box, looks_on: bool = True, other: float = 300) -> list[int]:
        tracker = BodyTracker(0.3, continue_threshold=0.2, looks_on=looks_on)
        tracker.update([standing(0), standing(other)], [0.9, 0.9], 0)
        tracker.update(boxes, [0.9] * len(boxes), 1)
        return tracker.carry(1).track_ids.tolist()

    assert carried(standing(300)) == [1, 2]
    assert carried(standing(300), looks_on=False) == [2]
    assert carried() == [1, 2]
    assert carried(standing(26), other=26) == [2]  # a third of the first: perhaps that one
    assert carried(standing(32), other=32) == [1, 2]  # a fifth
    assert carried(other=26) == []  # it could be either
    assert carried([-200, 50, 240, 100], standing(300)) == [2, 3]  # who is new is there


def test_who_has_no_box_turns_with_the_camera() -> None:
    random = np.random.default_rng(0)
    wall = np.kron(random.integers(0, 255, (75, 200)), np.ones((8, 8))).astype(np.uint8)
    view = [np.repeat(wall[:300, x : x + 600, None], 3, 2) for x in (100, 130)]
    tracker = BodyTracker(0.3, continue_threshold=0.2, looks_on=True)
    for index in range(5):
        tracker.update([standing(200)], [0.9], index, index / 25, view[0])
    tracker.update([], [], 5, 0.2, view[1])
    np.testing.assert_allclose(tracker.carry(5, 0.2).boxes, [standing(170)], atol=2)


def test_a_doubtful_box_starts_a_track_but_takes_none_from_a_sure_one() -> None:
    tracker = BodyTracker(start_threshold=0.3)
    assert tracker.update([standing(0), standing(300)], [0.9, 0.29], 0).tolist() == [1, 0]
    boxes = [standing(0), standing(12), standing(300)]  # the second is where nobody was expected
    assert tracker.update(boxes, [0.35, 0.9, 0.3], 1).tolist() == [2, 1, 3]


def test_a_box_of_two_people_takes_the_track_of_neither_and_starts_none() -> None:
    tracker = BodyTracker(start_threshold=0.3)
    first, second = standing(0), standing(40, 80)
    both = [0.0, 50.0, 80.0, 180.0]
    assert tracker.update([first, second], [0.9, 0.8], 0).tolist() == [1, 2]
    assert tracker.update([both, first, second], [0.45, 0.39, 0.35], 1).tolist() == [0, 1, 2]
    assert tracker.update([both], [0.45], 2).tolist() != [0]  # the two in it are not seen


def test_two_boxes_in_a_new_one_may_be_parts_of_one_person() -> None:
    tracker = BodyTracker(start_threshold=0.3)
    whole, upper, lower = standing(0), [0.0, 50.0, 40.0, 98.0], [0.0, 102.0, 40.0, 150.0]
    assert 0 not in tracker.update([whole, upper, lower], [0.4, 0.29, 0.28], 0)[:1]


def test_who_comes_back_is_recognised_only_if_asked_and_only_by_the_clothes() -> None:
    for reidentify, colour, expected in (
        (0.0, RED, [3]),
        (30.0, RED, [1]),
        (30.0, BLUE, [2]),
        (30.0, GREEN, [3]),
        (5.0, RED, [3]),
    ):
        tracker = BodyTracker(reidentify=reidentify)
        for index in range(5):
            update(tracker, index, 10, (standing(100), RED), (standing(300), BLUE))
        assert update(tracker, 40, 10) == []
        assert update(tracker, 100, 10, (standing(600), colour)) == expected


@pytest.mark.parametrize(
    ("x", "gone", "colour", "expected"),
    [
        (300, 3.0, RED, [1]),  # behind something
        (300, 5.0, RED, [2]),
        (300, 3.0, GREEN, [2]),
        (300, 0.4, GREEN, [1]),  # in other light
        (300, 0.7, GREEN, [2]),
        (2, 1.0, RED, [1]),
        (2, 0.7, GREEN, [2]),  # somebody else, where one left
        (2, 3.0, RED, [2]),  # out of the picture
    ],
)
def test_who_vanishes_inside_the_picture_is_waited_for_longer_than_who_leaves(
    x: float, gone: float, colour: tuple[int, int, int], expected: list[int]
) -> None:
    tracker = BodyTracker()
    for index in range(10):
        update(tracker, index, 10, (standing(x), RED))
    assert update(tracker, 10, 10) == []
    assert update(tracker, 9 + int(10 * gone), 10, (standing(x), colour)) == expected


def test_of_two_absent_people_in_the_same_clothes_none_is_recognised() -> None:
    tracker = BodyTracker(reidentify=60)
    update(tracker, 0, 10, (standing(100), RED), (standing(300), RED))
    assert update(tracker, 100, 10, (standing(600), RED)) == [3]


def test_numbers_are_never_given_to_others() -> None:
    tracker = BodyTracker()
    visits = [tracker.update([standing(0)], [0.9], 100 * visit).tolist() for visit in range(4)]
    assert visits == [[1], [2], [3], [4]]


def test_people_are_carried_on_at_their_speed_and_nothing_changes() -> None:
    tracker = BodyTracker()
    for index in range(0, 60, 2):
        tracker.update([standing(3 * index), standing(500)], [0.9, 0.8], index, index / 30)
    boxes, scores, ids = tracker.carry(60, 2.0)
    assert np.allclose(boxes, [standing(180), standing(500)], atol=1.5)
    assert (scores.tolist(), ids.tolist()) == (pytest.approx([0.9, 0.8]), [1, 2])
    assert np.array_equal(tracker.carry(60, 2.0).boxes, boxes)
    assert np.allclose(tracker.carry(58, 58 / 30).boxes, [standing(174), standing(500)])
    tracker.update([standing(500)], [0.8], 61, 61 / 30)
    assert tracker.carry(62).track_ids.tolist() == [2]


def test_nobody_is_nobody() -> None:
    tracker = BodyTracker()
    assert tracker.update([], [], 0, 0.0, picture()).tolist() == []
    assert tracker.carry(1).boxes.shape == (0, 4)
    assert update(tracker, 1, 30, (standing(5), RED)) == [1]


@pytest.mark.parametrize("index", [4, 5])
def test_frames_come_in_order(index: int) -> None:
    tracker = BodyTracker()
    tracker.update([standing(0)], [0.9], 5)
    with pytest.raises(ValueError, match=f"frame {index} came after frame 5"):
        tracker.update([standing(0)], [0.9], index)


def test_the_callers_boxes_may_change_afterwards() -> None:
    tracker, boxes = BodyTracker(), np.array([standing(0)], np.float32)
    tracker.update(boxes, [0.9], 0)
    boxes += 500
    assert tracker.update([standing(0)], [0.9], 1).tolist() == [1]


def test_two_short_steps_expect_what_one_long_step_does() -> None:
    motion = Motion.begin(np.array(standing(0)), 0.0).at(0.1).follow(np.array(standing(20)))
    long, short = motion.at(0.7), motion.at(0.3).at(0.7)
    assert np.allclose(long.centre, short.centre)
    assert np.allclose(long.speed, short.speed)
    assert motion.doubt < motion.at(0.3).doubt < long.doubt


def test_the_same_clothes_differ_little_and_others_much() -> None:
    box = np.array([standing(100), standing(300), standing(500)])
    image = picture((standing(100), RED), (standing(300), BLUE), (standing(500), RED))
    red, blue, other_red = describe(image, box)
    assert difference(red, other_red) < 0.05
    assert difference(red, blue) > 0.9
    dark = describe((image * 0.85).astype(np.uint8), box)[0]
    assert difference(red, dark) < difference(red, blue)


def test_a_box_outside_the_picture_has_colours_too() -> None:
    assert np.isfinite(describe(picture(), np.array([[-90.0, -90, -50, -10]]))).all()
