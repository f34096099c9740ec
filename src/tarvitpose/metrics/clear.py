"""CLEAR MOT: which people are followed, missed, or change their id, frame by frame.

Axes: N true and M predicted objects of a frame (people, or joints of one kind), V videos.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from tarvitpose.utils.arrays import Float64, Int64

FORBIDDEN = 1e6  # what it costs to pair objects that are too far apart
OBJECTS, MISSED, SWITCHED, FALSE = range(4)  # columns of the counts


class ClearCounter:
    """Matches the objects of a video as py-motmetrics does, which poseval uses, and counts them."""

    def __init__(self) -> None:
        self.counts = np.zeros(4)  # true objects, missed ones, id switches, and false objects
        self._last_id: dict[int, int] = {}  # the id by which each true object was last followed

    def update(self, true_ids: Int64, predicted_ids: Int64, distance: Float64) -> None:
        """Add a frame; `distance` is (N, M), NaN where two objects are too far apart.

        An object stays with the id that last followed it while the two are close enough; the
        others are paired by the least sum of distances. Another id than the last one is a switch.
        """
        distance = distance.copy()
        matched = 0
        for at, true_id in enumerate(true_ids.tolist()):
            close = np.isfinite(distance[at]) & (predicted_ids == self._last_id.get(true_id))
            if close.any():
                distance[at], distance[:, close.argmax()] = np.nan, np.nan
                matched += 1
        rows, columns = linear_sum_assignment(np.where(np.isnan(distance), FORBIDDEN, distance))
        for row, column in zip(rows, columns, strict=True):
            if np.isnan(distance[row, column]):
                continue
            true_id, predicted_id = int(true_ids[row]), int(predicted_ids[column])
            self.counts[SWITCHED] += self._last_id.get(true_id, predicted_id) != predicted_id
            self._last_id[true_id] = predicted_id
            matched += 1
        missed, false = len(true_ids) - matched, len(predicted_ids) - matched
        self.counts[[OBJECTS, MISSED, FALSE]] += [len(true_ids), missed, false]


def mota(counts: Float64) -> Float64:
    """Return the tracking accuracy of counts (..., 4), at most 100; NaN without true objects.

    >>> mota(np.array([10.0, 1, 2, 3])).tolist()
    40.0
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = counts[..., [MISSED, SWITCHED, FALSE]].sum(-1) / counts[..., OBJECTS]
    return np.asarray(np.where(counts[..., OBJECTS] > 0, 100 * (1 - errors), np.nan))


def total(counts: Sequence[Float64], weights: Float64 | None) -> Float64:
    """Return the sum of videos' counts, each as often as `weights`, (V,), says; once if None."""
    times = np.ones(len(counts)) if weights is None else weights
    return np.asarray(np.tensordot(times, np.stack(counts), 1))
