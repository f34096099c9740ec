"""Which joints of a pseudo-labelled person can be trusted, and how they are stored.

Only rules: no networks, no files. Axes: J joints in the order of POSETRACK_15.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tarvitpose.skeleton import POSETRACK_17
from tarvitpose.utils.arrays import Bools, Float32
from tools.teachers import JOINTS, KNOWN, TeacherPose

TRACK_FRAMES, BOX_HEIGHT = 20, 80  # shorter tracks and smaller boxes (pixels) are left out
TOLERANCE = 0.05  # of the box's height: people with closer joints are the same person
AGREEMENT = 0.06  # of the box's longer side: teachers agree up to this distance
MAX_SPREAD = 0.05  # of the box's longer side: largest distance of a view from the mean
TINYPOSE_SCORE, MOVENET_SCORE = 0.3, 0.2  # lowest scores where teachers agree
TINYPOSE_ALONE = 0.6  # lowest score of PP-TinyPose where MoveNet disagrees
TRUST_ALONE = 0.7  # factor of the trust in such a joint
TWIN_DISTANCE = 0.05  # of the box's height: closer left and right joints may be one joint
STILL = 0.01  # of the box's height: a person whose joints move less on average stands still
FULL_MOTION = 0.05  # of the box's height: motion between two frames that counts as 1
HEAD_SIDE = 0.13  # of the box's height: the side of the head box for PCKh

HEAD = np.array([JOINTS.index("head_bottom"), JOINTS.index("head_top")])
TWINS = np.array(
    [
        [JOINTS.index(f"{side}_{joint}") for side in ("left", "right")]
        for joint in ("elbow", "wrist", "knee", "ankle")
    ]
)


class TrackedBox(NamedTuple):
    """The box of a tracked person in one frame."""

    track: int
    box: Float32  # (4,), xyxy

    @property
    def height(self) -> float:
        return float(self.box[3] - self.box[1])


@dataclass(frozen=True)
class Label:
    """One labelled person of one frame."""

    frame: int  # index from 0 in the written images
    person: TrackedBox
    points: Float32  # (J, 2)
    trust: Float32  # (J,), 0 where there is no label

    @property
    def labelled(self) -> Bools:
        """Which joints are labelled, (J,)."""
        return self.trust > 0

    def scaled(self, scale: float) -> Label:
        """Return the label in an image resized by `scale`; (0, 0) is the centre of a pixel."""
        person = self.person._replace(box=np.float32(scale) * self.person.box)
        points = ((self.points + 0.5) * scale - 0.5).astype(np.float32)
        return replace(self, person=person, points=points)


class Consensus(NamedTuple):
    """The joints of one person by both teachers together."""

    points: Float32  # (J, 2), pixels of the image
    trust: Float32  # (J,), 0..1; 0 means no label
    agreed: Bools  # (J,), both teachers have the joint at one position


def consensus(tinypose: TeacherPose, movenet: TeacherPose, side: float) -> Consensus:
    """Combine the teachers' poses; `side` is the longer side of the person's box in pixels.

    Points are PP-TinyPose's, which was right far more often on labelled people.
    """
    distance = np.linalg.norm(tinypose.points - movenet.points, axis=-1)
    steady = KNOWN & (tinypose.spread <= MAX_SPREAD * side)
    agreed = steady & (distance <= AGREEMENT * side)
    agreed &= (tinypose.scores >= TINYPOSE_SCORE) & (movenet.scores >= MOVENET_SCORE)
    alone = steady & ~agreed & (tinypose.scores >= TINYPOSE_ALONE)
    trust = np.where(agreed, 1.0, alone * TRUST_ALONE * tinypose.scores.clip(0, 1))
    return Consensus(tinypose.points, trust.astype(np.float32), agreed)


def inside(points: Float32, size: tuple[int, int]) -> Bools:
    """Return which points (J, 2) lie in a frame of `size` (height, width)."""
    return np.asarray(((points >= 0) & (points <= np.array(size[::-1]) - 1)).all(-1))


def joint_trust(pose: Consensus, size: tuple[int, int], height: float) -> Float32:
    """Return the trust (J,) in a person's joints; the frame has `size` (height, width).

    It is 0 outside of the frame, and where a left and a right joint coincide without agreement of
    the teachers: one leg is often taken for both.
    """
    trust = pose.trust * inside(pose.points, size)
    doubled = TWINS[coincide(pose.points, height)]
    trust[doubled] *= pose.agreed[doubled]
    return np.asarray(trust, np.float32)


def coincide(points: Float32, height: float) -> Bools:
    """Return which of the four pairs of TWINS are at one position."""
    distance = np.linalg.norm(points[TWINS[:, 0]] - points[TWINS[:, 1]], axis=-1)
    return np.asarray(distance < TWIN_DISTANCE * height)


def keep_distinct(labels: list[Label]) -> list[Label]:
    """Drop people of one frame who have the joints of another: both boxes are of one person."""

    def same(a: Label, b: Label) -> bool:
        both = a.labelled & b.labelled
        distance = np.linalg.norm(a.points - b.points, axis=-1)[both]
        limit = TOLERANCE * a.person.height
        return a is not b and len(distance) > 0 and float(np.median(distance)) < limit

    return [a for a in labels if not any(same(a, b) for b in labels)]


def drop_still(labels: list[Label], last: dict[int, Label], gap: int) -> list[Label]:
    """Drop people who have hardly moved since their last label, less than `gap` frames ago.

    Otherwise most labels would be of bystanders. `last` has the last label of each track and is
    updated.
    """
    moved = []
    for label in labels:
        before = last.get(label.person.track)
        if before is None or label.frame - before.frame >= gap or not _is_still(before, label):
            moved.append(label)
    last.update({label.person.track: label for label in moved})
    return moved


def _is_still(before: Label, now: Label) -> bool:
    both = before.labelled & now.labelled
    moves = np.linalg.norm(before.points - now.points, axis=-1)[both]
    return len(moves) > 0 and float(moves.mean()) < STILL * now.person.height


def good_tracks(people: list[list[TrackedBox]]) -> list[list[TrackedBox]]:
    """Return, for each frame, the people who are large enough and on a long enough track."""
    large = [[person for person in frame if person.height >= BOX_HEIGHT] for frame in people]
    lengths = Counter(person.track for frame in large for person in frame)
    return [
        [person for person in frame if lengths[person.track] >= TRACK_FRAMES] for frame in large
    ]


def motion(people: list[list[TrackedBox]]) -> list[float]:
    """Return, for each frame, how many people move in it; a still person counts a tenth."""
    values: list[float] = []
    before: dict[int, Float32] = {}
    for frame in people:
        moves = [
            np.abs(person.box - before[person.track]).max() / (FULL_MOTION * person.height)
            for person in frame
            if person.track in before
        ]
        values.append(0.1 * len(frame) + float(sum(min(1.0, move) for move in moves)))
        before = {person.track: person.box for person in frame}
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
    """Return x, y, 1 for each of PoseTrack18's 17 joints; 0, 0, 0 without a label."""
    values: list[float] = []
    for name in POSETRACK_17.joints:
        at = JOINTS.index(name) if name in JOINTS else None
        if at is None or not label.labelled[at]:
            values += [0, 0, 0]
        else:
            values += [*(round(float(v), 2) for v in label.points[at]), 1]
    return values


def keypoint_weights(trust: Float32) -> list[float]:
    """Return the trust (J,) for each of PoseTrack18's 17 joints."""
    by_name = dict(zip(JOINTS, trust.tolist(), strict=True))
    return [round(by_name.get(name, 0.0), 3) for name in POSETRACK_17.joints]


def head_box(label: Label) -> list[float]:
    """Return a square xywh around the labelled part of the head, sized by the person's height.

    Without such a label, it is at the top of the person's box.
    """
    head = [i for i in (*HEAD, JOINTS.index("nose")) if label.labelled[i]]
    left, top, right, _ = label.person.box
    side = HEAD_SIDE * label.person.height
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
    left, top, right, bottom = (float(v) for v in label.person.box)
    return {
        "id": first * 100 + position,
        "image_id": first + label.frame,
        "category_id": 1,
        "track_id": label.person.track,
        "person_id": label.person.track,
        "bbox": [round(v, 2) for v in (left, top, right - left, bottom - top)],
        "bbox_head": head_box(label),
        "keypoints": flat_keypoints(label),
        "num_keypoints": int(label.labelled.sum()),
        "keypoint_weights": keypoint_weights(label.trust),
    }
