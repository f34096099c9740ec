"""Whom the network looks at in which frames.   Axes: N people, J joints."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tarvitpose.config.options import BOX_THRESHOLD
from tarvitpose.inference.person_tracker import people_at
from tarvitpose.results import TrackedFrame
from tarvitpose.tracking.evidence import Evidence
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
    whose crops nobody else would need. Who has no box, a score of 0, is always looked at alone:
    neighbouring frames would show somebody in a place that is empty now.
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
        self._evidence = Evidence(faint_below)
        self._looks = Counter[int]()  # by track, how many
        self._looked: dict[int, float] = {}  # by track, when

    def due(self, tracked: TrackedFrame) -> TrackedFrame:
        """Return a frame with the people to look at in it."""
        if not self.least_score:
            return tracked
        now, ids = tracked.frame.time, tracked.track_ids.tolist()
        is_shown = np.array([self._is_shown(track) for track in ids], bool)
        is_known = np.array([self._looks[track] >= ENOUGH for track in ids], bool)
        rested = [now - self._looked.get(track, now) >= REST - TIME_SLACK for track in ids]
        is_due = is_shown | ~is_known | np.array(rested, bool)
        is_alone = ~is_shown & (is_known | (tracked.scores < np.float32(BOX_THRESHOLD)))
        is_alone |= tracked.scores == 0
        self._looked |= dict.fromkeys(tracked.track_ids[is_due].tolist(), now)
        return replace(people_at(tracked, is_due), alone=is_alone[is_due])

    def note(self, tracked: TrackedFrame, scores: Float32) -> None:
        """Learn from the scores (N, J) of a frame's people."""
        self._looks.update(tracked.track_ids.tolist())
        self._evidence.note(tracked.frame.time, tracked.track_ids, scores, tracked.scores)

    def _is_shown(self, track: int) -> bool:
        """Whether the looks so far show a person, or the last one does."""
        evidence, least = self._evidence[track], self.least_score
        is_person = evidence.is_person(least) or evidence.is_person_now(least)
        return is_person and not self._is_thing(track)
