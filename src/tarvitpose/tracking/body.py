"""Who is who, by how bodies move and what they wear.   Axes: N boxes, M tracks, D colours.

Time is counted in seconds and distance in heights of a person, so dropped frames, frames in which
nobody was detected and the size of the picture change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.geometry import box_area, box_iou, shared_area
from tarvitpose.tracking.appearance import describe, difference
from tarvitpose.tracking.camera import CameraMotion
from tarvitpose.tracking.motion import Motion
from tarvitpose.tracking.track import Carried, check_order
from tarvitpose.utils.arrays import Bools, Float32, Float64, Int64, UInt8
from tarvitpose.utils.assignment import assign

RATE = 30.0  # frames per second where nobody says when a frame was
SURE = 0.4  # score of a box from which it is paired before others
ALONE = 26.0  # surprise from which a box and a track rather stay alone
CLOTHES = 12.0  # surprise of clothes that share no colour
UNKNOWN = 0.2  # squared difference that is assumed where the clothes were never seen
LONGEST_ABSENCE = 1.5  # seconds without a box that a track outlasts
LONGEST_HIDDEN = 4.0  # that of somebody who vanished inside the picture
LATE = 0.5  # seconds without a box after which clothes must be alike
UNLIKE = 0.7  # difference in colours from which somebody who comes back late is another
BORDER = 0.01  # share of the picture's longer side from which a box is inside
FAINT = 1.0  # seconds in which faint boxes alone continue a track
AS_EXPECTED = 0.5  # overlap (IoU) of a faint box with where its person must be
INSIDE, NEARLY, FILLED = 0.8, 0.65, 0.4  # shares of area, score and area that make a group
COVERED = 0.3  # share of a box inside another from which its colours are not the person's
LEARNING = 0.1  # weight of the newest colours
ALIKE = 0.45  # difference in colours: one person's are at 0.3, those of two at 0.6 to 0.8
APART = 0.1  # by how much the second best must differ more to recognise somebody


@dataclass(frozen=True)
class Sighting:
    """Somebody in one frame."""

    box: Float32  # (4,), xyxy, as detected
    score: float  # of the box
    index: int  # of the frame
    colours: Float32 | None  # (D,), None without an image
    is_clear: bool  # whether nobody else stands in most of the box
    is_inside: bool  # whether the box is known to reach no border of the picture


@dataclass(frozen=True)
class Body:
    """One person: motion, last sighting, and colours from when nobody stood in front."""

    motion: Motion
    last: Sighting
    colours: Float32 | None
    was_sure: bool  # whether a box ever was

    def follow(self, motion: Motion, seen: Sighting) -> Body:
        """Return the person after a sighting, `motion` being what was expected at its time."""
        colours = self.colours
        if seen.is_clear and seen.colours is not None:
            colours = seen.colours if colours is None else _blended(colours, seen.colours)
        was_sure = self.was_sure or seen.score >= SURE
        return Body(motion.follow(seen.box.astype(np.float64)), seen, colours, was_sure)


class BodyTracker:
    """Give every person a number that stays the same from frame to frame.

    Boxes and tracks are paired so that the sum of surprises is least: how far the edges of a box
    lie from where the motion of a track leads, given how much that says after this time, and how
    much its colours differ. Sure boxes come first, then the others, which continue the tracks that
    have no sure one, so someone half hidden is still followed, and last those of two people. From
    `start_threshold` on, what is left starts a track, but for a box that holds two people who are
    followed in the same frame. A track ends after LONGEST_ABSENCE without a box.

    Boxes below `continue_threshold` are faint. One continues a track that ever had a sure box and
    has no other, for FAINT seconds, where it lies as expected and beside everybody else. Nothing
    is learned from it but where to expect the next faint one: other boxes have the tracks that
    they would have without it.

    With `reidentify`, somebody new who wears what somebody wore who was lost no more than so many
    seconds ago has that one's number again. Numbers start at 1 and are never given to others.
    """

    def __init__(
        self,
        start_threshold: float = 0.0,
        reidentify: float = 0.0,
        continue_threshold: float = 0.0,
    ) -> None:
        self.start_threshold, self.reidentify = start_threshold, reidentify
        self.continue_threshold = continue_threshold
        self._bodies: dict[int, Body] = {}
        self._faint: dict[int, Body] = {}  # people as faint boxes go on with them
        self._absent: dict[int, Body] = {}
        self._next_id = 1
        self._index: int | None = None
        self._time = -np.inf
        self._camera = CameraMotion()

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        index: int,
        time: float | None = None,
        image: UInt8 | None = None,
        /,
    ) -> Int64:
        """Return the track of each box, (N,), as `Tracker.update` says.

        Without `time` frames come 30 a second; without `image` motion alone decides.
        """
        check_order(index, self._index)
        self._index, self._time = index, _seconds(index, time)
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        scores = np.asarray(scores, np.float32).reshape(-1)
        is_faint = scores < np.float32(self.continue_threshold)
        rows, faint = np.flatnonzero(~is_faint), np.flatnonzero(is_faint)
        self._retire()
        if image is not None:
            self._turn(self._camera.to(image, boxes[rows]))
        moved = {number: body.motion.at(self._time) for number, body in self._bodies.items()}
        ids = np.zeros(len(boxes), np.int64)
        ids[rows] = self._follow(_sightings(boxes[rows], scores[rows], index, image), moved)
        may_go_on = {n: self._bodies[n] for n in sorted(moved) if self._may_go_on(n)}
        self._faint = {n: self._faint.get(n, body) for n, body in may_go_on.items()}
        lost = {number: body.motion.at(self._time) for number, body in self._faint.items()}
        faint = faint[_is_expected(boxes[faint], lost.values(), boxes[rows])]
        ids[faint] = self._follow_faint(_sightings(boxes[faint], scores[faint], index, image), lost)
        return ids

    def _follow(self, seen: Sequence[Sighting], moved: dict[int, Motion]) -> Int64:
        """Return the track of each sighting that is not faint, (N,), and take them in."""
        boxes = np.array([each.box for each in seen], np.float32).reshape(-1, 4)
        scores = np.array([each.score for each in seen], np.float32)
        turn = np.where(scores >= np.float32(max(self.start_threshold, SURE)), 0, 1)
        inside = members(boxes, scores)
        turn[inside.any(0)] = 2
        order = np.lexsort((*boxes.T[::-1], -scores))  # whatever order they come in
        ids = np.zeros(len(boxes), np.int64)
        for rows in (order[turn[order] == each] for each in range(3)):
            free = sorted(moved.keys() - set(ids.tolist()))
            ids[rows] = self._pairs([seen[row] for row in rows], free, moved)
        starts = (scores >= np.float32(self.start_threshold)) & (inside[ids > 0].sum(0) < 2)
        for row in order.tolist():
            number = int(ids[row])
            if number:
                self._bodies[number] = self._bodies[number].follow(moved[number], seen[row])
            elif starts[row]:
                ids[row] = self._begin(seen[row])
        return ids

    def _follow_faint(self, seen: Sequence[Sighting], lost: dict[int, Motion]) -> Int64:
        """Return the track of each faint sighting, (N,).

        Where two are lost in one place neither goes on: it could be either.
        """
        ids = self._pairs(seen, [*lost], lost)
        boxes = np.array([each.box for each in seen], np.float64).reshape(-1, 4)
        places = np.array([motion.box for motion in lost.values()]).reshape(-1, 4)
        shared = shared_area(boxes[:, None], places)  # (N, M)
        is_over = (shared >= COVERED * box_area(boxes)[:, None]) & (ids[:, None] != [*lost])
        ids[is_over.any(1)] = 0
        for row, number in enumerate(ids.tolist()):
            if number:
                self._faint[number] = self._faint[number].follow(lost[number], seen[row])
        return ids

    def _may_go_on(self, number: int) -> bool:
        """Whether a faint box may continue a track in this frame."""
        body = self._bodies[number]
        is_late = self._time - body.motion.time > FAINT
        return body.last.index != self._index and body.was_sure and not is_late

    def carry(self, index: int, time: float | None = None, /) -> Carried:
        """Return where the people of the last update are expected in frame `index`."""
        check_order(index, self._index, may_repeat=True)
        now = {
            number: body
            for number, body in sorted((self._bodies | self._faint).items())
            if body.last.index == self._index
        }
        later = max(_seconds(index, time), self._time)
        boxes = [
            body.last.box + np.tile(body.motion.at(later).centre - body.motion.centre, 2)
            for body in now.values()
        ]
        return Carried(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array([body.last.score for body in now.values()], np.float32),
            np.array([*now], np.int64),
        )

    def _turn(self, camera: Float64) -> None:
        """Move everybody as the camera turned; `camera` (2, 3) takes old points to new ones."""
        self._bodies, self._faint = (
            {n: replace(body, motion=body.motion.seen_by(camera)) for n, body in bodies.items()}
            for bodies in (self._bodies, self._faint)
        )

    def _retire(self) -> None:
        """End the tracks that were not seen for too long, and remember them for a while."""
        for number, body in list(self._bodies.items()):
            longest = LONGEST_HIDDEN if body.last.is_inside else LONGEST_ABSENCE
            if self._time - body.motion.time > longest:
                self._absent[number] = self._bodies.pop(number)
        self._absent = {
            number: body
            for number, body in self._absent.items()
            if self._time - body.motion.time <= self.reidentify
        }

    def _pairs(
        self, seen: Sequence[Sighting], free: Sequence[int], moved: dict[int, Motion]
    ) -> Int64:
        """Return which of the `free` tracks each sighting belongs to, (N,), 0 where to none."""
        ids = np.zeros(len(seen), np.int64)
        if not (len(seen) and free):
            return ids
        boxes = np.array([each.box for each in seen], np.float64)
        possible = np.stack([moved[number].can_be(boxes) for number in free], 1)  # (N, M)
        cost = np.stack([moved[n].surprise(boxes) + moved[n].doubt for n in free], 1)
        bodies = [self._bodies[number] for number in free]
        strange = CLOTHES * np.square(_unlike(seen, bodies))
        late = [self._time - body.motion.time > LATE for body in bodies]
        possible &= ~(np.array(late) & (strange >= CLOTHES * UNLIKE**2))
        cost += strange
        benefit = np.where(possible, np.maximum(ALONE - cost, 0), 0)
        rows, columns = assign(benefit)
        is_pair = benefit[rows, columns] > 0
        ids[rows[is_pair]] = np.array(free)[columns[is_pair]]
        return ids

    def _begin(self, seen: Sighting) -> int:
        """Start a track, or go on with one that was lost; return its number."""
        number = self._recognised(seen)
        if number is None:
            number, self._next_id = self._next_id, self._next_id + 1
        self._absent.pop(number, None)
        motion = Motion.begin(seen.box.astype(np.float64), self._time)
        colours = seen.colours if seen.is_clear else None
        self._bodies[number] = Body(motion, seen, colours, seen.score >= SURE)
        return number

    def _recognised(self, seen: Sighting) -> int | None:
        """Return the absent person who wears these colours, if one does and no second."""
        if seen.colours is None or not seen.is_clear:
            return None
        unlike = sorted(
            (float(difference(body.colours, seen.colours)), number)
            for number, body in self._absent.items()
            if body.colours is not None
        )
        if not unlike or unlike[0][0] > ALIKE:
            return None
        is_clear = len(unlike) == 1 or unlike[1][0] > unlike[0][0] + APART
        return unlike[0][1] if is_clear else None


def _sightings(boxes: Float32, scores: Float32, index: int, image: UInt8 | None) -> list[Sighting]:
    colours: Sequence[Float32 | None] = [None] * len(boxes)
    inside = np.zeros(len(boxes), bool)
    if image is not None:
        colours = list(describe(image, boxes))
        size = np.array(image.shape[1::-1])
        border = BORDER * size.max()
        inside = ((boxes[:, :2] > border) & (boxes[:, 2:] < size - border)).all(1)
    return [
        Sighting(box, score, index, own, *flags)
        for box, score, own, *flags in zip(
            boxes, scores.tolist(), colours, uncovered(boxes).tolist(), inside.tolist(), strict=True
        )
    ]


def _is_expected(boxes: Float32, lost: Iterable[Motion], others: Float32) -> Bools:
    """Tell which faint boxes lie where somebody lost must be and beside `others` (K, 4), (N,)."""
    expected = np.reshape([motion.box for motion in lost], (-1, 4))
    fits = (box_iou(boxes, expected) >= AS_EXPECTED).any(1)
    shared = shared_area(boxes[:, None], others).max(1, initial=0)
    return np.asarray(fits & (shared < COVERED * box_area(boxes)))


def _unlike(seen: Sequence[Sighting], bodies: Sequence[Body]) -> Float64:
    """Return how much the colours of each sighting and each body differ, (N, M)."""
    unlike = np.full((len(seen), len(bodies)), np.sqrt(UNKNOWN))
    rows = [row for row, each in enumerate(seen) if each.colours is not None]
    columns = [column for column, body in enumerate(bodies) if body.colours is not None]
    if rows and columns:
        first = np.array([seen[row].colours for row in rows])
        second = np.array([bodies[column].colours for column in columns])
        unlike[np.ix_(rows, columns)] = difference(first[:, None], second)
    return unlike


def uncovered(boxes: Float32) -> Bools:
    """Tell for each box (N, 4) xyxy whether every other one leaves most of it free.

    >>> uncovered(np.float32([[0, 0, 10, 10], [8, 0, 18, 10], [8, 4, 12, 10]])).tolist()
    [True, True, False]
    """
    shared = shared_area(boxes[:, None], boxes)  # (N, N)
    np.fill_diagonal(shared, 0)
    area = np.maximum(box_area(boxes), 1e-9)
    return np.asarray((shared / area[:, None]).max(1, initial=0) < COVERED)


def members(boxes: Float32, scores: Float32) -> Bools:
    """Tell which boxes are the people of which group, (N, N), for boxes (N, 4) xyxy.

    A group is a box that holds two others which score nearly as much. Its column has those.

    >>> boxes = np.float32([[0, 0, 30, 20], [0, 0, 10, 20], [20, 0, 30, 20]])
    >>> members(boxes, np.float32([0.5, 0.4, 0.4])).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [1, 0, 0]]
    """
    area = box_area(boxes)
    is_inside = shared_area(boxes[:, None], boxes) >= INSIDE * area[:, None]  # (N, N)
    is_inside &= (area[:, None] < area) & (scores[:, None] >= NEARLY * scores)
    filled = (is_inside * area[:, None]).sum(0)
    is_group = (is_inside.sum(0) > 1) & (filled >= FILLED * area)
    return np.asarray(is_inside & is_group)


def _blended(known: Float32, newest: Float32) -> Float32:
    """Return colours (D,) with a little of the newest; square roots of histograms stay such."""
    squares: Float64 = (1 - LEARNING) * known.astype(np.float64) ** 2 + LEARNING * newest**2
    return np.asarray(np.sqrt(squares), np.float32)


def _seconds(index: int, time: float | None) -> float:
    return index / RATE if time is None else time
