"""The JSON of MMPose's demos (`meta_info`, `instance_info`) and inferencer (a list of frames).

Axes: J joints.
"""

from contextlib import ExitStack
from itertools import chain
from typing import Any

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.file_reader import (
    NAN,
    NO_TRACK,
    PersonRecord,
    frame_poses,
    image_size,
    integer,
    number,
)
from tarvitpose.formats.file_writer import (
    COORDINATE_DIGITS,
    SCORE_DIGITS,
    PoseWriter,
    append_json,
    json_text,
    open_text,
    rounded,
    size_and_time,
)
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import COCO_17, joint_names, set_of
from tarvitpose.utils.arrays import Float64, UInt8
from tarvitpose.utils.json_file import Entry


class MmposeWriter(PoseWriter):
    """Write one entry for each frame; `frame_id` is its index, from 0 as in MMPose's inferencer.

    Track ids, times and sizes are additional fields, which MMPose's readers ignore.
    """

    def _start(self, stack: ExitStack) -> None:
        self._file = open_text(self.path, stack)

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        if not self._frames:
            meta_info = json_text(_meta_info(poses.joint_names))
            self._file.write('{"meta_info": ' + meta_info + ',\n"instance_info": [')
        instances = [_instance(poses, person) for person in range(len(poses))]
        entry = {"frame_id": poses.index, **size_and_time(poses), "instances": instances}
        append_json(self._file, entry, is_first=not self._frames)

    def _end(self) -> None:
        self._file.write("]}\n")


def _meta_info(names: tuple[str, ...]) -> dict[str, Any]:
    """Describe the joints as MMPose does, counted from 0."""
    joint_set = set_of(names)
    return {
        "dataset_name": joint_set.name if joint_set else "",
        "num_keypoints": len(names),
        "keypoint_id2name": {str(at): name for at, name in enumerate(names)},
        "keypoint_name2id": {name: at for at, name in enumerate(names)},
        "flip_indices": joint_set.flip_order if joint_set else [],
        "skeleton_links": joint_set.limb_indices if joint_set else [],
    }


def _instance(poses: FramePoses, person: int) -> dict[str, Any]:
    raw = {}
    if poses.raw_keypoints is not None:
        raw["keypoints_raw"] = rounded(poses.raw_keypoints[person], COORDINATE_DIGITS)
    return {
        "keypoints": rounded(poses.keypoints[person], COORDINATE_DIGITS),
        "keypoint_scores": rounded(poses.scores[person], SCORE_DIGITS),
        "bbox": [rounded(poses.boxes[person], COORDINATE_DIGITS)],  # in a list, as MMPose has it
        "bbox_score": rounded(poses.box_scores[person], SCORE_DIGITS),
        "track_id": int(poses.track_ids[person]),
        **raw,
    }


def read_mmpose(content: Entry) -> list[FramePoses]:
    """Return the frames of a file. Raises DataError.

    `frame_id` becomes the index unchanged: MMPose's demos count from 1, its inferencer
    and predict from 0. A file without `meta_info` is taken to have COCO's 17 joints.
    """
    if isinstance(content.value, list):
        frames, names = content, COCO_17.joints
    else:
        frames, names = content["instance_info"], _joint_names(content["meta_info"])
    return [
        frame_poses(
            frame["frame_id"].integer(),
            [_person(person, len(names)) for person in frame["instances"].items()],
            names,
            time=number(frame, "time"),
            image_size=image_size(frame),
        )
        for frame in frames.items()
    ]


def _joint_names(meta: Entry) -> tuple[str, ...]:
    by_id = meta["keypoint_id2name"]
    names = (by_id[str(at)].text() for at in range(meta["num_keypoints"].integer()))
    return joint_names(tuple(names))


def _person(entry: Entry, joints: int) -> PersonRecord:
    raw = entry.get("keypoints_raw")
    return PersonRecord(
        keypoints=_points(entry["keypoints"], joints),
        scores=entry["keypoint_scores"].numbers(joints),
        box=_box(entry),
        box_score=number(entry, "bbox_score"),
        track_id=integer(entry, "track_id", NO_TRACK),
        raw_keypoints=None if raw is None else _points(raw, joints),
    )


def _box(entry: Entry) -> Float64:
    """Return the box, which MMPose puts into a list, (4,) xyxy; NaN if there is none."""
    field = entry.get("bbox")
    if field is None:
        return np.full(4, NAN)
    first = field.items()[:1]
    if not first:
        raise DataError(f"{field.where}: expected 4 numbers")
    return (first[0] if isinstance(first[0].value, list) else field).numbers(4)


def _points(entry: Entry, joints: int) -> Float64:
    """Return a list of `joints` lists of x and y, (J, 2). Raises DataError."""
    points = entry.items()
    if len(points) != joints or any(not _is_pair(point.value) for point in points):
        raise DataError(f"{entry.where}: expected {joints} points of two numbers, x and y")
    values = Entry(entry.where, [*chain(*entry.value)]).numbers(2 * joints)
    return values.reshape(joints, 2)


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2
