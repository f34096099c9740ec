"""Labelling stills: which labels stay, and which the teachers add."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.data.records import Record
from tarvitpose.data.sources import read_records
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import Float32
from tools import label_stills
from tools.label_rules import Consensus

J, SIDE = len(POSETRACK_15), 100.0
WRIST, ELBOW, NOSE, NECK = (
    POSETRACK_15.joints.index(name) for name in ("left_wrist", "left_elbow", "nose", "head_bottom")
)


def record(visible: Float32) -> Record:
    points = np.stack([np.arange(J), np.arange(J)], 1).astype(np.float32) + 10
    return Record("still#1", (Path("still.jpg"),), 0, (0, 0, 100, 100), points, visible)


def consensus(moved: dict[int, float], trust: float = 1.0) -> Consensus:
    """Return teachers that agree with the labels, except for some joints that are lower."""
    points = record(np.ones(J, np.float32)).keypoints.copy()
    for joint, by in moved.items():
        points[joint, 1] += by
    return Consensus(points, np.full(J, trust, np.float32), np.full(J, trust == 1))


def test_a_label_far_from_where_both_teachers_agree_is_dropped() -> None:
    teachers = consensus({WRIST: 16, ELBOW: 14})  # on both sides of 15% of the box
    keypoints, trust, wrong = label_stills.relabelled(
        record(np.ones(J, np.float32)), teachers, SIDE, keep=True
    )
    assert np.flatnonzero(wrong).tolist() == [WRIST]
    assert keypoints[WRIST].tolist() == [0, 0, 0]
    assert trust[WRIST] == 0
    assert keypoints[ELBOW, 1] == 10 + ELBOW  # the original label
    assert trust[ELBOW] == 1


def test_a_label_stays_where_the_teachers_do_not_agree() -> None:
    _, trust, wrong = label_stills.relabelled(
        record(np.ones(J, np.float32)), consensus({WRIST: 50}, trust=0.5), SIDE, keep=True
    )
    assert not wrong.any()
    assert (trust == 1).all()


def test_a_joint_without_label_gets_the_teachers_with_its_trust() -> None:
    visible = np.ones(J, np.float32)
    visible[NOSE] = 0
    keypoints, trust, _ = label_stills.relabelled(
        record(visible), consensus({NOSE: 3}, trust=0.5), SIDE, keep=True
    )
    assert keypoints[NOSE].tolist() == [10, 13, 1]
    assert trust[NOSE] == 0.5


def test_without_keeping_labels_all_known_joints_are_the_teachers() -> None:
    keypoints, _, wrong = label_stills.relabelled(
        record(np.ones(J, np.float32)), consensus({WRIST: 50, NECK: 5}), SIDE, keep=False
    )
    assert not wrong.any()
    assert keypoints[WRIST, 1] == 10 + WRIST + 50
    assert keypoints[NECK, 1] == 10 + NECK  # which teachers do not predict


def test_what_is_written_is_read_back_with_its_trust(tmp_path: Path) -> None:
    person = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "keypoints": [0] * 45}
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person", "keypoints": list(POSETRACK_15.joints)}],
    }
    keypoints = np.column_stack([np.arange(2 * J).reshape(J, 2), np.ones(J)]).astype(np.float32)
    trust = np.linspace(0.1, 1, J).astype(np.float32)
    path = tmp_path / "people.json"
    path.write_text(json.dumps(label_stills.with_labels(content, [(keypoints, trust)])))
    (read,) = read_records("coco", path, POSETRACK_15)
    np.testing.assert_allclose(read.keypoints, keypoints[:, :2])
    np.testing.assert_allclose(read.visible, trust, atol=1e-3)
