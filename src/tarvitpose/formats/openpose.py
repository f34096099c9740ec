"""OpenPose's JSON: a folder with a file for each frame, joints in the places of BODY_25."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarvitpose.errors import OutputError
from tarvitpose.formats.base import (
    COORDINATE_DIGITS,
    SCORE_DIGITS,
    FileWriter,
    json_text,
    rounded,
    size_and_time,
)
from tarvitpose.formats.coco import xywh_box
from tarvitpose.formats.openpose_reader import BODY_25, ENDING, OWN
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.video.frame_source import FrameSource

VERSION = 1.3
EMPTY = (  # in the order in which OpenPose writes them
    *("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"),
    *("pose_keypoints_3d", "face_keypoints_3d"),
    *("hand_left_keypoints_3d", "hand_right_keypoints_3d"),
)
MIDDLES = {  # what OpenPose learnt these as: the middle of two joints
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}


class OpenposeWriter(FileWriter):
    """Write NAME_000000000012_keypoints.json for frame 12, and so on.

    `pose_keypoints_2d` is BODY_25: the joints that the model predicts, neck and mid_hip as the
    middles of shoulders and hips with the lesser score, and 0, 0, 0 for all others, as OpenPose
    writes what it does not see. What has no place there stands under the key "tarvitpose".
    """

    def __init__(self, path: Path, source: FrameSource) -> None:
        super().__init__(path)
        self.source = source

    def _start(self, stack: ExitStack) -> None:
        refuse_other(self.path)
        self._folder = stack.enter_context(atomic_folder(self.path))

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        about = {"frame": poses.index, **size_and_time(poses), "joints": poses.joint_names}
        people = [_person(poses, person) for person in range(len(poses))]
        path = self._folder / f"{self.source.name}_{poses.index:012d}{ENDING}"
        content = {"version": VERSION, "people": people, OWN: about}
        path.write_text(json_text(content) + "\n", encoding="utf-8")


def refuse_other(path: Path) -> None:
    """Raise OutputError if something stands at `path` that is no folder of OpenPose files."""
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"{path}: a file stands where the folder should be written")
    other = next((one for one in path.iterdir() if not one.name.endswith(ENDING)), None)
    if other is not None:
        raise OutputError(f"{path}: holds other files, such as {other.name}; remove it first")


def _person(poses: FramePoses, person: int) -> dict[str, Any]:
    named = dict(zip(poses.joint_names, _points(poses, person), strict=True))
    standard = {**{name: _middle(named, *pair) for name, pair in MIDDLES.items()}, **named}
    nowhere = np.zeros(3)
    own: dict[str, Any] = {
        "bbox": xywh_box(poses, person),
        "bbox_score": rounded(poses.box_scores[person], SCORE_DIGITS),
        "keypoints": {name: _short(at) for name, at in named.items() if name not in BODY_25},
    }
    if poses.raw_keypoints is not None:
        own["keypoints_raw"] = rounded(poses.raw_keypoints[person].ravel(), COORDINATE_DIGITS)
    return {
        "person_id": [int(poses.track_ids[person])],
        "pose_keypoints_2d": [
            number for name in BODY_25 for number in _short(standard.get(name, nowhere))
        ],
        **{name: [] for name in EMPTY},
        OWN: own,
    }


def _points(poses: FramePoses, person: int) -> NDArray[np.float64]:
    """Return x, y and score of each joint, (J, 3)."""
    return np.asarray(np.c_[poses.keypoints[person], poses.scores[person]], np.float64)


def _middle(named: dict[str, NDArray[np.float64]], left: str, right: str) -> NDArray[np.float64]:
    """Return the middle of two joints with the lesser of their scores, 0, 0, 0 without them."""
    if left not in named or right not in named:
        return np.zeros(3)
    x, y, _ = (named[left] + named[right]) / 2
    return np.array([x, y, min(named[left][2], named[right][2])])


def _short(point: NDArray[np.float64]) -> list[float]:
    x, y = rounded(point[:2], COORDINATE_DIGITS)
    return [x, y, rounded(point[2], SCORE_DIGITS)]
