"""tools/clean_stills.py: a label is dropped where two networks agree and it is far from both."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

import clean_stills

from tarvitpose.skeleton import POSETRACK_15

J, SIDE = len(POSETRACK_15), 100.0
WRIST, KNEE, TOP = (POSETRACK_15.joints.index(n) for n in ("left_wrist", "left_knee", "head_top"))


def errors(**moved: float) -> np.ndarray:
    """Move one joint of one opinion by so many pixels, the others agree."""
    points = {name: np.zeros((J, 2), np.float32) for name in ("labels", "teacher", "student")}
    for key, value in moved.items():
        who, _, joint = key.partition("_")
        points[who][{"wrist": WRIST, "knee": KNEE, "top": TOP}[joint], 0] = value
    sure = np.ones(J, bool)
    return clean_stills.gross_errors(
        points["labels"], points["teacher"], sure, points["student"], SIDE
    )


def test_only_what_both_networks_contradict_is_an_error() -> None:
    assert np.flatnonzero(errors(labels_wrist=16)).tolist() == [WRIST]
    assert not errors(labels_wrist=14).any()  # not far enough
    assert not errors(labels_wrist=30, teacher_wrist=30).any()  # the teacher sees it there too
    assert not errors(labels_wrist=30, student_wrist=7).any()  # the networks differ
    assert not errors(labels_top=40).any()  # the teacher does not know the joint


def test_a_teacher_in_doubt_is_not_heard() -> None:
    far = np.full((J, 2), 50, np.float32)
    near = np.zeros((J, 2), np.float32)
    assert not clean_stills.gross_errors(far, near, np.zeros(J, bool), near, SIDE).any()


def test_dropped_joints_have_no_place_and_are_not_counted() -> None:
    person = {"id": 3, "keypoints": [5.0, 6.0, 1] * J, "num_keypoints": J}
    content = {"images": [1], "annotations": [person]}
    wrong = np.zeros(J, bool)
    wrong[KNEE] = True
    (kept,) = clean_stills.cleaned(content, [wrong])["annotations"]
    rows = np.array(kept["keypoints"]).reshape(J, 3)
    assert rows[KNEE].tolist() == [0, 0, 0]
    assert (np.delete(rows, KNEE, 0) == [5, 6, 1]).all()
    assert kept["num_keypoints"] == J - 1
    assert person["num_keypoints"] == J
