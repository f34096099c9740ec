"""Which joints of a pseudo-labelled person can be trusted, and how they are stored.

The pure part of `label_clips.py`: no networks, no files.

Axes: R looks at one person, J joints in the order of POSETRACK_15.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tarvitpose.results import Float32
from tarvitpose.skeleton import COCO_17, POSETRACK_15, POSETRACK_17

TRACK_FRAMES, BOX_HEIGHT = 20, 80  # shorter tracks and lower boxes (pixels) are left out
TOLERANCE = 0.05  # of the box's height
TEACHER_SCORE, HEAD_SCORE = 0.3, 0.5
TEACHER_SHARE = 0.65
TWIN_DISTANCE = 0.05  # of the box's height: closer, a left and a right joint may be one joint
STILL = 0.01  # of the box's height, the mean move of joints below which a person stands still
SWAP_GAIN = 4  # joints more that must fit before the student's sides are swapped
QUICK = 0.05  # of the box's height, a move between two frames that counts in full
HEAD_SIDE = 0.13  # of the box's height, the side of the head box that PCKh measures with
TEACHER_SIDE = 256

JOINTS = POSETRACK_15.joints
HEAD = np.array([JOINTS.index("head_bottom"), JOINTS.index("head_top")])
SHOULDERS = np.array([JOINTS.index("left_shoulder"), JOINTS.index("right_shoulder")])
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

Bools = NDArray[np.bool_]


class Seen(NamedTuple):
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
    seen: Seen
    points: Float32  # (J, 2)
    kept: Bools  # (J,)
    teachers_sides: bool = False  # whether the student had left and right the other way round

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


def is_close(teacher: Guess, student: Guess, height: float) -> Bools:
    """Return for which joints (J,) both networks name one place, whatever their scores."""
    apart = np.linalg.norm(teacher.points - student.points, axis=-1)
    return np.asarray(SHARED & (apart <= TOLERANCE * height))


def takes_sides_wrong(teacher: Guess, student: Guess, height: float) -> bool:
    """Return whether the student fits the teacher far better with all its sides swapped.

    Trained on people who face the camera, it takes backs for fronts. Its places count then, but
    left and right are the teacher's word alone: look at the pictures before you trust it.
    """
    straight, swapped = (
        int((is_close(teacher, guess, height) & (teacher.scores >= TEACHER_SCORE)).sum())
        for guess in (student, with_sides_swapped(student))
    )
    return swapped >= straight + SWAP_GAIN


def with_sides_swapped(guess: Guess) -> Guess:
    """Call every left joint right, and every right one left."""
    order = list(POSETRACK_15.flip_order)
    return Guess(guess.points[order], guess.scores[order], guess.spread[order])


def agree(
    teacher: Guess, student: Guess, height: float, size: tuple[int, int]
) -> tuple[Float32, Bools]:
    """Return the joints (J, 2) of one person, and which of them (J,) can be trusted.

    The nose and the limbs need both networks at one place and the teacher sure of itself,
    mirrored too. Both ends of the head are the student's: it must be sure, mirrored too, and
    right about both shoulders. No joint may lie outside the frame, of `size` (height, width),
    and none where its twin of the other side lies: often one leg was taken for both.
    """
    steady = teacher.spread <= TOLERANCE * height
    kept = is_close(teacher, student, height) & steady & (teacher.scores >= TEACHER_SCORE)
    points = TEACHER_SHARE * teacher.points + (1 - TEACHER_SHARE) * student.points
    points[HEAD] = student.points[HEAD]
    sure = (student.scores >= HEAD_SCORE) & (student.spread <= TOLERANCE * height)
    kept[HEAD] = sure[HEAD] & kept[SHOULDERS].all()
    kept &= ((points >= 0) & (points <= np.array(size[::-1]) - 1)).all(-1)
    kept[TWINS[are_one(points, height)]] = False
    return points.astype(np.float32), kept


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


def good_tracks(people: list[list[Seen]]) -> list[list[Seen]]:
    """Return of each frame those who are large enough and belong to a long enough track."""
    large = [[seen for seen in frame if seen.height >= BOX_HEIGHT] for frame in people]
    lengths = Counter(seen.track for frame in large for seen in frame)
    return [[seen for seen in frame if lengths[seen.track] >= TRACK_FRAMES] for frame in large]


def liveliness(people: list[list[Seen]]) -> list[float]:
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
        "teachers_sides": label.teachers_sides,  # no field of PoseTrack's; readers ignore it
    }
