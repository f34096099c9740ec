"""Smoothed joints against scipy, against a filter written for one number, and on real files."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from tarvitpose.config import SmoothConfig, SmoothMethod
from tarvitpose.errors import ConfigError, DataError
from tarvitpose.results import FramePoses
from tarvitpose.smoothing import smooth, smoothed
from tarvitpose.smoothing.one_euro import BETA, MIN_CUTOFF
from tarvitpose.smoothing.runs import LEAST_SCORE, LONGEST_STEP

Array = NDArray[np.float64]
F, N, J = 50, 2, 3
LENGTH = 200.0  # longer side of every box, pixels
METHODS: tuple[SmoothMethod, ...] = ("one-euro", "savgol")


def shaken(frames: int = F, people: int = N, seed: int = 0) -> Array:
    """Return joints that swing and shake, (frames, people, J, 2)."""
    random = np.random.default_rng(seed)
    swing = 40 * np.sin(np.arange(frames) / 9)[:, None, None, None]
    return 300 + swing + random.normal(0, 3, (frames, people, J, 2))


def poses_of(
    points: Array,
    times: Sequence[float] | Array,
    *,
    scores: Array | None = None,
    ids: Sequence[Sequence[int]] | None = None,
    scale: float = 1,
) -> list[FramePoses]:
    """Return frames of people; `ids` says which of the people (from 1 on) are in each."""
    smooth_frames = []
    for index, time in enumerate(times):
        here = list(range(1, points.shape[1] + 1)) if ids is None else list(ids[index])
        rows = [track - 1 for track in here]
        sure = np.ones(points.shape[:3]) if scores is None else scores
        smooth_frames.append(
            FramePoses(
                index=index,
                time=float(time),
                image_size=(480, 640),
                keypoints=(scale * points[index, rows]).astype(np.float32).reshape(-1, J, 2),
                scores=sure[index, rows].astype(np.float32).reshape(-1, J),
                boxes=np.tile(np.float32([0, 0, 50, LENGTH]) * scale, (len(here), 1)),
                box_scores=np.ones(len(here), np.float32),
                track_ids=np.array(here, np.int64),
                joint_names=("nose", "left_wrist", "right_wrist"),
            )
        )
    return smooth_frames


def points_of(poses: Iterator[FramePoses] | list[FramePoses]) -> Array:
    return np.array([frame.keypoints for frame in poses], np.float64)


def rate(frames_per_second: float, frames: int = F) -> Array:
    return np.arange(frames) / frames_per_second


def uneven(frames: int = F, seed: int = 3) -> Array:
    """Return the times of a phone's video: steps of 10 to 60 milliseconds."""
    return np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.06, frames))


@pytest.mark.parametrize(("fps", "window"), [(30, 7), (60, 15), (25, 7), (24, 7), (10, 5), (5, 5)])
def test_savgol_is_that_of_scipy_at_a_constant_rate(fps: float, window: int) -> None:
    points = shaken()
    smooth_frames = points_of(smooth(poses_of(points, rate(fps)), "savgol"))
    expected = savgol_filter(np.float32(points).astype(float), window, 2, axis=0, mode="interp")
    assert np.abs(smooth_frames - expected).max() < 1e-3
    assert np.abs(smooth_frames - points).max() > 1


def test_the_window_of_savgol_is_in_seconds() -> None:
    points = shaken()
    smooth_frames = points_of(smooth(poses_of(points, rate(30)), "savgol", window=0.5))
    expected = savgol_filter(points, 15, 2, axis=0, mode="interp")
    assert np.abs(smooth_frames - expected).max() < 1e-3


def test_savgol_leaves_a_parabola_in_true_time_as_it_is() -> None:
    times = uneven()
    points = np.zeros((F, N, J, 2)) + (100 + 300 * times - 90 * times**2)[:, None, None, None]
    smooth_frames = points_of(smooth(poses_of(points, times), "savgol"))
    assert np.abs(smooth_frames - points).max() < 1e-3
    as_if_even = savgol_filter(points, 7, 2, axis=0, mode="interp")
    assert np.abs(as_if_even - points).max() > 0.3  # what ignoring the times would do


def fitted(times: Array, values: Array, at: int, half: float) -> float:
    """Return the parabola through the window around one frame, far from both ends, fitted anew."""
    near = np.flatnonzero(np.abs(times - times[at]) <= half)
    near = np.union1d(near, np.arange(at - 2, at + 3))
    return float(np.polyval(np.polyfit(times[near] - times[at], values[near], 2), 0))


def test_savgol_fits_true_times_at_a_varying_rate() -> None:
    points, times = shaken(), uneven()
    smooth_frames = points_of(smooth(poses_of(points, times), "savgol"))
    for at in range(10, F - 10):
        assert smooth_frames[at, 1, 2, 0] == pytest.approx(
            fitted(times, points[:, 1, 2, 0], at, 0.127)
        )


class Scalar:
    """The filter of the paper for one number, word for word."""

    def __init__(self, min_cutoff: float, beta: float) -> None:
        self.min_cutoff, self.beta = min_cutoff, beta
        self.last: tuple[float, float, float] | None = None  # time, value, speed

    def __call__(self, time: float, value: float) -> float:
        if self.last is None:
            self.last = time, value, 0.0
            return value
        before, old, old_speed = self.last
        period = time - before
        a = self.alpha(period, 1.0)
        speed = a * (value - old) / period + (1 - a) * old_speed
        a = self.alpha(period, self.min_cutoff + self.beta * abs(speed))
        self.last = time, a * value + (1 - a) * old, speed
        return self.last[1]

    @staticmethod
    def alpha(period: float, cutoff: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / period)


@pytest.mark.parametrize("times", [rate(30), rate(60), uneven()], ids=["30", "60", "uneven"])
def test_one_euro_is_the_papers_for_one_number(times: Array) -> None:
    points = shaken()
    points[..., 1] = 7  # only x moves: the speed in the plane is that of x
    smooth_frames = points_of(smooth(poses_of(points, times), "one-euro", min_cutoff=1.5, beta=3))
    for person, joint in np.ndindex(N, J):
        scalar = Scalar(1.5, 3 / LENGTH)
        values = np.float32(points[:, person, joint, 0]).tolist()
        expected = [scalar(*sample) for sample in zip(times, values, strict=True)]
        assert np.allclose(smooth_frames[:, person, joint, 0], expected, atol=1e-3)
    assert np.abs(smooth_frames[..., 1] - 7).max() < 1e-4


def test_one_euro_begins_as_computed_by_hand() -> None:
    points = np.zeros((3, 1, J, 2))
    points[1:, :, :, 0] = 10
    smooth_frames = points_of(
        smooth(poses_of(points, rate(10, 3)), "one-euro", min_cutoff=1, beta=0)
    )
    share = 0.2 * math.pi / (1 + 0.2 * math.pi)  # 1 Hz, 0.1 s
    assert np.allclose(smooth_frames[:, 0, 0, 0], [0, 10 * share, 10 * (1 - (1 - share) ** 2)])


def test_one_euro_knows_only_the_past_and_turns_with_the_picture() -> None:
    points = shaken()
    whole = points_of(smooth(poses_of(points, rate(30)), "one-euro"))
    assert np.array_equal(
        points_of(smooth(poses_of(points[:20], rate(30, 20)), "one-euro")), whole[:20]
    )
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    turned = points_of(smooth(poses_of(points @ turn, rate(30)), "one-euro"))
    assert np.allclose(turned, whole @ turn, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_size_of_the_picture_does_not_matter(method: SmoothMethod) -> None:
    points = shaken()
    small = points_of(smooth(poses_of(points, uneven()), method))
    large = points_of(smooth(poses_of(points, uneven(), scale=9), method))
    assert np.allclose(large, 9 * small, rtol=1e-5)


def test_one_euro_counts_time_in_any_unit() -> None:
    points, times = shaken(), uneven()
    smooth_frames = points_of(smooth(poses_of(points, times), "one-euro", min_cutoff=2, beta=0))
    slow = points_of(smooth(poses_of(points, 2 * times), "one-euro", min_cutoff=1, beta=0))
    assert np.allclose(smooth_frames, slow, atol=1e-3)


@pytest.mark.parametrize(("method", "tolerance"), [("one-euro", 8.0), ("savgol", 0.1)])
def test_the_frame_rate_hardly_matters(method: SmoothMethod, tolerance: float) -> None:
    def swing(times: Array) -> Array:
        return np.zeros((len(times), N, J, 2)) + 80 * np.sin(6 * times)[:, None, None, None]

    slow, fast = rate(30), rate(120, 4 * F)
    smooth_frames = points_of(smooth(poses_of(swing(slow), slow), method))
    finer = points_of(smooth(poses_of(swing(fast), fast), method))[::4]
    assert np.abs(smooth_frames - finer)[10:-10].max() < tolerance


@pytest.mark.parametrize("method", METHODS)
def test_shaking_is_less_and_all_else_is_as_it_was(method: SmoothMethod) -> None:
    raw = poses_of(shaken(), rate(30))
    smooth_frames = list(smooth(raw, method))

    def shaking(frames: list[FramePoses]) -> float:
        return float(np.abs(np.diff(points_of(frames), 2, axis=0)).mean())

    assert shaking(smooth_frames) < 0.6 * shaking(raw)
    for before, after in zip(raw, smooth_frames, strict=True):
        assert after.raw_keypoints is not None
        assert np.array_equal(after.raw_keypoints, before.keypoints)
        assert after.keypoints.dtype == np.float32
        same = replace(after, keypoints=before.keypoints, raw_keypoints=None)
        assert same.scores is before.scores
        assert (same.index, same.time, same.boxes.tolist()) == (
            before.index,
            before.time,
            before.boxes.tolist(),
        )


def parts(is_there: list[bool]) -> list[slice]:
    """Return the stretches of true values."""
    edges = [0, *(i for i in range(1, len(is_there)) if is_there[i] != is_there[i - 1])]
    slices = [slice(*ends) for ends in pairwise([*edges, len(is_there)])]
    return [part for part in slices if is_there[part.start]]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reason", ["person", "score", "time"])
def test_nothing_crosses_a_gap(method: SmoothMethod, reason: str) -> None:
    points, times = shaken(), rate(30)
    is_there = [index not in (*range(12), 25, 26, 41) for index in range(F)]
    options: dict[str, Any] = {}
    if reason == "person":
        options["ids"] = [[1, 2] if is_seen else [2] for is_seen in is_there]
    if reason == "score":
        options["scores"] = np.ones((F, N, J))
        options["scores"][~np.array(is_there), 0] = LEAST_SCORE - 0.01
        points[~np.array(is_there), 0] += 1000  # a joint that is nowhere near
    if reason == "time":
        gaps = np.cumsum(~np.array(is_there))  # a jump before and one after each lonely frame
        times = times + 2 * LONGEST_STEP * (gaps + np.concatenate([[0], gaps[:-1]]))
    smooth_frames = list(smooth(poses_of(points, times, **options), method))
    for part in parts(is_there):
        alone = points_of(smooth(poses_of(points[part], times[part]), method))
        for frame, expected in zip(smooth_frames[part], alone, strict=True):
            assert np.allclose(frame.keypoints[0], expected[0], atol=1e-3)
    for index in np.flatnonzero(~np.array(is_there)).tolist():
        assert len(smooth_frames[index]) == (1 if reason == "person" else 2)
        if reason == "score":
            assert np.allclose(smooth_frames[index].keypoints[0], points[index, 0])  # not invented
    if reason == "score":  # the other person and what is sure do not notice
        plain = points_of(smooth(poses_of(points, times), method))
        assert np.array_equal(points_of(smooth_frames)[:, 1], plain[:, 1])


@pytest.mark.parametrize("method", METHODS)
def test_one_unsure_joint_does_not_touch_the_others(method: SmoothMethod) -> None:
    points, scores = shaken(), np.ones((F, N, J))
    plain = points_of(smooth(poses_of(points, uneven()), method))
    scores[20:23, 0, 1] = 0
    smooth_frames = points_of(smooth(poses_of(points, uneven(), scores=scores), method))
    same = np.ones((N, J), bool)
    same[0, 1] = False
    assert np.array_equal(smooth_frames[:, same], plain[:, same])
    assert np.allclose(smooth_frames[20:23, 0, 1], points[20:23, 0, 1])
    assert not np.allclose(smooth_frames[:, 0, 1], plain[:, 0, 1])


@pytest.mark.parametrize("frames", range(1, 8))
def test_a_track_shorter_than_the_window_is_one_parabola(frames: int) -> None:
    points = shaken(frames)
    smooth_frames = points_of(smooth(poses_of(points, rate(30, frames)), "savgol"))
    times = np.arange(frames)
    degree = min(2, frames - 1)
    curve = np.polyfit(times, points.reshape(frames, -1), degree)
    expected = np.array([np.polyval(curve[:, i], times) for i in range(curve.shape[1])]).T
    assert np.allclose(smooth_frames, expected.reshape(points.shape), atol=1e-3)
    if frames <= 3:
        assert np.allclose(smooth_frames, points)


def coming_and_going(seed: int) -> list[FramePoses]:
    """Return people who enter, leave and come back, with joints that are unsure at times."""
    random = np.random.default_rng(seed)
    times = np.cumsum(
        random.choice([0.005, 0.03, 0.04, 0.1, 0.4], 90, p=[0.2, 0.3, 0.3, 0.17, 0.03])
    )
    is_there = random.random((90, 4)) < 0.97
    is_there[30:40, 1:] = False
    ids = [random.permutation(np.flatnonzero(row) + 1).tolist() for row in is_there]
    scores = (random.random((90, 4, J)) < 0.95).astype(float)
    return poses_of(shaken(90, 4, seed), times, scores=scores, ids=ids)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [0.05, 0.3, 1.0])
def test_streaming_savgol_forgets_nothing_that_matters(
    seed: int, window: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = coming_and_going(seed)
    streamed = list(smooth(raw, "savgol", window=window))
    monkeypatch.setattr("tarvitpose.smoothing.savgol.SavitzkyGolay._is_decided", lambda *_: False)
    monkeypatch.setattr("tarvitpose.smoothing.savgol.SavitzkyGolay._forget", lambda _: None)
    whole = list(smooth(raw, "savgol", window=window))
    for frame, other in zip(streamed, whole, strict=True):
        assert np.array_equal(frame.keypoints, other.keypoints)
        assert np.array_equal(frame.track_ids, other.track_ids)


@pytest.mark.parametrize(("method", "most"), [("one-euro", 1), ("savgol", 17)])
def test_few_frames_wait_however_long_the_video(method: SmoothMethod, most: int) -> None:
    read = 0

    def frames() -> Iterator[FramePoses]:
        nonlocal read
        for index in range(400):
            read += 1
            yield replace(frame, index=index, time=index / 60)

    frame = poses_of(shaken(1), [0.0])[0]
    waiting = [read - emitted for emitted, _ in enumerate(smooth(frames(), method))]
    assert max(waiting) <= most
    assert len(waiting) == 400


@pytest.mark.parametrize("method", METHODS)
def test_each_pose_stays_beside_its_frame(method: SmoothMethod) -> None:
    closed = []

    def pairs_of_frames() -> Generator[tuple[str, FramePoses]]:
        try:
            yield from ((f"frame {frame.index}", frame) for frame in poses_of(shaken(), uneven()))
        finally:
            closed.append(True)

    pairs = list(smoothed(pairs_of_frames(), SmoothConfig(smooth=method)))
    assert [item for item, _ in pairs] == [f"frame {poses.index}" for _, poses in pairs]
    assert len(pairs) == F
    early = smoothed(pairs_of_frames(), SmoothConfig(smooth=method))
    next(early)
    early.close()  # as where a live run is stopped
    assert closed == [True, True]


def test_savgol_keeps_no_more_than_it_needs() -> None:
    from tarvitpose.smoothing.savgol import SavitzkyGolay

    savgol, frame = SavitzkyGolay(), poses_of(shaken(1), [0.0])[0]
    for index in range(300):
        list(savgol.take(replace(frame, index=index, time=index / 60)))
    assert len(savgol._frames) < 50


@pytest.mark.parametrize("method", METHODS)
def test_times_that_stand_still_or_run_back_end_nothing(method: SmoothMethod) -> None:
    points = shaken()
    times = np.repeat(rate(15, F // 2), 2)
    times[30] = 0.1
    smooth_frames = points_of(smooth(poses_of(points, times), method))
    assert np.isfinite(smooth_frames).all()
    assert np.abs(smooth_frames - points).max() < 60


@pytest.mark.parametrize("method", METHODS)
def test_frames_of_nobody_are_smoothed_as_well(method: SmoothMethod) -> None:
    smooth_frames = list(smooth(poses_of(shaken(), rate(30), ids=[[]] * F), method))
    assert [frame.index for frame in smooth_frames] == list(range(F))
    assert {frame.keypoints.shape for frame in smooth_frames} == {(0, J, 2)}
    assert all(frame.raw_keypoints is not None for frame in smooth_frames)


@pytest.mark.parametrize("method", METHODS)
def test_smoothing_twice_is_smoothing_once(method: SmoothMethod) -> None:
    once = list(smooth(poses_of(shaken(), rate(30)), method))
    assert np.array_equal(points_of(smooth(once, method)), points_of(once))


def test_no_method_changes_nothing_and_no_frame_is_no_frame() -> None:
    raw = poses_of(shaken(), rate(30))
    assert all(a is b for a, b in zip(raw, smooth(raw, "none"), strict=True))
    assert [list(smooth([], method)) for method in METHODS] == [[], []]


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("savgol", {"beta": 1}, "smooth_beta is for smooth one-euro, not for savgol"),
        ("one-euro", {"window": 1}, "smooth_window is for smooth savgol, not for one-euro"),
        ("savgol", {"window": 0}, "smooth_window: must be above 0, got 0"),
        ("one-euro", {"cutoff": 1}, "unknown key smooth_cutoff; did you mean smooth_min_cutoff"),
        ("kalman", {}, "smooth: must be 'none', 'one-euro' or 'savgol', got 'kalman'"),
    ],
)
def test_wrong_options_are_named(method: Any, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        smooth([], method, **options)
    assert "\n" not in str(caught.value)


def test_the_defaults_are_those_of_the_docs() -> None:
    raw = poses_of(shaken(), rate(30))
    plain = points_of(smooth(raw, "one-euro"))
    explicit = points_of(smooth(raw, "one-euro", min_cutoff=MIN_CUTOFF, beta=BETA))
    assert np.array_equal(plain, explicit)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("lack", "values"),
    [
        ("its time", {"time": math.nan}),
        ("track ids", {"track_ids": np.array([-1, -1])}),
        ("boxes", {"boxes": np.full((N, 4), np.nan, np.float32)}),
    ],
)
def test_what_a_file_did_not_tell_is_asked_for(
    method: SmoothMethod, lack: str, values: dict[str, Any]
) -> None:
    frames = [replace(frame, **values) for frame in poses_of(shaken(), rate(30))]
    with pytest.raises(DataError, match=f"frame 0: smoothing needs {lack}"):
        list(smooth(frames, method))


@pytest.mark.parametrize("method", METHODS)
def test_a_joint_that_a_file_does_not_have_stays_away(method: SmoothMethod) -> None:
    points = shaken()
    plain = points_of(smooth(poses_of(points, rate(30)), method))
    points[:, :, 1] = np.nan
    smooth_frames = points_of(smooth(poses_of(points, rate(30)), method))
    assert np.isnan(smooth_frames[:, :, 1]).all()
    assert np.array_equal(smooth_frames[:, :, [0, 2]], plain[:, :, [0, 2]])
