"""Percentage of correct keypoints.   Axes: N people, J joints."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tarvitpose.metrics.posetrack_ap import head_sizes
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Bools, Float32


def hits(keypoints: ArrayLike, truth: ArrayLike, reference: ArrayLike, threshold: float) -> Bools:
    """Return which joints lie within `threshold` x `reference` of the truth, (N, J).

    `keypoints` and `truth` are (N, J, 2), `reference` (N,), all in the same pixels.
    """
    distance = np.linalg.norm(np.asarray(keypoints) - np.asarray(truth), axis=-1)
    return np.asarray(distance <= threshold * np.asarray(reference)[:, None])


def torso_size(truth: Float32, visible: ArrayLike, joints: JointSet) -> Float32:
    """Return the longer diagonal from shoulder to opposite hip, (N,); NaN without labels."""
    diagonals = (
        joint_distance(truth, visible, joints, shoulder, hip)
        for shoulder, hip in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
    )
    return np.asarray(np.fmax(*diagonals), np.float32)


def joint_distance(
    truth: Float32, visible: ArrayLike, joints: JointSet, first: str, second: str
) -> NDArray[np.floating]:
    """Return how far apart two joints are, (N,); NaN unless both are labelled."""
    ends = [joints.joints.index(name) for name in (first, second)]
    length = np.linalg.norm(truth[:, ends[0]] - truth[:, ends[1]], axis=-1)
    return np.where((np.asarray(visible)[:, ends] > 0).all(1), length, np.nan)


def head_size(
    truth: Float32, visible: ArrayLike, joints: JointSet, head_boxes: ArrayLike | None = None
) -> Float32:
    """Return the reference of PCKh, (N,): 0.6 x the head box's diagonal, as in poseval.

    `head_boxes` are (N, 4) xyxy. A person without one (NaN, or none at all) is measured from
    head_bottom to head_top, and has NaN where these are not labelled either.
    """
    sizes: NDArray[np.floating] = np.full(len(truth), np.nan)
    if {"head_bottom", "head_top"} <= set(joints.joints):
        sizes = joint_distance(truth, visible, joints, "head_bottom", "head_top")
    if head_boxes is not None:
        by_box = head_sizes(np.asarray(head_boxes, np.float64))
        sizes = np.where(np.isnan(by_box), sizes, by_box)
    return sizes.astype(np.float32)


def pck(correct: ArrayLike, visible: ArrayLike) -> float:
    """Return the share of labelled joints that are correct, 0..100; both are (N, J).

    >>> pck([[True, False]], [[1, 1]])
    50.0
    """
    labelled = np.asarray(visible) > 0
    if not labelled.any():
        return float("nan")
    return 100.0 * float(np.asarray(correct)[labelled].mean())


def bootstrap_interval(
    correct: ArrayLike,
    visible: ArrayLike,
    baseline: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    samples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95% interval of PCK, or of its gain over `baseline` (N, J), over people.

    `correct` may also hold shares from 0 to 1. Without any labelled joint it is NaN twice.
    People with the same number in `groups`, (N,), such as those of one video, are drawn together.
    """
    labelled = np.asarray(visible) > 0
    if not labelled.any():
        return float("nan"), float("nan")
    values = np.asarray(correct, np.float64) * labelled
    if baseline is not None:
        values = values - np.asarray(baseline, np.float64) * labelled
    units = np.unique(range(len(values)) if groups is None else groups, return_inverse=True)[1]
    gained, counted = (np.bincount(units, part.sum(1)) for part in (values, labelled))
    return ratio_interval(100 * gained, counted, samples=samples, seed=seed)


def ratio_interval(
    part: NDArray[Any], whole: NDArray[Any], *, samples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95% interval of the ratio of two sums, each over (N,), such as videos, by draws.

    Draws without any of the whole are left out.
    """
    draws = np.random.default_rng(seed).integers(len(part), size=(samples, len(part)))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = part[draws].sum(1) / whole[draws].sum(1)
    low, high = np.nanpercentile(ratios, [2.5, 97.5])
    return float(low), float(high)
