"""JHMDB's PCK on a case that one can compute by hand."""

import numpy as np
import pytest

from tarvitpose.metrics.jhmdb import SCORED, jhmdb_references
from tarvitpose.metrics.pck import hits, pck
from tarvitpose.skeleton import POSETRACK_15

AT = {name: at for at, name in enumerate(POSETRACK_15.joints)}


def person() -> tuple[np.ndarray, np.ndarray]:
    """A person 100 high in a box 60 x 100, its torso (30, 40) from shoulder to hip: 50 long."""
    truth = np.full((1, 15, 2), 50, np.float32)
    truth[0, AT["left_shoulder"]], truth[0, AT["right_hip"]] = (60, 20), (30, 60)
    return truth, np.array([[20, 0, 80, 100]], np.float32)


def test_a_joint_is_right_within_a_share_of_the_person_or_of_the_torso() -> None:
    truth, boxes = person()
    predicted = truth.copy()
    for at, (name, error) in enumerate({"nose": 5, "left_wrist": 10, "left_knee": 15}.items()):
        predicted[0, AT[name], at % 2] += error + 0.001 * (error == 15)
    predicted[0, AT["left_ankle"]] += (16, 12)  # 20 away
    visible = np.ones((1, 15))
    right = {
        each.metric: {
            name: bool(hits(predicted, truth, each.sizes, each.share)[0, AT[name]])
            for name in ("nose", "left_wrist", "left_knee", "left_ankle")
        }
        for each in jhmdb_references(truth, visible, boxes, POSETRACK_15)
    }
    assert list(right) == ["PCK@0.2 person", "PCK@0.1 person", "PCK@0.2 torso", "PCK@0.1 torso"]
    assert list(right["PCK@0.2 person"].values()) == [True, True, True, True]  # within 20
    assert list(right["PCK@0.1 person"].values()) == [True, True, False, False]  # within 10
    assert list(right["PCK@0.2 torso"].values()) == [True, True, False, False]  # within 10
    assert list(right["PCK@0.1 torso"].values()) == [True, False, False, False]  # within 5


def test_of_a_wide_person_the_width_counts() -> None:
    truth, _ = person()
    boxes = np.array([[0, 0, 140, 100]], np.float32)
    references = jhmdb_references(truth, np.ones((1, 15)), boxes, POSETRACK_15)
    assert [each.sizes[0] for each in references] == pytest.approx([140, 140, 50, 50])


def test_people_without_a_torso_are_not_measured_by_it() -> None:
    truth, boxes = person()
    visible = np.ones((1, 15))
    visible[0, AT["right_hip"]] = 0
    sizes = [each.sizes[0] for each in jhmdb_references(truth, visible, boxes, POSETRACK_15)]
    assert np.isnan(sizes[2:]).all()
    truth[0, AT["right_hip"]] = truth[0, AT["left_shoulder"]]
    sizes = [
        each.sizes[0] for each in jhmdb_references(truth, np.ones((1, 15)), boxes, POSETRACK_15)
    ]
    assert np.isnan(sizes[2:]).all()
    assert sizes[:2] == [100, 100]


def test_head_and_limbs_are_scored_and_neither_neck_nor_belly() -> None:
    assert len(SCORED) == 13
    assert {"nose", "left_ankle"} < set(SCORED)
    assert "head_bottom" not in SCORED
    correct = np.isin(POSETRACK_15.joints, SCORED)[None]
    assert pck(correct, np.ones((1, 15))) == pytest.approx(100 * 13 / 15)
