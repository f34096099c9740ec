"""From what a file tells to FramePoses: what it does not tell is NaN, -1 or (0, 0).

Axes: N people of a frame, J joints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tarvitpose.errors import DataError
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float32, Float64
from tarvitpose.utils.json_file import Entry

NO_TRACK = -1  # as OpenPose has it
NO_SIZE = (0, 0)
NAN = float("nan")


@dataclass(frozen=True)
class Person:
    """One person of a frame."""

    keypoints: ArrayLike  # (J, 2)
    scores: ArrayLike  # (J,)
    box: ArrayLike = (NAN,) * 4  # (4,), xyxy
    box_score: float = NAN
    track_id: int = NO_TRACK
    raw_keypoints: ArrayLike | None = None  # (J, 2)


def frame_poses(
    index: int,
    people: Sequence[Person],
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


def finished(path: Path, frames: Iterable[FramePoses]) -> list[FramePoses]:
    """Return the frames in order, all of them with raw keypoints if some are.

    Raises DataError where there is no frame, one comes twice, or only some people have raw ones.
    """
    found = sorted(frames, key=lambda poses: poses.index)
    if not found:
        raise DataError(f"{path}: no frame in this file")
    seen: set[int] = set()
    for poses in found:
        if poses.index in seen:
            raise DataError(f"{path}: frame {poses.index} comes twice")
        seen.add(poses.index)
    if all(poses.raw_keypoints is None for poses in found):
        return found
    return [_with_raw(path, poses) for poses in found]


def _with_raw(path: Path, poses: FramePoses) -> FramePoses:
    raw = poses.raw_keypoints
    if raw is None and not len(poses):
        return replace(poses, raw_keypoints=poses.keypoints)
    if raw is None or len(raw) != len(poses):
        raise DataError(f"{path}: frame {poses.index}: only some people have raw keypoints")
    return poses


def number(parent: Entry, key: str, default: float = NAN) -> float:
    """Return a number of an object, or `default` if there is none. Raises DataError."""
    found = parent.get(key)
    return default if found is None else float(Entry(found.where, [found.value]).numbers(1)[0])


def whole(parent: Entry, key: str, default: int) -> int:
    """Return a whole number of an object, or `default` if there is none. Raises DataError."""
    found = parent.get(key)
    return default if found is None else found.integer()


def image_size(parent: Entry) -> tuple[int, int]:
    """Return `height` and `width` of an object, (0, 0) without them. Raises DataError."""
    return whole(parent, "height", 0), whole(parent, "width", 0)


def points(entry: Entry, joints: int) -> Float64:
    """Return a list of `joints` lists of x and y, (J, 2). Raises DataError."""
    try:
        values = np.array(entry.value, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (joints, 2) or not np.isfinite(values).all():
        raise DataError(f"{entry.where}: expected {joints} points of two numbers, x and y")
    return values


def _stacked(values: Sequence[ArrayLike], shape: tuple[int, ...]) -> Float32:
    """Return values of one shape as (N, *shape), also where N is 0."""
    return np.asarray(values, np.float32).reshape(len(values), *shape)


def xywh_box(parent: Entry) -> NDArray[np.float64]:
    """Return COCO's `bbox`, left, top, width, height, as (4,) xyxy; NaN if there is none."""
    found = parent.get("bbox")
    if found is None:
        return np.full(4, NAN)
    left, top, width, height = found.numbers(4)
    return np.array([left, top, left + width, top + height])
