"""Which sighting is whose, by motion and clothes.   Axes: N sightings, M tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tarvitpose.tracking.appearance import difference
from tarvitpose.tracking.motion import Motion
from tarvitpose.tracking.sighting import Body, Sighting
from tarvitpose.utils.arrays import Float64, Int64
from tarvitpose.utils.assignment import assign

ALONE = 26.0  # surprise from which a box and a track rather stay alone
CLOTHES = 12.0  # surprise of clothes that share no colour
UNKNOWN = 0.2  # squared difference that is assumed where the clothes were never seen
LATE = 0.5  # seconds without a box after which clothes must be alike
UNLIKE = 0.7  # difference in colours from which somebody who comes back late is another


def paired(
    seen: Sequence[Sighting], moved: Mapping[int, Motion], bodies: Mapping[int, Body]
) -> Int64:
    """Return which of the tracks of `moved` each sighting belongs to, (N,), 0 where to none.

    `moved` says by track where people are expected now, and `bodies` what was known of them. The
    sum of surprises is least: how far the edges of a box lie from where they are expected, given
    how much is known of that, and how much colours differ.
    """
    ids = np.zeros(len(seen), np.int64)
    if not (len(seen) and moved):
        return ids
    boxes = np.array([each.box for each in seen], np.float64)
    possible = np.stack([motion.can_be(boxes) for motion in moved.values()], 1)  # (N, M)
    cost = np.stack([motion.surprise(boxes) + motion.doubt for motion in moved.values()], 1)
    strange = CLOTHES * np.square(_unlike(seen, [bodies[number] for number in moved]))
    late = [now.time - bodies[number].motion.time > LATE for number, now in moved.items()]
    possible &= ~(np.array(late) & (strange >= CLOTHES * UNLIKE**2))
    cost += strange
    benefit = np.where(possible, np.maximum(ALONE - cost, 0), 0)
    rows, columns = assign(benefit)
    is_pair = benefit[rows, columns] > 0
    ids[rows[is_pair]] = np.array([*moved])[columns[is_pair]]
    return ids


def _unlike(seen: Sequence[Sighting], bodies: Sequence[Body]) -> Float64:
    """Return how much the colours of each sighting and each body differ, (N, M)."""
    unlike = np.full((len(seen), len(bodies)), np.sqrt(UNKNOWN))
    rows = [row for row, each in enumerate(seen) if each.colours is not None]
    columns = [column for column, body in enumerate(bodies) if body.colours is not None]
    if rows and columns:
        first = np.array([seen[row].colours for row in rows])
        second = np.array([bodies[column].colours for column in columns])
        unlike[np.ix_(rows, columns)] = difference(first[:, None], second)
    return unlike
