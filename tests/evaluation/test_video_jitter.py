"""Two runs over one video: how much their joints shake, and how far apart they are."""

import numpy as np
import pytest
from jitter_poses import HEIGHT, LINE, ZIGZAG, poses, poses_along

from tarvitpose.evaluation.video_jitter import MIN_SCORE, compare_jitter


def test_a_steady_run_and_a_shaking_one() -> None:
    jitter = compare_jitter(poses_along(ZIGZAG), poses_along(LINE))
    assert (jitter.frames, jitter.tracks) == (12, 1)
    assert jitter.jitter_single == pytest.approx((4, 4 / HEIGHT))  # +1, -1, +1: 4 at each frame
    assert jitter.jitter_temporal == pytest.approx((0, 0), abs=1e-5)
    assert jitter.mean_distance == pytest.approx((1, 1 / HEIGHT))
    assert jitter.lag is None  # what moves steadily does not tell the time


def test_a_run_that_comes_late() -> None:
    time = np.arange(60)
    path = np.stack([20 * np.sin(time / 3), 15 * np.cos(time / 5)], 1)
    jitter = compare_jitter(poses_along(path[2:]), poses_along(path[:-2]))
    assert jitter.lag == 2
    assert jitter.jitter_single[0] == pytest.approx(jitter.jitter_temporal[0], rel=0.05)


def test_joints_count_only_where_both_are_sure() -> None:
    first, second = poses_along(ZIGZAG), poses_along(LINE)
    for at in (0, 3, 6, 9):
        second[at] = poses(at, LINE[at], score=MIN_SCORE - 0.01)
    jitter = compare_jitter(first, second)  # no three frames in a row are left
    assert all(np.isnan([*jitter.jitter_single, *jitter.jitter_temporal]))
    assert jitter.mean_distance[0] == pytest.approx(1)


def test_people_are_told_apart_by_their_track_not_by_their_place() -> None:
    frames = []
    for at, position in enumerate(LINE):
        order = (1, -1)[at % 2]
        frames.append(poses(at, np.stack([np.zeros(2), position])[::order], (1, 2)[::order]))
    jitter = compare_jitter(frames, frames)
    assert jitter.tracks == 2
    assert jitter.jitter_single[0] == pytest.approx(0, abs=1e-5)


def test_a_frame_without_the_person_breaks_the_track() -> None:
    frames = poses_along(LINE[:6])
    frames[3] = poses(3, np.zeros((0, 2)), ())
    frames[4], frames[5] = (poses(at, LINE[at] + 40) for at in (4, 5))
    assert compare_jitter(frames, frames).jitter_single[0] == pytest.approx(0, abs=1e-5)


def test_nobody_at_all() -> None:
    empty = [poses(at, np.zeros((0, 2)), ()) for at in range(4)]
    jitter = compare_jitter(empty, empty)
    assert (jitter.frames, jitter.tracks, jitter.lag) == (4, 0, None)
    assert np.isnan(jitter.mean_distance).all()


def test_runs_of_different_people_are_no_pair() -> None:
    with pytest.raises(ValueError, match="frame 0: the runs have different people"):
        compare_jitter([poses(0, [0, 0], (1,))], [poses(0, [0, 0], (2,))])
