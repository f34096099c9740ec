"""The JSON that MMPose's demos save: `meta_info` and `instance_info`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tarvitpose.formats.base import (
    COORDINATE_DIGITS,
    SCORE_DIGITS,
    FileWriter,
    append_json,
    json_text,
    rounded,
    size_and_time,
)
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import JOINT_SETS
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file


class MmposeWriter(FileWriter):
    """Write one entry for each frame; `frame_id` is its index, from 0 as in MMPose's inferencer.

    Track ids, times and sizes stand beside MMPose's fields, which its readers pass over.
    """

    def _start(self, stack: ExitStack) -> None:
        temporary = stack.enter_context(atomic_file(self.path))
        self._file = stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        if not self._frames:
            about = json_text(_meta_info(poses.joint_names))
            self._file.write('{"meta_info": ' + about + ',\n"instance_info": [')
        instances = [_instance(poses, person) for person in range(len(poses))]
        entry = {"frame_id": poses.index, **size_and_time(poses), "instances": instances}
        append_json(self._file, entry, is_first=not self._frames)

    def _finish(self) -> None:
        self._file.write("]}\n")


def _meta_info(names: tuple[str, ...]) -> dict[str, Any]:
    """Describe the joints as MMPose does, in counts from 0."""
    known = {joints.joints: joints for joints in JOINT_SETS.values()}.get(names)
    return {
        "dataset_name": known.name if known else "",
        "num_keypoints": len(names),
        "keypoint_id2name": {str(at): name for at, name in enumerate(names)},
        "keypoint_name2id": {name: at for at, name in enumerate(names)},
        "flip_indices": known.flip_order if known else [],
        "skeleton_links": known.limb_indices if known else [],
    }


def _instance(poses: FramePoses, person: int) -> dict[str, Any]:
    raw = {}
    if poses.raw_keypoints is not None:
        raw["keypoints_raw"] = rounded(poses.raw_keypoints[person], COORDINATE_DIGITS)
    return {
        "keypoints": rounded(poses.keypoints[person], COORDINATE_DIGITS),
        "keypoint_scores": rounded(poses.scores[person], SCORE_DIGITS),
        "bbox": [rounded(poses.boxes[person], COORDINATE_DIGITS)],  # a list in a list, as theirs
        "bbox_score": rounded(poses.box_scores[person], SCORE_DIGITS),
        "track_id": int(poses.track_ids[person]),
        **raw,
    }
