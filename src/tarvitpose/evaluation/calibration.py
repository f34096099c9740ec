"""Do scores mean what they say?   Axes: n joints, K bins.

A score is read as the probability that a joint is right: within 0.2 torsos of its label (PCK@0.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.utils.arrays import Float64, Int64
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.optional import require

BINS = 10  # of the same width


@dataclass(frozen=True)
class Reliability:
    """Scores in bins of the same width, with how often they were right; all are (K,)."""

    counts: Int64
    scores: Float64  # mean of each bin, NaN where it is empty
    right: Float64  # share of each bin, NaN where it is empty

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


def plot_reliability(reliabilities: Mapping[str, Reliability], path: Path) -> None:
    """Write a PNG with a reliability diagram for each name.

    Raises MissingDependencyError without matplotlib, OutputError where the file cannot be written.
    """
    matplotlib = require("matplotlib.figure", "--reliability", "plot")
    figure = matplotlib.Figure(figsize=(5, 4.6), layout="constrained")
    axes = figure.add_subplot(
        xlabel="score",
        ylabel=f"share of joints within {TORSO_SHARE} torsos",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, curve in reliabilities.items():
        axes.plot(
            curve.scores, curve.right, marker="o", label=f"{name}, error {100 * curve.error:.1f}%"
        )
    axes.legend(loc="upper left", frameon=False)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
