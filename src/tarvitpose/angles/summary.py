"""What the angles of a video come to, as JSON: ranges, sides and repetitions."""

from collections.abc import Sequence
from typing import Any

from tarvitpose.angles.cycles import Cycles, cycles_of
from tarvitpose.angles.ranges import Range, ranges_of, side_pairs
from tarvitpose.angles.series import AngleSeries


def summary(series: Sequence[AngleSeries]) -> dict[str, Any]:
    """Return ranges of motion, left against right, and repetitions of everybody.

    Angles are degrees and times seconds. What is not known is NaN, or absent.
    """
    return {
        "units": {"angles": "degrees in the image plane", "times": "seconds"},
        "people": [_person(person) for person in series],
    }


def _person(series: AngleSeries) -> dict[str, Any]:
    ranges = ranges_of(series)
    faces = {name: int((series.facing == name).sum()) for name in sorted({*series.facing.tolist()})}
    return {
        "track_id": series.track_id,
        "frames": len(series.frames),
        "from": float(series.times[0]),
        "to": float(series.times[-1]),
        "faces": {name or "unknown": count for name, count in faces.items()},
        "ranges": {name: _range(measured) for name, measured in ranges.items()},
        "left_against_right": {
            left.name.removeprefix("left_"): {
                "left": round(left.size, 2),
                "right": round(right.size, 2),
                "left_less_right": round(left.size - right.size, 2),
            }
            for left, right in side_pairs(ranges)
        },
        "repetitions": {cycles.name: _cycles(cycles) for cycles in cycles_of(series)},
    }


def _range(measured: Range) -> dict[str, float]:
    return {
        "range_of_motion": round(measured.size, 2),
        "percentile_5": round(measured.low, 2),
        "median": round(measured.middle, 2),
        "percentile_95": round(measured.high, 2),
        "least": round(measured.least, 2),
        "least_at": round(measured.least_at, 6),
        "most": round(measured.most, 2),
        "most_at": round(measured.most_at, 6),
        "known_frames": measured.known,
    }


def _cycles(cycles: Cycles) -> dict[str, Any]:
    return {
        "period": round(cycles.period, 3),
        "autocorrelation": round(cycles.likeness, 3),
        "peaks_at": cycles.peaks.round(3).tolist(),
        "mean_cycle": cycles.mean.round(2).tolist(),
        "standard_deviation": cycles.spread.round(2).tolist(),
        "cycles_averaged": cycles.num_averaged,
    }
