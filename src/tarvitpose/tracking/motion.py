"""Where a body is and will be, in seconds and in heights of the body.   Axes: N boxes.

All noise is in heights of the person, so that neither the size of the picture nor the distance to
the camera matters, and grows with the time that passed, so that neither frame rate nor dropped
frames do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tarvitpose.utils.arrays import Bools, Float64

EDGE_NOISE = 0.1  # heights: how far a detector's edge lies from where it lay before
RESTLESSNESS = 0.7  # heights / s / sqrt(s): how fast a walk changes its speed
FIRST_SPEED = 2.0  # heights / s: what a person may move at when first seen
PERSISTENCE = 1.0  # s: after that long a third of a speed is left
RESIZING = 0.3  # heights / sqrt(s): how fast a box changes its size: arms, turns, crouching
REACH = 6.0  # deviations that the nearer edge may lie off on either side: tails are heavy
TAILS = 4.0  # degrees of freedom of Student's t: how often one edge lies far off, as of hidden legs


@dataclass(frozen=True)
class Motion:
    """A box with its speed, and how sure both are: one Kalman filter for x and one for y."""

    time: float  # seconds
    centre: Float64  # (2,), x and y in pixels
    speed: Float64  # (2,), pixels per second
    size: Float64  # (2,), width and height in pixels
    covariance: Float64  # (2, 2, 2), of centre and speed, for x and for y
    size_variance: Float64  # (2,)

    @classmethod
    def begin(cls, box: Float64, time: float) -> Motion:
        """Return the motion of somebody seen for the first time, at rest as far as is known."""
        size = np.maximum(box[2:] - box[:2], 1.0)
        noise = _noise(size)
        covariance = np.diag([noise / 2, (FIRST_SPEED * _height(size)) ** 2])
        return cls(
            time,
            (box[:2] + box[2:]) / 2,
            np.zeros(2),
            size,
            np.stack([covariance, covariance]),
            np.full(2, 2 * noise),
        )

    def at(self, time: float) -> Motion:
        """Return what is expected at a later time: the speed fades, and doubt grows."""
        step = time - self.time
        left = np.exp(-step / PERSISTENCE)
        drift = PERSISTENCE * (1 - left)  # seconds that the speed goes on for, in effect
        forward = np.array([[1, drift], [0, left]])
        strength = (RESTLESSNESS * _height(self.size)) ** 2
        noise = strength * np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]])
        return Motion(
            time,
            self.centre + drift * self.speed,
            left * self.speed,
            self.size,
            forward @ self.covariance @ forward.T + noise,
            self.size_variance + (RESIZING * _height(self.size)) ** 2 * step,
        )

    def seen_by(self, camera: Float64) -> Motion:
        """Return the same after the camera turned; `camera` (2, 3) takes old points to new ones."""
        turn = camera[:, :2]
        scale = float(np.sqrt(abs(np.linalg.det(turn))))
        return replace(
            self,
            centre=turn @ self.centre + camera[:, 2],
            speed=turn @ self.speed,
            size=scale * self.size,
            covariance=scale**2 * self.covariance,
            size_variance=scale**2 * self.size_variance,
        )

    @property
    def box(self) -> Float64:
        """The box (4,), xyxy."""
        return np.concatenate([self.centre - self.size / 2, self.centre + self.size / 2])

    def surprise(self, boxes: Float64) -> Float64:
        """Return how unlikely it is, (N,), that each box (N, 4) at this time is this body's.

        It is the negative log-likelihood of the four edges less that of a perfect fit. Its tails
        are those of Student's t: an edge far off (hidden legs, an arm stretched out) costs little
        where the others fit.
        """
        return np.asarray((TAILS + 1) / 2 * np.log1p(self._squares(boxes) / TAILS).sum((1, 2)))

    def can_be(self, boxes: Float64) -> Bools:
        """Tell for each box (N, 4) whether it can be this body's, (N,).

        One edge on the left or right and one above or below must lie near where it is expected:
        the other may be hidden, or an arm stretched out, but not both.
        """
        return np.asarray((self._squares(boxes).min(1) <= REACH**2).all(-1))

    def _squares(self, boxes: Float64) -> Float64:
        """Return how far edges lie off, squared, in deviations, (N, 2, 2): corners, x and y."""
        off = (boxes - self.box).reshape(-1, 2, 2)
        return np.asarray(np.square(off) / self._variance)

    @property
    def doubt(self) -> float:
        """How little is known of where the body is now, in the unit of `surprise`."""
        return float(np.log(self._variance / _noise(self.size)).sum())

    @property
    def _variance(self) -> Float64:
        """How far from the expected edges those of a box may lie, squared, (2,), in x and y."""
        return self.covariance[:, 0, 0] + self.size_variance / 4 + _noise(self.size)

    def follow(self, box: Float64) -> Motion:
        """Return the motion at this time after a box (4,) was seen.

        What surprises counts less, so that a box of half a body hardly moves the other half.
        """
        size = np.maximum(box[2:] - box[:2], 1.0)
        noise = _noise(self.size)
        centre, speed = self.centre.copy(), self.speed.copy()
        covariance = self.covariance.copy()
        off = (box[:2] + box[2:]) / 2 - self.centre
        for axis in range(2):
            gain = _gain(covariance[axis, :, 0], covariance[axis, 0, 0], noise / 2, off[axis])
            centre[axis] += gain[0] * off[axis]
            speed[axis] += gain[1] * off[axis]
            covariance[axis] -= np.outer(gain, covariance[axis, 0])
        share = [
            _gain(self.size_variance[i], self.size_variance[i], 2 * noise, size[i] - self.size[i])
            for i in range(2)
        ]
        return Motion(
            self.time,
            centre,
            speed,
            self.size + share * (size - self.size),
            covariance,
            self.size_variance * (1 - np.asarray(share)),
        )


def _gain(column: Float64, variance: float, noise: float, off: float) -> Float64:
    """Return the gain of a Kalman filter whose measurement counts less the more it is `off`."""
    surprise = off**2 / (variance + noise)
    weight = (TAILS + 1) / (TAILS + surprise)
    return np.asarray(column / (variance + noise / min(weight, 1.0)))


def _noise(size: Float64) -> float:
    """Return how far a detector's edge lies off, squared."""
    return (EDGE_NOISE * _height(size)) ** 2


def _height(size: Float64) -> float:
    """Return how tall a person of a box of that size is: lying down, the width is more."""
    return float(size.max())
