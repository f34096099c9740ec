"""People whose tracks are known already, such as those of a file of boxes.   Axes: N people."""

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.tracking.track import LONGEST_GAP, Carried, Track, alive, carried, check_order
from tarvitpose.utils.arrays import Int64


class KnownTracks:
    """Remembers where people with known numbers are, to predict where they are in between."""

    def __init__(self) -> None:
        self._tracks: dict[int, Track] = {}
        self._index: int | None = None

    def note(self, boxes: ArrayLike, scores: ArrayLike, track_ids: Int64, index: int) -> None:
        """Take in the boxes (N, 4) xyxy of frame `index`, whose scores and tracks are (N,).

        Raises ValueError when `index` does not grow.
        """
        check_order(index, self._index)
        self._index = index
        self._tracks = alive(self._tracks, index, LONGEST_GAP)
        copies = np.array(boxes, np.float32).reshape(-1, 4)  # tracks keep them
        values = np.asarray(scores, np.float32).tolist()
        for track_id, box, score in zip(track_ids.tolist(), copies, values, strict=True):
            track = self._tracks.get(track_id)
            self._tracks[track_id] = (
                track.follow(box, score, index) if track else Track.begin(box, score, index)
            )

    def carry(self, index: int, _time: float | None = None, /) -> Carried:
        """Return where the people noted last are expected in frame `index`."""
        return carried(self._tracks, self._index, index)
