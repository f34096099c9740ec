"""Label Studio's JSON: poses as pre-annotations of frames, and corrected ones read back.

A person is a rectangle, their joints are key points with that rectangle as parent. Positions are
percent of the image.   Axes: J joints.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from tarvitpose import __version__
from tarvitpose.errors import DataError
from tarvitpose.formats.file_reader import NAN, NO_SIZE, NO_TRACK, PersonRecord, frame_poses, number
from tarvitpose.formats.file_writer import SCORE_DIGITS, TIME_DIGITS, rounded
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import joint_name
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.json_file import Entry, write_json

PERSON, JOINT, IMAGE = "person", "joint", "image"  # names in the labelling interface
RECTANGLE, POINT = "rectanglelabels", "keypointlabels"
TRACK = "track "  # begins the note of a person that names the track
POINT_WIDTH = 0.6  # per cent of the image: how large a point is shown
PERCENT_DIGITS = 5


def write_label_studio(path: Path, frames: Sequence[FramePoses], images: str) -> None:
    """Write a task for each frame with its poses as predictions.

    `images` is the address of frame 12 with `{frame}` for the number. Joints outside of the image,
    which Label Studio cannot show, are left out. Raises DataError for frames without an image size,
    and OutputError.
    """
    if any(poses.image_size == NO_SIZE for poses in frames):
        raise DataError("frames without an image size; Label Studio needs one (csv has none)")
    write_json(path, [_task(poses, images) for poses in frames], indent=None)


def labelling_interface(joints: Sequence[str]) -> str:
    """Return the labelling interface (XML) that fits the tasks."""
    labels = "\n".join(
        f"    <Label value={quoteattr(joint)} model_index={quoteattr(str(number))}/>"
        for number, joint in enumerate(joints)
    )
    return (
        f'<View>\n  <Image name="{IMAGE}" value="$image" zoom="true"/>\n'
        f'  <RectangleLabels name="{PERSON}" toName="{IMAGE}">\n'
        f'    <Label value="{PERSON}"/>\n  </RectangleLabels>\n'
        f'  <KeyPointLabels name="{JOINT}" toName="{IMAGE}">\n{labels}\n  </KeyPointLabels>\n'
        "</View>\n"
    )


def read_label_studio(content: Entry) -> list[FramePoses]:
    """Return the frames of exported tasks: annotations where there are some, else predictions.

    What people placed has no score (NaN). A key point without a parent belongs to the smallest
    rectangle around it. Raises DataError.
    """
    tasks = [(task["data"], _result(task)) for task in content.items()]
    names = tuple(dict.fromkeys(_name(part) for _, parts in tasks for part in _of(parts, POINT)))
    return [
        frame_poses(
            data["frame"].integer(),
            _people(parts, names),
            names,
            time=number(data, "time"),
            image_size=_image_size(data, parts),
        )
        for data, parts in tasks
    ]


def _task(poses: FramePoses, images: str) -> dict[str, Any]:
    height, width = poses.image_size
    parts = [part for person in range(len(poses)) for part in _parts(poses, person)]
    shared = {"original_width": width, "original_height": height, "image_rotation": 0}
    return {
        "data": {
            "image": images.replace("{frame}", f"{poses.index:06d}"),
            "frame": poses.index,
            "time": rounded(poses.time, TIME_DIGITS),
            "width": width,
            "height": height,
            "joints": list(poses.joint_names),
        },
        "predictions": [
            {
                "model_version": f"tarvitpose {__version__}",
                "result": [{**part, **shared, "to_name": IMAGE} for part in parts],
            }
        ],
    }


def _parts(poses: FramePoses, person: int) -> list[dict[str, Any]]:
    """Return the rectangle of a person and their points."""
    size = np.array(poses.image_size[::-1], np.float64)
    own = f"{poses.index}-{person}"
    low, high = (100 * poses.boxes[person].reshape(2, 2) / size).clip(0, 100)
    rectangle = {
        "id": own,
        "type": RECTANGLE,
        "from_name": PERSON,
        "score": rounded(poses.box_scores[person], SCORE_DIGITS),
        "meta": {"text": [f"{TRACK}{poses.track_ids[person]}"]},
        "value": {
            **dict(zip(("x", "y"), rounded(low, PERCENT_DIGITS), strict=True)),
            **dict(zip(("width", "height"), rounded(high - low, PERCENT_DIGITS), strict=True)),
            "rotation": 0,
            RECTANGLE: [PERSON],
        },
    }
    points = 100 * poses.keypoints[person] / size
    inside = ((points >= 0) & (points <= 100)).all(1)
    return [
        rectangle,
        *(
            {
                "id": f"{own}-{name}",
                "parentID": own,
                "type": POINT,
                "from_name": JOINT,
                "score": rounded(poses.scores[person, at], SCORE_DIGITS),
                "value": {
                    **dict(zip(("x", "y"), rounded(points[at], PERCENT_DIGITS), strict=True)),
                    "width": POINT_WIDTH,
                    POINT: [name],
                },
            }
            for at, name in enumerate(poses.joint_names)
            if inside[at]
        ),
    ]


def _result(task: Entry) -> list[Entry]:
    """Return the regions of a task's last annotation that was not skipped, or of a prediction."""
    for kind in ("annotations", "predictions"):
        versions = task.get(kind)
        done = [] if versions is None else versions.items()
        done = [version for version in done if not version.non_empty("was_cancelled")]
        if done:
            return done[-1]["result"].items()
    return []


def _of(parts: Sequence[Entry], kind: str) -> list[Entry]:
    return [part for part in parts if part["type"].text() == kind]


def _name(part: Entry) -> str:
    return joint_name(part["value"][POINT].unwrap().text())


def _image_size(data: Entry, parts: Sequence[Entry]) -> tuple[int, int]:
    holder, names = (parts[0], "original_{}") if parts else (data, "{}")
    height, width = (holder.get(names.format(side)) for side in ("height", "width"))
    return NO_SIZE if height is None or width is None else (height.integer(), width.integer())


def _people(parts: Sequence[Entry], names: tuple[str, ...]) -> list[PersonRecord]:
    boxes = {part["id"].text(): _box(part) for part in _of(parts, RECTANGLE)}
    keypoints = {own: np.full((len(names), 2), NAN) for own in boxes}
    scores = {own: np.full(len(names), NAN) for own in boxes}
    for part in _of(parts, POINT):
        value = part["value"]
        point = np.array([number(value, "x"), number(value, "y")]) / 100 * _size(part)
        own = _owner(part, point, boxes)
        keypoints[own][names.index(_name(part))] = point
        scores[own][names.index(_name(part))] = number(part, "score")
    return [
        PersonRecord(
            keypoints[part["id"].text()],
            scores[part["id"].text()],
            box=boxes[part["id"].text()],
            box_score=number(part, "score"),
            track_id=_track(part),
        )
        for part in _of(parts, RECTANGLE)
    ]


def _owner(part: Entry, point: Float64, boxes: dict[str, Float64]) -> str:
    parent = part.get("parentID")
    if parent is not None and parent.value in boxes:
        return parent.text()
    around = [
        own for own, box in boxes.items() if (point >= box[:2]).all() and (point <= box[2:]).all()
    ]
    if not around:
        raise DataError(
            f"{part.where}: {_name(part)} belongs to nobody; draw a rectangle around it, or drag "
            "it onto a person in Label Studio's list of regions"
        )
    return min(around, key=lambda own: float((boxes[own][2:] - boxes[own][:2]).prod()))


def _size(part: Entry) -> Float64:
    return np.array([number(part, f"original_{side}") for side in ("width", "height")])


def _box(part: Entry) -> Float64:
    value = part["value"]
    left, top, width, height = (number(value, key) for key in ("x", "y", "width", "height"))
    return np.array([left, top, left + width, top + height]) / 100 * np.tile(_size(part), 2)


def _track(part: Entry) -> int:
    """Return the track that a person's note names."""
    meta = part.get("meta")
    notes = None if meta is None else meta.get("text")
    for note in [] if notes is None else notes.items():
        text = note.text()
        if text.startswith(TRACK) and text[len(TRACK) :].strip().isdecimal():
            return int(text[len(TRACK) :])
    return NO_TRACK
