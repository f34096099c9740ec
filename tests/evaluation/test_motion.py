"""Labelled videos by motion: what is shown to the estimators, and how their joints are scored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from invoke import refusal, run
from label_files import NAMES, keypoints, person18, save, save_images, video18
from tiny_graphs import onnxruntime_cache, write_linked
from tiny_models import modest_model, tiny_model

from tarvitpose.data.records import read_image
from tarvitpose.evaluation.comparison import BASELINES, FUSED, SINGLE_FRAME, TEMPORAL
from tarvitpose.evaluation.datasets import LabelledVideo, read_labelled
from tarvitpose.evaluation.motion import (
    CLEAN,
    CONDITIONS,
    CURRENT,
    GROWTH,
    SHIFT,
    SHIFTED,
    SINCE,
    degraded_frames,
    estimate,
    shifted,
)
from tarvitpose.evaluation.motion_scores import ALL, BOX, score_motion, video_speeds
from tarvitpose.evaluation.people_scores import TORSO
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.metrics.posetrack_ap import JOINTS
from tarvitpose.skeleton import POSETRACK_15

WINDOW = (-2, -1, 0, 1, 2)
MODES = [SINGLE_FRAME, *BASELINES, TEMPORAL, FUSED]
FRAMES = 5
SPEED = {name: float(at % 3) for at, name in enumerate(JOINTS)}  # pixels per frame


def write_videos(root: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    """Write videos of five labelled frames, in which a person's joints move by `SPEED`."""
    for name in names:
        people = []
        for at in range(FRAMES):
            points = {
                joint: (20.0 + 2 * (number % 3) + at * SPEED[joint], 10.0 + 2 * number)
                for number, joint in enumerate(JOINTS)
            }
            box = [10, 5, 30, 50]
            people.append(person18(90 - at, 0, keypoints=keypoints(points, NAMES), bbox=box))
        folder = f"images/val/{name}"
        content = video18(people, range(FRAMES), range(FRAMES), folder)
        save(root / "annotations" / f"{name}.json", content)
        save_images(root, [f"{folder}/{at:06d}.jpg" for at in range(FRAMES)])
    return root / "annotations"


def read(annotations: Path) -> list[LabelledVideo]:
    return read_labelled("posetrack18", annotations, POSETRACK_15)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    engine = TorchEngine(modest_model(), device="cpu", precision="fp32")
    return Predictor(engine, batch_size=4)


@pytest.mark.parametrize(
    ("condition", "degraded"),
    [
        (CLEAN, []),
        (SHIFTED, []),
        (CURRENT, [0]),
        (SINCE[0], [0, 1, 2]),
        (SINCE[1], [-1, 0, 1]),
        (SINCE[2], [-2, -1, 0]),
    ],
)
def test_which_frames_are_degraded(condition: str, degraded: list[int]) -> None:
    expected = [offset in degraded for offset in WINDOW]
    assert degraded_frames(condition, WINDOW).tolist() == expected


def test_boxes_are_moved_within_limits() -> None:
    box, random = np.array([10, 20, 110, 220], np.float32), np.random.default_rng(0)
    others = np.stack([shifted(box, random) for _ in range(300)])
    centres, sizes = (others[:, :2] + others[:, 2:]) / 2, others[:, 2:] - others[:, :2]
    off = np.abs(centres - [60, 120]) / [100, 200]
    assert 0.9 * SHIFT < off.max() <= SHIFT + 1e-6
    growth = sizes / [100, 200]
    assert 1 / (1 + GROWTH) - 1e-6 <= growth.min() < 1 < growth.max() <= 1 + GROWTH + 1e-6
    assert growth[:, 0] == pytest.approx(growth[:, 1], abs=1e-5)


def test_clean_estimates_are_those_of_the_predictor(tmp_path: Path, predictor: Predictor) -> None:
    videos = read(write_videos(tmp_path))
    joints = estimate(predictor, videos)
    assert list(joints) == list(CONDITIONS)
    assert all(list(modes) == MODES for modes in joints.values())
    single = Predictor(predictor.engine, temporal="none")
    for at, frame in enumerate(frame for video in videos for frame in video.frames):
        for mode, other in ((TEMPORAL, predictor), (SINGLE_FRAME, single)):
            paths, _ = frame.window(other.offsets, Path.exists)
            images = [read_image(path, record="") for path in paths]
            [poses] = other.joints([images], [frame.people.boxes])
            assert joints[CLEAN][mode][at] == pytest.approx(poses.keypoints[0], abs=1e-3)


def test_what_a_person_is_shown_depends_on_nothing_else(
    tmp_path: Path, predictor: Predictor
) -> None:
    videos = read(write_videos(tmp_path))
    whole, second = estimate(predictor, videos), estimate(predictor, videos[1:])
    other = estimate(predictor, videos[1:], seed=1)
    for condition in CONDITIONS:
        ours = whole[condition][SINGLE_FRAME][FRAMES:]
        assert np.array_equal(ours, second[condition][SINGLE_FRAME])
        is_seeded = condition != CLEAN
        assert np.array_equal(ours, other[condition][SINGLE_FRAME]) != is_seeded
    # The current frame is the same degraded crop, whatever its neighbours are.
    for condition in SINCE:
        alone = whole[CURRENT][SINGLE_FRAME]
        assert np.array_equal(whole[condition][SINGLE_FRAME], alone)
        assert not np.array_equal(whole[condition][TEMPORAL], whole[CURRENT][TEMPORAL])


def test_speeds_are_shares_of_the_box_per_frame(tmp_path: Path) -> None:
    [video] = read(write_videos(tmp_path, ("a",)))
    speeds = video_speeds([video])
    expected = np.array([SPEED[name] for name in JOINTS]) / 50
    for frame in video.frames:
        assert speeds["a", frame.name, 0] == pytest.approx(expected, abs=1e-5)


def test_thirds_hold_equally_many_joints_and_each_its_own_score(tmp_path: Path) -> None:
    videos = read(write_videos(tmp_path))
    truth = np.concatenate([frame.people.keypoints for video in videos for frame in video.frames])
    off = truth.copy()
    fast = np.array([SPEED[name] == 2 for name in JOINTS])
    off[:, fast, 0] += 30
    joints = {CLEAN: {SINGLE_FRAME: off, TEMPORAL: truth}}
    scores = score_motion(videos, video_speeds(videos), joints, POSETRACK_15, samples=20)
    assert scores.joints == {ALL: 150, "slow": 50, "middle": 50, "fast": 50}
    low, high = scores.limits
    assert 0 <= low < 2 <= high < 4  # of 0, 1 and 2 pixels in 50
    for metric in (TORSO, BOX):
        rows = scores.comparisons[metric][CLEAN].rows
        assert rows[SINGLE_FRAME] == pytest.approx(
            {ALL: 200 / 3, "slow": 100, "middle": 100, "fast": 0}
        )
        assert rows["difference"] == pytest.approx(
            {ALL: 100 / 3, "slow": 0, "middle": 0, "fast": 100}
        )
        ends = scores.comparisons[metric][CLEAN].intervals["difference"]
        assert ends["fast"] == pytest.approx((100, 100))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modest")
    modest_model().save_pretrained(folder)
    return folder


def command(weights: Path, annotations: Path, *options: Any) -> tuple[Any, ...]:
    model = ("--weights", weights, "--device", "cpu", "--precision", "fp32")
    return ("evaluate", *model, "--annotations", annotations, "--motion", *options)


def test_the_command_prints_and_writes_every_estimator(tmp_path: Path, weights: Path) -> None:
    path = tmp_path / "motion.json"
    result = run(*command(weights, write_videos(tmp_path), "--every", 2, "--json", path))
    assert result.exit_code == 0, result.output
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["videos"], content["people"], content["every"]) == (2, 4, 2)
    assert set(content["motion"]) == {TORSO, BOX}
    assert list(content["motion"][TORSO]) == list(CONDITIONS)
    for each in content["motion"][BOX].values():
        assert list(each["values"])[: len(MODES)] == MODES
        assert set(each["interval95"]) == set(each["values"])
    assert f"{TORSO}, {SINCE[1]}" in result.stdout
    assert content["joints"][ALL] == sum(
        content["joints"][third] for third in list(content["joints"])[1:]
    )


def test_int8_is_scored_but_not_beside_the_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime_cache(tmp_path, monkeypatch)
    call = ("evaluate", "--weights", write_linked(tmp_path / "weights"), "--device", "cpu")
    call += ("--annotations", write_videos(tmp_path, ("a",)), "--precision", "int8")
    scored = run(*call, "--bootstrap", 0)
    assert scored.exit_code == 0, scored.output
    for option in ("--motion", "--baselines"):
        line = refusal(*call, option)
        assert "use --precision auto" in line
        assert "--backend" not in line  # which evaluate does not have


def test_stills_and_weights_without_temporal_part_are_refused(
    tmp_path: Path, weights: Path
) -> None:
    annotations = write_videos(tmp_path / "videos")
    tiny_model(offsets=()).save_pretrained(tmp_path / "single")
    assert "no temporal part" in refusal(*command(tmp_path / "single", annotations))
    stills = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 80, "height": 60}],
        "annotations": [person18(1, 0, num_keypoints=3)],
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES}],
    }
    save_images(tmp_path, ["a.jpg"])
    path = save(tmp_path / "stills.json", stills)
    assert "needs labelled videos" in refusal(*command(weights, path, "--format", "coco"))
    both = refusal(*command(weights, annotations, "--output", tmp_path / "x"))
    assert "--output cannot be combined with --motion" in both
