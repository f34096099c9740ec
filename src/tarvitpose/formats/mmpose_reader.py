"""The JSON of MMPose's demos (`meta_info`, `instance_info`) and inferencer (the latter alone)."""

from __future__ import annotations

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.build import (
    NAN,
    NO_TRACK,
    Person,
    frame_poses,
    image_size,
    number,
    points,
    whole,
)
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import COCO_17, joint_names
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.json_file import Entry


def read_mmpose(content: Entry) -> list[FramePoses]:
    """Return the frames of a file. Raises DataError.

    `frame_id` becomes the index as it stands there: MMPose's demos count from 1, its inferencer
    and predict from 0. A file without `meta_info` is taken to have COCO's 17 joints.
    """
    if isinstance(content.value, list):
        frames, names = content, COCO_17.joints
    else:
        frames, names = content["instance_info"], _joint_names(content["meta_info"])
    return [
        frame_poses(
            frame["frame_id"].integer(),
            [_person(one, len(names)) for one in frame["instances"].items()],
            names,
            time=number(frame, "time"),
            image_size=image_size(frame),
        )
        for frame in frames.items()
    ]


def _joint_names(meta: Entry) -> tuple[str, ...]:
    by_id = meta["keypoint_id2name"]
    texts = (str(by_id[str(at)].value) for at in range(meta["num_keypoints"].integer()))
    return joint_names(tuple(texts))


def _person(entry: Entry, joints: int) -> Person:
    raw = entry.get("keypoints_raw")
    return Person(
        keypoints=points(entry["keypoints"], joints),
        scores=entry["keypoint_scores"].numbers(joints),
        box=_box(entry),
        box_score=number(entry, "bbox_score"),
        track_id=whole(entry, "track_id", NO_TRACK),
        raw_keypoints=None if raw is None else points(raw, joints),
    )


def _box(entry: Entry) -> Float64:
    """Return the box, which MMPose puts into a list, (4,) xyxy; NaN if there is none."""
    found = entry.get("bbox")
    if found is None:
        return np.full(4, NAN)
    first = found.items()[:1]
    if not first:
        raise DataError(f"{found.where}: expected 4 numbers")
    return (first[0] if isinstance(first[0].value, list) else found).numbers(4)
