"""Ranges of motion and repetitions, on movements whose answers are known."""

import numpy as np
import pytest
from posed_people import filmed, seen_from_the_side

from tarvitpose.angles.cycles import cycles_of
from tarvitpose.angles.ranges import ranges_of, side_pairs
from tarvitpose.angles.series import AngleSeries, joint_angles
from tarvitpose.utils.arrays import Float64

RATE = 25.0


def series_of(degrees: Float64, times: Float64 | None = None) -> AngleSeries:
    frames = np.arange(len(degrees))
    times = frames / RATE if times is None else times
    faces = np.full(len(degrees), "right")
    return AngleSeries(1, frames, times, faces, {"left_knee_flexion": degrees})


def squats(seconds: float, period: float, noise: float = 0.0) -> Float64:
    """Return a knee that bends from 10° to 90° once in each period, first in its middle."""
    times = np.arange(round(seconds * RATE)) / RATE
    random = np.random.default_rng(1)
    swing = 50 - 40 * np.cos(2 * np.pi * times / period)
    return np.asarray(swing + noise * random.standard_normal(len(times)))


def test_a_range_is_robust_and_its_extremes_have_times() -> None:
    degrees = np.linspace(0, 100, 101)
    degrees[40] = 179  # a wrong frame
    degrees[70] = np.nan
    measured = ranges_of(series_of(degrees))["left_knee_flexion"]
    assert (measured.known, measured.frames) == (100, 101)
    assert measured.low == pytest.approx(5, abs=0.2)
    assert measured.size == pytest.approx(90.5, abs=1)
    assert (measured.least, measured.least_at) == (0, 0)
    assert (measured.most, measured.most_at) == (179, 40 / RATE)


def test_little_that_is_known_makes_no_range() -> None:
    degrees = np.full(200, np.nan)
    degrees[:9] = 5
    assert not ranges_of(series_of(degrees))
    degrees[:19] = 5
    assert not ranges_of(series_of(degrees))
    degrees[:20] = 5
    assert ranges_of(series_of(degrees))


def test_sides_are_compared_by_how_far_each_went() -> None:
    people = []
    for bend in np.linspace(0, 90, 50):
        person = seen_from_the_side(thigh=0, shank=-bend)
        person |= {"right_ankle": seen_from_the_side(shank=-bend / 2)["right_ankle"]}
        people.append(person)
    pairs = side_pairs(ranges_of(joint_angles(filmed(people))[0]))
    left, right = {pair[0].name: pair for pair in pairs}["left_knee_flexion"]
    assert right.name == "right_knee_flexion"
    assert (left.size, right.size) == pytest.approx((81, 40.5), abs=0.1)
    assert not [left.name for left, _ in pairs if "lean" in left.name]


@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_repetitions_are_found_with_their_times(noise: float) -> None:
    (cycles,) = cycles_of(series_of(squats(20, 2.0, noise)))
    assert cycles.period == pytest.approx(2, abs=0.05)
    assert cycles.peaks == pytest.approx(np.arange(1, 20, 2), abs=0.25 if noise else 0.05)
    assert cycles.num_averaged == 9
    if not noise:  # from one deepest point to the next
        assert (cycles.mean[0], cycles.mean[50]) == pytest.approx((90, 10), abs=0.1)
        assert cycles.spread.max() < 0.1


def test_a_gap_leaves_its_cycle_out_of_the_mean() -> None:
    degrees = squats(20, 2.0)
    degrees[80:90] = np.nan  # between the second and the third
    (cycles,) = cycles_of(series_of(degrees))
    assert len(cycles.peaks) == 10
    assert cycles.num_averaged == 8
    assert cycles.mean[50] == pytest.approx(10, abs=0.1)


def test_dropped_frames_are_not_filled() -> None:
    degrees, frames = squats(20, 2.0), np.arange(500)
    left = (frames < 80) | (frames >= 140)
    whole = series_of(degrees)
    series = AngleSeries(
        1, frames[left], whole.times[left], whole.facing[left], {"left_knee_flexion": degrees[left]}
    )
    (cycles,) = cycles_of(series)
    assert cycles.period == pytest.approx(2, abs=0.05)
    assert not [peak for peak in cycles.peaks if 80 / RATE <= peak < 140 / RATE]


def test_uneven_times_are_read_as_times() -> None:
    steps = np.tile([0.03, 0.05], 250)
    times = np.cumsum(steps)
    degrees = 50 - 40 * np.cos(2 * np.pi * times / 2)
    (cycles,) = cycles_of(series_of(degrees, times))
    assert cycles.period == pytest.approx(2, abs=0.06)


def test_nothing_is_claimed_where_nothing_repeats() -> None:
    random = np.random.default_rng(3)
    ramp = np.linspace(0, 100, 300)
    for degrees in (
        ramp,  # one slow movement
        squats(4, 2.0),  # twice: may be chance
        squats(20, 2.0) / 8,  # trembling
        np.full(300, 40.0),
        np.full(300, np.nan),
        np.array([40.0]),
    ):
        assert not cycles_of(series_of(degrees))
    kernel = np.hanning(25) / 12
    drifts = [
        60 + 30 * np.convolve(random.standard_normal(324), kernel, "valid") for _ in range(50)
    ]
    assert not [drift for drift in drifts if cycles_of(series_of(drift))]


def test_without_times_there_are_no_periods() -> None:
    assert not cycles_of(series_of(squats(20, 2.0), np.full(500, np.nan)))
