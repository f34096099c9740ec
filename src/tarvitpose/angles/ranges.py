"""Ranges of motion, and the left side against the right.   Axes: F frames of a person."""

from dataclasses import dataclass

import numpy as np

from tarvitpose.angles.definitions import BY_NAME, other_side
from tarvitpose.angles.series import AngleSeries

LOW, HIGH = 5, 95  # percentiles: a few wrong frames do not move them
FEWEST = 10  # frames with the angle; fewer say nothing of a range
LEAST_KNOWN = 0.1  # of the person's frames, likewise


@dataclass(frozen=True)
class Range:
    """How far one angle of a person went, in degrees."""

    name: str
    known: int  # frames in which the angle is known
    frames: int  # in which the person is there
    low: float  # 5th percentile
    middle: float  # median
    high: float  # 95th percentile
    least: float
    least_at: float  # seconds, NaN where the file has no times
    most: float
    most_at: float

    @property
    def size(self) -> float:
        """The range of motion: from the 5th to the 95th percentile."""
        return self.high - self.low


def ranges_of(series: AngleSeries) -> dict[str, Range]:
    """Return the range of each angle that is known often enough, by name."""
    ranges = {name: _range(series, name) for name in series.degrees}
    return {name: measured for name, measured in ranges.items() if measured is not None}


def _range(series: AngleSeries, name: str) -> Range | None:
    degrees = series.degrees[name]
    known = np.flatnonzero(np.isfinite(degrees))
    if len(known) < max(FEWEST, LEAST_KNOWN * len(degrees)):
        return None
    values, times = degrees[known], series.times[known]
    low, middle, high = np.percentile(values, [LOW, 50, HIGH])
    least, most = int(values.argmin()), int(values.argmax())
    return Range(
        name=name,
        known=len(known),
        frames=len(degrees),
        low=float(low),
        middle=float(middle),
        high=float(high),
        least=float(values[least]),
        least_at=float(times[least]),
        most=float(values[most]),
        most_at=float(times[most]),
    )


def side_pairs(ranges: dict[str, Range]) -> list[tuple[Range, Range]]:
    """Return left and right of each joint angle known on both sides; leans have no such pair."""
    return [
        (left, ranges[other_side(name)])
        for name, left in ranges.items()
        if BY_NAME[name].side == "left" and BY_NAME[name].joint and other_side(name) in ranges
    ]
