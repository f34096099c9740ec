"""Streaming equals windowed mode, frame by frame, and encodes every crop once."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from streaming_runs import (
    Boxes,
    CountingEngine,
    crossing_people,
    streamed,
    tracked_frame,
    tracked_video,
    windowed,
)
from tiny_models import H, W, tiny_config
from video_files import DATA

from tarvitpose.config import BOX_PADDING, AnchorRule, EstimatorConfig, window_offsets
from tarvitpose.detection import load_detector
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor, windows
from tarvitpose.inference.streaming import Anchored, boxes_of_each_frame, holds, open_streamer
from tarvitpose.results import TrackedFrame
from tarvitpose.utils.arrays import Float32
from tarvitpose.video.sources import open_source

RULE = AnchorRule(margin=0.05, scale=1.15)


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine()


def assert_same(poses: PoseArrays, expected: PoseArrays) -> None:
    assert np.abs(poses.scores - expected.scores).max(initial=0) <= 1e-5
    sharp = expected.scores > 0.05  # where the top of the heatmap is no accident
    assert np.abs(poses.keypoints - expected.keypoints)[sharp].max(initial=0) <= 2e-2


def still(index: int) -> Boxes:
    """Three people who stay put; one comes late, one leaves and returns."""
    people: Boxes = {7: [10, 5, 60, 80]}
    if index >= 3:
        people[9] = [70, -20, 170, 60]
    if index not in (4, 5, 8):
        people[2] = [100, 40, 130, 85]
    return people


@pytest.mark.parametrize("policy", ["anchored", "own"])
@pytest.mark.parametrize("at_once", [1, 3, 20])
@pytest.mark.parametrize("offsets", [(-2, -1, 1, 2), (-1, 1), (-1,), (-2, -1), (1, 3)])
def test_with_boxes_that_stay_put_streaming_equals_windowed_mode(
    engine: CountingEngine, policy: str, at_once: int, offsets: tuple[int, ...]
) -> None:
    everyone = still if policy == "anchored" else lambda index: {7: [10, 5, 60, 80]}
    frames = tracked_video(10, everyone)
    predictor = Predictor(engine, offsets=offsets, batch_size=4)
    streamer = open_streamer(predictor, RULE if policy == "anchored" else None)
    for (_, joints), expected in zip(
        streamed(frames, streamer, at_once), windowed(frames, predictor), strict=True
    ):
        assert_same(joints, expected)


def test_every_crop_is_encoded_once(engine: CountingEngine) -> None:
    frames = tracked_video(10, lambda index: {1: [10, 5, 60, 80], 2: [100, 40, 130, 85]})
    streamed(frames, open_streamer(Predictor(engine), RULE))
    assert sum(engine.encoded) == 2 * 10
    assert engine.encoded == [6] + [2] * 7  # what the first frame looks ahead, then what is new


@pytest.mark.parametrize("at_once", [4, 10])
def test_new_crops_of_several_frames_and_people_run_in_one_batch(
    engine: CountingEngine, at_once: int
) -> None:
    frames = tracked_video(10, lambda index: {1: [10, 5, 60, 80], 2: [100, 40, 130, 85]})
    streamed(frames, open_streamer(Predictor(engine, batch_size=32), RULE), at_once)
    assert engine.encoded == {4: [12, 8], 10: [20]}[at_once]


def reference_boxes(frames: list[TrackedFrame]) -> dict[tuple[int, int], NDArray[np.float32]]:
    """Return the box that cuts each frame for each track, by the rule as the documents say it."""
    aspect = W / H
    boxes = {
        (track, frame.frame.index): box
        for frame in frames
        for track, box in zip(frame.track_ids.tolist(), frame.boxes, strict=True)
    }
    cut: dict[tuple[int, int], NDArray[np.float32]] = {}

    def is_held(anchor: NDArray[np.float32], box: NDArray[np.float32]) -> bool:
        centre, size = crop(anchor)
        free = RULE.margin * size
        left_top, right_bottom = centre - size / 2 + free, centre + size / 2 - free
        inside = (box[:2] >= left_top).all() and (box[2:] <= right_bottom).all()
        return bool(inside) and 1 / RULE.scale <= crop(box)[1][0] / size[0] <= RULE.scale

    def crop(box: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        wide, high = box[2] - box[0], box[3] - box[1]
        size = np.array([max(wide, high * aspect), max(high, wide / aspect)]) * BOX_PADDING
        return (box[:2] + box[2:]) / 2, size

    for track, now in sorted(boxes, key=lambda key: key[1]):
        first, last = max(now - 2, 0), min(now + 2, len(frames) - 1)
        for index in range(first, last + 1):
            if (track, index) in cut:
                continue
            known = cut.get((track, index - 1)) if index > first else None
            ahead = [boxes[track, at] for at in range(index, last + 1) if (track, at) in boxes]
            keeps = known is not None and (
                (track, index) not in boxes or is_held(known, boxes[track, index])
            )
            fitting = [box for box in ahead if is_held(box, ahead[0])]
            cut[track, index] = known if known is not None and keeps else fitting[-1]
    return cut


def by_the_rule(frames: list[TrackedFrame], predictor: Predictor) -> list[PoseArrays]:
    """Return the poses of windows whose frames are cut as `reference_boxes` says."""
    cut, poses = reference_boxes(frames), []
    for frame in frames:
        now, people = frame.frame.index, []
        around = [min(max(now + offset, 0), len(frames) - 1) for offset in (-2, -1, 0, 1, 2)]
        for track in frame.track_ids.tolist():
            boxes = np.array([cut[track, at] for at in around])
            crops = predictor.crops([frames[at].frame.image for at in around], boxes)
            times = np.array([around], np.float64) - now
            encoded = predictor.encode(crops)
            people.append(predictor.decode_windows([encoded], boxes[None], times))
        poses.append(predictor.joined(people))
    return poses


@pytest.mark.parametrize("at_once", [1, 5])
def test_with_moving_boxes_each_frame_is_cut_once_by_its_anchor(
    engine: CountingEngine, at_once: int
) -> None:
    frames = tracked_video(20, crossing_people)
    predictor = Predictor(engine)
    expected = by_the_rule(frames, predictor)
    engine.encoded.clear()
    computed = streamed(frames, open_streamer(predictor, RULE), at_once)
    for (_, joints), reference in zip(computed, expected, strict=True):
        assert_same(joints, reference)
    cut = reference_boxes(frames)
    assert sum(engine.encoded) == len(cut)
    anchors = {(track, *box.tolist()) for (track, _), box in cut.items()}
    assert 3 * 2 < len(anchors) < len(cut) / 2  # they move, and not always


BOX = np.float32([100, 50, 160, 130])  # its crop is 175 x 100 and reaches from 42.5 to 217.5


@pytest.mark.parametrize(
    ("box", "stays"),
    [
        (BOX, True),
        (BOX + np.float32([40, 0, 40, 0]), True),  # ends at 200; the border is at 217.5 - 8.75
        (BOX + np.float32([50, 0, 50, 0]), False),  # ends at 210
        (BOX + np.float32([0, 4, 0, 4]), True),  # ends at 134; the border is at 140 - 5
        (BOX + np.float32([0, 6, 0, 6]), False),
        (BOX - np.float32([0, 6, 0, 6]), False),
        (np.float32([95, 54, 165, 126]), True),  # 72 high: 1.11 times smaller
        (np.float32([95, 56, 165, 124]), False),  # 68 high: 1.18 times smaller
    ],
)
def test_an_anchor_holds_a_box_well_inside_of_its_crop(box: Float32, stays: bool) -> None:
    assert holds(BOX, box, AnchorRule(margin=0.05, scale=1.15), tiny_config()) is stays


def test_a_tighter_crop_holds_less() -> None:
    rule, moved = AnchorRule(margin=0, scale=1.15), BOX + np.float32([0, 6, 0, 6])
    assert holds(BOX, moved, rule, tiny_config())  # 10 pixels are free below
    assert not holds(BOX, moved, rule, tiny_config(box_padding=1.1))  # 4 pixels


def test_a_new_anchor_costs_nothing(engine: CountingEngine) -> None:
    far = [100, 10, 140, 80]
    frames = tracked_video(12, lambda index: {1: [10, 10, 50, 80] if index < 6 else far})
    streamed(frames, open_streamer(Predictor(engine), RULE))
    assert engine.encoded == [3] + [1] * 9


def test_own_boxes_cut_each_frame_and_the_nearest_stands_in_for_a_missing_one(
    engine: CountingEngine,
) -> None:
    def people(index: int) -> Boxes:
        return {} if index in (3, 4) else {5: [10 + 3 * index, 10, 50 + 3 * index, 80]}

    frames = tracked_video(8, people)
    predictor = Predictor(engine)
    computed = streamed(frames, open_streamer(predictor, None))
    assert [len(joints.scores) for _, joints in computed] == [1, 1, 1, 0, 0, 1, 1, 1]
    shown = {1: [0, 0, 1, 2, 2], 2: [0, 1, 2, 2, 2], 5: [5, 5, 5, 6, 7], 6: [5, 5, 6, 7, 7]}
    for current, indices in shown.items():
        images = [frames[at].frame.image for at in indices]
        boxes = np.concatenate([frames[at].boxes for at in indices])
        encoded = predictor.encode(predictor.crops(images, boxes))
        times = np.array([indices], np.float64) - current
        assert_same(computed[current][1], predictor.decode_windows([encoded], boxes[None], times))
    assert sum(engine.encoded[:8]) >= 6


def test_own_takes_the_earlier_of_two_frames_that_are_equally_near() -> None:
    frames = [
        tracked_frame(0, {1: [0, 0, 9, 9]}),
        tracked_frame(1, {}),
        tracked_frame(2, {1: [2, 0, 11, 9]}),
    ]
    [plan] = boxes_of_each_frame(frames, current=2)
    assert [boxed.frame.index for boxed in plan] == [0, 0, 2]
    assert [boxed.box[0] for boxed in plan] == [0, 0, 2]


def test_what_is_kept_depends_on_the_window_and_the_people_not_on_the_length(
    engine: CountingEngine,
) -> None:
    predictor = Predictor(engine)
    streamer = open_streamer(predictor, RULE)
    held = []
    for window in windows(tracked_video(40, crossing_people), predictor.offsets):
        streamer.joints([window])
        held.append(len(streamer._cached))
    people = 3
    assert max(held) <= len(predictor.offsets) * people


def test_anchors_of_people_who_left_are_forgotten() -> None:
    anchored = Anchored(RULE, tiny_config())
    frames = tracked_video(40, lambda index: {1 + index // 4: [10, 10, 50, 80]})
    for window in windows(frames, (-2, -1, 0, 1, 2)):
        anchored.crops(window, 2)
        assert len(anchored._anchors) <= 2


def test_the_flip_test_streams_both_views(engine: CountingEngine) -> None:
    frames = tracked_video(5, lambda index: {1: [10, 5, 60, 80]})
    predictor = Predictor(engine, flip_test=True)
    flipped = streamed(frames, open_streamer(predictor, RULE))
    for (_, joints), reference in zip(flipped, windowed(frames, predictor), strict=True):
        assert_same(joints, reference)
    plain = streamed(frames, open_streamer(Predictor(engine), RULE))
    assert not np.allclose(plain[2][1].scores, flipped[2][1].scores, atol=1e-4)


def test_frames_without_people_and_a_single_frame(engine: CountingEngine) -> None:
    streamer = open_streamer(Predictor(engine), RULE)
    [(_, nobody)] = streamed(tracked_video(1, lambda index: {}), streamer)
    assert nobody.keypoints.shape == (0, 15, 2)
    assert nobody.scores.shape == (0, 15)
    alone = streamed(tracked_video(1, crossing_people), open_streamer(Predictor(engine), RULE))
    assert_same(alone[0][1], windowed(tracked_video(1, crossing_people), Predictor(engine))[0])
    assert streamer.joints([]) == []


def test_every_offset_reads_its_own_frame(engine: CountingEngine) -> None:
    assert window_offsets((-2, -1))[1] == 2  # the newest frame is answered at once
    frames = tracked_video(6, lambda index: {1: [10, 5, 60, 80]})
    predictor = Predictor(engine, offsets=(-2, -1))
    streamer = open_streamer(predictor, RULE)
    stream = windows(iter(frames), predictor.offsets)
    for done in range(1, 7):
        streamer.joints([next(stream)])
        assert sum(engine.encoded) == done


CLIP = DATA / "clips" / "street_above.mov"


@pytest.mark.slow
@pytest.mark.skipif(not CLIP.exists(), reason="needs ../shared/data")
def test_a_real_clip_cuts_each_frame_once_by_its_anchor(
    engine: CountingEngine, people_of_the_street: list[TrackedFrame]
) -> None:
    frames = people_of_the_street
    tracks = [frame.track_ids.tolist() for frame in frames]
    enter_or_leave = sum(a != b for a, b in itertools.pairwise(tracks))
    assert enter_or_leave >= 3
    assert max(map(len, tracks)) >= 5
    predictor = Predictor(engine)
    expected = by_the_rule(frames, predictor)
    engine.encoded.clear()
    computed = streamed(frames, open_streamer(predictor, RULE), at_once=8)
    for (_, joints), reference in zip(computed, expected, strict=True):
        assert_same(joints, reference)
    # One crop a pose, and those before and after people are seen, though these walk fast.
    assert sum(engine.encoded) < 1.5 * sum(map(len, tracks))


@pytest.fixture(scope="module")
def people_of_the_street() -> list[TrackedFrame]:
    """The first frames of a street seen from above, with detected and tracked people."""
    predictor = Predictor(CountingEngine())
    estimator = PoseEstimator(predictor, load_detector(threshold=0.2), EstimatorConfig())
    with open_source(CLIP, end=1) as source:
        return list(estimator.person_tracker().find(source))
