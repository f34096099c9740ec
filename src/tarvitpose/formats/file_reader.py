"""What the readers of all formats share: FramePoses from the fields of a file.

A value that the file lacks is NaN, a track id of -1 or an image size of (0, 0).

Axes: N people of a frame, J joints.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.errors import DataError
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float32, Float64
from tarvitpose.utils.json_file import Entry
from tarvitpose.utils.numeric import in_range, whole_number

NO_TRACK = -1  # as OpenPose writes it
NO_SIZE = (0, 0)
MAX_SIDE = 2**31 - 1  # pixels of an image
NAN = float("nan")


@dataclass(frozen=True)
class PersonRecord:
    """One person of a frame, as a file describes them."""

    keypoints: ArrayLike  # (J, 2)
    scores: ArrayLike  # (J,)
    box: ArrayLike = (NAN,) * 4  # (4,), xyxy
    box_score: float = NAN
    track_id: int = NO_TRACK
    raw_keypoints: ArrayLike | None = None  # (J, 2)


def frame_poses(
    index: int,
    people: Sequence[PersonRecord],
    joint_names: tuple[str, ...],
    *,
    time: float = NAN,
    image_size: tuple[int, int] = NO_SIZE,
) -> FramePoses:
    """Return the people of a frame as arrays."""
    joints = len(joint_names)
    raw = [person.raw_keypoints for person in people if person.raw_keypoints is not None]
    return FramePoses(
        index=index,
        time=float(time),
        image_size=image_size,
        keypoints=_stacked([person.keypoints for person in people], (joints, 2)),
        scores=_stacked([person.scores for person in people], (joints,)),
        boxes=_stacked([person.box for person in people], (4,)),
        box_scores=_stacked([person.box_score for person in people], ()),
        track_ids=np.array([person.track_id for person in people], np.int64),
        joint_names=joint_names,
        raw_keypoints=_stacked(raw, (joints, 2)) if raw else None,
    )


def in_order(path: Path, frames: Iterable[FramePoses]) -> list[FramePoses]:
    """Return the frames in order, all of them with raw keypoints if some are.

    Raises DataError if there is no frame, a frame comes twice or before an earlier one, only some
    people have raw keypoints, or a value is impossible: see `_fault`.
    """
    ordered = sorted(frames, key=lambda poses: poses.index)
    if not ordered:
        raise DataError(f"{path}: no frame in this file")
    for poses in ordered:
        fault = _fault(poses)
        if fault is not None:
            raise DataError(f"{path}: frame {poses.index}: {fault}")
    for poses, following in pairwise(ordered):
        if poses.index == following.index:
            raise DataError(f"{path}: frame {poses.index} comes twice")
    timed = [poses for poses in ordered if not np.isnan(poses.time)]
    for poses, following in pairwise(timed):
        if following.time < poses.time:
            raise DataError(
                f"{path}: frame {following.index}: its time, {following.time:g} s, is before that "
                f"of frame {poses.index}"
            )
    if all(poses.raw_keypoints is None for poses in ordered):
        return ordered
    return [_with_raw(path, poses) for poses in ordered]


def _fault(poses: FramePoses) -> str | None:
    """Return what no frame can be like, None for a good one; NaN is what the file lacks."""
    names, (height, width) = poses.joint_names, poses.image_size
    raw = [] if poses.raw_keypoints is None else [poses.raw_keypoints]
    numbers = [poses.keypoints, *raw, poses.boxes, poses.scores, poses.box_scores]
    checks = (
        (poses.index < 0 or whole_number(poses.index) is None, "expected a number from 0 on"),
        (poses.time < 0, f"expected a time from 0 on, found {poses.time:g} s"),
        (min(height, width) < 0 or max(height, width) > MAX_SIDE, f"an image of {width}x{height}"),
        (len(set(names)) < len(names), "two joints have the same name"),
        (
            not all(name and name.isprintable() for name in names),
            "a joint has no name that can be printed",
        ),
        (len(poses) > 0 and not names, "has people without joints"),
        (
            not all(map(_are_known_or_nan, [*numbers, np.array(poses.time)])),
            "a number is not finite or too large",
        ),
        (not _are_boxes(poses.boxes), "a box lacks a coordinate, or has a negative side"),
    )
    return next((text for is_wrong, text in checks if is_wrong), None)


def _are_known_or_nan(values: Float32 | Float64) -> bool:
    return bool((in_range(values) | np.isnan(values)).all())


def _are_boxes(boxes: Float32) -> bool:
    unknown = np.isnan(boxes).all(-1)
    return bool((unknown | (boxes[:, 2:] >= boxes[:, :2]).all(-1)).all())


def _with_raw(path: Path, poses: FramePoses) -> FramePoses:
    raw = poses.raw_keypoints
    if raw is None and not len(poses):
        return replace(poses, raw_keypoints=poses.keypoints)
    if raw is None or len(raw) != len(poses):
        raise DataError(f"{path}: frame {poses.index}: only some people have raw keypoints")
    return poses


def number(parent: Entry, key: str) -> float:
    """Return a number of an object, NaN if there is none. Raises DataError."""
    field = parent.get(key)
    return NAN if field is None else float(Entry(field.where, [field.value]).numbers(1)[0])


def integer(parent: Entry, key: str, default: int) -> int:
    """Return a whole number of an object, or `default` if there is none. Raises DataError."""
    field = parent.get(key)
    return default if field is None else field.integer()


def image_size(parent: Entry) -> tuple[int, int]:
    """Return `height` and `width` of an object, 0 for both without them. Raises DataError."""
    height, width = integer(parent, "height", 0), integer(parent, "width", 0)
    return (height, width) if height and width else NO_SIZE


def read_xywh_box(parent: Entry) -> Float64:
    """Return COCO's `bbox`, left, top, width, height, as (4,) xyxy; NaN if there is none."""
    field = parent.get("bbox")
    if field is None:
        return np.full(4, NAN)
    left, top, width, height = field.numbers(4)
    return np.array([left, top, left + width, top + height])


def read_raw_keypoints(parent: Entry, joints: int) -> Float64 | None:
    """Return `keypoints_raw`, a flat list of x and y, as (J, 2); None if there is none."""
    field = parent.get("keypoints_raw")
    return None if field is None else field.numbers(2 * joints).reshape(-1, 2)


def as_float32(values: ArrayLike | Sequence[ArrayLike]) -> Float32:
    """Return numbers as float32, infinite where they are too large: `in_order` refuses those."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float64).astype(np.float32)


def _stacked(values: Sequence[ArrayLike], shape: tuple[int, ...]) -> Float32:
    """Return values of one shape as (N, *shape), also where N is 0."""
    return as_float32(values).reshape(len(values), *shape)
