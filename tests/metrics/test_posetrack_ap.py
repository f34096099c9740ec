"""PoseTrack AP: cases one can compute by hand, and a slow second implementation."""

import math

import cv2
import numpy as np
import pytest
from posetrack_scores import average_precision

from tarvitpose.metrics.posetrack_ap import (
    GROUPS,
    JOINTS,
    ApResult,
    FramePair,
    Matches,
    PredictedFrame,
    TrueFrame,
    aggregate,
    bootstrap,
    head_sizes,
    inside,
    interval,
    match,
    without_ignored,
)
from tarvitpose.utils.arrays import Float64

J = len(JOINTS)
NOSE = JOINTS.index("nose")
HEAD = (0.0, 0, 30, 40)  # a diagonal of 50: head size 30, hits within 15 pixels
SQUARE = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])


def person(x: float = 0.0, y: float = 0.0) -> Float64:
    """Return 15 joints, 100 pixels apart: no joint is near another."""
    return np.stack([x + 100.0 * np.arange(J), np.full(J, y)], 1)


def only_nose(x: float, y: float = 0.0) -> Float64:
    keypoints = np.full((J, 2), np.nan)
    keypoints[NOSE] = x, y
    return keypoints


def truth(*people: Float64, ignored: tuple[Float64, ...] = ()) -> TrueFrame:
    return TrueFrame(np.array(people), np.array([HEAD] * len(people)), ignored)


def predicted(*people: Float64, scores: tuple[float, ...] | None = None) -> PredictedFrame:
    """Return people whose joints have one score each; the first 0.9, the next 0.8 and so on."""
    each = scores or tuple(0.9 - 0.1 * at for at in range(len(people)))
    return PredictedFrame(np.array(people), np.repeat(each, J).reshape(-1, J))


def nose_ap(*frames: FramePair) -> float:
    return average_precision(frames).joints["nose"]


def test_perfect_predictions_have_100() -> None:
    result = average_precision([(truth(person()), predicted(person()))] * 3)
    assert result.mean == 100
    assert list(result.joints) == list(JOINTS)
    assert set(result.groups.values()) == {100}


def test_groups_stand_in_the_papers_order() -> None:
    result = ApResult({name: float(at) for at, name in enumerate(JOINTS)})
    assert list(result.groups) == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"]
    assert result.groups["Head"] == 1.0  # of nose 0, head_bottom 1 and head_top 2
    assert result.groups["Ankle"] == 13.5
    assert result.mean == 7.0  # of joints; the mean of groups is 7.43
    assert sum(map(len, GROUPS.values())) == J


def test_nothing_found_has_0() -> None:
    assert average_precision([(truth(person()), predicted())]).mean == 0
    assert average_precision([(truth(person()), predicted(person(50)))]).mean == 0


def test_a_joint_at_half_the_head_size_hits() -> None:
    assert head_sizes(np.array([HEAD])).tolist() == [30]
    assert nose_ap((truth(only_nose(0)), predicted(only_nose(15)))) == 100
    assert nose_ap((truth(only_nose(0)), predicted(only_nose(9, 12)))) == 100
    assert nose_ap((truth(only_nose(0)), predicted(only_nose(15.001)))) == 0


def test_with_an_empty_head_box_nothing_hits() -> None:
    frame = TrueFrame(person()[None], np.zeros((1, 4)))
    assert average_precision([(frame, predicted(person()))]).mean == 0


@pytest.mark.parametrize(("stray", "expected"), [(0.95, 50), (0.1, 100)])
def test_a_false_positive_costs_by_its_score(stray: float, expected: float) -> None:
    frame = truth(person()), predicted(person(), person(0, 500), scores=(0.9, stray))
    assert average_precision([frame]).mean == expected


def test_the_precision_envelope_is_monotone() -> None:
    # Hit, miss, miss, hit, hit of four noses: precision 1, 1/2, 1/3, 2/4, 3/5 becomes
    # 1, 3/5, 3/5, 3/5, 3/5: area (1 + 3/5 + 3/5 + 0) / 4.
    num_gt = [only_nose(x) for x in (0, 1000, 2000, 3000)]
    guesses = [only_nose(x) for x in (0, 400, 500, 1000, 2000)]
    assert nose_ap((truth(*num_gt), predicted(*guesses))) == pytest.approx(55)


def test_of_two_predictions_the_better_pose_gets_the_truth() -> None:
    half = person()
    half[8:] += 500
    frame = truth(person()), predicted(half, person(), scores=(0.9, 0.5))
    # The better pose wins in spite of its score; all joints of the other are misses.
    assert average_precision([frame]).mean == 50


def test_of_equal_predictions_the_first_gets_the_truth() -> None:
    sure_last = truth(person()), predicted(person(), person(1), scores=(0.2, 0.9))
    sure_first = truth(person()), predicted(person(), person(1), scores=(0.9, 0.2))
    assert average_precision([sure_last]).mean == 50
    assert average_precision([sure_first]).mean == 100


def test_a_prediction_keeps_the_first_of_equal_truths() -> None:
    # Two truths at one place: the first prediction takes the first truth, the second finds it
    # taken and does not go to the other one.
    frame = truth(person(), person()), predicted(person(), person())
    assert average_precision([frame]).mean == 50


def test_the_share_counts_the_joints_of_the_truth() -> None:
    # 14 hits of 15 are fewer than 1 of 1: the second truth, which has only a nose, is matched.
    guess = person()
    guess[1] += 50
    frame = truth(person(), only_nose(0)), predicted(guess)
    result = average_precision([frame])
    assert result.joints["nose"] == 50  # one of two noses
    assert result.joints["left_knee"] == 0  # a joint that the matched truth does not have


def test_a_joint_that_the_truth_lacks_is_a_false_positive() -> None:
    lacking = person()
    lacking[NOSE] = np.nan
    frames = [
        (truth(lacking), predicted(person(), scores=(0.9,))),
        (truth(person()), predicted(person(), scores=(0.8,))),
    ]
    result = average_precision(frames)
    assert result.joints["nose"] == 50
    assert result.joints["left_hip"] == 100


def test_a_joint_that_is_not_predicted_is_only_missed() -> None:
    lacking = person()
    lacking[NOSE] = np.nan
    result = average_precision(
        [(truth(person(), person(0, 500)), predicted(lacking, person(0, 500)))]
    )
    assert result.joints["nose"] == 50
    assert result.joints["left_hip"] == 100


def test_frames_without_people_are_dropped_with_their_predictions() -> None:
    frames = [
        (truth(person()), predicted(person(), scores=(0.5,))),
        (truth(), predicted(person(), scores=(0.9,))),
    ]
    assert average_precision(frames).mean == 100


def test_a_person_without_points_keeps_its_frame() -> None:
    nobody = np.full((J, 2), np.nan)
    frames = [
        (truth(person()), predicted(person(), scores=(0.5,))),
        (truth(nobody), predicted(person(), scores=(0.9,))),
    ]
    assert average_precision(frames).mean == 50


def test_what_lies_in_ignore_regions_counts_on_neither_side() -> None:
    region = SQUARE + np.array([995, 495])  # around the eleventh joint of a person at y 500
    everything = np.array([[-10.0, 900], [2000, 900], [2000, 1100], [-10, 1100]])
    frame = (
        truth(person(), person(0, 500), ignored=(region, everything)),
        predicted(person(), person(0, 500), person(0, 1000), scores=(0.5, 0.4, 0.9)),
    )
    result = average_precision([frame])
    assert result.mean == 100
    matches = match([frame])
    assert matches.num_gt.tolist() == [2] * 10 + [1] + [2] * 4
    assert len(matches.joints) == 2 * J - 1


def test_a_truth_that_is_ignored_whole_keeps_its_frame() -> None:
    region = np.array([[-10.0, -10], [2000, -10], [2000, 10], [-10, 10]])
    frames = [
        (truth(person(), ignored=(region,)), predicted(person(0, 500), scores=(0.9,))),
        (truth(person()), predicted(person(), scores=(0.5,))),
    ]
    assert average_precision(frames).mean == 50


def test_points_on_the_border_of_a_region_stay() -> None:
    points = np.array([[5.0, 5], [0, 5], [10, 10], [5, 0], [10, 5], [11, 5], [-1, 0], [5, 9.999]])
    assert inside(points, SQUARE).tolist() == [True, *[False] * 6, True]
    remaining = without_ignored(points[None, :3], [SQUARE])
    assert np.isnan(remaining[0, 0]).all()
    assert np.array_equal(remaining[0, 1:], points[1:3])


def test_a_ray_through_a_corner_is_counted_once() -> None:
    diamond = np.array([[0.0, 0], [5, -5], [10, 0], [5, 5]])
    points = np.array([[5.0, 0], [1, 0], [-1, 0], [11, 0], [5, -4], [5, 5]])
    assert inside(points, diamond).tolist() == [True, True, False, False, True, False]


def test_regions_may_be_concave_cross_themselves_or_be_empty() -> None:
    bow = np.array([[0.0, 0], [10, 10], [10, 0], [0, 10]])
    assert inside(np.array([[2.0, 5], [8, 5], [5, 1], [5, 5]]), bow).tolist() == [
        *(True, True),
        *(False, False),
    ]
    for polygon in (np.zeros((0, 2)), SQUARE[:1], SQUARE[:2]):
        assert not inside(np.array([[5.0, 0], [0, 0]]), polygon).any()
    assert not inside(np.full((1, 2), np.nan), SQUARE).any()


def test_inside_is_what_opencv_says() -> None:
    random = np.random.default_rng(0)
    angles = np.sort(random.uniform(0, 2 * np.pi, 12))
    star = np.round(50 + random.uniform(10, 50, (12, 1)) * np.c_[np.cos(angles), np.sin(angles)])
    points = random.integers(0, 101, (300, 2)).astype(float)
    contour = star.astype(np.int32)
    expected = [cv2.pointPolygonTest(contour, tuple(point), False) > 0 for point in points]
    assert inside(points, star).tolist() == expected
    assert sum(expected) > 20


def test_misses_come_first_among_equal_scores() -> None:
    frame = truth(only_nose(0)), predicted(only_nose(0), only_nose(500), scores=(0.5, 0.5))
    swapped = truth(only_nose(0)), predicted(only_nose(500), only_nose(0), scores=(0.5, 0.5))
    assert nose_ap(frame) == nose_ap(swapped) == 50


def test_a_joint_that_is_nowhere_labelled() -> None:
    lacking = person()
    lacking[NOSE] = np.nan
    absent = average_precision([(truth(lacking), predicted(lacking))])
    assert absent.joints["nose"] == 0
    assert absent.mean == pytest.approx(100 * 14 / 15)
    guessed = average_precision([(truth(lacking), predicted(person()))])
    assert math.isnan(guessed.joints["nose"])
    assert guessed.mean == 100
    assert guessed.groups["Head"] == 100


def test_a_mean_of_nothing_is_nan() -> None:
    nobody = np.full((J, 2), np.nan)
    result = average_precision([(truth(nobody), predicted(person()))])
    assert math.isnan(result.mean)
    assert math.isnan(result.groups["Knee"])


def test_arrays_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"keypoints has the shape \(1, 17, 2\)"):
        TrueFrame(np.zeros((1, 17, 2)), np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"different numbers of people: \[1, 2\]"):
        PredictedFrame(person()[None], np.zeros((2, J)))
    with pytest.raises(ValueError, match="not finite"):
        PredictedFrame(person()[None], np.full((1, J), np.nan))


def test_frames_keep_copies_of_what_they_are_given() -> None:
    keypoints = person()[None]
    frame = truth(*keypoints)
    keypoints += 1000
    assert average_precision([(frame, predicted(person()))]).mean == 100


def random_frame(random: np.random.Generator) -> FramePair:
    """Return a crowded frame: gaps, strays, doubles, ignore regions; all scores differ."""
    true = random.uniform(0, 200, (random.integers(0, 5), J, 2))
    copies = np.repeat(true, 2, axis=0)[: random.integers(0, 8)]
    strays = random.uniform(0, 200, (random.integers(0, 3), J, 2))
    spread = random.choice([2, 10, 30], (len(copies), 1, 1))
    guesses = np.concatenate([copies + spread * random.normal(size=copies.shape), strays])
    random.shuffle(guesses)
    for points, share in ((true, 0.2), (guesses, 0.1)):
        points[random.random(points.shape[:2]) < share] = np.nan
    true[random.random(len(true)) < 0.1] = np.nan  # people without points
    corners = np.c_[np.zeros((len(true), 2)), random.uniform(10, 60, (len(true), 2))]
    regions = [60 * random.uniform(0, 3, 2) + SQUARE * 4 for _ in range(random.integers(0, 3))]
    frame = PredictedFrame(guesses, random.random(guesses.shape[:2]))
    return TrueFrame(true, corners, tuple(regions)), frame


def random_video(seed: int, frames: int = 6) -> list[FramePair]:
    random = np.random.default_rng(seed)
    return [random_frame(random) for _ in range(frames)]


@pytest.mark.parametrize("seed", range(12))
def test_equals_a_slow_implementation(seed: int) -> None:
    frames = random_video(seed)
    expected, computed = slow_ap(frames), average_precision(frames).joints
    assert computed == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_the_random_frames_are_not_trivial() -> None:
    results = [average_precision(random_video(seed)).mean for seed in range(12)]
    assert 5 < min(results) < max(results) < 95


def test_the_order_of_videos_and_frames_changes_nothing() -> None:
    videos = [random_video(seed) for seed in range(4)]
    frames = [frame for video in videos for frame in video]
    expected = average_precision(frames)
    shuffled = [frames[at] for at in np.random.default_rng(0).permutation(len(frames))]
    assert average_precision(shuffled) == expected
    assert aggregate([match(video) for video in reversed(videos)]) == expected


def test_the_order_of_people_changes_nothing_where_no_two_match_equally_well() -> None:
    random = np.random.default_rng(5)
    # Each prediction hits 15, 14, 13... joints of one truth, so that no share occurs twice.
    people = [person(0, 300 * at) for at in range(3)]
    guesses = [people[at // 2].copy() for at in range(6)]
    for at, guess in enumerate(guesses):
        guess[:at, 1] += 100
    scores = random.random((6, J))
    expected = average_precision([(truth(*people), PredictedFrame(np.array(guesses), scores))])
    assert 0 < expected.mean < 100
    for _ in range(5):
        order, here = random.permutation(3), random.permutation(6)
        frame = PredictedFrame(np.array(guesses)[here], scores[here])
        assert average_precision([(truth(*np.array(people)[order]), frame)]) == expected


def matched_videos() -> list[Matches]:
    """Return three videos with an AP of 100, 0 and 100 alone."""
    good = [(truth(person()), predicted(person(), scores=(0.5,)))]
    bad = [(truth(person()), predicted(person(50), scores=(0.9,)))]
    return [match(frames) for frames in (good, bad, good)]


def test_pooled_is_not_the_mean_of_videos() -> None:
    assert aggregate(matched_videos()).mean == pytest.approx(100 * 4 / 9)


def test_a_draw_counts_a_video_as_often_as_it_was_drawn() -> None:
    videos = [match(random_video(seed)) for seed in range(4)]
    draws = np.random.default_rng(7).multinomial(4, np.full(4, 0.25), size=20)
    for result, draw in zip(bootstrap(videos, 20, seed=7), draws, strict=True):
        repeated = [video for video, times in zip(videos, draw, strict=True) for _ in range(times)]
        assert result.joints == pytest.approx(aggregate(repeated).joints, nan_ok=True)


def test_the_interval_covers_what_videos_allow() -> None:
    draws = bootstrap(matched_videos()[:2], 200)  # a quarter all good, a quarter all bad
    low, high = interval(result.mean for result in draws)
    assert low == 0
    assert high == 100
    assert interval([5.0, float("nan"), 5.0]) == (5, 5)
    assert all(math.isnan(end) for end in interval([float("nan")]))


def test_a_joint_missing_from_a_draw_is_left_out_of_it() -> None:
    videos = [
        match([(truth(person()), predicted(person()))]),
        match([(truth(only_nose(0)), predicted(only_nose(0)))]),
    ]
    assert {result.mean for result in bootstrap(videos, 50)} == {100}


# The same rules once more in plain loops, over dictionaries of joints.

Points = dict[str, tuple[float, float]]


def slow_ap(frames: list[FramePair]) -> dict[str, float]:
    rows: dict[str, list[tuple[float, bool]]] = {name: [] for name in JOINTS}
    labelled = dict.fromkeys(JOINTS, 0)
    for true, guess in frames:
        if len(true.keypoints) > 0:
            people = [as_points(person, true) for person in true.keypoints]
            for row in slow_frame(people, true, guess):
                rows[row[0]].append(row[1:])
            for person in people:
                for name in person:
                    labelled[name] += 1
    return {name: slow_area(rows[name], labelled[name]) for name in JOINTS}


def as_points(keypoints: Float64, frame: TrueFrame) -> Points:
    points: Points = {}
    for name, (x, y) in zip(JOINTS, keypoints.tolist(), strict=True):
        squares = [(region[0], region[2]) for region in frame.ignored]
        hidden = any(low[0] < x < high[0] and low[1] < y < high[1] for low, high in squares)
        if not math.isnan(x) and not hidden:
            points[name] = x, y
    return points


def slow_frame(
    people: list[Points], true: TrueFrame, guess: PredictedFrame
) -> list[tuple[str, float, bool]]:
    guesses = [as_points(person, true) for person in guess.keypoints]
    sizes = [0.6 * math.hypot(x2 - x1, y2 - y1) for x1, y1, x2, y2 in true.head_boxes]
    share = [
        [slow_share(guessed, person, size) for person, size in zip(people, sizes, strict=True)]
        for guessed in guesses
    ]
    favourites = [first_best(range(len(people)), row) for row in share]
    owners: dict[int, int] = {}
    for n in range(len(people)):
        fans = [m for m in range(len(guesses)) if favourites[m] == n and share[m][n] > 0]
        if fans:
            owners[first_best(fans, [row[n] for row in share])] = n
    rows = []
    for m, guessed in enumerate(guesses):
        for name in guessed:
            hit = m in owners and slow_hit(guessed, people[owners[m]], sizes[owners[m]], name)
            rows.append((name, float(guess.scores[m, JOINTS.index(name)]), hit))
    return rows


def slow_hit(guess: Points, true: Points, size: float, name: str) -> bool:
    return name in guess and name in true and math.dist(guess[name], true[name]) / size <= 0.5


def slow_share(guess: Points, true: Points, size: float) -> float:
    hits = sum(slow_hit(guess, true, size, name) for name in true)
    return hits / len(true) if true else 0.0


def first_best(candidates: range | list[int], values: list[float]) -> int:
    best = candidates[0]
    for candidate in candidates:
        if values[candidate] > values[best]:
            best = candidate
    return best


def slow_area(rows: list[tuple[float, bool]], total: int) -> float:
    if total == 0:
        return float("nan") if rows else 0.0
    hits = [hit for _, hit in sorted(rows, reverse=True)]
    precisions = [sum(hits[: at + 1]) / (at + 1) for at in range(len(hits))]
    return 100 * sum(max(precisions[at:]) for at, hit in enumerate(hits) if hit) / total


def test_where_nobody_is_labelled_there_is_no_ap() -> None:
    secret = TrueFrame(np.empty((0, J, 2)), np.empty((0, 4)))
    result = average_precision([(secret, predicted(person()))])
    assert math.isnan(result.mean)
    assert all(math.isnan(value) for value in result.columns.values())
    assert math.isnan(average_precision([]).mean)
