"""Hand-computed cases of the metrics."""

import numpy as np
import pytest

from tarvitpose.metrics.pck import bootstrap_interval, head_size, hits, pck, torso_size
from tarvitpose.skeleton import COCO_17, POSETRACK_15

INDEX = {name: at for at, name in enumerate(POSETRACK_15.joints)}


def test_a_joint_at_the_threshold_is_a_hit() -> None:
    predicted = np.float32([[[0, 0], [3, 4], [0, 5.01]]])
    assert hits(predicted, np.zeros((1, 3, 2)), [10], 0.5).tolist() == [[True, True, False]]


def test_each_person_has_a_reference_of_their_own() -> None:
    predicted = np.float32([[[2, 0]], [[2, 0]]])
    assert hits(predicted, np.zeros((2, 1, 2)), [5, 20], 0.2).tolist() == [[False], [True]]


def test_the_torso_is_the_longer_labelled_diagonal() -> None:
    truth, visible = np.zeros((3, 15, 2), np.float32), np.zeros((3, 15))
    truth[:, INDEX["right_hip"]] = (3, 4)
    truth[:, INDEX["left_hip"]] = (0, 7)
    for person, joints in enumerate(
        (
            ("left_shoulder", "right_hip"),
            ("left_shoulder", "right_hip", "right_shoulder", "left_hip"),
            ("left_shoulder", "left_hip"),
        )
    ):
        visible[person, [INDEX[joint] for joint in joints]] = 1
    torso = torso_size(truth, visible, POSETRACK_15)
    assert torso[:2].tolist() == [5.0, 7.0]
    assert np.isnan(torso[2])


def test_the_head_is_measured_by_its_box_or_else_by_its_joints() -> None:
    truth, visible = np.zeros((4, 15, 2), np.float32), np.ones((4, 15))
    truth[:, INDEX["head_top"]] = (0, 7)
    visible[2:, INDEX["head_bottom"]] = 0
    nothing = [np.nan] * 4
    boxes = [[10, 10, 40, 50], nothing, nothing, [0, 0, 6, 8]]
    sizes = head_size(truth, visible, POSETRACK_15, boxes)
    assert sizes.tolist() == pytest.approx([30, 7, np.nan, 6], nan_ok=True)
    assert head_size(truth, visible, POSETRACK_15)[:2].tolist() == [7, 7]


def test_a_head_without_box_and_joints_has_no_size() -> None:
    assert np.isnan(head_size(np.ones((2, 17, 2), np.float32), np.ones((2, 17)), COCO_17)).all()


def test_joints_without_label_do_not_count() -> None:
    correct = [[True, False, True], [False, False, True]]
    assert pck(correct, [[1, 1, 0], [1, 0, 0]]) == pytest.approx(100 / 3)
    assert np.isnan(pck(correct, np.zeros((2, 3))))


def test_an_interval_without_variation_is_a_point() -> None:
    assert bootstrap_interval(np.ones((5, 3)), np.ones((5, 3))) == (100.0, 100.0)
    better, worse = np.ones((4, 2)), np.zeros((4, 2))
    assert bootstrap_interval(better, np.ones((4, 2)), worse) == (100.0, 100.0)
    assert bootstrap_interval(worse, np.ones((4, 2)), better) == (-100.0, -100.0)


def test_an_interval_holds_the_value_and_shrinks_with_more_people() -> None:
    random = np.random.default_rng(0)
    widths = []
    for people in (20, 2000):
        correct = random.uniform(size=(people, 15)) < 0.7
        low, high = bootstrap_interval(correct, np.ones((people, 15)))
        assert low < 100 * correct.mean() < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 5


def test_people_are_drawn_whole() -> None:
    correct = np.repeat([[True], [False]], 50, axis=0).reshape(-1, 1).repeat(15, axis=1)
    low, high = bootstrap_interval(correct, np.ones((100, 15)))
    assert high - low > 15  # with independent joints it would be about 5


def test_people_of_one_group_are_drawn_together() -> None:
    correct = np.repeat([[True], [False]], 50, axis=0)  # 50 right, then 50 wrong
    alone = bootstrap_interval(correct, np.ones((100, 1)))
    videos = bootstrap_interval(correct, np.ones((100, 1)), groups=[7] * 50 + [3] * 50)
    assert 30 < alone[0] < alone[1] < 70
    assert videos == (0.0, 100.0)
    each = bootstrap_interval(correct, np.ones((100, 1)), groups=np.arange(100))
    assert each == alone
