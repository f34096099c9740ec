"""Single frames beside the temporal part: the same crops, encoded once, in one video."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_people import GREY, at, grey, joint, people
from streaming_runs import CountingEngine, crossing_people, streamed, tracked_video, windowed
from tiny_graphs import BACKENDS, both
from tiny_models import H, W, modest_model, tiny_model
from video_files import decode_fully, make_video, packets

from tarvitpose.config import AnchorRule, Backend, CropPolicy, PredictConfig
from tarvitpose.drawing import colour_of
from tarvitpose.errors import ConfigError, UserError
from tarvitpose.formats.comparison import BACKGROUND, MAX_WIDTH, draw_comparison
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.observer import Observer
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.results import FramePoses, TrackedFrame
from tarvitpose.runs.journal import Journal, JournalObserver
from tarvitpose.runs.pipeline import process
from tarvitpose.utils.config_files import parse_config

CROPS = np.random.default_rng(0).integers(0, 256, (3, H, W, 3), np.uint8)
RULES = {"anchored": AnchorRule(), "own": None}


# ----------------------------------------------------------------------------- without encoding


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mask", ["paper", "none"])
def test_kept_crops_decode_to_single_frames(backend: Backend, mask: str) -> None:
    for engine in both(backend, (("mask_rule", mask),)):
        decoded = engine.decode(engine.encode(CROPS))
        assert decoded.dtype == np.float32
        assert np.abs(decoded - engine.single_frame(CROPS)).max() <= 1e-5


def find(frames: list[TrackedFrame], policy: CropPolicy, predictor: Predictor) -> list[PoseArrays]:
    """Return the joints of each frame."""
    if policy == "window":
        return windowed(frames, predictor)
    return [joints for _, joints in streamed(frames, open_streamer(predictor, RULES[policy]), 4)]


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("policy", ["anchored", "own", "window"])
def test_both_answers_are_those_of_their_own_runs(policy: CropPolicy, flip_test: bool) -> None:
    engine = CountingEngine()
    frames = tracked_video(9, crossing_people)
    if policy == "anchored":  # with boxes that stay put, its crops are the boxes' own
        frames = tracked_video(9, lambda index: {1: [10, 5, 60, 80], 2: [100, 40, 130, 85]})
    options: dict[str, Any] = {"flip_test": flip_test, "batch_size": 8}
    temporal = find(frames, policy, Predictor(engine, **options))
    cost = sum(engine.encoded)
    single = windowed(frames, Predictor(engine, temporal="none", **options))
    engine.encoded.clear()
    compared = find(frames, policy, Predictor(engine, compare=True, **options))
    assert sum(engine.encoded) == cost  # nothing is encoded a second time
    moved = 0.0
    for both_modes, tar, alone in zip(compared, temporal, single, strict=True):
        assert both_modes.single_keypoints is not None
        assert np.allclose(both_modes.keypoints, tar.keypoints, atol=1e-3)
        assert np.allclose(both_modes.scores, tar.scores, atol=1e-5)
        assert np.allclose(both_modes.single_keypoints, alone.keypoints, atol=2e-2)
        assert np.allclose(both_modes.single_scores, alone.scores, atol=1e-5)
        shift = np.abs(both_modes.keypoints - both_modes.single_keypoints)
        moved = max(moved, float(shift.max(initial=0)))
    assert moved > 1  # else the comparison would mean nothing


def test_frames_without_people_have_empty_answers() -> None:
    predictor = Predictor(CountingEngine(), compare=True)
    results = find(tracked_video(4, lambda index: {}), "anchored", predictor)
    assert [joints.table().shape for joints in results] == [(0, 15 * 6)] * 4


def test_each_answer_has_its_own_score_curve() -> None:
    halved: Any = {"single_score_curve": ((0.0, 0.0), (1.0, 0.5))}
    plain, curved = (
        Predictor(TorchEngine(modest_model(**more), device="cpu", precision="fp32"), compare=True)
        for more in ({}, halved)
    )
    frames = tracked_video(2, crossing_people)
    raw, calibrated = find(frames, "own", plain)[0], find(frames, "own", curved)[0]
    assert np.array_equal(raw.scores, calibrated.scores)
    assert raw.single_scores is not None
    assert np.allclose(raw.single_scores.clip(0, 1) / 2, calibrated.single_scores, atol=1e-6)


@pytest.mark.parametrize("changes", [{"offsets": ()}, {}])
def test_without_a_temporal_part_there_is_nothing_to_compare(changes: dict[str, Any]) -> None:
    engine = TorchEngine(tiny_model(**changes), device="cpu", precision="fp32")
    with pytest.raises(UserError, match="here nothing does; leave it out"):
        Predictor(engine, temporal="auto" if changes else "none", compare=True)
    with pytest.raises(ConfigError, match="compare shows single frames beside"):
        parse_config(PredictConfig, {"compare": True, "single_frame": True}, "predict")


def test_a_journal_holds_both_answers(tmp_path: Path) -> None:
    predictor, frames = (
        Predictor(CountingEngine(), compare=True),
        tracked_video(5, crossing_people),
    )
    tables = []
    for _ in range(2):
        journal = Journal(tmp_path / "journal")
        observer = JournalObserver(journal, len(predictor.config.joints), Observer())
        tables.append(find(frames, "own", predictor.observed_by(observer)))
        assert journal.is_recalling == (len(tables) == 2)
        journal.close()
    for first, second in zip(*tables, strict=True):
        assert np.array_equal(first.table(), second.table())


# ----------------------------------------------------------------------------------- the picture


def compared(
    shift: float = 0.0, height: float = 120, size: tuple[int, int] = (200, 320)
) -> FramePoses:
    """Return somebody whose left knee is `shift` pixels farther out without the temporal part."""
    poses = people((60, 40), height=height, size=size)
    alone = poses.keypoints.copy()
    alone[0, poses.joint_names.index("left_knee"), 0] += shift
    return replace(poses, single_keypoints=alone, single_scores=poses.scores.copy())


def sides(poses: FramePoses, size: tuple[int, int] = (200, 320)) -> tuple[Any, Any]:
    """Return the two pictures of a comparison on grey."""
    drawn = draw_comparison(grey(size), poses)
    assert drawn.shape[1] > 2 * size[1]
    return drawn[-size[0] :, : size[1]], drawn[-size[0] :, -size[1] :]


def test_each_side_shows_its_own_answer() -> None:
    poses = compared(shift=20)
    left, right = sides(poses)
    knee, outer = joint(poses, "left_knee"), joint(poses.single_frame(), "left_knee")
    assert outer.tolist() == [knee[0] + 20, knee[1]]
    for matching, opposite, point in ((right, left, knee), (left, right, outer)):
        assert np.abs(np.array(at(matching, point)) - colour_of(1)).max() < 45
        assert np.abs(np.array(at(opposite, point)) - colour_of(1)).max() > 45
    nose = joint(poses, "nose")
    assert at(left, nose) == at(right, nose)


def test_joints_far_apart_are_ringed_on_both_sides() -> None:
    near, far = sides(compared(shift=5)), sides(compared(shift=7))  # 5% of 120 is 6
    for near_side, far_side in zip(near, far, strict=True):
        assert (far_side > 180).all(-1).sum() > (near_side > 180).all(-1).sum() + 10
    hidden = compared(shift=7)
    hidden.scores[:] = 0.1
    assert hidden.single_scores is not None
    hidden.single_scores[:] = 0.1
    assert not any((side > 180).all(-1).any() for side in sides(hidden))


def test_the_comparison_is_of_what_was_not_smoothed() -> None:
    poses = compared(shift=30)
    moved = poses.keypoints + np.float32(15)
    smoothed = replace(poses, keypoints=moved, raw_keypoints=poses.keypoints)
    assert np.array_equal(draw_comparison(grey(), smoothed), draw_comparison(grey(), poses))


@pytest.mark.parametrize("size", [(240, 426), (240, 135), (1080, 1920), (2160, 3840), (100, 3840)])
def test_both_sides_are_named_and_no_wider_than_players_like(size: tuple[int, int]) -> None:
    drawn = draw_comparison(grey(size), compared(size=size))
    assert drawn.shape[1] <= MAX_WIDTH
    head = drawn[: ((drawn == GREY).all(-1).mean(1) > 0.3).argmax()]
    ink = (head > 150).all(-1)
    middle = drawn.shape[1] // 2
    assert ink[:, :middle].any()
    assert ink[:, middle:].any()
    assert not ink[:, -2:].any(), "no name is cut off"
    assert (head[:, -1] == BACKGROUND).all()


def test_poses_of_one_mode_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="compare=True"):
        draw_comparison(grey(), people((60, 40)))


# --------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize("live", [None, True])
def test_a_run_leaves_the_video_with_the_times_and_the_sound(
    tmp_path: Path, live: bool | None
) -> None:
    path = make_video(tmp_path / "walk.mp4", 6, audio="aac", audio_seconds=0.24)
    modest_model().save_pretrained(tmp_path / "weights")
    boxes = [{"image_id": i, "bbox": [5 + i, 4, 20, 40], "score": 0.9} for i in (0, 1, 3, 4, 5)]
    (tmp_path / "boxes.json").write_text(json.dumps([{**box, "category_id": 1} for box in boxes]))
    config = PredictConfig(
        weights=str(tmp_path / "weights"),
        boxes=tmp_path / "boxes.json",
        device="cpu",
        output=tmp_path / "out",
        compare=True,
        live=live,
        render=False,
    )
    estimator = PoseEstimator.from_config(config)
    outcome = process(str(path), estimator, config, lambda _: None)
    result = tmp_path / "out" / "walk.compare.mp4"
    assert result in outcome.files
    times, _ = decode_fully(result)
    assert len(times) == outcome.frames
    assert [data for _, data in packets(result, "audio")] == [
        data for _, data in packets(path, "audio")
    ]
    if live is None:
        assert np.allclose(times, decode_fully(path)[0], atol=1e-3)
        seen = [poses.single_frame() for poses in estimator.stream(path)]
        assert [len(poses) for poses in seen] == [1, 1, 0, 1, 1, 1]
        assert seen[0].single_keypoints is None
