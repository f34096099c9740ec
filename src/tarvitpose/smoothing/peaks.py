"""Which of a heatmap's peaks a joint is at, decided over time.   Axes: J joints, K peaks.

A heatmap often has a second peak: the other leg, another person, a thing that looks like a hand.
The highest one jumps between them from frame to frame. For each joint of a track, the sequence of
peaks is chosen that is most likely as a whole (Viterbi, 1967): high peaks that do not jump.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tarvitpose.smoothing.runs import LONGEST_STEP, SHORTEST_STEP
from tarvitpose.utils.arrays import Float32, Float64, Int64

LAG = 0.2  # seconds after a frame in which it is decided
SPEED = 6.0  # body lengths per second at which a joint costs half a unit
HIGHEST_COST = 8.0  # of a jump, however far
LOWEST_SHARE = 1e-3  # of the highest score, below which a peak costs no more
TINY = 1e-6


@dataclass
class _Chain:
    """The frames of a track without a gap; decisions look back from the last of them."""

    last: _Link


@dataclass
class _Link:
    """The peaks of one person in one frame, and what it costs to end in each of them."""

    time: float
    points: Float64  # (J, K, 2)
    cost: Float64  # (J, K)
    chain: _Chain = field(init=False)
    before: _Link | None = None
    came_from: Int64 | None = None  # (J, K), the best peak of the frame before

    def choice(self) -> Int64:
        """Return the peaks (J,) that this frame has on the best way to the end of its chain."""
        link = self.chain.last
        peaks: Int64 = link.cost.argmin(-1)
        while link is not self:
            assert link.before is not None
            assert link.came_from is not None
            peaks = np.asarray(link.came_from[np.arange(len(peaks)), peaks], np.int64)
            link = link.before
        return peaks

    def is_settled(self) -> bool:
        """Whether nothing that follows can change `choice`.

        So it is where all peaks in which the chain may go on lead back to the same peaks here.
        One that costs more than the longest jump is never gone on from: jumping is cheaper.
        """
        link = self.chain.last
        goes_on = link.cost <= HIGHEST_COST  # (J, K)
        joints = np.arange(len(goes_on))
        best = link.cost.argmin(-1)
        peaks = np.broadcast_to(np.arange(goes_on.shape[1]), goes_on.shape)
        while link is not self:
            assert link.before is not None
            assert link.came_from is not None
            peaks = link.came_from[joints[:, None], peaks]
            link = link.before
        return bool(((peaks == peaks[joints, best][:, None]) | ~goes_on).all())


class PeakLinker:
    """Takes the peaks of each frame, and answers which to take, at most `lag` seconds later."""

    def __init__(self, lag: float = LAG) -> None:
        self._lag = lag
        self._frames: deque[tuple[float, list[_Link]]] = deque()
        self._tracks: dict[int, _Link] = {}  # the last frame of each track

    def take(
        self, time: float, track_ids: Sequence[int], sides: Sequence[float], peaks: Float32
    ) -> Iterator[list[Int64]]:
        """Take in a frame; yield the peaks (J,) of each person of frames that are now decided.

        `time` is in seconds, `sides` are the longer ones of the N people's boxes in pixels, and
        `peaks` (N, J, K, 3) are x, y and score, the highest first; a score of 0 says that there is
        no such peak.
        """
        links = []
        for track, side, person in zip(track_ids, sides, peaks.astype(np.float64), strict=True):
            link = _Link(time, person[..., :2], _cost(person[..., 2]))
            _append(link, self._tracks.get(track), side)
            self._tracks[track] = link
            links.append(link)
        self._frames.append((time, links))
        self._tracks = {
            track: link for track, link in self._tracks.items() if time - link.time <= LONGEST_STEP
        }
        while self._frames and self._is_decided(time):
            yield self._decided()

    def rest(self) -> Iterator[list[Int64]]:
        """Yield the peaks of the frames that are left when no more come."""
        while self._frames:
            yield self._decided()

    def _is_decided(self, time: float) -> bool:
        """Whether the oldest frame's lag is over, or what follows it cannot change it."""
        its_time, links = self._frames[0]
        return time - its_time >= self._lag or all(link.is_settled() for link in links)

    def _decided(self) -> list[Int64]:
        _, links = self._frames.popleft()
        choices = [link.choice() for link in links]
        for link in links:  # nobody looks back beyond it any more
            link.before = None
        return choices


def _append(link: _Link, before: _Link | None, side: float) -> None:
    """Make a link the last of the chain of the one before, or the first of a new chain."""
    if before is None or link.time - before.time > LONGEST_STEP:
        link.chain = _Chain(link)
        return
    step = max(link.time - before.time, SHORTEST_STEP)
    way = link.points[:, None] - before.points[:, :, None]  # (J, K before, K, 2)
    jumps = (way**2).sum(-1) / (SPEED * step * max(side, 1.0)) ** 2
    ways = before.cost[:, :, None] + np.minimum(jumps, HIGHEST_COST)  # (J, K before, K)
    link.before, link.came_from = before, ways.argmin(1)
    link.cost = link.cost + ways.min(1)
    link.cost -= link.cost.min(-1, keepdims=True)
    link.chain, link.chain.last = before.chain, link


def _cost(scores: Float64) -> Float64:
    """Return what peaks of these scores (J, K) cost: 0 the highest, without end where none is."""
    share = scores / np.maximum(scores[:, :1], TINY)
    cost = np.asarray(-np.log(np.maximum(share, LOWEST_SHARE)), np.float64)
    cost[:, 1:][scores[:, 1:] <= 0] = np.inf
    return cost
