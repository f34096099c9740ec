"""Pooled heatmaps, against trajectories whose answer is known, in every mode of the predictor."""

import numpy as np
import pytest
from streaming_runs import CountingEngine, crossing_people, streamed, tracked_video, windowed
from tiny_models import tiny_config, tiny_model

from tarvitpose import heatmaps as codec
from tarvitpose.config import AnchorRule, TemporalMode
from tarvitpose.errors import UserError
from tarvitpose.inference.engine import FlipTestEngine
from tarvitpose.inference.pooling import (
    joint_motion,
    pool_windows,
    pooled_heatmaps,
    read_peaks,
    seen_from,
)
from tarvitpose.inference.predictor import Predictor, image_times
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.utils.arrays import Float32, Float64

TIMES = np.array([-2.0, -1, 0, 1, 2])
CONFIG = tiny_config(input_size=(256, 192), offsets=(-2, -1, 1, 2), codec="udp")


def walk(*xs: float, y: float = 30.0, heights: tuple[float, ...] = (1, 1, 1, 1, 1)) -> Float32:
    """Return heatmaps (1, 5, 1, 64, 48) of a joint that is at (x, y) in each of five frames."""
    across, down = np.arange(48), np.arange(64)[:, None]
    maps = [
        height * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 8)
        for x, height in zip(xs, heights, strict=False)
    ]
    return np.array(maps, np.float32)[None, :, None]


def peak(maps: Float32) -> tuple[float, float]:
    """Return where the first joint's heatmap (1, J, 64, 48) is highest, in heatmap pixels."""
    points, _ = codec.decode(maps, (256, 192), "udp")
    x, y = points[0, 0] * codec.heatmap_scale((256, 192), "udp")
    return float(x), float(y)


def pooled(frames: Float32, times: Float64 = TIMES) -> Float32:
    windows = [read_peaks(window, CONFIG) for window in frames]
    return pool_windows(windows, np.tile(times, (len(frames), 1)), CONFIG)


def test_a_joint_that_stands_still_is_pooled_to_the_mean() -> None:
    frames = walk(20, 20, 20, 20, 20)
    assert pooled(frames) == pytest.approx(frames.mean(1), abs=1e-3)


def test_a_moving_joint_stays_sharp_where_the_mean_is_smeared() -> None:
    frames = walk(10, 14, 18, 22, 26)
    assert peak(pooled(frames)) == pytest.approx((18, 30), abs=0.25)
    assert pooled(frames).max() > 0.9
    assert frames.mean(1).max() < 0.5


def test_a_lost_frame_is_restored_where_the_motion_leads() -> None:
    frames = walk(10, 14, 0, 22, 26, heights=(1, 1, 0, 1, 1))
    assert peak(pooled(frames)) == pytest.approx((18, 30), abs=0.25)


def test_an_unsure_frame_counts_little() -> None:
    frames = walk(10, 14, 40, 22, 26, heights=(0.8, 0.8, 0.3, 0.8, 0.8))
    assert peak(pooled(frames)) == pytest.approx((18, 30), abs=0.5)


def test_a_jump_does_not_drag_the_motion_along() -> None:
    peaks = np.zeros((1, 5, 2, 2))
    peaks[0, :, :, 0] = (4 * TIMES + 20)[:, None]
    peaks[0, 4, 0, 0] = 2  # as of a joint that was taken for the other side's
    scores = np.full((1, 5, 2), 0.8, np.float32)
    velocity, agrees = joint_motion(peaks, scores, TIMES[None], loose=2)
    assert velocity[0, 1] == pytest.approx([4, 0], abs=0.3)
    assert velocity[0, 0, 0] == pytest.approx(4, abs=1)
    least_squares = np.polyfit(TIMES, peaks[0, :, 0, 0], 1)[0]
    assert abs(velocity[0, 0, 0] - 4) < abs(least_squares - 4) / 4
    assert agrees[0, 4, 0] < 0.15
    assert agrees[0, :4, 0].min() > 0.5


def test_a_joint_that_nobody_sees_moves_with_the_body() -> None:
    peaks = np.zeros((1, 5, 3, 2))
    peaks[0, :, :2, 1] = (3 * TIMES + 40)[:, None]
    peaks[0, :, 2] = np.random.default_rng(0).uniform(0, 48, (5, 2))
    scores = np.full((1, 5, 3), 0.9, np.float32)
    scores[..., 2] = 0.01
    velocity, _ = joint_motion(peaks, scores, TIMES[None], loose=2)
    assert velocity[0] == pytest.approx(np.array([[0, 3]] * 3), abs=0.1)


def test_people_of_a_batch_do_not_mix() -> None:
    random = np.random.default_rng(0)
    frames = random.uniform(0, 1, (2, 5, 3, 64, 48)).astype(np.float32)
    peaks = random.uniform(0, 48, (2, 5, 3, 2)).astype(np.float32)
    scores = random.uniform(0, 1, (2, 5, 3)).astype(np.float32)
    times = np.tile(TIMES, (2, 1))
    both = pooled_heatmaps([*frames], peaks, scores, times)
    for at in (0, 1):
        part = slice(at, at + 1)
        alone = pooled_heatmaps([*frames[part]], peaks[part], scores[part], times[part])
        assert both[part] == pytest.approx(alone, abs=1e-5)


def test_a_frame_that_stands_in_past_the_end_counts_once() -> None:
    frames = walk(18, 18, 18, 22, 26)  # the video begins at 18
    start = np.array([0.0, 0, 0, 1, 2])
    assert peak(pooled(frames, start)) == pytest.approx((18, 30), abs=0.25)
    assert pooled(frames, start) == pytest.approx(pooled(frames[:, 2:], start[2:]), abs=1e-5)


def test_images_that_are_given_again_stand_at_their_own_time() -> None:
    first, second, third = (np.zeros((2, 2, 3), np.uint8) for _ in range(3))
    assert image_times([first, first, first, second, third], (-2, -1, 0, 1, 2)) == [0, 0, 0, 1, 2]
    assert image_times([first, first, second, third], (-2, -1, 0, 3)) == [-1, -1, 0, 3]


def test_a_gap_in_time_is_crossed_at_the_same_speed() -> None:
    times = np.array([-6.0, -5, 0, 1, 2])
    frames = walk(10, 12, 0, 24, 26, heights=(1, 1, 0, 1, 1))  # two pixels a frame
    assert peak(pooled(frames, times)) == pytest.approx((22, 30), abs=0.3)


@pytest.mark.parametrize("padding", [1.25, 1.0])
def test_a_crop_is_seen_from_the_box_of_another(padding: float) -> None:
    points = np.array([[100.0, 140.0]], np.float32)
    maps, _ = codec.encode(points, [1], (256, 192), "udp")
    config = tiny_config(input_size=(256, 192), codec="udp", box_padding=padding)
    [frame] = read_peaks(maps[None], config)
    box = np.array([0, 0, 192, 256], np.float32) / padding  # its crop shows 192 x 256 pixels
    moved = seen_from(box + np.float32([8, 4, 8, 4]), box, frame, config)
    assert moved.peaks[0] == pytest.approx(points[0] - [8, 4], abs=0.2)
    [again] = read_peaks(moved.maps[None], config)
    assert again.peaks[0] == pytest.approx(moved.peaks[0], abs=0.2)


def test_fused_is_the_geometric_mean_with_the_temporal_part() -> None:
    frames, temporal = walk(10, 14, 18, 22, 26), walk(19, heights=(0.5,))[:, 0]
    windows = [read_peaks(frames[0], CONFIG)]
    both = pool_windows(windows, TIMES[None], CONFIG, temporal)
    assert both == pytest.approx(np.sqrt(pooled(frames) * temporal), abs=1e-5)
    assert peak(both) == pytest.approx((18.5, 30), abs=0.1)
    assert both.max() == pytest.approx(0.5**0.5 * np.exp(-1 / 16), abs=0.02)


MODES: tuple[TemporalMode, ...] = ("pooled", "fused")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", ["anchored", "own"])
def test_streaming_equals_windowed_mode_and_decodes_each_crop_once(
    mode: TemporalMode, policy: str
) -> None:
    engine = CountingEngine()
    still = {1: [10, 5, 60, 80], 2: [100, 40, 130, 85]}
    frames = tracked_video(6, lambda index: still)
    predictor = Predictor(engine, temporal=mode, batch_size=4)
    rule = AnchorRule() if policy == "anchored" else None
    decoded = streamed(frames, open_streamer(predictor, rule))
    assert engine.totals["encode"] + engine.totals["single_frame"] == 2 * len(frames)
    assert engine.totals["decode_window"] == (2 * len(frames) if mode == "fused" else 0)
    for (_, joints), expected in zip(decoded, windowed(frames, predictor), strict=True):
        assert np.abs(joints.scores - expected.scores).max() <= 1e-4
        sharp = expected.scores > 0.05
        assert np.abs(joints.keypoints - expected.keypoints)[sharp].max(initial=0) <= 5e-2


@pytest.mark.parametrize("mode", MODES)
def test_people_who_move_are_streamed_in_boxes_of_their_own(mode: TemporalMode) -> None:
    predictor = Predictor(CountingEngine(), temporal=mode)
    for frame, joints in streamed(
        tracked_video(5, crossing_people), open_streamer(predictor, None)
    ):
        assert joints.scores.shape == (len(frame.boxes), 15)
        assert np.isfinite(joints.keypoints).all()


def test_pooling_needs_no_temporal_part() -> None:
    engine = TorchEngine(tiny_model(offsets=()), device="cpu", precision="fp32")
    predictor = Predictor(engine, temporal="pooled")
    assert predictor.offsets == (-2, -1, 0, 1, 2)
    assert Predictor(engine).mode == "none"
    image = tracked_video(1, crossing_people)[0]
    [same] = predictor.joints([[image.frame.image] * 5], [image.boxes])
    [alone] = Predictor(engine).joints([[image.frame.image]], [image.boxes])
    assert np.allclose(same.scores, alone.scores, atol=1e-5)  # five times the same frame
    modes: tuple[TemporalMode, ...] = ("tar", "fused")
    for mode in modes:
        with pytest.raises(UserError, match=f"--temporal {mode} needs a temporal part"):
            Predictor(engine, temporal=mode)


def test_the_masks_heatmaps_are_those_of_single_frames() -> None:
    engine = CountingEngine()
    crops = np.random.default_rng(0).integers(0, 256, (3, *engine.config.input_size, 3), np.uint8)
    for views in (engine, FlipTestEngine(engine)):
        expected = views.single_frame(crops)
        assert views.decode(views.encode(crops)) == pytest.approx(expected, abs=1e-5)
    assert all(crop.heatmaps is not None for crop in engine.encode(crops))


def test_auto_is_what_the_weights_say() -> None:
    modes = [
        Predictor(TorchEngine(tiny_model(**more), device="cpu", precision="fp32")).mode
        for more in ({}, {"default_temporal": "fused"}, {"offsets": (), "default_temporal": "tar"})
    ]
    assert modes == ["tar", "fused", "none"]
