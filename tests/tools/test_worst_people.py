"""Kinds of wrong joints, counted by hand."""

import numpy as np
import pytest

from tarvitpose.skeleton import POSETRACK_15
from tools import worst_people

J = len(POSETRACK_15)
NAMES = POSETRACK_15.joints


def test_wrong_joints_are_on_the_other_side_near_or_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    truth = np.stack([np.arange(J) * 100.0, np.zeros(J)], -1).astype(np.float32)[None]
    for name, x, y in (("left_shoulder", 0, 500), ("right_hip", 0, 600)):  # a torso of 100
        truth[0, NAMES.index(name)] = (x, y)
    for name, x, y in (("right_shoulder", 40, 500), ("left_hip", 40, 600)):
        truth[0, NAMES.index(name)] = (x, y)
    predicted, seen = truth.copy(), np.ones((1, J), bool)
    seen[0, NAMES.index("nose")] = False
    left, right = NAMES.index("left_knee"), NAMES.index("right_knee")
    predicted[0, [left, right]] = truth[0, [right, left]]
    predicted[0, NAMES.index("left_wrist")] += (30, 0)
    predicted[0, NAMES.index("left_ankle")] += (0, 300)
    predicted[0, NAMES.index("nose")] += (0, 300)  # not labelled
    wrong = worst_people.count_failures(predicted, truth, seen, POSETRACK_15)
    named = {NAMES[at] for at in np.flatnonzero(wrong[0])}
    assert named == {"left_knee", "right_knee", "left_wrist", "left_ankle"}
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "on the other side: 2 of 4 wrong joints, 14 labelled",
        "near: 1 of 4 wrong joints, 14 labelled",
        "elsewhere: 1 of 4 wrong joints, 14 labelled",
    ]
    assert "  left_knee: 100% wrong, 1 on the other side" in lines
