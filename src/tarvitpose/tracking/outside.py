"""ByteTrack and OC-SORT from the package `trackers`, behind our protocol.   Axes: N people."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.errors import UserError
from tarvitpose.tracking.track import LONGEST_GAP, Carried, Track, alive, carried, check_order
from tarvitpose.utils.arrays import Float32, Int64, UInt8
from tarvitpose.utils.optional import is_installed

PACKAGE_RATE = 30.0  # frames per second, in which the package counts gaps


class OutsideTracker:
    """A tracker of the package `trackers`, which counts frames as if they came 30 a second.

    Its times are frame indices, so skipped frames count. People get a number when they are detected
    for the second time; until then their number is 0. OC-SORT never follows boxes below
    `start_threshold`.
    """

    def __init__(self, name: Literal["bytetrack", "ocsort"], *, start_threshold: float) -> None:
        """Load the package; raises UserError where it is not installed."""
        if not is_installed("trackers"):
            raise UserError(
                f"--tracker {name} needs the package trackers: pip install "
                "'tarvitpose[supervision]', then pip install --no-deps trackers "
                "(with its dependencies it would bring a second OpenCV)"
            )
        import trackers  # noqa: PLC0415 - an optional package

        shared = {
            "high_conf_det_threshold": start_threshold,
            "lost_track_buffer": LONGEST_GAP,
            "frame_rate": PACKAGE_RATE,
        }
        if name == "bytetrack":
            self._tracker = trackers.ByteTrackTracker(
                track_activation_threshold=start_threshold, **shared
            )
        else:
            # The package's default of 3 gives nobody a number for two frames after each gap.
            self._tracker = trackers.OCSORTTracker(minimum_consecutive_frames=1, **shared)
        self._tracks: dict[int, Track] = {}
        self._index: int | None = None

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        index: int,
        _time: float | None = None,
        _image: UInt8 | None = None,
        /,
    ) -> Int64:
        """Return the track of each box, (N,), as `Tracker.update` says."""
        import supervision as sv  # noqa: PLC0415 - an optional package, which trackers needs

        check_order(index, self._index)
        self._index = index
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        scores = np.array(scores, np.float32).reshape(-1)
        positions = np.arange(len(boxes))
        detections = sv.Detections(xyxy=boxes, confidence=scores, data={"position": positions})
        tracked = self._tracker.update(detections, timestamp=index / PACKAGE_RATE)
        ids = np.zeros(len(boxes), np.int64)
        if len(tracked):
            ids[tracked.data["position"]] = (
                tracked.tracker_id + 1
            )  # the package counts from 0; -1 is no track
        self._tracks = alive(self._tracks, index, LONGEST_GAP)
        for track_id, box, score in zip(ids.tolist(), boxes, scores.tolist(), strict=True):
            if track_id:
                self._note(track_id, box, score)
        return ids

    def carry(self, index: int, _time: float | None = None, /) -> Carried:
        """Return where the people of the last update are expected in frame `index`."""
        return carried(self._tracks, self._index, index)

    def _note(self, track_id: int, box: Float32, score: float) -> None:
        """Remember where a person is: the package cannot predict without changing its state."""
        assert self._index is not None
        track = self._tracks.get(track_id)
        observation = (box, score, self._index)
        self._tracks[track_id] = track.follow(*observation) if track else Track.begin(*observation)
