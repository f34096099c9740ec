"""Repetitions of a movement: its period, when each was, and the mean cycle.

Axes: N samples of an angle, evenly spaced in time, NaN where it is not known.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tarvitpose.angles.series import AngleSeries
from tarvitpose.utils.arrays import Float64

ALIKE = 0.6  # least autocorrelation at a period, and at two of them: chance gives less
FEWEST = 3  # repetitions: two that are alike may be chance
LEAST_SWING = 15.0  # degrees; what moves less is not a movement that one repeats
LEAST_KNOWN = 0.7  # of the samples
SHORTEST = 0.25  # seconds of a period
PHASES = 101  # samples of the mean cycle, 0 to 100 per cent


@dataclass(frozen=True)
class Cycles:
    """A movement that repeats, as one angle shows it."""

    name: str  # of the angle
    period: float  # seconds, from the autocorrelation
    likeness: float  # the autocorrelation at the period, up to 1
    peaks: Float64  # (R,) seconds, when the angle is largest in each repetition
    mean: Float64  # (101,) degrees from one peak to the next, NaN where no cycle is known
    spread: Float64  # (101,) standard deviation between the cycles
    num_averaged: int  # cycles without a gap, which the mean is of


def cycles_of(series: AngleSeries) -> list[Cycles]:
    """Return the angles of a person that repeat, the most alike first; none where none does."""
    if not np.isfinite(series.times).all():
        return []
    candidates = [_cycles(series, name) for name in series.degrees]
    return sorted(
        (cycles for cycles in candidates if cycles is not None), key=lambda cycles: -cycles.likeness
    )


def _cycles(series: AngleSeries, name: str) -> Cycles | None:
    times, degrees = _evenly_spaced(series, name)
    known = np.isfinite(degrees)
    if known.sum() < max(LEAST_KNOWN * len(degrees), 3):
        return None
    low, high = np.nanpercentile(degrees, [5, 95])
    if high - low < LEAST_SWING:
        return None
    step = float(times[1] - times[0])
    likeness = autocorrelation(degrees)
    lag = _period(likeness, max(round(SHORTEST / step), 2))
    if lag is None:
        return None
    peaks = _peaks(degrees, lag, (low + high) / 2)
    if len(peaks) < FEWEST:
        return None
    mean, spread, averaged = _mean_cycle(degrees, peaks, lag)
    return Cycles(name, lag * step, float(likeness[lag]), times[peaks], mean, spread, averaged)


def _evenly_spaced(series: AngleSeries, name: str) -> tuple[Float64, Float64]:
    """Return times and an angle at a constant step: frames that lack stay NaN.

    Between two known neighbours a sample is on the line between them; a gap is not bridged.
    """
    times, degrees = series.times, series.degrees[name]
    if len(times) < 2:
        return times, degrees
    step = float(np.median(np.diff(times) / np.diff(series.frames)))
    if step <= 0:
        return times[:0], degrees[:0]
    even = times[0] + step * np.arange(round((times[-1] - times[0]) / step) + 1)
    values = np.interp(even, times, degrees)  # NaN beside a NaN
    after = np.searchsorted(times, even - step / 4).clip(1, len(times) - 1)
    bridged = times[after] - times[after - 1] > 1.9 * step
    at_frame = np.minimum(np.abs(times[after] - even), np.abs(times[after - 1] - even)) < step / 4
    return even, np.where(bridged & ~at_frame, np.nan, values)


def autocorrelation(values: Float64) -> Float64:
    """Return how alike a series is to itself later, by samples, up to half of its length.

    Each is of the pairs of samples that are both known, less their means; 1 is the same.

    >>> autocorrelation(np.array([0.0, 1, 0, 1, 0, 1])).round(6).tolist()
    [1.0, -1.0, 1.0, -1.0]
    """
    lags = range(len(values) // 2 + 1)
    return np.array([_correlation(values[: len(values) - lag], values[lag:]) for lag in lags])


def _correlation(first: Float64, second: Float64) -> float:
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < 3:
        return 0.0
    first, second = first[both] - first[both].mean(), second[both] - second[both].mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0


def _period(likeness: Float64, shortest: int) -> int | None:
    """Return the lag in samples of the first clear peak, None where nothing repeats.

    It lies behind a valley below 0, so that slow change is not taken for a repetition, and two
    periods later the series must be alike as well, as far as it is long enough to tell.
    """
    negative = np.flatnonzero(likeness < 0)
    if not len(negative):
        return None
    start = max(int(negative[0]), shortest)
    inner = likeness[1:-1]
    is_peak = (inner >= likeness[:-2]) & (inner > likeness[2:]) & (inner >= ALIKE)
    peaks = np.flatnonzero(is_peak) + 1
    peaks = peaks[peaks >= start]
    if not len(peaks):
        return None
    highest = float(likeness[peaks].max())
    lag = int(peaks[likeness[peaks] >= 0.9 * highest][0])
    twice = likeness[max(2 * lag - lag // 4, 0) : 2 * lag + lag // 4 + 1]
    return lag if len(twice) and twice.max() >= ALIKE else None


def _peaks(degrees: Float64, lag: int, middle: float) -> list[int]:
    """Return the samples where an angle is largest within half a period to either side."""
    values = np.where(np.isfinite(degrees), degrees, -np.inf)
    half = max(lag // 2, 1)
    peaks: list[int] = []
    for at in np.flatnonzero(values > middle).tolist():
        around = values[max(at - half, 0) : at + half + 1]
        if values[at] < around.max() or (peaks and at - peaks[-1] <= half):
            continue
        if 0 < at < len(values) - 1:  # at an end the movement was still going on
            peaks.append(at)
    return peaks


def _mean_cycle(degrees: Float64, peaks: list[int], lag: int) -> tuple[Float64, Float64, int]:
    """Return mean and deviation, (101,), of the cycles from peak to peak that have no gap."""
    phase = np.linspace(0, 1, PHASES)
    cycles = [
        np.interp(phase, np.linspace(0, 1, stop - start + 1), degrees[start : stop + 1])
        for start, stop in pairwise(peaks)
        if np.isfinite(degrees[start : stop + 1]).all() and stop - start < 1.5 * lag
    ]
    if not cycles:
        return np.full(PHASES, np.nan), np.full(PHASES, np.nan), 0
    return np.mean(cycles, 0), np.std(cycles, 0), len(cycles)
