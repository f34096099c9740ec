"""Somebody in one frame, and one person over time.   Axes: N boxes, D colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.geometry import box_area, shared_area
from tarvitpose.tracking.appearance import describe
from tarvitpose.tracking.motion import Motion
from tarvitpose.utils.arrays import Bools, Float32, Float64, UInt8

SURE = 0.4  # score of a box from which it is paired before others
BORDER = 0.01  # share of the picture's longer side from which a box is inside
COVERED = 0.3  # share of a box inside another from which it may be that one's
LEARNING = 0.1  # weight of the newest colours


@dataclass(frozen=True)
class Moment:
    """One frame."""

    index: int
    time: float  # seconds
    image: UInt8 | None  # (height, width, 3), RGB


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

    def follow(self, motion: Motion, seen: Sighting) -> Body:
        """Return the person after a sighting, `motion` being what was expected at its time."""
        colours = self.colours
        if seen.is_clear and seen.colours is not None:
            colours = seen.colours if colours is None else _blended(colours, seen.colours)
        return Body(motion.follow(seen.box.astype(np.float64)), seen, colours)

    def seen_by(self, camera: Float64) -> Body:
        """Return the same after the camera turned; `camera` (2, 3) takes old points to new ones."""
        return replace(self, motion=self.motion.seen_by(camera))


def sightings(boxes: Float32, scores: Float32, now: Moment) -> list[Sighting]:
    """Return what is seen at boxes (N, 4) of scores (N,)."""
    colours: Sequence[Float32 | None] = [None] * len(boxes)
    inside = np.zeros(len(boxes), bool)
    if now.image is not None:
        colours = list(describe(now.image, boxes))
        size = np.array(now.image.shape[1::-1])
        border = BORDER * size.max()
        inside = ((boxes[:, :2] > border) & (boxes[:, 2:] < size - border)).all(1)
    return [
        Sighting(box, score, now.index, own, *flags)
        for box, score, own, *flags in zip(
            boxes, scores.tolist(), colours, uncovered(boxes).tolist(), inside.tolist(), strict=True
        )
    ]


def uncovered(boxes: Float32) -> Bools:
    """Tell for each box (N, 4) xyxy whether every other one leaves most of it free.

    >>> uncovered(np.float32([[0, 0, 10, 10], [8, 0, 18, 10], [8, 4, 12, 10]])).tolist()
    [True, True, False]
    """
    covered = covering(boxes, boxes)
    np.fill_diagonal(covered, val=False)
    return np.asarray(~covered.any(1))


def covering(boxes: ArrayLike, others: ArrayLike) -> Bools:
    """Tell which others (K, 4) lie over COVERED of which boxes (N, 4) xyxy, (N, K)."""
    first, second = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    area = np.maximum(box_area(first), 1e-9)
    return np.asarray(shared_area(first[:, None], second) >= COVERED * area[:, None])


def _blended(known: Float32, newest: Float32) -> Float32:
    """Return colours (D,) with a little of the newest; square roots of histograms stay such."""
    squares: Float64 = (1 - LEARNING) * known.astype(np.float64) ** 2 + LEARNING * newest**2
    return np.asarray(np.sqrt(squares), np.float32)
