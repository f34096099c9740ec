"""OpenPose's JSON, a file for each frame.   Axes: J joints of the body model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.build import (
    NAN,
    NO_TRACK,
    Person,
    frame_poses,
    image_size,
    number,
    xywh_box,
)
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.json_file import Entry, read_entry

ENDING = "_keypoints.json"
OWN = "tarvitpose"  # the key of what OpenPose has no field for
ARM, LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
FOOT = ("big_toe", "small_toe", "heel")
RIGHT_ARM, LEFT_ARM = ([f"{side}_{joint}" for joint in ARM] for side in ("right", "left"))
RIGHT_LEG, LEFT_LEG = ([f"{side}_{joint}" for joint in LEG] for side in ("right", "left"))
FACE = ("right_eye", "left_eye", "right_ear", "left_ear")
FEET = [f"{side}_{part}" for side in ("left", "right") for part in FOOT]
# Which joints stand where in pose_keypoints_2d.
COCO_18 = ("nose", "neck", *RIGHT_ARM, *LEFT_ARM, *RIGHT_LEG, *LEFT_LEG, *FACE)
BODY_25 = (
    *("nose", "neck", *RIGHT_ARM, *LEFT_ARM, "mid_hip"),
    *(*RIGHT_LEG, *LEFT_LEG, *FACE, *FEET),
)
MODELS = {len(BODY_25): BODY_25, len(COCO_18): COCO_18}


def read_openpose(folder: Path) -> list[FramePoses]:
    """Return the frames of a folder in the order of their file names. Raises DataError.

    The index is the number in the file name, as OpenPose writes it for videos; images that are
    not called by numbers are counted from 0. What OpenPose itself wrote has no times.
    """
    files = sorted(folder.glob(f"[!.]*{ENDING}"))
    if not files:
        raise DataError(f"{folder}: no OpenPose files here, expected NAME_NUMBER{ENDING}")
    contents = [read_entry(path) for path in files]
    joints = _body_model(contents)
    numbers = [_number(path) for path in files]
    indices = range(len(files)) if None in numbers else numbers
    return [
        read_frame(content, joints, index or 0)
        for content, index in zip(contents, indices, strict=True)
    ]


def read_one(content: Entry) -> list[FramePoses]:
    """Return the frame of a single file. Raises DataError."""
    return [read_frame(content, _body_model([content]), _number(Path(content.where)) or 0)]


def read_frame(content: Entry, model: tuple[str, ...], index: int) -> FramePoses:
    """Return the people of one file; `model` names the joints by position. Raises DataError."""
    own = content.get(OWN)
    names = model if own is None else tuple(str(one.value) for one in own["joints"].items())
    people = [_person(one, model, names) for one in content["people"].items()]
    if own is None:
        return frame_poses(index, people, names)
    index = own["frame"].integer()
    return frame_poses(index, people, names, time=number(own, "time"), image_size=image_size(own))


def _body_model(contents: list[Entry]) -> tuple[str, ...]:
    """Return the joints by position, which only the count of numbers tells."""
    for content in contents:
        for person in content["people"].items():
            points = person["pose_keypoints_2d"]
            count = len(points.items())
            if count % 3 or count // 3 not in MODELS:
                known = " or ".join(str(3 * joints) for joints in MODELS)
                raise DataError(
                    f"{points.where}: expected {known} numbers (BODY_25 or COCO), found {count}"
                )
            return MODELS[count // 3]
    return BODY_25


def _number(path: Path) -> int | None:
    found = re.search(r"([0-9]+)$", path.name.removesuffix(ENDING))
    return None if found is None else int(found[1])


def _person(entry: Entry, model: tuple[str, ...], names: tuple[str, ...]) -> Person:
    values = entry["pose_keypoints_2d"].numbers(3 * len(model)).reshape(-1, 3)
    own = entry.get(OWN)
    if own is None:
        there = (values != 0).any(1)  # OpenPose writes 0, 0, 0 for a joint it does not see
        keypoints = np.where(there[:, None], values[:, :2], NAN)
        return Person(keypoints, values[:, 2], track_id=_track_id(entry))
    values = _all_joints(own, dict(zip(model, values, strict=True)), names)
    raw = own.get("keypoints_raw")
    return Person(
        keypoints=values[:, :2],
        scores=values[:, 2],
        box=xywh_box(own),
        box_score=number(own, "bbox_score"),
        track_id=_track_id(entry),
        raw_keypoints=None if raw is None else raw.numbers(2 * len(names)).reshape(-1, 2),
    )


def _all_joints(own: Entry, standard: dict[str, Float64], names: tuple[str, ...]) -> Float64:
    """Return x, y and score of each joint, (J, 3), those included that OpenPose does not know."""
    others = own["keypoints"]
    rows = [others[name].numbers(3) if name not in standard else standard[name] for name in names]
    return np.array(rows)


def _track_id(entry: Entry) -> int:
    found = entry.non_empty("person_id")
    return NO_TRACK if found is None else found.integer()
