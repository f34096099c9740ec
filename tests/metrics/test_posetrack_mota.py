"""PoseTrack's MOTA of joints, on cases one can compute by hand."""

import numpy as np
import pytest

from tarvitpose.metrics.posetrack_ap import JOINTS, FramePair, PredictedFrame, TrueFrame
from tarvitpose.metrics.posetrack_mota import count_joints, posetrack_mota
from tarvitpose.utils.arrays import Float64

J = len(JOINTS)
NOSE, ANKLE = JOINTS.index("nose"), JOINTS.index("left_ankle")
HEAD = (0.0, 0, 30, 40)  # head size 30: hits within 15 pixels
LAST = 1  # frames that poseval leaves out


def people(*starts: float) -> Float64:
    """Return people whose joints stand 100 pixels apart, each row 1000 below the last."""
    return np.array(
        [[(x + 100.0 * at, 1000.0 * row) for at in range(J)] for row, x in enumerate(starts)]
    )


def pair(truth: Float64, guess: Float64, true_ids: list[int], ids: list[int]) -> FramePair:
    labels = TrueFrame(truth, np.array([HEAD] * len(truth)), (), np.array(true_ids, np.int64))
    scores = np.ones((len(guess), J))
    return labels, PredictedFrame(guess, scores, np.array(ids, np.int64))


def mota(*frames: FramePair) -> dict[str, float]:
    """Return MOTA of frames that are all counted: poseval leaves out one more behind them."""
    return posetrack_mota([count_joints([*frames, frames[-1]])]).columns


def test_perfect_tracks_have_100() -> None:
    frames = [pair(people(0, 0), people(14, -14), [1, 2], [8, 9])] * 3
    assert set(mota(*frames).values()) == {100.0}


def test_a_swap_of_ids_costs_each_joint_two_switches() -> None:
    both = people(0, 0)
    before, after = pair(both, both, [1, 2], [8, 9]), pair(both, both, [1, 2], [9, 8])
    assert mota(before, before, after, after)["mean"] == pytest.approx(75)


def test_a_joint_that_misses_is_missed_and_false() -> None:
    guess = people(0)
    guess[0, NOSE, 0] += 15.01
    result = mota(pair(people(0), guess, [1], [1]), pair(people(0), people(0), [1], [1]))
    assert result["nose"] == pytest.approx(0)  # 2 errors of 2
    assert result["left_ankle"] == 100
    assert result["Head"] == pytest.approx(200 / 3)
    assert result["mean"] == pytest.approx(1400 / 15)


def test_a_joint_that_is_not_predicted_is_only_missed() -> None:
    guess = people(0)
    guess[0, ANKLE] = np.nan
    assert mota(pair(people(0), guess, [1], [1]))["left_ankle"] == 0
    truth = people(0)
    truth[0, ANKLE] = np.nan
    assert np.isnan(mota(pair(truth, people(0), [1], [1]))["left_ankle"])


def test_joints_are_matched_on_their_own() -> None:
    # Two people 10 pixels apart: the nose of the first prediction is exactly on the second person.
    truth, guess = people(0, 0), people(0, 0)
    truth[1] = truth[0] + 10
    guess[1] = guess[0] + 10
    start = pair(truth, guess, [1, 2], [8, 9])
    crossed = guess.copy()
    crossed[:, NOSE] = guess[::-1, NOSE]
    # Both noses still hit, as who followed stays followed within half a head.
    assert mota(start, pair(truth, crossed, [1, 2], [8, 9]))["nose"] == 100


def test_the_last_labelled_frame_does_not_count() -> None:
    good, bad = pair(people(0), people(0), [1], [1]), pair(people(0), people(500), [1], [1])
    assert posetrack_mota([count_joints([good, good, bad])]).mean == 100


def test_a_frame_without_predictions_counts_once_whoever_is_labelled() -> None:
    nobody = np.empty((0, J, 2))
    empty = pair(people(0, 0, 0), nobody, [1, 2, 3], [])
    good = pair(people(0), people(0), [1], [1])
    assert count_joints([empty, good])[NOSE].tolist() == [1, 1, 0, 1]
    assert mota(good, good, good, empty)["nose"] == pytest.approx(50)


def test_videos_are_summed_before_the_share_is_taken() -> None:
    good = count_joints([pair(people(0), people(0), [1], [1])] * (3 + LAST))
    bad = count_joints([pair(people(0), people(500), [1], [1])] * (1 + LAST))
    assert posetrack_mota([good, bad]).mean == pytest.approx(50)  # 2 errors of 4
    assert posetrack_mota([good, bad], np.array([5.0, 0])).mean == 100
