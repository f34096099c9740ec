"""In which frames people are detected: in every Nth one, or as often as they need it."""

import numpy as np

from tarvitpose.config import DetEvery
from tarvitpose.geometry import box_iou
from tarvitpose.results import Frame, TrackedFrame
from tarvitpose.tracking.track import Carried
from tarvitpose.video.frame_source import TIME_SLACK

LONGEST = 0.2  # seconds without a detection, in which somebody new is not seen
SURE = 0.5  # score of a box
STEADY = 0.85  # IoU of a box with where it was expected


class DetectionSchedule:
    """Says which frame is next.

    With "auto" the number of skipped frames doubles, up to LONGEST, while everybody is found where
    the tracker expected them; whoever is new, lost, unsure or elsewhere is looked at again in the
    very next frame.
    """

    def __init__(self, every: DetEvery) -> None:
        self.adapts = every == "auto"
        self._step = 1 if every == "auto" else every
        self._last: Frame | None = None

    @property
    def is_first(self) -> bool:
        """Whether nobody has been looked for yet."""
        return self._last is None

    def is_due(self, frame: Frame) -> bool:
        """Whether people are to be detected in this frame; dropped frames count as well."""
        if self._last is None or frame.index >= self._last.index + self._step:
            return True
        return self.adapts and frame.time >= self._last.time + LONGEST - TIME_SLACK

    def note(self, detected: TrackedFrame, expected: Carried | None) -> None:
        """Learn who was detected in a frame, and where the tracker expected whom before it.

        `expected` is needed where the schedule `adapts`, from the second detection on.
        """
        self._last = detected.frame
        if self.adapts:
            is_steady = expected is not None and is_as_expected(detected, expected)
            self._step = 2 * self._step if is_steady else 1


def is_as_expected(detected: TrackedFrame, expected: Carried) -> bool:
    """Whether a frame has the people who were expected, about where they were, and for sure."""
    order, other = np.argsort(detected.track_ids), np.argsort(expected.track_ids)
    if not np.array_equal(detected.track_ids[order], expected.track_ids[other]):
        return False
    overlap = box_iou(detected.boxes[order], expected.boxes[other]).diagonal()
    return bool((overlap >= STEADY).all() and (detected.scores >= SURE).all())
