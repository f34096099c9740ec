"""Who is who between frames: association by overlap (paper, section 3).   Axes: N people."""

from collections.abc import Set

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tarvitpose.geometry import box_iou
from tarvitpose.tracking.track import LONGEST_GAP, Carried, Track, alive, carried, check_order
from tarvitpose.utils.arrays import Float32, Int64, UInt8
from tarvitpose.utils.assignment import assign

MARGIN = 0.1  # of width and height, for each skipped frame: how far people may have moved
LARGEST_MARGIN = 0.5


class IouTracker:
    """Give every person a number that stays the same from frame to frame.

    A track expects its person where the last box and a smoothed velocity put them: without the
    velocity, people who cross swap numbers. The boxes of a frame are paired with the tracks so
    that the sum of overlaps is largest. Pairs whose IoU is below `iou_threshold` are dropped, and
    their boxes start new tracks if their scores reach `start_threshold`. A box below that can only
    continue a track that no box above it continues, so someone half hidden is still followed.
    Where frames were skipped since the last update, boxes and tracks without a partner get a second
    chance, grown on all sides by MARGIN for each skipped frame.

    A track without a box moves on for 15 frames and waits up to `max_gap` frames for a box where it
    expects one; then it ends. Numbers start at 1 and are never given twice.
    """

    def __init__(
        self, iou_threshold: float = 0.3, max_gap: int = LONGEST_GAP, start_threshold: float = 0.0
    ) -> None:
        self.iou_threshold = iou_threshold
        self.start_threshold = start_threshold
        self.max_gap = max_gap
        self._tracks: dict[int, Track] = {}
        self._next_id = 1
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
        """Return the track of each box, (N,), for the boxes (N, 4) xyxy of frame `index`.

        A box that belongs to no track and may not start one has the number 0. Frames may be
        skipped, never repeated: raises ValueError when `index` does not grow. The order of boxes
        does not matter; of two new people the one with the higher score is numbered first.
        """
        check_order(index, self._index)
        reach = self._reach(index)
        self._index = index
        boxes = np.array(boxes, np.float32).reshape(-1, 4)  # a copy, tracks keep it
        scores = np.asarray(scores, np.float32).reshape(-1)
        order = _fixed_order(boxes, scores)
        self._tracks = alive(self._tracks, index, self.max_gap)
        ids = np.zeros(len(boxes), np.int64)
        sure = scores[order] >= np.float32(self.start_threshold)
        for some in (order[sure], order[~sure]):
            for margin in sorted({0.0, reach}):
                left = some[ids[some] == 0]
                free = self._tracks.keys() - set(ids.tolist())
                ids[left] = self._match(boxes[left], free, index, margin)
        for position in order.tolist():
            if ids[position] or scores[position] >= np.float32(self.start_threshold):
                score = float(scores[position])
                ids[position] = self._record(int(ids[position]), boxes[position], score, index)
        return ids

    def carry(self, index: int, _time: float | None = None, /) -> Carried:
        """Return where the people of the last update are expected in frame `index`.

        Only those who had a box then, moved on at their velocity. Nothing is changed. Raises
        ValueError for a frame before that update.
        """
        return carried(self._tracks, self._index, index)

    def _reach(self, index: int) -> float:
        """Return by which share of their size boxes grow for the second chance, 0 for none."""
        skipped = 0 if self._index is None else index - self._index - 1
        return min(MARGIN * skipped, LARGEST_MARGIN)

    def _match(self, boxes: Float32, free: Set[int], index: int, margin: float) -> Int64:
        """Return which of the `free` tracks each box belongs to, (N,), 0 where to none."""
        ids = np.zeros(len(boxes), np.int64)
        known = np.array(sorted(free), np.int64)
        expected = [self._tracks[track_id].expected(index) for track_id in known.tolist()]
        overlap = box_iou(_grown(boxes, margin), _grown(expected, margin))  # (N, tracks)
        overlap[overlap < self.iou_threshold] = 0  # what is no pair must not sway the others
        rows, columns = assign(overlap)
        pairs = overlap[rows, columns] > 0
        ids[rows[pairs]] = known[columns[pairs]]
        return ids

    def _record(self, track_id: int, box: Float32, score: float, index: int) -> int:
        """Add a box to its track, or to a new one for `track_id` 0; return the track's number."""
        if track_id:
            self._tracks[track_id] = self._tracks[track_id].follow(box, score, index)
            return track_id
        self._next_id += 1
        self._tracks[self._next_id - 1] = Track.begin(box, score, index)
        return self._next_id - 1


def _grown(boxes: ArrayLike, margin: float) -> Float32:
    """Return boxes (N, 4) with `margin` of their width and height more on each side."""
    corners = np.asarray(boxes, np.float32).reshape(-1, 2, 2)
    more = margin * (corners[:, 1:] - corners[:, :1])  # (N, 1, 2)
    return np.concatenate([corners[:, :1] - more, corners[:, 1:] + more], 1).reshape(-1, 4)


def _fixed_order(boxes: Float32, scores: Float32) -> NDArray[np.intp]:
    """Return the order (N,) from the highest score down, equal scores by their boxes."""
    return np.lexsort((*boxes.T[::-1], -scores))
