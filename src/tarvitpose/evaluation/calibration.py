"""Do scores mean what they say?   Axes: n joints, K bins.

A score is read as the probability that a joint is right: within 0.2 torsos of its label (PCK@0.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.optional import require

BINS = 10  # of the same width
KNOTS = 12  # of a fitted curve, at most
SLOPE = 0.01  # least rise of a fitted curve, so that equal scores stay rare


@dataclass(frozen=True)
class Reliability:
    """Scores in bins of the same width, with how often they were right; all are (K,)."""

    counts: NDArray[np.int64]
    scores: NDArray[np.float64]  # mean of each bin, NaN where it is empty
    right: NDArray[np.float64]  # share of each bin, NaN where it is empty

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of score and share right, 0..1."""
        filled = self.counts > 0
        distance = np.abs(self.scores - self.right)[filled]
        return float(np.average(distance, weights=self.counts[filled])) if filled.any() else np.nan


def reliability(scores: ArrayLike, right: ArrayLike) -> Reliability:
    """Sort the scores (n,) of joints, 0..1, and whether each was right (n,), into bins."""
    values, hits = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    bins = np.minimum((values * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(bins, each, BINS) / counts for each in (values, hits)]
    return Reliability(counts, *means)


def fit_curve(scores: ArrayLike, right: ArrayLike) -> tuple[tuple[float, float], ...]:
    """Return points (score, probability) for `ModelConfig.score_curve`.

    `scores` (n,) are raw ones, `right` (n,) tells which joints were right. The curve is an isotonic
    regression, taken at quantiles of the scores and made to rise everywhere, from 0: a heatmap
    without a peak shows no joint, though a few such joints are right by chance. Raises ValueError
    with fewer than two different scores.
    """
    values, hits = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    order = np.argsort(values, kind="stable")
    smooth = isotonic_regression(hits[order]).x
    parts = [part for part in np.array_split(np.arange(len(order)), KNOTS) if len(part)]
    x = np.array([values[order][part].mean() for part in parts])
    y = np.array([smooth[part].mean() for part in parts])
    x, first = np.unique(np.round(x, 4), return_index=True)
    if len(x) < 2:
        raise ValueError("a score curve needs at least two different scores")
    y = (1 - SLOPE) * y[first]
    if x[0] > 0 and x[-1] < 1:
        x, y = np.concatenate([[0], x, [1]]), np.concatenate([[0], y, y[-1:]])
    rising = y + SLOPE * x
    return tuple((round(float(a), 4), round(float(b), 4)) for a, b in zip(x, rising, strict=True))


def plot_reliability(reliabilities: Mapping[str, Reliability], path: Path) -> None:
    """Write a PNG with a reliability diagram for each name.

    Raises MissingDependencyError without matplotlib, OutputError where the file cannot be written.
    """
    matplotlib = require("matplotlib.figure", "--reliability", "plot")
    figure = matplotlib.Figure(figsize=(5, 4.6), layout="constrained")
    axes = figure.add_subplot(
        xlabel="score", ylabel="share of joints within 0.2 torsos", xlim=(0, 1), ylim=(0, 1)
    )
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, curve in reliabilities.items():
        axes.plot(
            curve.scores, curve.right, marker="o", label=f"{name}, error {100 * curve.error:.1f}%"
        )
    axes.legend(loc="upper left", frameon=False)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
