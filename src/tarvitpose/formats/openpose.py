"""OpenPose's JSON: a folder with a file for each frame, joints in the order of BODY_25.

Axes: J joints.
"""

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.errors import DataError, OutputError
from tarvitpose.formats.file_reader import (
    NAN,
    NO_TRACK,
    PersonRecord,
    frame_poses,
    image_size,
    number,
    read_raw_keypoints,
    read_xywh_box,
)
from tarvitpose.formats.file_writer import (
    COORDINATE_DIGITS,
    SCORE_DIGITS,
    PoseWriter,
    flat_raw_keypoints,
    json_text,
    rounded,
    size_and_time,
    xywh_box,
)
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import JOINT_SETS
from tarvitpose.utils.arrays import Float64, UInt8
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.json_file import Entry, read_entry
from tarvitpose.video.frame_source import FrameSource

VERSION = 1.3
ENDING = "_keypoints.json"
EXTRA = "tarvitpose"  # the key of data that OpenPose has no field for
BODY_25 = JOINT_SETS["body25"].joints  # the order of joints in pose_keypoints_2d
COCO_18 = tuple(name for name in BODY_25[:19] if name != "mid_hip")
WHOLE_BODY = JOINT_SETS["wholebody133"].joints
PARTS = {  # joints in the order of OpenPose's fields; its face goes on with the pupils
    "face_keypoints_2d": tuple(name for name in WHOLE_BODY if name.startswith("face_")),
    "hand_left_keypoints_2d": WHOLE_BODY[91:112],
    "hand_right_keypoints_2d": WHOLE_BODY[112:],
}
FACE, FACE_POINTS = "face_keypoints_2d", 70
MODELS = {len(BODY_25): BODY_25, len(COCO_18): COCO_18}
EMPTY = (  # in the order in which OpenPose writes them
    *("pose_keypoints_3d", "face_keypoints_3d"),
    *("hand_left_keypoints_3d", "hand_right_keypoints_3d"),
)
MIDDLES = {  # joints that OpenPose predicts, close to the middle of two others
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}


class OpenposeWriter(PoseWriter):
    """Write NAME_000000000012_keypoints.json for frame 12, and so on.

    `pose_keypoints_2d` is BODY_25: the joints that the model predicts, neck and mid_hip as the
    middles of shoulders and hips with the lesser score, and 0, 0, 0 for all others, as OpenPose
    writes undetected joints. Face and hands have their fields. Data that OpenPose has no field for
    is under the key "tarvitpose".
    """

    def __init__(self, path: Path, source: FrameSource) -> None:
        super().__init__(path)
        self.source = source

    def _start(self, stack: ExitStack) -> None:
        require_openpose_folder(self.path)
        self._folder = stack.enter_context(atomic_folder(self.path))

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        extra = {"frame": poses.index, **size_and_time(poses), "joints": poses.joint_names}
        people = [_instance(poses, person) for person in range(len(poses))]
        path = self._folder / f"{self.source.name}_{poses.index:012d}{ENDING}"
        content = {"version": VERSION, "people": people, EXTRA: extra}
        path.write_text(json_text(content) + "\n", encoding="utf-8")


def require_openpose_folder(path: Path) -> None:
    """Raise OutputError if `path` exists and is not a folder of OpenPose files alone."""
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"{path}: is a file, expected a folder or nothing")
    other = next((file for file in path.iterdir() if not file.name.endswith(ENDING)), None)
    if other is not None:
        raise OutputError(f"{path}: holds other files, such as {other.name}; remove it first")


def _instance(poses: FramePoses, person: int) -> dict[str, Any]:
    named = dict(zip(poses.joint_names, _points(poses, person), strict=True))
    middles = {name: _middle(named, *pair) for name, pair in MIDDLES.items()}
    if "hip" in named:  # as Halpe calls it
        middles["mid_hip"] = named["hip"]
    body = {**middles, **named}
    undetected = np.zeros(3)
    parts = {part: names for part, names in PARTS.items() if not named.keys().isdisjoint(names)}
    written = {*BODY_25, *(name for names in parts.values() for name in names)}
    others = {name: _numbers(point) for name, point in named.items() if name not in written}
    return {
        "person_id": [int(poses.track_ids[person])],
        "pose_keypoints_2d": [
            value for name in BODY_25 for value in _numbers(body.get(name, undetected))
        ],
        **{part: _part(named, parts.get(part, ()), part) for part in PARTS},
        **{name: [] for name in EMPTY},
        EXTRA: {
            "bbox": xywh_box(poses, person),
            "bbox_score": rounded(poses.box_scores[person], SCORE_DIGITS),
            "keypoints": others,
            **flat_raw_keypoints(poses, person),
        },
    }


def _part(named: dict[str, Float64], names: tuple[str, ...], part: str) -> list[float]:
    """Return the numbers of the face or a hand, none where no joint of it is predicted."""
    undetected = np.zeros(3)
    numbers = [value for name in names for value in _numbers(named.get(name, undetected))]
    pupils = (FACE_POINTS - len(names)) * 3 if names and part == FACE else 0
    return numbers + [0.0] * pupils


def _points(poses: FramePoses, person: int) -> Float64:
    """Return x, y and score of each joint, (J, 3)."""
    return np.asarray(np.c_[poses.keypoints[person], poses.scores[person]], np.float64)


def _middle(named: dict[str, Float64], left: str, right: str) -> Float64:
    """Return the middle of two joints with the lesser of their scores, 0, 0, 0 without them."""
    if left not in named or right not in named:
        return np.zeros(3)
    x, y, _ = (named[left] + named[right]) / 2
    return np.array([x, y, min(named[left][2], named[right][2])])


def _numbers(point: Float64) -> list[float]:
    x, y = rounded(point[:2], COORDINATE_DIGITS)
    return [x, y, rounded(point[2], SCORE_DIGITS)]


def read_openpose(folder: Path) -> list[FramePoses]:
    """Return the frames of a folder in the order of their file names. Raises DataError.

    The index is the number in the file name, as OpenPose writes it for videos; if a name has no
    number, all files are counted from 0. OpenPose's own files have no times.
    """
    files = sorted(folder.glob(f"[!.]*{ENDING}"))
    if not files:
        raise DataError(f"{folder}: no OpenPose files in this folder, expected NAME_NUMBER{ENDING}")
    contents = [read_entry(path) for path in files]
    joints = _body_model(contents)
    numbers = [_number(path) for path in files]
    indices = range(len(files)) if None in numbers else numbers
    return [
        _read_frame(content, joints, index or 0)
        for content, index in zip(contents, indices, strict=True)
    ]


def read_openpose_file(content: Entry) -> list[FramePoses]:
    """Return the frame of a single file. Raises DataError."""
    return [_read_frame(content, _body_model([content]), _number(Path(content.where)) or 0)]


def _read_frame(content: Entry, model: tuple[str, ...], index: int) -> FramePoses:
    """Return the people of one file; `model` names the joints by position. Raises DataError."""
    extra = content.get(EXTRA)
    names = model if extra is None else tuple(name.text() for name in extra["joints"].items())
    people = [_person(person, model, names) for person in content["people"].items()]
    if extra is None:
        return frame_poses(index, people, names)
    return frame_poses(
        extra["frame"].integer(),
        people,
        names,
        time=number(extra, "time"),
        image_size=image_size(extra),
    )


def _body_model(contents: list[Entry]) -> tuple[str, ...]:
    """Return the joints by position, which only the count of numbers shows.

    Those of face and hands follow where anybody has them.
    """
    people = [person for content in contents for person in content["people"].items()]
    parts = [part for part in PARTS if any(person.non_empty(part) for person in people)]
    return _body(people) + tuple(name for part in parts for name in PARTS[part])


def _body(people: list[Entry]) -> tuple[str, ...]:
    """Return the joints of `pose_keypoints_2d` by position. Raises DataError."""
    if not people:
        return BODY_25
    points = people[0]["pose_keypoints_2d"]
    count = len(points.items())
    if count % 3 or count // 3 not in MODELS:
        expected = " or ".join(str(3 * joints) for joints in MODELS)
        raise DataError(
            f"{points.where}: expected {expected} numbers (BODY_25 or COCO), found {count}"
        )
    return MODELS[count // 3]


def _joints(entry: Entry, model: tuple[str, ...]) -> Float64:
    """Return x, y and score of each joint, 0, 0, 0 where it was not detected. Raises DataError."""
    body = len(COCO_18 if model[: len(COCO_18)] == COCO_18 else BODY_25)
    values = [entry["pose_keypoints_2d"].numbers(3 * body)]
    for part, names in PARTS.items():
        if names[0] in model:
            points = entry.non_empty(part)
            count = 3 * (FACE_POINTS if part == FACE else len(names))
            numbers = np.zeros(count) if points is None else points.numbers(count)
            values.append(numbers[: 3 * len(names)])
    return np.concatenate(values).reshape(-1, 3)


def _number(path: Path) -> int | None:
    match = re.search(r"([0-9]+)$", path.name.removesuffix(ENDING))
    return None if match is None else int(match[1])


def _person(entry: Entry, model: tuple[str, ...], names: tuple[str, ...]) -> PersonRecord:
    values = _joints(entry, model)
    extra = entry.get(EXTRA) if names == model else entry[EXTRA]
    if extra is None:
        is_detected = (values != 0).any(1)  # OpenPose writes 0, 0, 0 for the other joints
        keypoints = np.where(is_detected[:, None], values[:, :2], NAN)
        return PersonRecord(keypoints, values[:, 2], track_id=_track_id(entry))
    values = _all_joints(extra, dict(zip(model, values, strict=True)), names)
    return PersonRecord(
        keypoints=values[:, :2],
        scores=values[:, 2],
        box=read_xywh_box(extra),
        box_score=number(extra, "bbox_score"),
        track_id=_track_id(entry),
        raw_keypoints=read_raw_keypoints(extra, len(names)),
    )


def _all_joints(extra: Entry, body: dict[str, Float64], names: tuple[str, ...]) -> Float64:
    """Return x, y and score of each joint, (J, 3), also of those that BODY_25 lacks."""
    others = extra["keypoints"]
    points = [others[name].numbers(3) if name not in body else body[name] for name in names]
    return np.array(points).reshape(-1, 3)


def _track_id(entry: Entry) -> int:
    field = entry.non_empty("person_id")
    return NO_TRACK if field is None else field.integer()
