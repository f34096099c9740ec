"""A video to results on disk, with a tiny model and boxes from a file."""

import csv
import json
import signal
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from tiny_models import modest_model
from video_files import cut, decode_fully, make_video, packets, picture

from tarvitpose.config import PredictConfig
from tarvitpose.errors import BoxesError, ConfigError, OutputError, VideoError, WeightsError
from tarvitpose.formats.reading import load_poses
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.results import FramePoses
from tarvitpose.runs import pipeline
from tarvitpose.runs.pipeline import Outcome, RunProgress, process
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.images import write_image
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.image_source import read_image

FRAMES = 6


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "walk.mp4", FRAMES, audio="aac")


@pytest.fixture
def config(tmp_path: Path) -> PredictConfig:
    modest_model().save_pretrained(tmp_path / "weights")
    boxes = [
        {"image_id": frame, "bbox": [5 + frame, 4, 20, 40], "score": 0.9, "category_id": 1}
        for frame in range(FRAMES)
        if frame != 2
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return PredictConfig(
        weights=str(tmp_path / "weights"),
        boxes=tmp_path / "boxes.json",
        device="cpu",
        output=tmp_path / "out",
        formats=("coco", "csv"),
        contact_sheet=True,
    )


def run(video: Path, config: PredictConfig, seen: list[RunProgress] | None = None) -> Outcome:
    report = seen.append if seen is not None else lambda _: None
    return process(str(video), PoseEstimator.from_config(config), config, report)


def changed(config: PredictConfig, **values: Any) -> PredictConfig:
    return PredictConfig.model_validate({**config.model_dump(), **values})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_run_leaves_every_file_and_every_frame(video: Path, config: PredictConfig) -> None:
    progress: list[RunProgress] = []
    outcome = run(video, config, progress)
    expected = ["walk.coco.json", "walk.contact.png", "walk.csv", "walk.mp4"]
    assert names(config.output) == sorted([*expected, "walk.run.json"])
    assert sorted(path.name for path in outcome.files) == expected
    assert (outcome.frames, outcome.people, outcome.tracks) == (FRAMES, 1, 1)
    assert outcome.warnings == ()
    assert [item.frame for item in progress] == list(range(1, FRAMES + 1))
    assert progress[0].total == FRAMES
    times, _ = decode_fully(video)
    content = json.loads((config.output / "walk.coco.json").read_text())
    assert [image["time"] for image in content["images"]] == pytest.approx(times)
    assert [entry["image_id"] for entry in content["annotations"]] == [0, 1, 3, 4, 5]
    assert np.allclose(decode_fully(config.output / "walk.mp4")[0], times, atol=1e-3)
    with (config.output / "walk.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["frame"] for row in rows} == {str(index) for index in range(FRAMES)}


def test_a_picture_comes_back_as_a_picture(tmp_path: Path, config: PredictConfig) -> None:
    photo = tmp_path / "photo.jpg"
    write_image(photo, picture(3, (96, 128)))
    outcome = run(photo, changed(config, compare=True))
    expected = [f"photo.{end}" for end in ("coco.json", "compare.png", "contact.png", "csv", "png")]
    assert sorted(path.name for path in outcome.files) == expected
    drawn = read_image(config.output / "photo.png")
    plain = read_image(photo)
    assert drawn.shape == plain.shape == (96, 128, 3)
    changed_pixels = np.abs(drawn.astype(int) - plain).max(-1) > 60
    assert 50 < changed_pixels.sum() < drawn[..., 0].size / 2  # a person on what is the photo else
    with pytest.raises(OutputError, match=r"photo\.\w+: is the source itself|there already"):
        run(config.output / "photo.png", config)


def test_a_folder_of_one_picture_is_a_video(tmp_path: Path, config: PredictConfig) -> None:
    (tmp_path / "frames").mkdir()
    write_image(tmp_path / "frames" / "1.png", picture(3, (48, 64)))
    outcome = run(tmp_path / "frames", config)
    assert "frames.mp4" in [path.name for path in outcome.files]


@pytest.mark.parametrize(
    ("times", "window"),
    [
        ([n / 25 for n in range(8)], {}),
        ([n / 25 for n in range(8)], {"start": 0.05, "end": 0.21}),
        ([0, 0.04, 0.5, 0.54, 0.9, 0.94], {"end": 0.6}),  # of no steady rate
        ([0, 0.04, 0.08, 0.12, 2.0], {"start": 0.05}),
    ],
)
def test_the_last_progress_says_how_many_frames_there_were(
    tmp_path: Path, config: PredictConfig, times: list[float], window: dict[str, float]
) -> None:
    seen: list[RunProgress] = []
    video = make_video(tmp_path / "odd.mp4", times)
    outcome = run(video, changed(config, render=False, **window), seen)
    chosen = [time for time in times if window.get("start", 0) <= time < window.get("end", 9)]
    assert outcome.frames == seen[-1].frame == seen[-1].total == len(chosen)
    assert all(progress.total is None or progress.frame <= progress.total for progress in seen)


def test_results_of_the_file_are_those_of_the_estimator(video: Path, config: PredictConfig) -> None:
    estimator = PoseEstimator.from_config(config)
    process(str(video), estimator, config, lambda _: None)
    content = json.loads((config.output / "walk.coco.json").read_text())
    annotations = {entry["image_id"]: entry for entry in content["annotations"]}
    for poses in estimator.stream(video):
        if len(poses):
            points = np.array(annotations[poses.index]["keypoints"]).reshape(-1, 3)
            assert np.allclose(points[:, :2], poses.keypoints[0], atol=1e-2)
            assert annotations[poses.index]["track_id"] == poses.track_ids[0]


def test_existing_results_are_kept_unless_told_otherwise(
    video: Path, config: PredictConfig
) -> None:
    config.output.mkdir()
    old = config.output / "walk.csv"
    old.write_text("mine")
    with pytest.raises(OutputError, match=r"walk.csv: there already; pass --overwrite"):
        run(video, config)
    assert names(config.output) == ["walk.csv"]
    assert old.read_text() == "mine"
    run(video, changed(config, overwrite=True))
    assert old.read_text() != "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_breaks_off_leaves_only_its_journal(
    video: Path, config: PredictConfig, error: type[BaseException]
) -> None:
    def stop(progress: RunProgress) -> None:
        if progress.frame == 3:
            raise error

    with pytest.raises(error):
        process(str(video), PoseEstimator.from_config(config), config, stop)
    assert names(config.output) == [".walk.run"]


def test_a_video_cut_off_gives_poses_up_to_the_cut_and_a_warning(
    tmp_path: Path, config: PredictConfig
) -> None:
    whole = make_video(
        tmp_path / "long.mp4", 60, container_options={"movflags": "frag_keyframe+empty_moov"}
    )
    outcome = run(cut(whole, 0.6), changed(config, render=False, contact_sheet=False))
    assert 0 < outcome.frames < 60
    assert any("cut off or damaged after frame" in line for line in outcome.warnings)
    content = json.loads(next(config.output.glob("*.coco.json")).read_text())
    assert len(content["images"]) == outcome.frames


def test_boxes_that_match_no_frame_are_a_warning(video: Path, config: PredictConfig) -> None:
    assert config.boxes is not None
    config.boxes.write_text(
        json.dumps([{"image_id": 99, "bbox": [1, 1, 5, 5], "score": 1, "category_id": 1}])
    )
    outcome = run(video, config)
    assert outcome.people == 0
    assert any("no box matched any of the 6 frames" in line for line in outcome.warnings)


def test_what_a_file_of_boxes_loses_is_said_and_its_tracks_are_kept(
    video: Path, config: PredictConfig
) -> None:
    assert config.boxes is not None
    entry = {"bbox": [8, 8, 30, 40], "score": 0.9, "category_id": 1}
    boxes = [{**entry, "image_id": index, "track_id": 70} for index in range(2)]
    padding = {**entry, "image_id": 2, "bbox": [0, 0, 0, 0]}
    config.boxes.write_text(json.dumps([*boxes, padding]))
    outcome = run(video, config)
    assert any("1 box without area" in line for line in outcome.warnings)
    poses = load_poses(config.output / f"{video.stem}.coco.json")
    assert [frame.track_ids.tolist() for frame in poses[:3]] == [[70], [70], []]


def test_an_output_folder_that_cannot_be_written_is_named_before_any_work(
    video: Path, config: PredictConfig
) -> None:
    config.output.write_text("a file, not a folder")
    seen: list[RunProgress] = []
    with pytest.raises(OutputError, match="cannot be written"):
        run(video, config, seen)
    assert seen == []


def test_a_source_that_is_no_video_leaves_no_folder(tmp_path: Path, config: PredictConfig) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    with pytest.raises(VideoError, match=r"notes.mp4"):
        run(path, config)
    assert not config.output.exists()


def test_wrong_weights_are_named(config: PredictConfig, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"expected \"default\", \"tiny\", a name"):
        PoseEstimator.from_config(changed(config, weights=str(tmp_path / "nowhere")))
    (tmp_path / "weights" / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"weights: no config.json"):
        PoseEstimator.from_config(config)


def test_boxes_with_a_missing_field_are_named(config: PredictConfig) -> None:
    assert config.boxes is not None
    config.boxes.write_text(json.dumps([{"image_id": 1, "score": 1, "category_id": 1}]))
    with pytest.raises(BoxesError, match=r'boxes.json: entry 0 has no "bbox"'):
        PoseEstimator.from_config(config)


def test_a_part_of_a_video_keeps_its_times_and_numbers(video: Path, config: PredictConfig) -> None:
    outcome = run(video, changed(config, start=0.07, end=0.17, contact_sheet=False))
    assert outcome.frames == 3
    content = json.loads((config.output / "walk.coco.json").read_text())
    assert [image["id"] for image in content["images"]] == [2, 3, 4]
    assert [image["time"] for image in content["images"]] == pytest.approx([0.08, 0.12, 0.16])


def test_options_that_contradict_each_other_are_refused() -> None:
    from tarvitpose.utils.config_files import parse_config

    with pytest.raises(ConfigError, match=r"end 1 must come after start 2"):
        parse_config(PredictConfig, {"start": 2, "end": 1}, "predict")
    with pytest.raises(ConfigError, match=r"offsets \(0, 1\) must be sorted, distinct"):
        parse_config(PredictConfig, {"offsets": (0, 1)}, "predict")


def test_ctrl_c_ends_a_live_source_and_keeps_what_was_seen(
    tmp_path: Path, config: PredictConfig
) -> None:
    video = make_video(tmp_path / "walk.mp4", 200)
    before = signal.getsignal(signal.SIGINT)

    def press(progress: RunProgress) -> None:
        if progress.frame == 3:
            signal.raise_signal(signal.SIGINT)

    live = changed(config, live=True)
    outcome = process(str(video), PoseEstimator.from_config(live), live, press)
    assert outcome.frames == 3
    assert all(path.is_file() for path in outcome.files)
    assert len(decode_fully(config.output / "walk.mp4")[0]) == 3
    assert signal.getsignal(signal.SIGINT) is before


def test_q_ends_a_file_keeps_what_was_seen_and_resume_goes_on(
    video: Path, config: PredictConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ClosedAfterThree:
        """A window whose user presses q at the third frame."""

        def __init__(self, frames: FrameSource, config: PredictConfig) -> None:
            self.shown = 0

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *exception: object) -> None:
            assert self.is_closed

        def show(self, image: UInt8, poses: FramePoses, delay: float | None) -> None:
            assert image.shape[:2] == poses.image_size
            assert delay is None  # of a file
            self.shown += 1

        @property
        def is_closed(self) -> bool:
            return self.shown == 3

    monkeypatch.setattr(pipeline, "_window", ClosedAfterThree)
    stopped = run(video, changed(config, show=True))
    assert stopped.frames == 3
    assert stopped.warnings[-1].endswith("stopped after 3 frames; --resume goes on from there")
    assert len(decode_fully(config.output / "walk.mp4")[0]) == 3
    sound = [time for time, _ in packets(config.output / "walk.mp4", "audio")]
    assert 0.06 < sound[-1] < 0.12  # as long as the three frames
    outcome = run(video, changed(config, resume=True))
    assert (outcome.frames, outcome.is_old) == (FRAMES, False)
    assert len(load_poses(config.output / "walk.csv")) == FRAMES


def test_faces_are_blurred_in_the_picture_and_nothing_else_changes(
    tmp_path: Path, config: PredictConfig
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    write_image(tmp_path / "photo.png", image)
    config = changed(config, formats=("npz",), contact_sheet=False)
    for blur_faces, folder in ((False, "plain"), (True, "blurred")):
        options = {"blur_faces": blur_faces, "output": tmp_path / folder}
        run(tmp_path / "photo.png", changed(config, **options))
    plain, blurred = (tmp_path / "plain" / "photo.png", tmp_path / "blurred" / "photo.png")
    difference = (read_image(plain) != read_image(blurred)).any(-1)
    assert difference[4:20, 5:25].mean() > 0.5  # the upper part of the box
    assert not difference[64:].any()
    poses = [load_poses(tmp_path / folder / "photo.npz")[0] for folder in ("plain", "blurred")]
    assert np.array_equal(poses[0].keypoints, poses[1].keypoints)
