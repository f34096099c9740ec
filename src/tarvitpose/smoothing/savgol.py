"""The filter of Savitzky and Golay (1964), in true time.   Axes: J joints, F frames of a run."""

from collections.abc import Iterator
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

WINDOW = 0.25  # seconds
ORDER = 2  # of the polynomial
LEAST_SIDE = 2  # frames on each side, however few come in a second: fewer would change nothing
TIME_SLACK = 0.002  # seconds by which rounded times may be off


@dataclass(frozen=True)
class _BufferedFrame:
    """A frame that waits, with values that are needed repeatedly."""

    poses: FramePoses
    time: float
    positions: dict[int, int]  # of each track id in the arrays of the frame
    raw: Float32  # (N, J, 2)
    sure: Bools  # (N, J)


class SavitzkyGolay:
    """Puts each joint on the parabola that fits the window about its frame best.

    The window of a frame holds the frames of the run that are at most half of `window` seconds
    away, and two on each side if those are further. Where it would reach out of the run, the
    nearest window that does not is taken instead, and its parabola read where the frame is; a run
    too short for any is fitted as a whole. At a constant rate that is what
    `scipy.signal.savgol_filter` gives with mode "interp"; other rates are taken into account.

    Frames come out about `window` seconds late; they wait here without their images.
    """

    def __init__(self, window: float | None = None) -> None:
        """`window` is in seconds."""
        self._half = (WINDOW if window is None else window) / 2 + TIME_SLACK
        self._frames: list[_BufferedFrame] = []  # those to come and those that they may depend on
        self._next = 0  # position of the next frame to be yielded
        self._is_begin = True  # whether the first of these is the first of all

    def take(self, poses: FramePoses) -> Iterator[FramePoses]:
        """Take in the next frame; yield those that are now decided, in order. Raises DataError."""
        check(poses)
        time = later(poses.time, self._frames[-1].time if self._frames else None)
        positions = {track: position for position, track in enumerate(poses.track_ids.tolist())}
        self._frames.append(
            _BufferedFrame(poses, time, positions, raw_keypoints(poses), is_sure(poses))
        )
        times = self._times()
        while self._is_decided(times):
            yield self._smoothed(times, is_end=False)
        self._forget()

    def rest(self) -> Iterator[FramePoses]:
        """Yield the frames that are left when no more come."""
        times = self._times()
        while self._next < len(self._frames):
            yield self._smoothed(times, is_end=True)

    def _times(self) -> Float64:
        return np.array([buffered.time for buffered in self._frames])

    def _is_decided(self, times: Float64) -> bool:
        """Whether no frame to come can change the next one.

        The window that it is read from has its middle no later than the first frame whose window
        lies behind the next frame, and ends before all windows that lie behind that middle.
        """
        middle = _behind(times, self._next, self._half)
        return middle is not None and _behind(times, middle, self._half) is not None

    def _forget(self) -> None:
        """Drop the frames that the next one cannot depend on, by the same reasoning backwards."""
        backwards = -self._times()[::-1]
        last = len(backwards) - 1
        middle = _behind(backwards, last - self._next, self._half)
        oldest = None if middle is None else _behind(backwards, middle, self._half)
        if oldest is not None and oldest < last:
            del self._frames[: last - oldest]
            self._next -= last - oldest
            self._is_begin = False

    def _smoothed(self, times: Float64, *, is_end: bool) -> FramePoses:
        """Return the next frame, smoothed."""
        here = self._frames[self._next]
        people = [self._person(track, times, is_end=is_end) for track in here.positions]
        self._next += 1
        return with_keypoints(here.poses, people)

    def _person(self, track: int, times: Float64, *, is_end: bool) -> Float64:
        """Return the joints of one person in the next frame, smoothed, (J, 2)."""
        begin, stop = self._stretch(track, times)
        here = self._next - begin
        rows = [(buffered, buffered.positions[track]) for buffered in self._frames[begin:stop]]
        points = np.array(
            [buffered.raw[position] for buffered, position in rows], np.float64
        )  # (F, J, 2)
        sure = np.array([buffered.sure[position] for buffered, position in rows])  # (F, J)
        smooth: Float64 = points[here].copy()
        for (first, end), joints in _runs(sure, here):
            window, weights = _weights(
                times[begin + first : begin + end],
                here - first,
                self._half,
                is_begin=begin + first > 0 or self._is_begin,
                is_end=begin + end < len(times) or is_end,
            )
            values = points[first:end][window][:, joints]  # (F, J, 2)
            smooth[joints] = np.tensordot(weights, values, 1)
        return smooth

    def _stretch(self, track: int, times: Float64) -> tuple[int, int]:
        """Return the range of frames about the next one in which a track has no gap."""
        frames, begin, stop = self._frames, self._next, self._next + 1
        is_near = np.diff(times) <= LONGEST_STEP  # whether a frame follows the one before at once
        while begin > 0 and is_near[begin - 1] and track in frames[begin - 1].positions:
            begin -= 1
        while stop < len(frames) and is_near[stop - 1] and track in frames[stop].positions:
            stop += 1
        return begin, stop


def _runs(sure: Bools, here: int) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Yield the runs about frame `here`, from and to, each with the joints that share it.

    `sure` is (F, J); joints that are unsure in that frame are in none.
    """
    frames = np.arange(len(sure))[:, None]  # (F, 1)
    first = np.where(~sure & (frames < here), frames + 1, 0).max(0)  # (J,)
    end = np.where(~sure & (frames > here), frames, len(sure)).min(0)  # (J,)
    shared: dict[tuple[int, int], list[int]] = {}
    for joint in np.flatnonzero(sure[here]).tolist():
        shared.setdefault((int(first[joint]), int(end[joint])), []).append(joint)
    yield from shared.items()


def _weights(
    times: Float64, here: int, half: float, *, is_begin: bool, is_end: bool
) -> tuple[slice, Float64]:
    """Return a window of a run with times (F,), and the weight of each of its frames in `here`.

    `is_begin` and `is_end` say whether the run begins and ends with these frames.
    """
    if len(times) <= ORDER + 1:  # a parabola goes through all of them
        return slice(here, here + 1), np.ones(1)
    before = 2 * times[0] - times[1] if is_begin else -np.inf  # where a frame is missing
    after = 2 * times[-1] - times[-2] if is_end else np.inf
    positions = np.arange(len(times))
    is_whole = (times - half > before) & (times + half < after)
    if is_begin:
        is_whole &= positions >= LEAST_SIDE
    if is_end:
        is_whole &= positions < len(times) - LEAST_SIDE
    whole = np.flatnonzero(is_whole)
    window = slice(0, len(times))
    if len(whole):
        middle = min(max(here, int(whole[0])), int(whole[-1]))
        is_in = (np.abs(times - times[middle]) <= half) | (np.abs(positions - middle) <= LEAST_SIDE)
        inside = np.flatnonzero(is_in)
        window = slice(int(inside[0]), int(inside[-1]) + 1)
    away = times[window] - times[here]
    powers = np.vander(away / np.abs(away).max(), ORDER + 1, increasing=True)  # (F, ORDER + 1)
    return window, np.linalg.pinv(powers)[0]


def _behind(times: Float64, frame: int, half: float) -> int | None:
    """Return the first frame whose window lies behind that of the given one's middle, or None."""
    nearest = frame + LEAST_SIDE + 1
    values = np.flatnonzero(times[nearest:] > times[frame] + half)
    return nearest + int(values[0]) if len(values) else None
