"""Tracks of whole videos: identities of people, MOTA of joints, and what labels lack."""

from pathlib import Path

import numpy as np
import pytest

from tarvitpose.errors import DataError
from tarvitpose.evaluation.track_scores import TrackScorer
from tarvitpose.metrics.posetrack_ap import JOINTS, FramePair, PredictedFrame, TrueFrame
from tarvitpose.utils.arrays import Float64

pytest.importorskip("motrics")

HEAD = [0.0, 0, 30, 40]  # whose diagonal is 50
FRAMES = 4


def people(count: int) -> Float64:
    """Return the joints (N, J, 2) of people far from each other."""
    one = np.stack([np.arange(len(JOINTS)) * 10.0, np.arange(len(JOINTS)) * 7.0], 1)
    return np.stack([one + 1000 * at for at in range(count)])


def video(ids: list[list[int]], heads: list[list[float]] | None = None) -> list[FramePair]:
    """Return frames in which two people are predicted exactly where they are, with these ids."""
    true_ids = np.array([1, 2])
    truth = TrueFrame(people(2), np.array(heads or [HEAD] * 2), track_ids=true_ids)
    scores = np.ones((2, len(JOINTS)))
    return [(truth, PredictedFrame(people(2), scores, np.array(each))) for each in ids]


def scorer(*videos: list[FramePair]) -> TrackScorer:
    tracks = TrackScorer(Path("poses"))
    for pairs in videos:
        tracks.add(pairs)
    return tracks


def test_whoever_keeps_a_number_is_followed_whatever_the_number_is() -> None:
    scores = scorer(video([[7, 3]] * FRAMES)).scores()
    assert (scores["MOTA"], scores["IDF1"], scores["HOTA"]) == pytest.approx((100, 100, 100))
    assert scores["id switches"] == 0
    assert scores["people"] == 2 * FRAMES


def test_two_who_swap_numbers_halfway_are_two_switches() -> None:
    scores = scorer(video([[1, 2], [1, 2], [2, 1], [2, 1]])).scores()
    assert scores["id switches"] == 2
    assert scores["MOTA"] == pytest.approx(100 * (1 - 2 / 8))
    assert scores["IDF1"] == pytest.approx(50)


def test_joints_are_scored_as_poseval_does_without_the_last_frame() -> None:
    late = scorer(video([[1, 2], [1, 2], [1, 2], [2, 1]])).joint_scores()
    assert late["mean"] == pytest.approx(100)
    early = scorer(video([[1, 2], [2, 1], [2, 1], [2, 1]])).joint_scores()
    assert early["mean"] == pytest.approx(100 * (1 - 2 / 6))
    assert early["nose"] == pytest.approx(early["mean"])  # all joints swap together


def test_videos_count_as_often_as_they_are_drawn() -> None:
    good, bad = video([[1, 2]] * FRAMES), video([[1, 2], [1, 2], [2, 1], [2, 1]])
    both = scorer(good, bad)
    assert both.scores()["MOTA"] == pytest.approx(100 * (1 - 2 / 16))
    assert both.scores(np.array([0.0, 2.0]))["MOTA"] == pytest.approx(75)
    people_low_high, joints_low_high = both.intervals(40)
    assert people_low_high["MOTA"] == pytest.approx((75, 100))  # the worse twice, the better twice
    assert 66 < joints_low_high["mean"][0] < joints_low_high["mean"][1] <= 100


def test_one_head_that_nobody_labelled_leaves_people_but_no_joints() -> None:
    unknown = [HEAD, [np.nan] * 4]
    tracks = scorer(video([[1, 2]] * FRAMES), video([[1, 2]] * FRAMES, unknown))
    assert tracks.without_head == FRAMES
    assert tracks.joint_scores() == {}
    assert tracks.intervals(5)[1] == {}
    assert tracks.scores()["IDF1"] == pytest.approx(100)


def test_predictions_without_numbers_are_refused_by_their_name() -> None:
    pairs = video([[1, 2]])
    without = PredictedFrame(people(2), np.ones((2, len(JOINTS))))
    with pytest.raises(DataError, match=r"^poses: .*track_id; score without --tracks$"):
        scorer([(pairs[0][0], without)])
