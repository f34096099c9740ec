"""Who is in each frame: detected in every Nth, tracked, and moved on in between.   Axes: N people.

Between two detections of a file a person's box is interpolated; a live source cannot wait for the
second one, and carries the boxes on at their pace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from tarvitpose.config import TrackerName
from tarvitpose.detection import Detector, keep_best
from tarvitpose.results import Frame, TrackedFrame
from tarvitpose.tracking import KnownTracks, Tracker, open_tracker

LONGEST_LIST = 20  # numbers in a warning


class PersonTracker:
    """Finds the people of a source's frames, and gives each the number of a track."""

    def __init__(
        self,
        detector: Detector,
        *,
        start_threshold: float,
        max_people: int | None,
        every: int,
        is_live: bool,
        tracker: TrackerName = "iou",
        chosen: Collection[int] = (),
    ) -> None:
        """A detection in every `every`th frame of the source, also where frames are dropped.

        A detector that knows who is who says so in all frames, and is believed.
        Of all people who are tracked only those with a `chosen` number are given, all if there is
        none. Raises UserError for a tracker that is not installed.
        """
        self.detector, self.max_people = detector, max_people
        self.every, self.is_live = every, is_live
        self.tracker = open_tracker(tracker, start_threshold=start_threshold)
        self._known = KnownTracks()
        self._following: Tracker | KnownTracks = self.tracker
        self.chosen = frozenset(chosen)
        self.met: set[int] = set()  # the numbers of all people so far, chosen or not

    def find(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        """Yield every frame with its people, in order; holds `every` frames at most."""
        for seen in self._everybody(frames):
            self.met.update(seen.track_ids.tolist())
            yield self._only_chosen(seen) if self.chosen else seen

    def warnings(self) -> Iterator[str]:
        """Yield what the detector has to say, and who was chosen and never met, a line each."""
        yield from getattr(self.detector, "warnings", ())
        missing = sorted(self.chosen - self.met)
        if missing:
            met = listed(sorted(self.met)) or "nobody"
            yield f"--person {listed(missing)}: never seen; the tracks of this video are: {met}"

    def _only_chosen(self, seen: TrackedFrame) -> TrackedFrame:
        kept = np.isin(seen.track_ids, list(self.chosen))
        return TrackedFrame(seen.frame, seen.boxes[kept], seen.scores[kept], seen.track_ids[kept])

    def _everybody(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        before: TrackedFrame | None = None  # the last frame that was looked at
        since: list[Frame] = []
        for frame in frames:
            if before is None or frame.index >= before.frame.index + self.every:
                carried = [self._carried(one) for one in since]
                now = self._detected(frame)
                if before is not None:
                    yield from (interpolated(seen, before, now) for seen in carried)
                yield now
                before, since = now, []
            elif self.is_live:
                yield self._carried(frame)
            else:
                since.append(frame)
        yield from map(self._carried, since)

    def _detected(self, frame: Frame) -> TrackedFrame:
        people = keep_best(self.detector.detect(frame), self.max_people)
        if people.track_ids is not None:
            self._following = self._known
            self._known.note(people.boxes, people.scores, people.track_ids, frame.index)
            return TrackedFrame(frame, people.boxes, people.scores, people.track_ids)
        ids = self.tracker.update(people.boxes, people.scores, frame.index)
        known = ids > 0
        return TrackedFrame(frame, people.boxes[known], people.scores[known], ids[known])

    def _carried(self, frame: Frame) -> TrackedFrame:
        """Return who was detected last, where they should be by now; not who has left the frame."""
        boxes, scores, ids = self._following.carry(frame.index)
        height, width = frame.image.shape[:2]
        inside = (boxes[:, 2:] > 0).all(1) & (boxes[:, :2] < [width, height]).all(1)
        return TrackedFrame(frame, boxes[inside], scores[inside], ids[inside])


def interpolated(seen: TrackedFrame, before: TrackedFrame, after: TrackedFrame) -> TrackedFrame:
    """Return `seen` with the boxes that two detections around it give, where both have one."""
    share = (seen.frame.index - before.frame.index) / (after.frame.index - before.frame.index)
    boxes = seen.boxes.copy()
    for place, track in enumerate(seen.track_ids.tolist()):
        if track in after.track_ids:
            first = before.boxes[before.track_ids == track][0]
            last = after.boxes[after.track_ids == track][0]
            boxes[place] = first + np.float32(share) * (last - first)
    return TrackedFrame(seen.frame, boxes, seen.scores, seen.track_ids)


def listed(numbers: Sequence[int]) -> str:
    """Return numbers with commas, of many only the first.

    >>> listed([1, 2, 4]), listed(range(1, 25))[-19:]
    ('1, 2, 4', '19, 20 and 4 others')
    """
    some = ", ".join(map(str, numbers[:LONGEST_LIST]))
    rest = len(numbers) - LONGEST_LIST
    return f"{some} and {rest} others" if rest > 0 else some
