"""Percentage of correct keypoints.   Axes: N people, J joints."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tarvitpose.results import Float32
from tarvitpose.skeleton import JointSet


def hits(
    keypoints: ArrayLike, truth: ArrayLike, reference: ArrayLike, threshold: float
) -> NDArray[np.bool_]:
    """Return which joints lie within `threshold` x `reference` of the truth, (N, J).

    `keypoints` and `truth` are (N, J, 2), `reference` (N,), all in the same pixels.
    """
    distance = np.linalg.norm(np.asarray(keypoints) - np.asarray(truth), axis=-1)
    return np.asarray(distance <= threshold * np.asarray(reference)[:, None])


def torso_size(truth: Float32, visible: ArrayLike, joints: JointSet) -> Float32:
    """Return the longer diagonal from shoulder to opposite hip, (N,); NaN without labels."""
    index = {name: position for position, name in enumerate(joints.joints)}
    seen = np.asarray(visible) > 0
    diagonals = []
    for shoulder, hip in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")):
        a, b = index[shoulder], index[hip]
        length = np.linalg.norm(truth[:, a] - truth[:, b], axis=-1)
        diagonals.append(np.where(seen[:, a] & seen[:, b], length, np.nan))
    return np.fmax(*diagonals).astype(np.float32)


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
    samples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95% interval of PCK, or of its gain over `baseline` (N, J), over people."""
    labelled = np.asarray(visible) > 0
    values = np.asarray(correct, np.float64) * labelled
    if baseline is not None:
        values = values - np.asarray(baseline, np.float64) * labelled
    people = np.random.default_rng(seed).integers(len(values), size=(samples, len(values)))
    gains = values.sum(1)[people].sum(1) / np.maximum(labelled.sum(1)[people].sum(1), 1)
    low, high = np.percentile(100 * gains, [2.5, 97.5])
    return float(low), float(high)
