"""Jitter, agreement and lag on tracks that can be computed by hand."""

import numpy as np
import pytest

from tarvitpose.metrics.jitter import acceleration, distance, lag, mean_of_known
from tarvitpose.utils.arrays import Float64

NAN = float("nan")


def moving(frames: int = 40, joints: int = 3) -> Float64:
    """Return joints that swing each in its own way, (F, J, 2)."""
    time = np.arange(frames)[:, None, None]
    pace = np.random.default_rng(0).uniform(0.2, 0.9, (1, joints, 2))
    return np.asarray(50 * np.sin(pace * time) + 3 * time)


def test_constant_velocity_has_no_acceleration() -> None:
    track = np.arange(6)[:, None, None] * np.array([[[2.0, -1], [0, 0]]])
    assert acceleration(track).shape == (4, 2)
    assert not acceleration(track).any()


def test_constant_acceleration_is_found() -> None:
    time = np.arange(5.0)[:, None]
    track = np.stack([1.5 * time**2, 2 * time**2], -1)  # (F, 1, 2), second differences 3 and 4
    assert acceleration(track) == pytest.approx(np.full((3, 1), 5))


def test_a_single_jump_of_one_pixel() -> None:
    track = np.zeros((5, 1, 2))
    track[2] = (0, 1)
    assert acceleration(track).ravel().tolist() == [1, 2, 1]


def test_only_three_frames_in_a_row_count() -> None:
    track = np.zeros((6, 2, 2))
    track[3, 0] = NAN
    counted = ~np.isnan(acceleration(track))
    assert counted.tolist() == [[True, True], [False, True], [False, True], [False, True]]


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_too_short_tracks_have_nothing_to_say(frames: int) -> None:
    values = acceleration(np.zeros((frames, 2, 2)))
    assert values.size == 0
    assert np.isnan(mean_of_known([values]))


def test_the_distance_of_two_tracks() -> None:
    first = np.zeros((2, 2, 2))
    second = np.array([[[3.0, 4], [0, 0]], [[NAN, 0], [0, 2]]])
    assert mean_of_known([distance(first, second)]) == pytest.approx((5 + 0 + 2) / 3)


@pytest.mark.parametrize("late", [-3, -1, 0, 1, 2])
def test_the_lag_of_a_delayed_track(late: int) -> None:
    track = moving()
    first, second = track[5:-5], track[5 - late : len(track) - 5 - late]
    noise = np.random.default_rng(1).normal(0, 0.5, first.shape)
    assert lag([(first, second + noise)]) == late


def test_missing_joints_do_not_disturb_the_lag() -> None:
    track = moving()
    first, second = track[2:].copy(), track[:-2].copy()
    first[10:14], second[20, 1] = NAN, NAN
    assert lag([(first, second), (first[:1], second[:1])]) == 2


def test_jumps_do_not_hide_the_lag() -> None:
    track = moving()
    first, second = track[2:].copy(), track[:-2]
    random = np.random.default_rng(0)
    for frame in random.choice(len(first), len(first) // 10, replace=False):
        first[frame] += random.normal(0, 100 * np.abs(np.diff(track, axis=0)).max(), (1, 2))
    assert lag([(first, second)]) == 2


def test_what_does_not_change_its_speed_has_no_lag() -> None:
    still, steady = np.ones((10, 2, 2)), np.arange(10)[:, None, None] * np.array([0.3, -7])
    assert lag([(still, still)]) is None
    assert lag([(steady, steady)]) is None
    assert lag([]) is None


def test_what_has_nothing_in_common_has_no_lag() -> None:
    noise = np.random.default_rng(3).normal(0, 5, (2, 200, 3, 2))
    assert lag([(noise[0], noise[1])]) is None
