"""Do scores mean what they say?   Axes: n joints, K bins.

A score is read as the probability that a joint is right: within 0.2 torsos of its label (PCK@0.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.evaluation.comparison import ModeComparison, known_differences
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.posetrack_ap import interval
from tarvitpose.utils.arrays import Bools, Float32, Float64, Int64
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.optional import require

BINS = 10  # of the same width
CHANCES = 20  # draws that tell what error remains where scores are right
CALIBRATION = "calibration error"


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


@dataclass(frozen=True)
class ScoredJoints:
    """The scores of N people's joints by each mode, and which joints were right."""

    scores: dict[str, Float32]  # (N, J), 0..1
    right: dict[str, Bools]  # (N, J)
    counted: Bools  # (N, J), joints with a label, of people with a torso
    units: Int64  # (N,): people with the same number are drawn together

    def part(self, people: Int64) -> "ScoredJoints":
        """Return some of the people, by their positions."""
        return ScoredJoints(
            {mode: scores[people] for mode, scores in self.scores.items()},
            {mode: right[people] for mode, right in self.right.items()},
            self.counted[people],
            self.units[people],
        )

    @property
    def reliabilities(self) -> dict[str, Reliability]:
        """The reliability of each mode's scores."""
        return {
            mode: reliability(scores[self.counted], self.right[mode][self.counted])
            for mode, scores in self.scores.items()
        }

    def comparison(self, samples: int) -> ModeComparison:
        """Return the calibration error of each mode, with intervals over draws of units."""
        values = {mode: {"mean": 100 * each.error} for mode, each in self.reliabilities.items()}
        draws: dict[str, Float64] = {}
        if samples and len(np.unique(self.units)) > 1:
            draws = {mode: 100 * self._drawn_errors(mode, samples) for mode in values}
        draws |= {
            label: draws[mode] - draws[base]
            for label, (mode, base) in known_differences(draws).items()
        }
        intervals = {row: {"mean": interval(errors.tolist())} for row, errors in draws.items()}
        scores = next(iter(self.scores.values()))[self.counted]
        draw = np.random.default_rng(0).random
        chance = np.mean(
            [reliability(scores, draw(len(scores)) < scores).error for _ in range(CHANCES)]
        )
        note = (
            f"mean distance of scores and shares right (within {TORSO_SHARE} of the torso) in "
            f"{BINS} bins, {len(scores)} joints of {self.counted.any(1).sum()} people; on as many, "
            f"scores that are right would have {100 * chance:.1f} by chance"
        )
        return ModeComparison(CALIBRATION, values, intervals, note)

    def _drawn_errors(self, mode: str, samples: int) -> Float64:
        """Return the error of each draw of units, (samples,)."""
        units, number = np.unique(self.units, return_inverse=True)
        people, joints = np.nonzero(self.counted)
        scores = self.scores[mode][people, joints].astype(np.float64)
        cells = number[people] * BINS + _bins(scores)
        surplus, counts = (
            np.bincount(cells, weights, len(units) * BINS).reshape(-1, BINS)
            for weights in (scores - self.right[mode][people, joints], None)
        )
        times = np.random.default_rng(0).multinomial(
            len(units), np.full(len(units), 1 / len(units)), size=samples
        )  # (samples, units): how often each is drawn
        drawn = times @ counts
        return np.asarray(np.abs(times @ surplus).sum(1) / np.maximum(drawn.sum(1), 1))


def _bins(scores: Float64) -> Int64:
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def reliability(scores: ArrayLike, right: ArrayLike) -> Reliability:
    """Sort the scores (n,) of joints, 0..1, and whether each was right (n,), into bins."""
    values, hits = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    bins = _bins(values)
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
