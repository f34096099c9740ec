"""The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012).   Axes: J joints."""

from dataclasses import dataclass

import numpy as np

from tarvitpose.results import FramePoses
from tarvitpose.smoothing.runs import (
    LONGEST_STEP,
    check,
    is_sure,
    later,
    raw_keypoints,
    with_keypoints,
)
from tarvitpose.utils.arrays import Bools, Float32, Float64

MIN_CUTOFF = 1.5  # Hz
BETA = 2.0  # Hz for a speed of one body length per second
SPEED_CUTOFF = 1.0  # Hz, as in the paper


@dataclass(frozen=True)
class _State:
    """The state of the filter of one track."""

    position: Float64  # (J, 2), smoothed
    velocity: Float64  # (J, 2), smoothed, pixels per second
    sure: Bools  # (J,), whether the joint is in a run


class OneEuro:
    """A low-pass filter for each joint that lets the fast ones pass; it knows only the past.

    The paper's filter is for one number. Here the speed that opens it is that in the plane, so
    that a turned picture gives turned results, and it is counted in body lengths (the longer side
    of the person's box) per second, so that the size of the picture does not matter.
    """

    def __init__(self, min_cutoff: float | None = None, beta: float | None = None) -> None:
        """`min_cutoff` is in Hz, `beta` in Hz for one body length per second."""
        self.min_cutoff = MIN_CUTOFF if min_cutoff is None else min_cutoff
        self.beta = BETA if beta is None else beta
        self._time: float | None = None
        self._tracks: dict[int, _State] = {}  # of the frame before

    def follow(self, poses: FramePoses) -> FramePoses:
        """Return the poses of the next frame, smoothed by those before. Raises DataError."""
        check(poses)
        time = later(poses.time, self._time)
        step = LONGEST_STEP if self._time is None else time - self._time
        before = self._tracks if step <= LONGEST_STEP else {}
        self._time, self._tracks = time, {}
        raw, sure = raw_keypoints(poses), is_sure(poses)
        for position, track in enumerate(poses.track_ids.tolist()):
            points = raw[position].astype(np.float64)
            state = _State(points, np.zeros_like(points), sure[position])
            if track in before:
                length = _length(poses.boxes[position])
                state = self._after(before[track], state, step, length)
            self._tracks[track] = state
        return with_keypoints(poses, [state.position for state in self._tracks.values()])

    def _after(self, before: _State, now: _State, step: float, length: float) -> _State:
        """Return a track's state `step` seconds later, `now` being what it is without a past."""
        change = (now.position - before.position) / step - before.velocity
        velocity = before.velocity + _share(SPEED_CUTOFF, step) * change
        speed = np.linalg.norm(velocity, axis=-1, keepdims=True) / length  # (J, 1)
        share = _share(self.min_cutoff + self.beta * speed, step)
        position = before.position + share * (now.position - before.position)
        goes_on = (before.sure & now.sure)[:, None]  # (J, 1)
        return _State(
            np.where(goes_on, position, now.position),
            np.where(goes_on, velocity, now.velocity),
            now.sure,
        )


def _share(cutoff: float | Float64, step: float) -> float | Float64:
    """Return what a new value counts, for a cutoff in Hz and a step in seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))


def _length(box: Float32) -> float:
    """Return the longer side of a box (4,) in pixels."""
    return max(float((box[2:] - box[:2]).max()), 1.0)
