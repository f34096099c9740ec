"""Who is who, by how bodies move and what they wear.   Axes: N boxes, M tracks, D colours.

Time is counted in seconds and distance in heights of a person, so dropped frames, frames in which
nobody was detected and the size of the picture change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.geometry import box_area, shared_area
from tarvitpose.tracking.appearance import difference
from tarvitpose.tracking.camera import CameraMotion
from tarvitpose.tracking.lost import LostPeople
from tarvitpose.tracking.motion import Motion
from tarvitpose.tracking.pairing import paired
from tarvitpose.tracking.sighting import SURE, Body, Moment, Sighting, sightings
from tarvitpose.tracking.track import Carried, check_order
from tarvitpose.utils.arrays import Bools, Float32, Float64, Int64, UInt8

RATE = 30.0  # frames per second where nobody says when a frame was
LONGEST_ABSENCE = 1.5  # seconds without a box that a track outlasts
LONGEST_HIDDEN = 4.0  # that of somebody who vanished inside the picture
INSIDE, NEARLY, FILLED = 0.8, 0.65, 0.4  # shares of area, score and area that make a group
ALIKE = 0.45  # difference in colours: one person's are at 0.3, those of two at 0.6 to 0.8
APART = 0.1  # by how much the second best must differ more to recognise somebody


class BodyTracker:
    """Give every person a number that stays the same from frame to frame.

    Boxes and tracks are paired so that the sum of surprises is least: how far the edges of a box
    lie from where the motion of a track leads, given how much that says after this time, and how
    much its colours differ. Sure boxes come first, then the others, which continue the tracks that
    have no sure one, so someone half hidden is still followed, and last those of two people. From
    `start_threshold` on, what is left starts a track, but for a box that holds two people who are
    followed in the same frame. A track ends after LONGEST_ABSENCE without a box.

    Boxes below `continue_threshold` are faint: `LostPeople` goes on with them, and other boxes have
    the tracks that they would have without. With `looks_on` people without any box are for a moment
    where `carry` expects them, with a score of 0; something else has to see whether they are. An
    unsure box of a small part of somebody is none.

    With `reidentify`, somebody new who wears what somebody wore who was lost no more than so many
    seconds ago has that one's number again. Numbers start at 1 and are never given to others.
    """

    def __init__(
        self,
        start_threshold: float = 0.0,
        reidentify: float = 0.0,
        continue_threshold: float = 0.0,
        *,
        looks_on: bool = False,
    ) -> None:
        self.start_threshold, self.reidentify = start_threshold, reidentify
        self.continue_threshold = continue_threshold
        self._bodies: dict[int, Body] = {}
        self._lost = LostPeople(looks_on=looks_on)
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
        usual, faint = boxes[~is_faint], boxes[is_faint]
        self._retire()
        if image is not None:
            self._turn(self._camera.to(image, usual))
        now = Moment(index, self._time, image)
        ids = np.zeros(len(boxes), np.int64)
        ids[~is_faint], in_part = self._follow(sightings(usual, scores[~is_faint], now))
        lost = {n: body for n, body in sorted(self._bodies.items()) if body.last.index != index}
        ids[is_faint] = self._lost.update(
            lost, faint, scores[is_faint], usual, now, in_part=in_part
        )
        return ids

    def _follow(self, seen: Sequence[Sighting]) -> tuple[Int64, list[int]]:
        """Take in sightings that are not faint.

        Returns the track of each, (N,), and the tracks of whom one shows a small part alone.
        """
        moved = {n: body.motion.at(self._time) for n, body in sorted(self._bodies.items())}
        boxes = np.array([each.box for each in seen], np.float32).reshape(-1, 4)
        scores = np.array([each.score for each in seen], np.float32)
        turn = np.where(scores >= np.float32(max(self.start_threshold, SURE)), 0, 1)
        inside = members(boxes, scores)
        turn[inside.any(0)] = 2
        order = np.lexsort((*boxes.T[::-1], -scores))  # whatever order they come in
        ids = np.zeros(len(boxes), np.int64)
        for rows in (order[turn[order] == each] for each in range(3)):
            free = {n: motion for n, motion in moved.items() if n not in ids}
            ids[rows] = paired([seen[row] for row in rows], free, self._bodies)
        is_part = self._lost.parts(seen, ids, moved, self._bodies)
        in_part = ids[is_part].tolist()
        ids[is_part] = 0
        starts = (scores >= np.float32(self.start_threshold)) & (inside[ids > 0].sum(0) < 2)
        starts &= ~is_part
        for row in order.tolist():
            number = int(ids[row])
            if number:
                self._bodies[number] = self._bodies[number].follow(moved[number], seen[row])
            elif starts[row]:
                ids[row] = self._begin(seen[row])
        return ids, in_part

    def carry(self, index: int, time: float | None = None, /) -> Carried:
        """Return where the people of the last update are expected in frame `index`."""
        check_order(index, self._index, may_repeat=True)
        seen = {n: body for n, body in self._bodies.items() if body.last.index == self._index}
        now = dict(sorted((seen | self._lost.present).items()))
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
        self._bodies = {n: body.seen_by(camera) for n, body in self._bodies.items()}
        self._lost.turn(camera)

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

    def _begin(self, seen: Sighting) -> int:
        """Start a track, or go on with one that was lost; return its number."""
        number = self._recognised(seen)
        if number is None:
            number, self._next_id = self._next_id, self._next_id + 1
        self._absent.pop(number, None)
        motion = Motion.begin(seen.box.astype(np.float64), self._time)
        colours = seen.colours if seen.is_clear else None
        self._bodies[number] = Body(motion, seen, colours)
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


def _seconds(index: int, time: float | None) -> float:
    return index / RATE if time is None else time
