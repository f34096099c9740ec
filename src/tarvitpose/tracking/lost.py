"""Going on with people whom no usual box shows.   Axes: N boxes, M people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tarvitpose.geometry import box_area, box_iou
from tarvitpose.tracking.motion import Motion
from tarvitpose.tracking.pairing import paired
from tarvitpose.tracking.sighting import SURE, Body, Moment, Sighting, covering, sightings
from tarvitpose.utils.arrays import Bools, Float32, Float64, Int64

FAINT = 1.0  # seconds after the last usual box in which faint ones go on with somebody
UNSEEN = 0.3  # seconds after the last box of all in which somebody is where they must be
PART = 0.2  # share of the expected area below which an unsure box is a part of somebody
AS_EXPECTED = 0.5  # overlap (IoU) of a faint box with where its person must be


class LostPeople:
    """Goes on with people in faint boxes, and for a moment without any.

    A faint box is somebody's for FAINT seconds, where it lies as expected and beside everybody
    else; nothing is learned from it but where to expect the next one. With `looks_on` who has none
    is for UNSEEN seconds where they must be, if that is beside everybody else or an unsure box
    shows a small part of them. Where two are lost in one place neither goes on: it could be either.
    """

    def __init__(self, *, looks_on: bool) -> None:
        self.looks_on = looks_on
        self.present: dict[int, Body] = {}  # who goes on in the newest frame, by track
        self._bodies: dict[int, Body] = {}  # everybody lost, as faint boxes go on with them

    def update(
        self,
        lost: Mapping[int, Body],
        boxes: Float32,
        scores: Float32,
        others: Float32,
        now: Moment,
        *,
        in_part: Collection[int],
    ) -> Int64:
        """Return the track of each faint box (N, 4), (N,), 0 where it is nobody's.

        `lost` (M) are the people who have none of the frame's usual boxes, `others` (K, 4), and
        `in_part` those of whom one shows a small part.
        """
        lost = {n: body for n, body in lost.items() if now.time - body.motion.time <= FAINT}
        self._bodies = {n: self._bodies.get(n, body) for n, body in lost.items()}
        moved = {n: body.motion.at(now.time) for n, body in self._bodies.items()}
        places = np.array([motion.box for motion in moved.values()]).reshape(-1, 4)
        is_expected = (box_iou(boxes, places) >= AS_EXPECTED).any(1)
        rows = np.flatnonzero(is_expected & ~covering(boxes, others).any(1))
        seen = sightings(boxes[rows], scores[rows], now)
        tracks = paired(seen, moved, lost)
        is_over_other = covering(boxes[rows], places) & (tracks[:, None] != [*moved])  # (N, M)
        tracks[is_over_other.any(1)] = 0
        self.present = {
            number: self._bodies[number].follow(moved[number], each)
            for number, each in zip(tracks.tolist(), seen, strict=True)
            if number
        }
        self._bodies |= self.present
        if self.looks_on:
            self.present |= self._unseen(moved, others, in_part)
        ids = np.zeros(len(boxes), np.int64)
        ids[rows] = tracks
        return ids

    def parts(
        self,
        seen: Sequence[Sighting],
        ids: Int64,
        moved: Mapping[int, Motion],
        bodies: Mapping[int, Body],
    ) -> Bools:
        """Tell which usual boxes (N,) are small parts of who can be without a box at this moment.

        `ids` are their tracks, `moved` says where those are expected. Such boxes are unsure.
        """
        is_part = np.zeros(len(seen), bool)
        for row, (number, each) in enumerate(zip(ids.tolist(), seen, strict=True)):
            if number and self.looks_on and each.score < SURE:
                expected, last = moved[number], bodies[number].motion.time
                is_small = box_area(each.box) < PART * box_area(expected.box)
                is_part[row] = is_small and expected.time - last <= UNSEEN
        return is_part

    def turn(self, camera: Float64) -> None:
        """Move everybody as the camera turned; `camera` (2, 3) takes old points to new ones."""
        self._bodies = {n: body.seen_by(camera) for n, body in self._bodies.items()}

    def _unseen(
        self, moved: Mapping[int, Motion], others: Float32, in_part: Collection[int]
    ) -> dict[int, Body]:
        """Return who has no box at all at where they must be, with a score of 0."""
        places = np.array([motion.box for motion in moved.values()]).reshape(-1, 4)
        is_free = ~covering(places, others).any(1) & (covering(places, places).sum(1) == 1)
        is_free |= np.isin([*moved], [*in_part])
        unseen = {}
        for (number, motion), free in zip(moved.items(), is_free.tolist(), strict=True):
            body = self._bodies[number]
            if free and number not in self.present and motion.time - body.motion.time <= UNSEEN:
                last = replace(body.last, box=motion.box.astype(np.float32), score=0.0)
                unseen[number] = replace(body, motion=motion, last=last)
        return unseen
