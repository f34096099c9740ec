"""Who is in each frame: detected in some, tracked, and moved on in between.   Axes: N people.

Between two detections of a file a person's box is interpolated; a live source cannot wait for the
second one, and carries the boxes on at their pace.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from tarvitpose.config import DetEvery, TrackerName
from tarvitpose.detection import Detections, Detector, keep_best
from tarvitpose.inference.detection_schedule import DetectionSchedule
from tarvitpose.inference.observer import Observer
from tarvitpose.results import Frame, TrackedFrame, joined_boxes
from tarvitpose.tracking import KnownTracks, Tracker, open_tracker
from tarvitpose.utils.arrays import Bools, Float32

LONGEST_LIST = 20  # numbers in a warning


class PersonTracker:
    """Finds the people of a source's frames, and gives each the number of a track."""

    def __init__(
        self,
        detector: Detector,
        *,
        start_threshold: float,
        continue_threshold: float = 0.0,
        looks_on: bool = False,
        max_people: int | None,
        largest_first: bool = False,
        every: DetEvery,
        is_live: bool,
        tracker: TrackerName = "body",
        reidentify: float = 0.0,
        chosen: Collection[int] = (),
        observer: Observer | None = None,
    ) -> None:
        """People are detected in every `every`th frame of the source, dropped frames included, or
        with "auto" as often as `DetectionSchedule` says.

        The track ids of a detector that gives some, in all frames, are taken as they are. Of all
        people who are tracked only those with a `chosen` number are yielded, or all if there is
        none. Boxes below `continue_threshold` are for a tracker that takes faint ones, where
        there are fewer people than `max_people`. `looks_on` tells the tracker "body" to go on
        for a moment with people without any box. Raises UserError for a tracker that is not
        installed.
        """
        self.observer = observer or Observer()
        self.detector = detector
        self.max_people, self.largest_first = max_people, largest_first
        self.is_live, self._schedule = is_live, DetectionSchedule(every)
        self.tracker = open_tracker(
            tracker,
            start_threshold=start_threshold,
            reidentify=reidentify,
            continue_threshold=continue_threshold,
            looks_on=looks_on,
        )
        self.continue_threshold = continue_threshold if tracker == "body" else 0.0
        self._known = KnownTracks()
        self._following: Tracker | KnownTracks = self.tracker
        self.chosen = frozenset(chosen)
        self._others: Float32 | None = None  # boxes of the last detection without a track
        self.met: set[int] = set()  # the numbers of all people so far, chosen or not

    def find(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        """Yield every frame with its people, in order; holds those between two detections."""
        for tracked in self._everybody(frames):
            self.met.update(tracked.track_ids.tolist())
            yield (
                people_at(tracked, np.isin(tracked.track_ids, list(self.chosen)))
                if self.chosen
                else tracked
            )

    def warnings(self) -> Iterator[str]:
        """Yield the detector's warnings, and a line about chosen people who never appeared."""
        yield from getattr(self.detector, "warnings", ())
        missing = sorted(self.chosen - self.met)
        if missing:
            met = listed(sorted(self.met)) or "nobody"
            yield f"--person {listed(missing)}: never seen; the tracks of this video are: {met}"

    def _everybody(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        before: TrackedFrame | None = None  # the last frame in which people were detected
        since: list[Frame] = []
        for frame in frames:
            if self._schedule.is_due(frame):
                carried = [self._carried(passed) for passed in since]
                now = self._detected(frame)
                if before is not None:
                    yield from (interpolated(tracked, before, now) for tracked in carried)
                yield now
                before, since = now, []
            elif self.is_live:
                yield self._carried(frame)
            else:
                since.append(frame)
        yield from map(self._carried, since)

    def _detected(self, frame: Frame) -> TrackedFrame:
        adapts = self._schedule.adapts and not self._schedule.is_first
        expected = self._following.carry(frame.index, frame.time) if adapts else None
        detected = self._tracked(frame)
        self._schedule.note(detected, expected)
        return detected

    def _tracked(self, frame: Frame) -> TrackedFrame:
        detections = self.observer.frame_detected(frame, partial(self._detect, frame))
        is_faint = detections.scores < np.float32(self.continue_threshold)
        is_faint &= detections.track_ids is None
        usual = detections.only(~is_faint)
        people = keep_best(usual, self.max_people, largest_first=self.largest_first)
        others = usual.boxes[~(usual.boxes[:, None] == people.boxes).all(-1).any(1)]
        if people.track_ids is not None:
            self._following = self._known
            self._known.note(people.boxes, people.scores, people.track_ids, frame.index)
            return TrackedFrame(frame, people.boxes, people.scores, people.track_ids, others)
        boxes = np.concatenate([people.boxes, detections.boxes[is_faint]])
        scores = np.concatenate([people.scores, detections.scores[is_faint]])
        ids = self.tracker.update(boxes, scores, frame.index, frame.time, frame.image)
        present = self._carried(frame)
        unseen = people_at(present, ~np.isin(present.track_ids, ids))
        boxes = np.concatenate([boxes, unseen.boxes])
        scores = np.concatenate([scores, unseen.scores])
        ids = np.concatenate([ids, unseen.track_ids])
        rows = np.flatnonzero((ids > 0) | (np.arange(len(ids)) < len(people)))[: self.max_people]
        tracked = TrackedFrame(frame, boxes[rows], scores[rows], ids[rows], others)
        followed = people_at(tracked, tracked.track_ids > 0)
        self._others = followed.left_out
        return followed

    def _detect(self, frame: Frame) -> Detections:
        with self.observer.stage("detect"):
            return self.detector.detect(frame)

    def _carried(self, frame: Frame) -> TrackedFrame:
        """Return the people detected last, at their predicted boxes, without those who left."""
        boxes, scores, ids = self._following.carry(frame.index, frame.time)
        height, width = frame.image.shape[:2]
        inside = (boxes[:, 2:] > 0).all(1) & (boxes[:, :2] < [width, height]).all(1)
        tracked = TrackedFrame(frame, boxes, scores, ids, self._others)
        return people_at(tracked, np.asarray(inside))


def people_at(tracked: TrackedFrame, which: Bools) -> TrackedFrame:
    """Return a frame with some of its people, `which` (N,)."""
    boxes, scores, ids = tracked.boxes[which], tracked.scores[which], tracked.track_ids[which]
    left_out = joined_boxes(tracked.left_out, tracked.boxes[~which])
    return TrackedFrame(tracked.frame, boxes, scores, ids, left_out)


def interpolated(tracked: TrackedFrame, before: TrackedFrame, after: TrackedFrame) -> TrackedFrame:
    """Return a frame with boxes between those of the detections before and after it.

    Only where both have the person; other boxes stay.
    """
    share = (tracked.frame.index - before.frame.index) / (after.frame.index - before.frame.index)
    boxes = tracked.boxes.copy()
    for row, track in enumerate(tracked.track_ids.tolist()):
        if track in after.track_ids:
            first = before.boxes[before.track_ids == track][0]
            last = after.boxes[after.track_ids == track][0]
            boxes[row] = first + np.float32(share) * (last - first)
    return replace(tracked, boxes=boxes)


def listed(numbers: Sequence[int]) -> str:
    """Return numbers with commas, of many only the first.

    >>> listed([1, 2, 4]), listed(range(1, 25))[-19:]
    ('1, 2, 4', '19, 20 and 4 others')
    """
    first = ", ".join(map(str, numbers[:LONGEST_LIST]))
    rest = len(numbers) - LONGEST_LIST
    return f"{first} and {rest} others" if rest > 0 else first
