"""How well people were seen so far, for all who judge by it.   Axes: N people, J joints."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from tarvitpose.utils.arrays import Bools, Float32, Float64, Int64

PERIOD = 1.0  # seconds about a frame that say what is seen now
DETECTED = 0.6  # share of the least score that box and joints must reach together


@dataclass
class Average:
    """The mean of values over time, and that of the last period."""

    total: float = 0.0
    count: int = 0
    recent: deque[tuple[float, float]] = field(default_factory=deque)  # time and value

    def add(self, time: float, value: float) -> None:
        """Take in the value of one moment."""
        self.total, self.count = self.total + value, self.count + 1
        self.recent.append((time, value))
        while self.recent[0][0] < time - PERIOD:
            self.recent.popleft()

    @property
    def mean(self) -> float:
        """The mean of all values, 0 where there is none."""
        return self.total / max(self.count, 1)

    @property
    def now(self) -> float:
        """The mean of the last period."""
        return sum(value for _, value in self.recent) / max(len(self.recent), 1)

    @property
    def newest(self) -> float:
        """The last value."""
        return self.recent[-1][1] if self.recent else 0.0

    @property
    def most(self) -> float:
        """The largest value of the last period."""
        return max(value for _, value in self.recent)

    @property
    def best(self) -> float:
        """The larger of both means: someone well seen at any time stays, and so who is now."""
        return max(self.mean, self.now)


@dataclass
class PersonEvidence:
    """How well one person was seen so far, and how well box and joints together show one."""

    seen: Average = field(default_factory=Average)
    boxed: Average = field(default_factory=Average)
    detected: Average = field(default_factory=Average)
    highest_box: float = 0.0

    def add(self, time: float, score: float, box_score: float) -> None:
        """Take in how well the person and the box are seen at one moment."""
        self.seen.add(time, score)
        self.boxed.add(time, box_score)
        self.detected.add(time, score * box_score)
        self.highest_box = max(self.highest_box, box_score)

    def is_detected(self, least_score: float) -> bool:
        """Whether box and joints together are a person's."""
        return self.detected.best >= DETECTED * least_score

    def is_person(self, least_score: float) -> bool:
        """Whether joints, and box and joints together, are a person's."""
        return self.seen.best >= least_score and self.is_detected(least_score)

    def is_person_now(self, least_score: float) -> bool:
        """Whether the newest ones are."""
        seen, detected = self.seen.newest, self.detected.newest
        return seen >= least_score and detected >= DETECTED * least_score


class Evidence:
    """How well everybody was seen so far, by track.

    Boxes below `faint_below` are no evidence, neither for nor against anybody.
    """

    def __init__(self, faint_below: float = 0.0) -> None:
        self.faint_below = faint_below
        self._people: dict[int, PersonEvidence] = {}

    def __getitem__(self, track: int) -> PersonEvidence:
        """Return that of a track, which is empty where nobody saw it."""
        return self._people.get(track, PersonEvidence())

    def note(self, time: float, tracks: Int64, scores: Float32, box_scores: Float32) -> None:
        """Learn from a frame's people, whose joints score `scores` (N, J)."""
        is_faint, seen = self.is_faint(box_scores), person_scores(scores)
        for person in np.flatnonzero(~is_faint):
            of_track = self._people.setdefault(int(tracks[person]), PersonEvidence())
            of_track.add(time, float(seen[person]), float(box_scores[person]))

    def is_faint(self, box_scores: Float32) -> Bools:
        """Tell which boxes are no evidence, (N,)."""
        return np.asarray(box_scores < np.float32(self.faint_below))


def person_scores(scores: Float32) -> Float64:
    """Return how well each person is seen, (N,): the mean of the better half of its joints.

    `scores` are (N, J). Half of the joints are enough: of people at a desk or at the border of the
    frame no more are to be seen.
    """
    half = (scores.shape[1] + 1) // 2
    return np.asarray(np.sort(scores, 1)[:, -half:].mean(1), np.float64)
