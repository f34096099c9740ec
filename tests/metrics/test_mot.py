"""Measures of identities, on cases one can compute by hand."""

import sys

import numpy as np
import pytest

from tarvitpose.errors import MissingDependencyError
from tarvitpose.metrics.clear import ClearCounter
from tarvitpose.metrics.mot import FrameIdentities, count_tracks, identities, tracking_scores
from tarvitpose.metrics.posetrack_ap import JOINTS, PredictedFrame, TrueFrame
from tarvitpose.utils.arrays import Float64

J = len(JOINTS)
WRIST = JOINTS.index("left_wrist")


def frame(true_ids: list[int], predicted: dict[int, int | None]) -> FrameIdentities:
    """Return a frame in which each predicted id lies exactly on a true one, or on nobody."""
    alike = [[float(target == true_id) for target in predicted.values()] for true_id in true_ids]
    similarity = np.array(alike).reshape(len(true_ids), len(predicted))
    return FrameIdentities(np.array(true_ids), np.array(list(predicted), np.int64), similarity)


def scores(*frames: FrameIdentities) -> dict[str, float]:
    return tracking_scores([count_tracks(frames)])


def test_perfect_tracks_have_100_whatever_their_ids() -> None:
    result = scores(*[frame([3, 900], {71: 3, 5: 900})] * 4)
    assert [result[name] for name in ("MOTA", "IDF1", "HOTA", "DetA", "AssA")] == [100] * 5
    assert (result["id switches"], result["missed"], result["false"]) == (0, 0, 0)
    assert result["people"] == 8


def test_two_people_who_swap_ids_halfway() -> None:
    result = scores(*[frame([1, 2], {1: 1, 2: 2})] * 2, *[frame([1, 2], {1: 2, 2: 1})] * 2)
    assert result["id switches"] == 2
    assert result["MOTA"] == pytest.approx(75)  # 2 errors of 8
    assert result["IDF1"] == pytest.approx(50)  # one id can be right for half of the time
    # Each hit shares its pair of ids with 2 frames, of 4 + 4 - 2 that have either.
    assert result["AssA"] == pytest.approx(100 / 3)
    assert result["HOTA"] == pytest.approx(100 * np.sqrt(1 / 3))


def test_a_gap_costs_misses_but_no_switch() -> None:
    result = scores(frame([1], {7: 1}), frame([1], {}), frame([1], {7: 1}))
    assert (result["id switches"], result["missed"]) == (0, 1)
    assert result["MOTA"] == pytest.approx(200 / 3)
    assert result["IDF1"] == pytest.approx(80)  # 2 right; one person without: 2 / 2.5


def test_a_new_id_after_a_gap_is_a_switch() -> None:
    result = scores(frame([1], {7: 1}), frame([1], {}), frame([1], {8: 1}))
    assert result["id switches"] == 1
    assert result["MOTA"] == pytest.approx(100 / 3)


def test_a_ghost_in_every_frame() -> None:
    result = scores(*[frame([1], {1: 1, 2: None})] * 3)
    assert (result["false"], result["MOTA"]) == (3, 0)
    assert result["DetA"] == pytest.approx(50)
    assert result["AssA"] == pytest.approx(100)
    assert result["IDF1"] == pytest.approx(200 / 3)


def test_at_less_than_half_an_oks_nobody_is_matched() -> None:
    half = FrameIdentities(np.array([1]), np.array([1]), np.array([[0.5]]))
    less = FrameIdentities(np.array([1]), np.array([1]), np.array([[0.499]]))
    assert scores(half)["MOTA"] == 100
    assert (scores(less)["MOTA"], scores(less)["IDF1"]) == (-100, 0)
    assert scores(half)["HOTA"] == pytest.approx(100 * 10 / 19)  # thresholds of 0.05 to 0.5


def test_who_was_followed_stays_followed_though_another_is_nearer() -> None:
    second = FrameIdentities(np.array([1]), np.array([1, 2]), np.array([[0.6, 0.9]]))
    assert scores(frame([1], {1: 1}), second)["id switches"] == 0
    assert scores(frame([1], {3: 1}), second)["id switches"] == 1


def test_of_two_pairings_the_nearer_one_is_taken() -> None:
    counter, ids = ClearCounter(), np.array([1, 2])
    counter.update(ids, np.array([10, 20]), np.array([[0.1, 0.2], [0.2, np.nan]]))
    assert counter.counts.tolist() == [2, 0, 0, 0]  # 1 with 20 and 2 with 10: both are matched
    counter.update(ids, np.array([10, 20]), np.array([[0.1, np.nan], [np.nan, 0.1]]))
    assert counter.counts.tolist() == [4, 0, 2, 0]


def test_videos_are_summed_as_often_as_they_are_drawn() -> None:
    swapped = count_tracks([frame([1], {1: 1}), frame([1], {2: 1})])
    perfect = count_tracks([frame([1], {1: 1})] * 6)
    both = tracking_scores([swapped, perfect])
    assert both["MOTA"] == pytest.approx(100 * 7 / 8)
    assert both["IDF1"] == pytest.approx(100 * 7 / 8)
    assert tracking_scores([swapped, perfect], np.array([3.0, 0]))["MOTA"] == pytest.approx(50)
    assert tracking_scores([swapped, perfect], np.array([3.0, 0]))["people"] == 6


def test_without_anybody_there_is_no_score() -> None:
    result = scores(frame([], {1: None}))
    assert all(np.isnan(result[name]) for name in ("MOTA", "IDF1", "HOTA"))
    assert result["false"] == 1
    assert np.isnan(scores()["MOTA"])


def wrists(*points: tuple[float, float]) -> Float64:
    keypoints = np.full((len(points), J, 2), np.nan)
    keypoints[:, WRIST] = points
    return keypoints


def pair(truth: TrueFrame, keypoints: Float64, ids: list[int]) -> FrameIdentities:
    predicted = PredictedFrame(keypoints, np.ones(keypoints.shape[:2]), np.array(ids))
    return identities((truth, predicted))


def labelled(keypoints: Float64, **values: object) -> TrueFrame:
    heads = np.full((len(keypoints), 4), np.nan)
    ids = np.arange(len(keypoints))
    return TrueFrame(keypoints, heads, **{"track_ids": ids, **values})  # type: ignore[arg-type]


def test_people_are_as_alike_as_their_oks() -> None:
    boxes = np.array([[0.0, 0, 100, 100]])
    far = 2 * 0.062 * np.sqrt(0.53 * 100 * 100)  # COCO's sigma of wrists; exp(-1/2) there
    both = pair(labelled(wrists((50, 50)), boxes=boxes), wrists((50 + far, 50), (50, 50)), [4, 5])
    assert both.similarity == pytest.approx(np.array([[np.exp(-0.5), 1]]))
    assert both.predicted_ids.tolist() == [4, 5]
    truth = wrists((50, 50))
    truth[0, 0] = 20, 20  # a nose, which the prediction lacks
    half = pair(labelled(truth, boxes=boxes), wrists((50, 50)), [4])
    assert half.similarity == pytest.approx(np.array([[0.5]]))


def test_without_a_box_the_joints_give_the_size() -> None:
    truth = wrists((100, 100))
    truth[0, 0] = 0, 0
    guess = truth.copy()
    guess[0, WRIST, 0] += 2 * 0.062 * np.sqrt(0.53 * 100 * 100)
    alike = pair(labelled(truth), guess, [4]).similarity
    assert alike == pytest.approx(np.array([[(np.exp(-0.5) + 1) / 2]]))


def test_who_has_no_joint_outside_ignored_regions_does_not_count() -> None:
    region = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    truth = labelled(wrists((5, 5), (50, 50)), ignored=(region,))
    result = pair(truth, wrists((6, 6), (50, 50)), [8, 9])
    assert (result.true_ids.tolist(), result.predicted_ids.tolist()) == ([1], [9])


def test_track_ids_that_are_missing_or_stand_twice_are_refused() -> None:
    truth = labelled(wrists((5, 5)), track_ids=None)
    with pytest.raises(ValueError, match="annotations have people without track_id"):
        pair(truth, wrists((5, 5)), [1])
    with pytest.raises(ValueError, match="predictions have two people of track_id 7"):
        pair(labelled(wrists((5, 5))), wrists((5, 5), (9, 9)), [7, 7])


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "motrics", None)
    with pytest.raises(MissingDependencyError, match="motrics"):
        count_tracks([frame([1], {1: 1})])
