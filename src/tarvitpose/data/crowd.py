"""A second person beside the first, whom the model has to ignore.   Axes: T frames, J joints.

Images come without masks of people, so a person's outline is drawn from the joints: thick limbs,
a filled trunk and a head.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.config import BOX_PADDING
from tarvitpose.data.records import Record
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Float32, Float64, Generator, UInt8

TRUNK = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
FEWEST_JOINTS = 8  # with fewer, the outline would be that of a part
LIMB, HEAD = 0.085, 0.17  # widths, in heights of the person's box
FEATHER = 0.012  # of the outline's edge, in heights of the crop
HEIGHTS = (0.7, 1.15)  # of the newcomer's box, in those of the person's
ASIDE = (0.35, 0.9)  # how far beside the person, in widths of its box
UP_OR_DOWN = 0.08  # at most, in heights of its box
SPEED = 0.02  # at most, in heights of its box for each frame


def can_be_cut_out(record: Record) -> bool:
    """Return whether enough joints are known to draw the person's outline."""
    return int(record.labelled.sum()) >= FEWEST_JOINTS


def add_person(
    clip: UInt8,
    keypoints: Float32,
    visible: ArrayLike,
    *,
    current: int,
    image: UInt8,
    other: Record,
    joints: JointSet,
    rng: Generator,
) -> UInt8:
    """Put the person `other` of an RGB image into all frames of a clip (T, h, w, 3).

    `keypoints` (T, J, 2) and `visible` (J,) are the joints of the clip's person, in pixels of the
    crops. The newcomer stands half beside it, behind it as often as in front, and moves steadily.
    """
    height, width = clip.shape[1:3]
    known = np.asarray(visible) > 0
    if not known.any():
        return clip
    scale = rng.uniform(*HEIGHTS) * height / BOX_PADDING / max(1.0, other.box[3] - other.box[1])
    start = _standpoint(keypoints[current, known], (height, width), rng)
    speed = rng.uniform(-SPEED, SPEED, 2) * height
    mirrored, behind = rng.uniform(size=2) < 0.5
    turn = np.diag([-scale if mirrored else scale, scale])
    middle = np.array([other.box[0] + other.box[2], other.box[1] + other.box[3]]) / 2
    cut = outline(
        image.shape[:2], other.keypoints, other.visible, other.box[3] - other.box[1], joints
    )
    joined = clip.copy()
    for t, frame in enumerate(clip):
        moved = start + speed * (t - current) - turn @ middle
        matrix = np.column_stack([turn, moved])
        person = cv2.warpAffine(image, matrix, (width, height))
        share = cv2.warpAffine(cut.astype(np.float32), matrix, (width, height))
        share = cv2.GaussianBlur(share, (0, 0), FEATHER * height)
        if behind:
            person_height = height / BOX_PADDING
            person_mask = outline((height, width), keypoints[t], known, person_height, joints)
            share *= 1 - cv2.GaussianBlur(person_mask.astype(np.float32), (0, 0), FEATHER * height)
        mixed = frame + share[..., None] * (person.astype(np.float32) - frame)
        joined[t] = np.rint(mixed).astype(np.uint8)
    return joined


def _standpoint(points: Float32, size: tuple[int, int], rng: Generator) -> Float64:
    """The middle of the newcomer in the current frame, (2,)."""
    low, high = points.min(0), points.max(0)
    wide = max(float(high[0] - low[0]), size[0] / BOX_PADDING / 4)
    aside = rng.uniform(*ASIDE) * wide * (1 if rng.uniform() < 0.5 else -1)
    along = rng.uniform(-UP_OR_DOWN, UP_OR_DOWN) * size[0] / BOX_PADDING
    return np.asarray((low + high) / 2 + (aside, along), np.float64)


def outline(
    size: tuple[int, int], keypoints: ArrayLike, visible: ArrayLike, height: float, joints: JointSet
) -> UInt8:
    """Draw the area that a person covers: 1 inside, 0 outside, of `size` (h, w).

    `keypoints` (J, 2) are in pixels, `height` is that of the person's box.
    """
    mask = np.zeros(size, np.uint8)
    points = np.rint(np.asarray(keypoints)).astype(int).clip(-(2**14), 2**14)
    is_visible = np.asarray(visible) > 0
    for a, b in joints.limb_indices:
        if is_visible[a] and is_visible[b]:
            cv2.line(mask, points[a].tolist(), points[b].tolist(), 1, max(1, round(LIMB * height)))
    trunk = [joints.joints.index(name) for name in TRUNK]
    if is_visible[trunk].all():
        cv2.fillConvexPoly(mask, cv2.convexHull(points[trunk].astype(np.int32)), 1)
    head = [at for at, name in enumerate(joints.joints) if "_" not in name or "head" in name]
    for at in head:
        if is_visible[at]:
            cv2.circle(mask, points[at].tolist(), max(1, round(HEAD * height / 2)), 1, -1)
    return mask
