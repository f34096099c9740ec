"""PoseTrack's JSON, in the layouts of 2017 and of 2018 and 2021: read for AP, and written.

Joints are mapped by name (2018) or by point id (2017), never by position. What is missing stops
with a DataError that names the file, the entry and the field.   Axes: J = 15 joints, P points.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.errors import DataError
from tarvitpose.formats.file_reader import read_xywh_box
from tarvitpose.formats.posetrack_layout import (
    NO_SCORE,
    PERSON_CATEGORY,
    POINT_IDS,
    annolist_head,
    annolist_points,
    annolist_regions,
    category_joints,
    coco_head,
    coco_people,
    coco_regions,
    file_name,
    image_path,
    is_labelled,
    keypoint_category,
)
from tarvitpose.metrics.posetrack_ap import JOINTS, PredictedFrame, TrueFrame, present
from tarvitpose.skeleton import POSETRACK_17
from tarvitpose.utils.arrays import Float64, Int64
from tarvitpose.utils.json_file import Entry, read_entry, write_json

JOINT_OF_ID = np.array([JOINTS.index(name) for name in POINT_IDS])
ID_OF_JOINT = np.array([POINT_IDS.index(name) for name in JOINTS])
UNKNOWN_BOX = np.full(4, np.nan)


def read_truth(path: Path, *, tracks: bool = False) -> dict[str, TrueFrame]:
    """Return the labelled people of a file, as `true_frames` does. Raises DataError."""
    return true_frames(read_entry(path), tracks=tracks)


def true_frames(content: Entry, *, tracks: bool = False) -> dict[str, TrueFrame]:
    """Return the labelled people of every frame by its file name, in the file's order.

    A frame that is marked as not labelled has none, whoever stands on it: PoseTrack21 has people
    with a box and no joints there. With `tracks`, people have their ids and boxes, and joints that
    the file does not know and heads that nobody labelled are NaN. Raises DataError, without
    `tracks` also for those.
    """
    source, frames = _layout(content, tracks), {}
    for name, frame, listed in _frames(source, content):
        people = [] if is_labelled(frame) is False else listed
        joints = [source.joints(person)[0] for person in people]
        heads = [
            source.head_box(person) if present(points).any() else UNKNOWN_BOX
            for person, points in zip(people, joints, strict=True)
        ]
        frames[name] = TrueFrame(np.array(joints), np.array(heads), source.ignored(frame))
        if tracks:
            boxes = np.array([source.box(person) for person in people]).reshape(-1, 4)
            frames[name] = replace(frames[name], track_ids=_track_ids(people), boxes=boxes)
    return frames


def unlabelled(content: Entry) -> list[str]:
    """Return what PoseTrack's AP needs and nobody has: joints by name, or head boxes.

    Raises DataError.
    """
    if content.get("annolist"):
        return []
    names = category_joints(keypoint_category(content))
    joints = [joint for joint in JOINTS if joint not in names]
    people = content["annotations"].items()
    has_head = any(coco_head(person) is not None for person in people)
    return joints or ([] if has_head or not people else ["head boxes"])


def read_predictions(path: Path, *, tracks: bool = False) -> dict[str, PredictedFrame]:
    """Return the predicted people of every frame by its file name. Raises DataError.

    A joint without a score gets NO_SCORE, as in poseval. Only with `tracks` may the file not know
    some of the 15 joints.
    """
    content, frames = read_entry(path), {}
    source = _layout(content, tracks)
    for name, _, people in _frames(source, content):
        joints = [source.joints(person) for person in people]
        keypoints, scores = [points for points, _ in joints], [values for _, values in joints]
        frames[name] = PredictedFrame(np.array(keypoints), np.array(scores), _track_ids(people))
    return frames


def write_posetrack18(
    path: Path, frames: Mapping[str, PredictedFrame], image_ids: Mapping[str, int] | None = None
) -> None:
    """Write the predictions of one video, by file name, in the layout of PoseTrack18 and 21.

    `image_ids` are the ids that the annotations give the same files; counted from 1 otherwise.
    """
    ids = image_ids or {name: at for at, name in enumerate(frames, 1)}
    images = [{"file_name": name, "id": ids[name], "frame_id": ids[name]} for name in frames]
    people = [
        {"image_id": ids[name], "category_id": 1, **person}
        for name, frame in frames.items()
        for person in _people18(frame)
    ]

    content = {
        "images": images,
        "annotations": [{"id": at, **person} for at, person in enumerate(people, 1)],
        "categories": [{**PERSON_CATEGORY, "keypoints": list(POSETRACK_17.joints)}],
    }
    write_json(path, content, indent=None)


def write_posetrack17(path: Path, frames: Mapping[str, PredictedFrame]) -> None:
    """Write the predictions of one video, by file name, in the layout of PoseTrack17."""
    annolist = [
        {"image": [{"name": name}], "imgnum": [at], "annorect": _people17(frame)}
        for at, (name, frame) in enumerate(frames.items(), 1)
    ]
    write_json(path, {"annolist": annolist}, indent=None)


class _PoseTrack17:
    """One annolist: a frame holds its people.

    As of `_PoseTrack18`, `joints` are keypoints (J, 2) and scores (J,), `head_box` and `box` are
    (4,) xyxy, NaN where there is none, and `ignored` has the polygons, (corners, 2) each.
    """

    def __init__(self, content: Entry, tracks: bool) -> None:
        self._content, self._tracks = content, tracks

    def frames(self) -> Iterator[tuple[str, Entry, list[Entry]]]:
        for frame in self._content["annolist"].items():
            name = image_path(frame["image"].unwrap()["name"])
            is_empty = is_labelled(frame) is False and frame.get("annorect") is None
            yield name, frame, [] if is_empty else frame["annorect"].items()

    def joints(self, person: Entry) -> tuple[Float64, Float64]:
        points, scores = annolist_points(person)
        return points[ID_OF_JOINT], scores[ID_OF_JOINT]

    def head_box(self, person: Entry) -> Float64:
        if person.get("x1") is None and self._tracks:
            return UNKNOWN_BOX
        return annolist_head(person)

    def box(self, person: Entry) -> Float64:
        return UNKNOWN_BOX

    def ignored(self, frame: Entry) -> tuple[Float64, ...]:
        return annolist_regions(frame)


class _PoseTrack18:
    """COCO's three lists: images, the people that refer to them, and the joints' names."""

    def __init__(self, content: Entry, tracks: bool) -> None:
        self._content, self._tracks = content, tracks
        category = keypoint_category(content)
        names = category_joints(category)
        missing = [joint for joint in JOINTS if joint not in names]
        if missing and not tracks:
            raise DataError(f"{category['keypoints'].where}: lacks {', '.join(missing)}")
        self._count = len(names)  # what is missing comes from an empty slot behind the last
        self._order = [len(names) if name in missing else names.index(name) for name in JOINTS]

    def frames(self) -> Iterator[tuple[str, Entry, list[Entry]]]:
        for image, people in coco_people(self._content):
            yield file_name(image), image, people

    def joints(self, person: Entry) -> tuple[Float64, Float64]:
        labelled = person["keypoints"].numbers(3 * self._count).reshape(-1, 3)
        points = np.concatenate([labelled, np.zeros((1, 3))])[self._order]
        # As in poseval: 0, 0, 0 is absent; a hidden joint with a position is present.
        keypoints = np.where((points == 0).all(1)[:, None], np.nan, points[:, :2])
        scores = person.get("scores")
        if scores is None or not scores.value:
            return keypoints, np.full(len(JOINTS), NO_SCORE)
        return keypoints, np.append(scores.numbers(self._count), NO_SCORE)[self._order]

    def head_box(self, person: Entry) -> Float64:
        corners = coco_head(person)
        if corners is None and not self._tracks:
            raise DataError(f"{person.where}: bbox_head is missing")
        return UNKNOWN_BOX if corners is None else corners

    def box(self, person: Entry) -> Float64:
        return UNKNOWN_BOX if person.non_empty("bbox") is None else read_xywh_box(person)

    def ignored(self, frame: Entry) -> tuple[Float64, ...]:
        return coco_regions(frame)


_Source = _PoseTrack17 | _PoseTrack18


def _layout(content: Entry, tracks: bool) -> _Source:
    """Recognise a file's layout by its keys."""
    if content.get("annolist"):
        return _PoseTrack17(content, tracks)
    if content.get("images"):
        return _PoseTrack18(content, tracks)
    raise DataError(
        f"{content.where}: has neither annolist (PoseTrack17) nor images (PoseTrack18 and 21)"
    )


def _frames(source: _Source, content: Entry) -> Iterator[tuple[str, Entry, list[Entry]]]:
    """Yield a file's frames. Raises DataError where two have the same name."""
    names: set[str] = set()
    for name, frame, people in source.frames():
        if name in names:
            raise DataError(f"{content.where}: two frames are called {name}")
        names.add(name)
        yield name, frame, people


def _track_ids(people: Sequence[Entry]) -> Int64 | None:
    """Return the track ids of people, (M,), if all have one."""
    ids = [person.get("track_id") for person in people]
    known = [track.integer() for track in ids if track is not None]
    return np.array(known, np.int64) if len(known) == len(people) else None


def _people18(frame: PredictedFrame) -> Iterator[dict[str, Any]]:
    for track_id, keypoints, scores in _poses(frame):
        is_present = present(keypoints)
        points = np.where(is_present[:, None], np.c_[keypoints, np.ones(len(JOINTS))], 0)
        yield {
            "track_id": track_id,
            "keypoints": in_slots(points, JOINTS).ravel().tolist(),
            "scores": in_slots(np.where(is_present, scores, 0), JOINTS).tolist(),
        }


def in_slots(values: ArrayLike, joint_names: Sequence[str]) -> Float64:
    """Return values of joints in the order of PoseTrack18's 17, 0 where there is none.

    Joints that PoseTrack18 does not have are left out.

    >>> in_slots([7.0, 8.0, 9.0], ["head_top", "left_eye", "nose"])[:4].tolist()
    [9.0, 0.0, 7.0, 0.0]
    """
    values = np.asarray(values, np.float64)
    placed = np.zeros((len(POSETRACK_17), *values.shape[1:]))
    for value, name in zip(values, joint_names, strict=True):
        if name in POSETRACK_17.joints:
            placed[POSETRACK_17.joints.index(name)] = value
    return placed


def _people17(frame: PredictedFrame) -> list[dict[str, Any]]:
    people = []
    for track_id, keypoints, scores in _poses(frame):
        points = [
            {"id": [i], "x": [float(x)], "y": [float(y)], "score": [float(scores[joint])]}
            for i, joint in enumerate(JOINT_OF_ID)
            for x, y in [keypoints[joint]]
            if present(keypoints[joint])
        ]
        people.append({"track_id": [track_id], "annopoints": [{"point": points}]})
    return people


def _poses(frame: PredictedFrame) -> Iterator[tuple[int, Float64, Float64]]:
    """Yield track id, keypoints (J, 2) and scores (J,) of each person; evaluators need ids."""
    ids = range(len(frame.scores)) if frame.track_ids is None else frame.track_ids.tolist()
    yield from zip(ids, frame.keypoints, frame.scores, strict=True)
