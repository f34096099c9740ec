"""PCK as papers on JHMDB and Sub-JHMDB measure it.   Axes: N people, J joints."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tarvitpose.metrics.pck import joint_distance
from tarvitpose.skeleton import BODY, JointSet
from tarvitpose.utils.arrays import Float32

SCORED = ("nose", *BODY)  # the head is the face's middle; neck and belly are left out
SHARES = (0.2, 0.1)


class Reference(NamedTuple):
    """What a joint's error is compared with: it is right within a share of each person's size."""

    metric: str
    sizes: NDArray[np.floating]  # (N,), pixels, NaN for people who cannot be measured
    share: float
    note: str  # what is measured


def jhmdb_references(
    truth: Float32, visible: ArrayLike, boxes: ArrayLike, joints: JointSet
) -> list[Reference]:
    """Return the benchmark's references: the person's size and the torso, with two shares each.

    The person's size is the longer side of the box of its puppet mask, the torso reaches from the
    left shoulder to the right hip; under one pixel it counts for nothing. `truth` is (N, J, 2),
    `visible` (N, J) and `boxes` (N, 4), xyxy.
    """
    corners = np.asarray(boxes, np.float64)
    person = (corners[:, 2:] - corners[:, :2]).max(1)
    torso = joint_distance(truth, visible, joints, "left_shoulder", "right_hip")
    torso = np.where(torso >= 1, torso, np.nan)
    sizes = {
        "person": (person, "the longer side of the person's box"),
        "torso": (torso, "the torso (left shoulder to right hip)"),
    }
    return [
        Reference(f"PCK@{share:g} {name}", size, share, f"within {share:g} of {what}")
        for name, (size, what) in sizes.items()
        for share in SHARES
    ]
