"""Which joints of a pseudo-labelled person can be trusted, and how they are stored.

The pure part of `label_clips.py`: no networks, no files.

Axes: R looks at one person, J joints in the order of POSETRACK_15.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tarvitpose.skeleton import COCO_17, POSETRACK_15, POSETRACK_17
from tarvitpose.utils.arrays import Bools, Float32

TRACK_FRAMES, BOX_HEIGHT = 20, 80  # shorter tracks and lower boxes (pixels) are left out
TOLERANCE = 0.05  # of the box's height: closer, two people are the same
AGREE = 0.06  # of the box's longer side: at most so far apart, both teachers name one place
STEADY = 0.05  # of the box's longer side: how far a look may be from the mean of all looks
TINYPOSE_SEES, MOVENET_SEES = 0.3, 0.2  # least scores where both agree
TINYPOSE_SURE = 0.6  # least score where MoveNet does not agree
ALONE = 0.7  # the trust in a joint that PP-TinyPose alone has placed
TWIN_DISTANCE = 0.05  # of the box's height: closer, a left and a right joint may be one joint
STILL = 0.01  # of the box's height, the mean move of joints below which a person stands still
QUICK = 0.05  # of the box's height, a move between two frames that counts in full
HEAD_SIDE = 0.13  # of the box's height, the side of the head box that PCKh measures with
TEACHER_SIDE = 256

JOINTS = POSETRACK_15.joints
HEAD = np.array([JOINTS.index("head_bottom"), JOINTS.index("head_top")])
TWINS = np.array(
    [
        [JOINTS.index(f"{side}_{joint}") for side in ("left", "right")]
        for joint in ("elbow", "wrist", "knee", "ankle")
    ]
)
SHARED = np.array([name in COCO_17.joints for name in JOINTS])  # what the teacher knows
FROM_COCO = np.array(
    [COCO_17.joints.index(name) if name in COCO_17.joints else 0 for name in JOINTS]
)


class TrackedFrame(NamedTuple):
    """One detected person of one frame."""

    track: int
    box: Float32  # (4,), xyxy

    @property
    def height(self) -> float:
        return float(self.box[3] - self.box[1])


class Guess(NamedTuple):
    """What one network says about one person, over all its looks."""

    points: Float32  # (J, 2), the mean, pixels of the frame
    scores: Float32  # (J,), the mean, 0..1
    spread: Float32  # (J,), how far the worst look is from the mean, pixels


@dataclass(frozen=True)
class Label:
    """One labelled person of one frame."""

    frame: int  # from 0, in the images that are written
    seen: TrackedFrame
    points: Float32  # (J, 2)
    trust: Float32  # (J,), 0 where nothing is labelled

    @property
    def kept(self) -> Bools:
        """Which joints are labelled, (J,)."""
        return self.trust > 0

    def scaled(self, scale: float) -> Label:
        """Return the label in an image resized by `scale`; points lie on centres of pixels."""
        seen = self.seen._replace(box=np.float32(scale) * self.seen.box)
        points = ((self.points + 0.5) * scale - 0.5).astype(np.float32)
        return replace(self, seen=seen, points=points)


def average_looks(points: Float32, scores: Float32) -> Guess:
    """Join the looks of one network, points (R, J, 2) and scores (R, J)."""
    mean = points.mean(0)
    spread = np.linalg.norm(points - mean, axis=-1).max(0)
    return Guess(mean, scores.mean(0), spread)


def read_movenet(output: Float32, mirrored: bool) -> tuple[Float32, Float32]:
    """Turn MoveNet's rows (17, 3) of y, x, score into crop pixels (J, 2) and scores (J,).

    Joints that MoveNet does not know have score 0. Of a mirrored crop the points are mirrored
    back, and left and right change names.
    """
    rows = output[list(COCO_17.flip_order)] if mirrored else output
    points = rows[FROM_COCO, 1::-1] * TEACHER_SIDE
    if mirrored:
        points[:, 0] = TEACHER_SIDE - points[:, 0]
    return points.astype(np.float32), (rows[FROM_COCO, 2] * SHARED).astype(np.float32)


class Opinion(NamedTuple):
    """What the teachers together say about one person."""

    points: Float32  # (J, 2), pixels of the image
    trust: Float32  # (J,), 0 where neither is to be believed
    agreed: Bools  # (J,), both name one place


def opinion(tinypose: Guess, movenet: Guess, side: float) -> Opinion:
    """Return what to believe; `side` is the longer side of the person's box in pixels.

    PP-TinyPose decides: on labelled people it is right far more often.
    """
    apart = np.linalg.norm(tinypose.points - movenet.points, axis=-1)
    steady = SHARED & (tinypose.spread <= STEADY * side)
    agreed = steady & (apart <= AGREE * side)
    agreed &= (tinypose.scores >= TINYPOSE_SEES) & (movenet.scores >= MOVENET_SEES)
    alone = steady & ~agreed & (tinypose.scores >= TINYPOSE_SURE)
    trust = np.where(agreed, 1.0, alone * ALONE * tinypose.scores.clip(0, 1))
    return Opinion(tinypose.points, trust.astype(np.float32), agreed)


def inside(points: Float32, size: tuple[int, int]) -> Bools:
    """Return which points (J, 2) lie in a frame of `size` (height, width)."""
    return np.asarray(((points >= 0) & (points <= np.array(size[::-1]) - 1)).all(-1))


def trusted(seen: Opinion, size: tuple[int, int], height: float) -> Float32:
    """Return the trust (J,) in the joints of a person of a frame of `size` (height, width).

    None where a joint lies outside, or where its twin of the other side lies and only one teacher
    was asked: often one leg is taken for both.
    """
    trust = seen.trust * inside(seen.points, size)
    doubled = TWINS[are_one(seen.points, height)]
    trust[doubled] *= seen.agreed[doubled]
    return np.asarray(trust, np.float32)


def are_one(points: Float32, height: float) -> Bools:
    """Return which of the four pairs of TWINS lie at one place, kept or not."""
    apart = np.linalg.norm(points[TWINS[:, 0]] - points[TWINS[:, 1]], axis=-1)
    return np.asarray(apart < TWIN_DISTANCE * height)


def keep_distinct(labels: list[Label]) -> list[Label]:
    """Drop people of one frame whose joints are another's: both boxes found the same person."""

    def same(a: Label, b: Label) -> bool:
        both = a.kept & b.kept
        apart = np.linalg.norm(a.points - b.points, axis=-1)[both]
        return a is not b and len(apart) > 0 and np.median(apart) < TOLERANCE * a.seen.height

    return [a for a in labels if not any(same(a, b) for b in labels)]


def drop_still(labels: list[Label], last: dict[int, Label], gap: int) -> list[Label]:
    """Drop those who have hardly moved since their last label, if that is under `gap` frames ago.

    Else bystanders would be most of the labels. `last` has the last label of each track and is
    brought up to date.
    """
    moved = []
    for label in labels:
        before = last.get(label.seen.track)
        if before is None or label.frame - before.frame >= gap or not _is_still(before, label):
            moved.append(label)
    last.update({label.seen.track: label for label in moved})
    return moved


def _is_still(before: Label, now: Label) -> bool:
    both = before.kept & now.kept
    moves = np.linalg.norm(before.points - now.points, axis=-1)[both]
    return len(moves) > 0 and float(moves.mean()) < STILL * now.seen.height


def good_tracks(people: list[list[TrackedFrame]]) -> list[list[TrackedFrame]]:
    """Return of each frame those who are large enough and belong to a long enough track."""
    large = [[seen for seen in frame if seen.height >= BOX_HEIGHT] for frame in people]
    lengths = Counter(seen.track for frame in large for seen in frame)
    return [[seen for seen in frame if lengths[seen.track] >= TRACK_FRAMES] for frame in large]


def liveliness(people: list[list[TrackedFrame]]) -> list[float]:
    """Return for each frame how many people move in it; one who stands still is a tenth."""
    values: list[float] = []
    before: dict[int, Float32] = {}
    for frame in people:
        moves = [
            np.abs(seen.box - before[seen.track]).max() / (QUICK * seen.height)
            for seen in frame
            if seen.track in before
        ]
        values.append(0.1 * len(frame) + float(sum(min(1.0, move) for move in moves)))
        before = {seen.track: seen.box for seen in frame}
    return values


def best_range(values: list[float], length: int) -> range:
    """Return the first run of at most `length` frames with the largest sum.

    >>> best_range([0, 1, 2, 2, 0], 2)
    range(2, 4)
    """
    totals = np.concatenate([[0], np.cumsum(values)])
    length = min(length, len(values))
    start = int(np.argmax(totals[length:] - totals[: len(totals) - length]))
    return range(start, start + length)


# --- PoseTrack18's layout -------------------------------------------------------------------


def flat_keypoints(label: Label) -> list[float]:
    """Return x, y, 1 for each of PoseTrack18's 17 slots; 0, 0, 0 where nothing was kept."""
    values: list[float] = []
    for name in POSETRACK_17.joints:
        at = JOINTS.index(name) if name in JOINTS else None
        if at is None or not label.kept[at]:
            values += [0, 0, 0]
        else:
            values += [*(round(float(v), 2) for v in label.points[at]), 1]
    return values


def slots(trust: Float32) -> list[float]:
    """Return the trust (J,) for each of PoseTrack18's 17 slots."""
    by_name = dict(zip(JOINTS, trust.tolist(), strict=True))
    return [round(by_name.get(name, 0.0), 3) for name in POSETRACK_17.joints]


def head_box(label: Label) -> list[float]:
    """Return a square xywh around the labelled part of the head, sized by the person's height.

    Without a label there, it lies at the top of the person's box.
    """
    head = [i for i in (*HEAD, JOINTS.index("nose")) if label.kept[i]]
    left, top, right, _ = label.seen.box
    side = HEAD_SIDE * label.seen.height
    middle = label.points[head].mean(0) if head else ((left + right) / 2, top + side / 2)
    return [round(float(v), 2) for v in (middle[0] - side / 2, middle[1] - side / 2, side, side)]


def posetrack18(
    video: str, number: int, frames: int, labels: list[Label], ignored: dict[int, list[Float32]]
) -> dict[str, Any]:
    """Return the content of one video's file. `ignored` are boxes by frame, xyxy."""
    first = 10_000_000_000 + number * 10_000
    labelled = {label.frame for label in labels}
    images = []
    for i in range(frames):
        corners = [[float(v) for v in box] for box in ignored.get(i, [])]
        images.append(
            {
                "file_name": f"images/{video}/{i:06d}.jpg",
                "id": first + i,
                "frame_id": first + i,
                "vid_id": f"{number:06d}",
                "nframes": frames,
                "is_labeled": i in labelled,
                "ignore_regions_x": [[x0, x1, x1, x0] for x0, _, x1, _ in corners],
                "ignore_regions_y": [[y0, y0, y1, y1] for _, y0, _, y1 in corners],
            }
        )
    annotations = [_annotation(label, first, position) for position, label in enumerate(labels)]
    category = {"supercategory": "person", "id": 1, "name": "person"}
    category["keypoints"] = list(POSETRACK_17.joints)
    return {"images": images, "annotations": annotations, "categories": [category]}


def _annotation(label: Label, first: int, position: int) -> dict[str, Any]:
    left, top, right, bottom = (float(v) for v in label.seen.box)
    return {
        "id": first * 100 + position,
        "image_id": first + label.frame,
        "category_id": 1,
        "track_id": label.seen.track,
        "person_id": label.seen.track,
        "bbox": [round(v, 2) for v in (left, top, right - left, bottom - top)],
        "bbox_head": head_box(label),
        "keypoints": flat_keypoints(label),
        "num_keypoints": int(label.kept.sum()),
        "keypoint_weights": slots(label.trust),
    }
