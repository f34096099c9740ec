"""Where heads may be, and how they are made unrecognisable: rather too much than too little.

Axes: N people, K regions, each (4,) xyxy in pixels.
"""

from typing import Protocol

import cv2
import numpy as np

from tarvitpose.drawing.style import Drawable
from tarvitpose.geometry import box_area, shared_area
from tarvitpose.utils.arrays import Bools, Float32, UInt8

HEAD_JOINTS = frozenset(
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "head_top", "head_bottom", "head")
)
SURE = 0.5  # mean score of the head's joints from which the upper part of the box is left alone
MARGIN = 0.5  # of the head's height, on each side of its joints
SMALLEST = 1.7  # side of a region, in heights of the head
UPPER_PART = 0.4  # of the height of an upright person's box
BOX_MARGIN = 0.1  # of a box's sides, as detectors cut hair off
HEAD_OF_BOX, HEAD_OF_SHOULDERS, HEAD_OF_TORSO = 0.13, 0.65, 0.5  # how high a head is
LARGEST = 0.5  # height of a head in longer sides of the box: joints can be wrong
SAME_PERSON = 0.6  # share of the smaller of two boxes in the other one
CELLS = 4  # of the mosaic, along the shorter side of a region: a face has two or three


class Detected(Drawable, Protocol):
    """The N people of a frame, and the boxes of those who were detected and left out."""

    @property
    def left_out(self) -> Float32 | None: ...


def head_regions(poses: Detected) -> Float32:
    """Return where heads may be, (K, 4): of everybody, whatever their scores.

    A head is where its joints are, with a margin. Where they score below SURE, the upper part of
    the box is a region as well, and of people who lie, all of it; so it is for people left out,
    unless the box is another one of somebody whose head is sure.
    """
    people = range(len(poses.boxes))
    heads = np.array([_around_head(poses, person) for person in people], np.float32).reshape(-1, 4)
    is_sure = np.array([_is_sure(poses, person) for person in people], np.bool_)
    left_out = np.zeros((0, 4), np.float32) if poses.left_out is None else poses.left_out
    others = left_out[~_is_same_head(left_out, poses.boxes[is_sure], heads[is_sure])]
    regions = np.concatenate([heads, upper_parts(np.concatenate([poses.boxes[~is_sure], others]))])
    return np.asarray(regions[np.isfinite(regions).all(1)], np.float32)


def _is_same_head(left_out: Float32, boxes: Float32, heads: Float32) -> Bools:
    """Tell which boxes (K, 4) show somebody (P, 4) whose head region (P, 4) is in the upper part.

    A detector may give a second, worse box to someone.
    """
    area = np.minimum(box_area(left_out)[:, None], box_area(boxes)[None])  # (K, P)
    shared = shared_area(left_out[:, None], boxes[None])
    centre = (heads[None, :, :2] + heads[None, :, 2:]) / 2  # (1, P, 2)
    part = upper_parts(left_out)[:, None]  # (K, 1, 4)
    is_inside = ((centre > part[..., :2]) & (centre < part[..., 2:])).all(-1)
    return np.asarray((is_inside & (shared >= SAME_PERSON * area)).any(1), np.bool_)


def upper_parts(boxes: Float32) -> Float32:
    """Return the parts (K, 4) of people's boxes (K, 4) in which their heads are likely to be."""
    boxes = boxes.astype(np.float32)
    size = boxes[:, 2:] - boxes[:, :2]
    parts = np.concatenate(
        [boxes[:, :2] - BOX_MARGIN * size, boxes[:, 2:] + BOX_MARGIN * size], 1
    ).astype(np.float32)
    is_upright = size[:, 1] > size[:, 0]
    parts[is_upright, 3] = (boxes[:, 1] + UPPER_PART * size[:, 1])[is_upright]
    return parts


def pixelated(image: UInt8, regions: Float32) -> UInt8:
    """Return a copy of an image (height, width, 3) with regions (K, 4) as coarse mosaics."""
    result = np.array(image, order="C")
    height, width = image.shape[:2]
    limits = np.array([width, height, width, height])
    low = np.floor(regions[:, :2]).clip(0, limits[:2]).astype(int)
    high = np.ceil(regions[:, 2:]).clip(0, limits[2:]).astype(int)
    for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
        part = result[top:bottom, left:right]
        if part.size:
            part[:] = _mosaic(part)
    return result


def _mosaic(part: UInt8) -> UInt8:
    height, width = part.shape[:2]
    cell = max(min(height, width) / CELLS, 1)
    cells = max(round(width / cell), 1), max(round(height / cell), 1)
    small = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _head_points(poses: Detected, person: int) -> tuple[Float32, Float32]:
    """Return the joints of the head that are known, (P, 2), and their scores (P,)."""
    is_head = np.array([_is_of_head(name) for name in poses.joint_names], bool)
    points, scores = poses.keypoints[person][is_head], poses.scores[person][is_head]
    is_known = np.isfinite(points).all(1)
    return points[is_known], scores[is_known]


def _is_of_head(name: str) -> bool:
    return name in HEAD_JOINTS or name.startswith("face_")  # of whole bodies


def _is_sure(poses: Detected, person: int) -> bool:
    """Tell whether the head is where its joints are; scores that a file lacks (NaN) say no."""
    _, scores = _head_points(poses, person)
    return len(scores) > 0 and float(scores.mean()) >= SURE


def _around_head(poses: Detected, person: int) -> Float32:
    """Return the region (4,) about the head's joints, NaN where none is known."""
    points, _ = _head_points(poses, person)
    if not len(points):
        return np.full(4, np.nan, np.float32)
    low, high = points.min(0), points.max(0)
    head = _head_height(poses, person, float(np.linalg.norm(high - low)))
    centre = (low + high) / 2
    half = np.maximum((high - low) / 2 + MARGIN * head, SMALLEST * head / 2)
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def _head_height(poses: Detected, person: int, spread: float) -> float:
    """Return how high a head is at most, from what is known of the body, in pixels."""
    at = dict(zip(poses.joint_names, poses.keypoints[person], strict=True))
    unknown = np.full(2, np.nan, np.float32)
    shoulders, hips = (
        [at.get(f"{side}_{joint}", unknown) for side in ("left", "right")]
        for joint in ("shoulder", "hip")
    )
    sides = poses.boxes[person, 2:] - poses.boxes[person, :2]
    heights = [
        spread,
        HEAD_OF_SHOULDERS * float(np.linalg.norm(shoulders[0] - shoulders[1])),
        HEAD_OF_TORSO * float(np.linalg.norm(sum(shoulders) / 2 - sum(hips) / 2)),
        HEAD_OF_BOX * float(sides.max()),
    ]
    most = LARGEST * float(sides.max()) if np.isfinite(sides).all() else np.inf
    return min(float(np.nanmax(heights)), most)
