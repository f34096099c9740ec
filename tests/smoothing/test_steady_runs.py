"""Smoothing, chosen people and other trackers as a user has them: through `predict`, on a video."""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from invoke import run
from tiny_models import modest_model
from typer.testing import Result
from video_files import make_video

from tarvitpose import FramePoses, load_poses, smooth
from tarvitpose.config import PredictConfig, SmoothMethod
from tarvitpose.errors import UserError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.runs.pipeline import RunProgress, process
from tarvitpose.smoothing import runs

TIMES = [0, 0.04, 0.08, 0.125, 0.16, 0.24, 0.3, 0.34, 0.37, 0.41, 0.5, 0.54, 0.58]  # uneven
METHODS: tuple[SmoothMethod, ...] = ("one-euro", "savgol")
Run = Callable[..., Result]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "walk.mp4", TIMES)


@pytest.fixture
def base(tmp_path: Path) -> dict[str, Any]:
    """Return a run of two people, of whom one is not there in the middle."""
    modest_model().save_pretrained(tmp_path / "weights")
    boxes = [
        {"image_id": frame, "bbox": [left, 4, 20, 40], "score": score, "category_id": 1}
        for frame in range(len(TIMES))
        for left, score in ((2 + frame, 0.9), (40, 0.8))
        if not (left == 40 and frame in (5, 6))
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return {
        "weights": str(tmp_path / "weights"),
        "boxes": tmp_path / "boxes.json",
        "device": "cpu",
        "output": tmp_path / "out",
        "formats": ("npz", "csv", "coco"),
    }


@pytest.fixture(autouse=True)
def every_joint_is_sure_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores of a random network say nothing."""
    monkeypatch.setattr(runs, "LEAST_SCORE", 0.0)


def results(video: Path, values: dict[str, Any]) -> tuple[list[FramePoses], tuple[str, ...]]:
    config = PredictConfig.model_validate({"render": False, "overwrite": True, **values})
    outcome = process(str(video), PoseEstimator.from_config(config), config, lambda _: None)
    return load_poses(config.output / "walk.npz"), outcome.warnings


def keypoints(frames: Iterable[FramePoses], track: int) -> Any:
    return np.concatenate([poses.keypoints[poses.track_ids == track] for poses in frames])


@pytest.mark.parametrize("method", METHODS)
def test_files_hold_smoothed_joints_and_beside_them_the_raw_ones(
    method: SmoothMethod, video: Path, base: dict[str, Any]
) -> None:
    plain, _ = results(video, base)
    smooth_frames, _ = results(video, {**base, "smooth": method})
    for before, expected, after in zip(plain, smooth(plain, method), smooth_frames, strict=True):
        assert before.raw_keypoints is None
        assert after.raw_keypoints is not None
        assert np.array_equal(after.raw_keypoints, before.keypoints)
        assert np.array_equal(after.keypoints, expected.keypoints)
        assert np.array_equal(after.scores, before.scores)
        assert after.track_ids.tolist() == before.track_ids.tolist()
    assert not np.allclose(keypoints(smooth_frames, 1), keypoints(plain, 1), atol=0.05)
    for name in ("walk.csv", "walk.coco.json"):
        again = load_poses(base["output"] / name)
        assert np.allclose(keypoints(again, 1), keypoints(smooth_frames, 1), atol=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_streaming_in_python_is_the_same(
    method: SmoothMethod, video: Path, base: dict[str, Any]
) -> None:
    smooth_frames, _ = results(video, {**base, "smooth": method})
    estimator = PoseEstimator.from_config(PredictConfig.model_validate(base))
    streamed = list(estimator.stream(video, smooth=method))
    assert [poses.index for poses in streamed] == list(range(len(TIMES)))
    assert all(
        np.array_equal(a.keypoints, b.keypoints)
        for a, b in zip(streamed, smooth_frames, strict=True)
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_is_smoothed_as_one_in_one_piece(
    method: SmoothMethod, video: Path, base: dict[str, Any]
) -> None:
    whole, _ = results(video, {**base, "smooth": method, "output": base["output"] / "whole"})
    config = PredictConfig.model_validate({**base, "smooth": method, "render": False})
    estimator = PoseEstimator.from_config(config)

    def break_off(progress: RunProgress) -> None:
        if progress.frame == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process(str(video), estimator, config, break_off)
    again = config.model_copy(update={"resume": True})
    assert process(str(video), estimator, again, lambda _: None).resumed > 4
    smooth_frames = load_poses(config.output / "walk.npz")
    assert all(
        np.array_equal(a.keypoints, b.keypoints) for a, b in zip(smooth_frames, whole, strict=True)
    )


def test_only_chosen_people_are_posed_as_in_the_run_of_all(
    video: Path, base: dict[str, Any]
) -> None:
    everybody, _ = results(video, base)
    smooth_frames, warnings = results(video, {**base, "person": (2,)})
    assert warnings == ()
    assert [poses.track_ids.tolist() for poses in smooth_frames] == [
        [track for track in poses.track_ids.tolist() if track == 2] for poses in everybody
    ]
    assert np.allclose(keypoints(smooth_frames, 2), keypoints(everybody, 2), atol=1e-2)


def test_others_cost_nothing(video: Path, base: dict[str, Any]) -> None:
    def crops(**values: Any) -> int:
        estimator = PoseEstimator.from_config(PredictConfig.model_validate({**base, **values}))
        count, encode = 0, estimator.predictor.encode

        def counted(some: Any) -> Any:
            nonlocal count
            count += len(some)
            return encode(some)

        estimator.predictor.encode = counted  # type: ignore[method-assign]
        list(estimator.stream(video))
        return count

    both, first, second = crops(), crops(person=(1,)), crops(person=(2,))
    assert both == first + second
    assert crops(person=(7,)) == 0


def test_a_number_that_nobody_has_is_a_warning_that_names_the_others(
    video: Path, base: dict[str, Any]
) -> None:
    smooth_frames, warnings = results(video, {**base, "person": (1, 7)})
    assert warnings == ("--person 7: never seen; the tracks of this video are: 1, 2",)
    assert {track for poses in smooth_frames for track in poses.track_ids.tolist()} == {1}


@pytest.mark.parametrize("tracker", ["bytetrack", "ocsort"])
def test_another_tracker_finds_the_same_people(
    tracker: str, video: Path, base: dict[str, Any]
) -> None:
    pytest.importorskip("trackers", reason="the optional package trackers is not installed")
    smooth_frames, _ = results(video, {**base, "tracker": tracker, "det_every": 2})
    assert {track for poses in smooth_frames for track in poses.track_ids.tolist()} == {1, 2}
    assert [len(poses) for poses in smooth_frames[8:]] == [2] * len(smooth_frames[8:])


def test_a_missing_tracker_is_said_before_anything_runs(
    base: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(UserError, match="needs the package trackers"):
        PoseEstimator.from_config(PredictConfig.model_validate({**base, "tracker": "ocsort"}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--smooth", "savgol", "--smooth-beta", "1"), "--smooth-beta is for --smooth one-euro"),
        (("--smooth-window", "1"), "--smooth-window is for --smooth savgol, not for none"),
        (
            ("--smooth", "one-euro", "--smooth-min-cutoff", "0"),
            "--smooth-min-cutoff must be above 0",
        ),
        (("--person", "one"), "--person=one: expected whole numbers from 0 on"),
    ],
)
def test_wrong_options_are_refused_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = run("predict", "walk.mp4", *arguments)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_the_command_line_reaches_all_of_it(video: Path, base: dict[str, Any]) -> None:
    options = ["--weights", base["weights"], "--boxes", str(base["boxes"]), "--device", "cpu"]
    options += ["-o", str(base["output"]), "--format", "npz", "--no-render", "--tracker", "iou"]
    options += ["--smooth", "one-euro", "--smooth-min-cutoff", "0.5", "--smooth-beta", "0"]
    result = run("predict", video, *options, "--person", "2,3")
    assert result.exit_code == 0, result.output
    assert "--person 3: never seen; the tracks of this video are: 1, 2" in result.stderr
    smooth_frames = load_poses(base["output"] / "walk.npz")
    plain, _ = results(video, {**base, "person": (2,)})
    expected = list(smooth(plain, "one-euro", min_cutoff=0.5, beta=0))
    assert np.allclose(keypoints(smooth_frames, 2), keypoints(expected, 2), atol=1e-2)
