"""How much joints tremble, and whether they come late.   Axes: F consecutive frames, J joints.

A joint that is missing, or has too low a score to count, has NaN coordinates; so has a frame
without the person. Everything below reads the poses of one track, (F, J, 2) in pixels.
"""

from collections.abc import Iterable

import numpy as np

from tarvitpose.utils.arrays import Float64

Tracks = Iterable[tuple[Float64, Float64]]  # the same poses twice, made in two ways

LONGEST_LAG = 5  # frames
NOTHING = 1e-6  # pixels², what float rounding may leave of no motion
JUMP = 3  # medians: what counts as a jump
ALIKE = 0.3  # the least correlation that says something about time


def acceleration(track: Float64) -> Float64:
    """Return the length of each joint's second difference, (F - 2, J), in pixels per frame².

    Steady motion has none. NaN wherever one of the three frames lacks the joint.

    >>> acceleration(np.array([[[0.0, 0]], [[3, 4]], [[6, 8]], [[6, 8]]])).tolist()
    [[0.0], [5.0]]
    """
    return np.asarray(np.linalg.norm(np.diff(track, 2, axis=0), axis=-1))


def relative_acceleration(track: Float64, heights: Float64) -> Float64:
    """Return the acceleration, (F - 2, J), as a share of the body's height, (F,) in pixels.

    >>> track = np.array([[[0.0, 0]], [[3, 4]], [[0, 0]]])
    >>> relative_acceleration(track, np.array([90.0, 100, 90])).tolist()
    [[0.1]]
    """
    known = np.where(heights > 0, heights, np.nan)
    return np.asarray(acceleration(track) / known[1:-1, None])


def distance(first: Float64, second: Float64) -> Float64:
    """Return how far the joints of two tracks lie apart, (F, J), in pixels."""
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def mean_of_known(values: Iterable[Float64]) -> float:
    """Return the mean over all values that are not NaN, NaN if there is none.

    >>> mean_of_known([np.array([1.0, np.nan]), np.array([[5.0]])])
    3.0
    """
    known = np.concatenate([np.zeros(0), *(part[~np.isnan(part)] for part in values)])
    return float(known.mean()) if len(known) else float("nan")


def lag(tracks: Tracks, longest: int = LONGEST_LAG) -> int | None:
    """Return by how many frames the second of each two tracks comes after the first.

    It is where the correlation of their changes of speed peaks, 0 when neither is late; None
    where nothing changes its speed, or the two have little in common.
    """
    speeds = [(_changes(first), _changes(second)) for first, second in tracks]
    by_size = sorted(range(-longest, longest + 1), key=abs)
    peaks = [(_correlation(speeds, shift), shift) for shift in by_size]
    best, shift = max(peaks, key=lambda peak: peak[0])  # of equals the first, the smallest
    return shift if best >= ALIKE else None


def _changes(track: Float64) -> Float64:
    """Return each joint's velocity (F - 1, J, 2) less its median: steady motion tells no time.

    Jumps, as of a joint that was taken for the other side's, count as three usual changes: as they
    are, a few would drown all motion.
    """
    velocity = np.diff(track, axis=0)
    changes = velocity - _median(velocity)
    usual = _median(np.abs(changes))
    limit = np.where(usual > 0, JUMP * usual, np.inf)
    return np.asarray(np.clip(changes, -limit, limit))


def _median(values: Float64) -> Float64:
    """Return the median over frames, (J, 2), 0 where nothing is known."""
    if not len(values):
        return np.zeros(values.shape[1:])
    known = ~np.isnan(values).all(0)
    return np.asarray(np.nanmedian(np.where(known, values, 0), axis=0))


def _correlation(speeds: Tracks, shift: int) -> float:
    """Return how alike the speeds are when the second is read `shift` frames later, -1..1."""
    both = energy_first = energy_second = 0.0
    for first, second in speeds:
        length = len(first) - abs(shift)
        if length < 1:
            continue
        a, b = first[max(-shift, 0) :][:length], second[max(shift, 0) :][:length]
        known = ~np.isnan(a) & ~np.isnan(b)
        both += float((a * b)[known].sum())
        energy_first += float((a**2)[known].sum())
        energy_second += float((b**2)[known].sum())
    scale = np.sqrt(energy_first * energy_second)
    return both / scale if scale > NOTHING else 0.0
