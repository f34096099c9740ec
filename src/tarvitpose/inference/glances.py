"""Whom the network looks at in which frames.   Axes: N people, J joints."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tarvitpose.config.options import BOX_THRESHOLD
from tarvitpose.inference.person_tracker import people_at
from tarvitpose.results import TrackedFrame
from tarvitpose.tracking.ghosts import Evidence, person_scores
from tarvitpose.utils.arrays import Float32
from tarvitpose.video.frame_source import TIME_SLACK

ENOUGH = 3  # looks that showed nobody, after which
REST = 0.25  # seconds pass before the next one


class Glances:
    """Leaves people whom no look has shown out of frames, until it is time to look again.

    Everybody is looked at in ENOUGH frames. Who would still be left out of the results by joints,
    by box and joints together, or by closer looks (`GhostFilter`), is from then on looked at every
    REST seconds, and as soon as a look shows a person in every frame again. Until then such a look
    is alone, and so are the first ones where the box is doubtful: without the neighbouring frames,
    whose crops nobody else would need.
    """

    def __init__(
        self,
        least_score: float,
        is_thing: Callable[[int], bool] = lambda _: False,
        faint_below: float = 0.0,
    ) -> None:
        """`least_score` is that of a `GhostFilter`; with 0 everybody is always looked at.

        `is_thing` tells whether closer looks have shown that a track is nobody; boxes below
        `faint_below` are no evidence.
        """
        self.least_score, self._is_thing = least_score, is_thing
        self._faint_below = faint_below
        self._evidence: dict[int, Evidence] = {}  # by track
        self._looked: dict[int, float] = {}  # by track, when

    def due(self, tracked: TrackedFrame) -> TrackedFrame:
        """Return a frame with the people to look at in it."""
        if not self.least_score:
            return tracked
        now, ids = tracked.frame.time, tracked.track_ids.tolist()
        is_shown = np.array([self._is_shown(track) for track in ids], bool)
        is_known = np.array([self._count(track) >= ENOUGH for track in ids], bool)
        rested = [now - self._looked.get(track, now) >= REST - TIME_SLACK for track in ids]
        is_due = is_shown | ~is_known | np.array(rested, bool)
        is_alone = ~is_shown & (is_known | (tracked.scores < np.float32(BOX_THRESHOLD)))
        self._looked |= dict.fromkeys(tracked.track_ids[is_due].tolist(), now)
        return replace(people_at(tracked, is_due), alone=is_alone[is_due])

    def note(self, tracked: TrackedFrame, scores: Float32) -> None:
        """Learn from the scores (N, J) of a frame's people."""
        seen = person_scores(scores).tolist()
        rows = zip(tracked.track_ids.tolist(), seen, tracked.scores.tolist(), strict=True)
        for track, score, box_score in rows:
            evidence = self._evidence.setdefault(track, Evidence())
            evidence.add(tracked.frame.time, score, box_score, faint_below=self._faint_below)

    def _count(self, track: int) -> int:
        """Return how many looks there were."""
        evidence = self._evidence.get(track)
        return evidence.seen.count if evidence else 0

    def _is_shown(self, track: int) -> bool:
        """Whether the looks so far show a person, or the last one does."""
        evidence, least = self._evidence.get(track), self.least_score
        if evidence is None or self._is_thing(track):
            return False
        return evidence.is_person(least) or evidence.is_person_now(least)
