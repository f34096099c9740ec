"""One metric of a model with and without its temporal part, and of what it has to beat."""

from collections.abc import Collection
from dataclasses import dataclass, field

from tarvitpose.config import TemporalMode

Values = dict[str, float]  # by column, 0..100
Intervals = dict[str, tuple[float, float]]  # by column

TEMPORAL, SINGLE_FRAME = "temporal", "single-frame"  # modes, and the folders of their files
# Baselines: the frames of a window are combined without any learning.
MEAN_HEATMAPS = "mean-heatmaps"  # of all frames, each decoded alone
MEAN_NEIGHBOURS = "mean-neighbours"  # of all but the current frame
MEAN_TOKENS = "mean-tokens"  # of the encoder's output for all frames, decoded once
POOLED_HEATMAPS = "pooled-heatmaps"  # moved along with each joint, weighted by confidence
MEANS = (MEAN_HEATMAPS, MEAN_NEIGHBOURS, MEAN_TOKENS)
BASELINES = (*MEANS, POOLED_HEATMAPS)
FUSED = "fused"  # pooled heatmaps and the temporal part's
MODES: dict[TemporalMode, str] = {
    "tar": TEMPORAL,
    "pooled": POOLED_HEATMAPS,
    "fused": FUSED,
    "none": SINGLE_FRAME,
}
DIFFERENCE = "difference"
DIFFERENCES = {
    f"{POOLED_HEATMAPS} over {SINGLE_FRAME}": (POOLED_HEATMAPS, SINGLE_FRAME),
    DIFFERENCE: (TEMPORAL, SINGLE_FRAME),
    **{f"over {baseline}": (TEMPORAL, baseline) for baseline in BASELINES},
    **{f"{FUSED} over {mode}": (FUSED, mode) for mode in (SINGLE_FRAME, POOLED_HEATMAPS, TEMPORAL)},
}


@dataclass(frozen=True)
class ModeComparison:
    """One metric of each mode, and what the temporal part adds, where both were measured."""

    metric: str
    values: dict[str, Values]  # by mode
    intervals: dict[str, Intervals] = field(default_factory=dict)  # 95%, by mode or difference
    note: str = ""  # what was measured

    @property
    def rows(self) -> dict[str, Values]:
        """The modes, and below them their differences."""
        rows = dict(self.values)
        for label, (mode, base) in known_differences(self.values).items():
            before = self.values[base]
            rows[label] = {name: value - before[name] for name, value in self.values[mode].items()}
        return rows

    @property
    def numbers(self) -> dict[str, dict[str, Values] | dict[str, Intervals]]:
        """The rows and their intervals, as JSON files hold them."""
        return {"values": self.rows, "interval95": self.intervals}


def known_differences(modes: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return the differences between modes that were measured, as pairs (mode, baseline) by label.

    >>> known_differences(["single-frame", "temporal"])
    {'difference': ('temporal', 'single-frame')}
    """
    return {label: pair for label, pair in DIFFERENCES.items() if set(pair) <= set(modes)}
