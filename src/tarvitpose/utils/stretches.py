"""Frames that follow each other without a gap."""

import numpy as np

from tarvitpose.utils.arrays import Int64


def stretches(frames: Int64) -> list[Int64]:
    """Return the positions of frames that follow each other, stretch by stretch.

    >>> [some.tolist() for some in stretches(np.array([3, 4, 5, 9]))]
    [[0, 1, 2], [3]]
    """
    breaks = np.flatnonzero(np.diff(frames) != 1) + 1
    return [np.asarray(some) for some in np.split(np.arange(len(frames)), breaks) if len(some)]
