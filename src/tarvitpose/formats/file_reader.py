"""What the readers of all formats share: FramePoses from the fields of a file.

A value that the file lacks is NaN, a track id of -1 or an image size of (0, 0).

Axes: N people of a frame, J joints.
"""

from __future__ import annotations

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

NO_TRACK = -1  # as OpenPose writes it
NO_SIZE = (0, 0)
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
        time=time,
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

    Raises DataError if there is no frame, a frame comes twice, or only some people have raw ones.
    """
    ordered = sorted(frames, key=lambda poses: poses.index)
    if not ordered:
        raise DataError(f"{path}: no frame in this file")
    for poses, following in pairwise(ordered):
        if poses.index == following.index:
            raise DataError(f"{path}: frame {poses.index} comes twice")
    if all(poses.raw_keypoints is None for poses in ordered):
        return ordered
    return [_with_raw(path, poses) for poses in ordered]


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
    """Return `height` and `width` of an object, 0 for what is missing. Raises DataError."""
    return integer(parent, "height", 0), integer(parent, "width", 0)


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


def _stacked(values: Sequence[ArrayLike], shape: tuple[int, ...]) -> Float32:
    """Return values of one shape as (N, *shape), also where N is 0."""
    return np.asarray(values, np.float32).reshape(len(values), *shape)
