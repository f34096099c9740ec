"""How fast joints move, and how like a label they are: cases that one can work out by hand."""

import numpy as np
import pytest

from tarvitpose.metrics.oks import similarity
from tarvitpose.metrics.speed import joint_speeds

BOX = [0.0, 0.0, 100.0, 200.0]  # the longer side is 200


def speeds(
    frames: list[int], x: list[float], labelled: list[int] | None = None, reach: int = 1
) -> list[float]:
    """Return the speed of the only joint of a person who moves along x, in each frame."""
    points = [[[value, 7.0]] for value in x]
    visible = [[value] for value in labelled or [1] * len(x)]
    return joint_speeds(frames, points, visible, [BOX] * len(x), reach)[:, 0].tolist()


def test_a_joint_that_moves_evenly_has_its_step_as_a_share_of_the_box() -> None:
    assert speeds([0, 1, 2, 3], [0, 4, 8, 12]) == pytest.approx([0.02] * 4)


def test_the_speed_in_the_middle_is_the_mean_of_both_sides() -> None:
    assert speeds([0, 1, 2], [0, 2, 8]) == pytest.approx([0.01, 0.02, 0.03])


def test_a_step_over_two_frames_counts_for_each_of_them() -> None:
    assert speeds([5, 7], [0, 8], reach=2) == pytest.approx([0.02, 0.02])


def test_a_neighbour_beyond_the_reach_says_nothing() -> None:
    assert np.isnan(speeds([5, 7], [0, 8], reach=1)).all()


def test_frames_without_the_label_neither_have_a_speed_nor_give_one() -> None:
    first, middle, last = speeds([0, 1, 2], [0, 99, 8], labelled=[1, 0, 1], reach=2)
    assert np.isnan(middle)
    assert (first, last) == pytest.approx((0.02, 0.02))


def test_the_order_of_the_frames_makes_no_difference() -> None:
    assert speeds([2, 0, 1], [8, 0, 2]) == pytest.approx([0.03, 0.01, 0.02])


def test_joints_and_both_directions_are_measured_apart() -> None:
    points = np.array([[[0, 0], [5, 5]], [[3, 4], [5, 5]]], float)  # 3-4-5, and one at rest
    moved = joint_speeds([0, 1], points, np.ones((2, 2)), [BOX, BOX], 1)
    assert moved == pytest.approx(np.array([[0.025, 0], [0.025, 0]]))


def test_a_person_who_is_shown_twice_as_large_is_as_fast() -> None:
    points = np.random.default_rng(0).uniform(0, 90, (4, 3, 2))
    boxes = np.tile(BOX, (4, 1))
    one, two = (joint_speeds(range(4), k * points, np.ones((4, 3)), k * boxes, 2) for k in (1, 2))
    assert two == pytest.approx(one)


def test_similarity_is_one_at_the_label_and_the_same_in_every_direction() -> None:
    guesses = np.array([[[10, 10]], [[13, 14]], [[5, 10]], [[10, 15]]], float)
    truth = np.full((4, 1, 2), 10.0)
    likeness = similarity(guesses, truth, [900] * 4, [0.1])[:, 0]
    assert likeness[0] == 1
    # All others are five pixels away: exp(-25 / (2 * 4 * 0.01 * 900)).
    assert likeness[1:] == pytest.approx([np.exp(-25 / 72)] * 3)


def test_the_same_error_is_worse_on_a_smaller_person_and_on_a_sharper_joint() -> None:
    guess, truth = np.full((2, 2, 2), 4.0), np.zeros((2, 2, 2))
    likeness = similarity(guess, truth, [400, 1600], [0.05, 0.1])
    assert likeness[0, 0] < likeness[0, 1] < likeness[1, 1]
    assert likeness[0, 1] == pytest.approx(likeness[1, 0])  # twice the size, half the sigma
