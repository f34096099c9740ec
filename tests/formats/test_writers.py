"""Results on disk: every frame once, the numbers exact, the files whole or not there."""

import csv
import gc
import json
import math
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from some_poses import PEOPLE, SIZE, TIMES, clip, some_poses
from video_files import make_folder, make_video, packets, picture

from tarvitpose import __version__
from tarvitpose.config import POSE_FORMATS, PredictConfig
from tarvitpose.errors import OutputError, UserError
from tarvitpose.formats.coco import CocoWriter, person_score
from tarvitpose.formats.contact_sheet import (
    ContactSheetWriter,
    contact_sheet,
    fit_width,
    part_with_people,
    spread,
)
from tarvitpose.formats.file_writer import PoseWriter
from tarvitpose.formats.overlay import OverlayWriter
from tarvitpose.formats.table import CsvWriter
from tarvitpose.formats.writing import open_writer, output_paths
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import JOINT_SETS, JointSet
from tarvitpose.utils.arrays import UInt8
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.sources import open_source


@pytest.fixture
def video(tmp_path: Path) -> Iterator[FrameSource]:
    """Yield a source of as many frames as `clip` has."""
    (tmp_path / "in").mkdir()
    with open_source(make_video(tmp_path / "in" / "dance.mp4", TIMES)) as source:
        yield source


def config(tmp_path: Path, **changes: Any) -> PredictConfig:
    return PredictConfig(output=tmp_path / "out", weights="w", **changes)


def strict_json(path: Path) -> Any:
    """Read JSON as its standard has it: without NaN and Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def write_coco(path: Path, source: FrameSource, frames: list[FramePoses]) -> Any:
    with CocoWriter(path, source, "weights-folder") as writer:
        for poses in frames:
            writer.write(poses)
    return strict_json(path)


def write_csv(path: Path, frames: list[FramePoses]) -> list[dict[str, str]]:
    with CsvWriter(path) as writer:
        for poses in frames:
            writer.write(poses)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------------- COCO


def test_coco_has_every_frame_in_order(tmp_path: Path, video: FrameSource) -> None:
    content = write_coco(tmp_path / "dance.coco.json", video, clip())
    assert list(content) == ["info", "images", "annotations", "categories"]
    assert content["images"] == [
        {
            "id": index,
            "file_name": f"dance/frame_{index:06d}",
            "width": 64,
            "height": 48,
            "frame_id": index,
            "time": pytest.approx(time, abs=1e-6),
        }
        for index, time in enumerate(TIMES)
    ]


def test_coco_has_the_exact_numbers(tmp_path: Path, video: FrameSource) -> None:
    frames = clip()
    people = write_coco(tmp_path / "dance.coco.json", video, frames)["annotations"]
    assert [person["id"] for person in people] == [1, 2, 3, 4, 5, 6]
    assert [person["image_id"] for person in people] == [0, 0, 2, 4, 4, 4]
    expected = [(poses, n) for poses in frames for n in range(len(poses))]
    for person, (poses, n) in zip(people, expected, strict=True):
        points = np.array(person["keypoints"]).reshape(-1, 3)
        assert np.abs(points[:, :2] - poses.keypoints[n]).max() <= 0.0005 + 1e-6
        assert (points[:, 2] == 2).all()
        assert np.abs(np.array(person["keypoint_scores"]) - poses.scores[n]).max() <= 0.000006
        left, top, right, bottom = poses.boxes[n].tolist()
        assert person["bbox"] == pytest.approx([left, top, right - left, bottom - top], abs=0.001)
        assert person["area"] == pytest.approx((right - left) * (bottom - top), abs=0.06)
        assert person["track_id"] == poses.track_ids[n]
        assert (person["category_id"], person["iscrowd"]) == (1, 0)
        assert person["num_keypoints"] == 15


def test_the_score_of_a_person_is_the_box_score_times_the_mean_of_the_joints() -> None:
    poses = some_poses(0, 1, 0.0)
    poses.box_scores[:], poses.scores[:] = 0.5, 0.2
    poses.scores[0, 0] = 0.95
    assert person_score(poses, 0) == pytest.approx(0.5 * (14 * 0.2 + 0.95) / 15)


def test_joints_of_no_score_and_outside_the_frame_stay_as_they_are(
    tmp_path: Path, video: FrameSource
) -> None:
    poses = some_poses(0, 1, 0.0)
    poses.scores[:] = 0
    poses.keypoints[0, 3] = -123.4567, 5000.25
    (person,) = write_coco(tmp_path / "a.json", video, [poses])["annotations"]
    assert person["keypoints"][9:12] == [-123.457, 5000.25, 2]
    assert person["score"] == 0
    assert 0 not in person["keypoints"]


def test_numbers_are_short(tmp_path: Path, video: FrameSource) -> None:
    poses = replace(some_poses(0, 1, 0.1), boxes=np.array([[0.1, 0.2, 10.3, 20.7]], np.float32))
    write_coco(tmp_path / "a.json", video, [poses])
    text = (tmp_path / "a.json").read_text()
    assert '"bbox": [0.1, 0.2, 10.2, 20.5], "segmentation": [], "area": 209.1,' in text


@pytest.mark.parametrize("joints", JOINT_SETS.values(), ids=lambda joints: joints.name)
def test_coco_describes_the_joints(tmp_path: Path, video: FrameSource, joints: JointSet) -> None:
    (category,) = write_coco(tmp_path / "a.json", video, clip(joints))["categories"]
    assert (category["id"], category["name"]) == (1, "person")
    assert category["keypoints"] == list(joints.joints)
    names = [(joints.joints[a - 1], joints.joints[b - 1]) for a, b in category["skeleton"]]
    assert names == list(joints.limbs)


@pytest.mark.parametrize("joints", JOINT_SETS.values(), ids=lambda joints: joints.name)
def test_cocos_evaluator_takes_the_sigmas_of_the_file(
    tmp_path: Path, video: FrameSource, joints: JointSet
) -> None:
    coco, cocoeval = (pytest.importorskip(f"pycocotools.{name}") for name in ("coco", "cocoeval"))
    frames = [
        replace(
            frame_poses,
            boxes=np.array([[0, 0, 50, 60]] * len(frame_poses), np.float32).reshape(-1, 4),
        )
        for frame_poses in clip(joints)
    ]
    content = write_coco(tmp_path / "a.json", video, frames)
    truth = coco.COCO(str(tmp_path / "a.json"))
    evaluator = cocoeval.COCOeval(truth, truth.loadRes(content["annotations"]), "keypoints")
    evaluator.params.kpt_oks_sigmas = np.array(content["categories"][0]["sigmas"])
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    assert evaluator.stats[0] == pytest.approx(1)


def test_coco_of_joints_without_a_known_skeleton(tmp_path: Path, video: FrameSource) -> None:
    poses = replace(some_poses(0, 1, 0.0), joint_names=tuple(f"p{i}" for i in range(15)))
    (category,) = write_coco(tmp_path / "a.json", video, [poses])["categories"]
    assert category["skeleton"] == []
    assert "sigmas" not in category


def test_coco_says_where_it_comes_from(tmp_path: Path, video: FrameSource) -> None:
    info = write_coco(tmp_path / "a.json", video, clip())["info"]
    assert info.pop("description")
    assert info == {
        "version": __version__,
        "weights": "weights-folder",
        "source": "dance.mp4",
        "frame_rate": pytest.approx(video.frame_rate, abs=1e-6),
    }


def test_the_address_of_a_stream_is_not_told(tmp_path: Path, video: FrameSource) -> None:
    video.source, video.path = "rtsp://me:secret@camera/door", None
    write_coco(tmp_path / "a.json", video, clip())
    assert "secret" not in (tmp_path / "a.json").read_text()


def test_coco_of_images_has_their_file_names(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "takes", ["b10.png", "b9.png", "größe.png"])
    with open_source(folder) as source:
        frames = [some_poses(frame.index, 1, frame.time) for frame in source]
        content = write_coco(tmp_path / "a.json", source, frames)
    names = [image["file_name"] for image in content["images"]]
    assert names == ["b9.png", "b10.png", "größe.png"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_json_cannot_hold_is_refused(tmp_path: Path, video: FrameSource, value: float) -> None:
    poses = some_poses(0, 1, 0.0)
    poses.keypoints[0, 0, 0] = value
    with pytest.raises(ValueError, match="JSON compliant"):
        write_coco(tmp_path / "a.json", video, [poses])
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("kind", POSE_FORMATS)
def test_memory_does_not_grow_with_the_video(
    tmp_path: Path, video: FrameSource, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tarvitpose.formats.parquet.ROWS", 900)  # 20 frames
    poses = some_poses(0, 3, 0.0)

    def grown(frames: int) -> int:
        with open_writer(kind, tmp_path / str(frames), video, config(tmp_path)) as writer:
            tracemalloc.start()
            for _ in range(frames):
                writer.write(poses)
            gc.collect()  # what only waits to be freed is no growth
            now = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
        return now

    grown(20)  # what is loaded at first use
    assert grown(400) < grown(100) + 20_000


# -------------------------------------------------------------------------------------------- CSV


def test_a_frame_with_nobody_is_one_row_of_blanks(tmp_path: Path) -> None:
    write_csv(tmp_path / "dance.csv", clip())
    lines = (tmp_path / "dance.csv").read_bytes().decode().split("\n")
    assert lines[0] == "frame,time_s,track_id,joint,x,y,score"
    assert lines[1 + 2 * 15] == "1,0.04,,,,,"
    assert lines[1 + 2 * 15 + 1 + 15] == "3,0.16,,,,,"
    assert len(lines) == 1 + 15 * sum(PEOPLE) + 2 + 1
    assert lines[-1] == ""


# ------------------------------------------------------------------------------------ the overlay


def read(path: Path) -> tuple[list[float], list[UInt8]]:
    with open_source(path) as source:
        frames = list(source)
    return [frame.time for frame in frames], [frame.image for frame in frames]


def write_overlay(path: Path, source: FrameSource, frames: list[FramePoses]) -> OverlayWriter:
    with OverlayWriter(path, source) as writer:
        for frame, poses in zip(source, frames, strict=True):
            writer.write(poses, frame.image)
    return writer


def test_the_overlay_has_the_frames_and_times_of_the_source(
    tmp_path: Path, video: FrameSource
) -> None:
    writer = write_overlay(tmp_path / "dance.mp4", video, clip())
    times, images = read(tmp_path / "dance.mp4")
    assert times == pytest.approx(TIMES, abs=1e-4)
    assert [image.shape for image in images] == [(*SIZE, 3)] * 5
    assert writer.warnings == []


def test_the_overlay_shows_the_people_where_they_are(tmp_path: Path) -> None:
    size = 200, 320
    with open_source(make_video(tmp_path / "in.mp4", 3, size=size)) as source:
        box = np.array([[200, 20, 280, 90]], np.float32)
        poses = replace(some_poses(0, 1, 0.0), image_size=size, boxes=box)
        poses.keypoints[:] = 240, 60
        poses.scores[:] = 0.9
        frames = [replace(poses, index=i, time=i / 25) for i in range(3)]
        write_overlay(tmp_path / "out.mp4", source, frames)
        before = [frame.image for frame in source]
    after = read(tmp_path / "out.mp4")[1]
    for old, new in zip(before, after, strict=True):
        difference = np.abs(old.astype(int) - new).max(-1)
        assert difference[55:65, 235:245].mean() > 10
        assert difference[40:95, 5:190].mean() < 3  # nothing but what coding costs


def test_the_overlay_has_the_audio(tmp_path: Path) -> None:
    path = make_video(tmp_path / "in.mp4", TIMES, audio="aac", audio_seconds=0.3)
    with open_source(path) as source:
        write_overlay(tmp_path / "out.mp4", source, clip())
    assert [data for _, data in packets(tmp_path / "out.mp4", "audio")] == [
        data for _, data in packets(path, "audio")
    ]


def test_the_overlay_of_a_part_begins_at_zero(tmp_path: Path) -> None:
    path = make_video(tmp_path / "in.mp4", 20)
    with open_source(path, start=0.2, end=0.4) as source:
        frames = [some_poses(frame.index, 1, frame.time) for frame in source]
        write_overlay(tmp_path / "out.mp4", source, frames)
    assert read(tmp_path / "out.mp4")[0] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=1e-4)


@pytest.mark.parametrize("name", ["takes", "takes/a.png"])
def test_the_overlay_of_images(tmp_path: Path, name: str) -> None:
    make_folder(tmp_path / "takes", ["a.png", "b.png"])
    with open_source(tmp_path / name) as source:
        frames = [some_poses(frame.index, 1, frame.time) for frame in source]
        write_overlay(tmp_path / "out.mp4", source, frames)
    assert len(read(tmp_path / "out.mp4")[0]) == len(frames)


def test_the_threshold_reaches_the_drawing(tmp_path: Path) -> None:
    size = 200, 320
    with open_source(make_video(tmp_path / "in.mp4", 1, size=size)) as source:
        box = np.array([[200, 20, 280, 90]], np.float32)
        poses = replace(some_poses(0, 1, 0.0), image_size=size, boxes=box)
        poses.keypoints[:] = 240, 60
        poses.scores[:] = 0.5
        images = {}
        for threshold in (0.4, 0.6):
            settings = config(tmp_path, keypoint_threshold=threshold)
            path = tmp_path / f"{threshold}.mp4"
            with open_writer("overlay", path, source, settings) as writer:
                writer.write(poses, next(iter(source)).image)
            images[threshold] = read(path)[1][0].astype(int)
    assert np.abs(images[0.4] - images[0.6])[57:64, 237:244].mean() > 10


@pytest.mark.parametrize("kind", ["overlay", "contact_sheet"])
def test_what_draws_needs_the_image(tmp_path: Path, video: FrameSource, kind: str) -> None:
    path = tmp_path / "out.mp4"
    writer = open_writer(kind, path, video, config(tmp_path))
    with pytest.raises(ValueError, match="needs the image"), writer:
        writer.write(clip()[0])
    assert not path.exists()


# ------------------------------------------------------------------------------ the contact sheet


def flat(value: int, size: tuple[int, int] = SIZE) -> UInt8:
    return np.full((*size, 3), value, np.uint8)


def write_sheet(path: Path, count: int, **options: Any) -> tuple[ContactSheetWriter, UInt8]:
    """Write frames whose brightness is their index, 1 for each."""
    with ContactSheetWriter(path, **options) as writer:
        for index in range(count):
            writer.write(some_poses(index, 0, index / 25), flat(index % 256))
    return writer, np.asarray(cv2.imread(str(path)), np.uint8)


def tiles_of(sheet: UInt8, columns: int, rows: int) -> list[int]:
    """Return the brightness of each tile of a sheet of 64 x 48 frames."""
    gap = max(sheet.shape[1] // 160, 2)
    across = (sheet.shape[1] - (columns + 1) * gap) // columns
    tall = round(across * 48 / 64)
    step = (len(sheet) - gap) // rows
    return [
        int(sheet[gap + row * step + tall // 2, gap + column * (across + gap) + across // 2, 0])
        for row in range(rows)
        for column in range(columns)
    ]


@pytest.mark.parametrize("count", [12, 13, 60, 100, 200, 255])
def test_the_sheet_has_twelve_tiles_spaced_evenly(tmp_path: Path, count: int) -> None:
    _, sheet = write_sheet(tmp_path / "a.contact.png", count, width=640)
    tiles = tiles_of(sheet, 4, 3)
    assert sheet.shape[1] == 640
    assert (tiles[0], tiles[-1]) == (0, count - 1)
    gaps = np.diff(tiles)
    ideal = (count - 1) / 11
    assert np.abs(gaps - ideal).max() <= max(1, 0.45 * ideal)


def test_memory_of_the_sheet_is_bounded(tmp_path: Path) -> None:
    with ContactSheetWriter(tmp_path / "a.png", tiles=3, columns=3, width=96) as writer:
        sampled = []
        for index in range(1000):
            writer.write(some_poses(index, 0, index / 25), flat(1))
            sampled.append(len(writer._samples))
        assert max(sampled) <= 18
        assert min(sampled[100:]) >= 9
        assert writer._samples[0][0].shape[1] < 32


def test_a_short_video_has_fewer_tiles(tmp_path: Path) -> None:
    _, sheet = write_sheet(tmp_path / "a.png", 3, width=640)
    assert tiles_of(sheet, 3 + 1, 1)[:3] == [0, 1, 2]


def test_a_tile_shows_the_part_with_people() -> None:
    def part(*boxes: list[float]) -> tuple[int, int, int, int]:
        poses = replace(some_poses(0, len(boxes), 0.0), image_size=(480, 640))
        poses.boxes[:] = np.reshape(boxes, (-1, 4))
        return part_with_people(poses)

    assert part() == (0, 0, 640, 480)
    assert part([200, 100, 300, 300]) == (90, 80, 320, 240)  # 1.2 times 200 pixels high
    assert part([200, 100, 300, 300], [0, 100, 640, 300]) == (0, 0, 640, 480)
    assert part([600, 440, 640, 480]) == (427, 320, 213, 160)  # a third, inside the frame
    assert part([-500, -500, 900, 900]) == (0, 0, 640, 480)


def test_poses_shrink_with_the_part_of_the_frame_that_is_shown(tmp_path: Path) -> None:
    size = 480, 640
    poses = replace(some_poses(0, 1, 0.0), image_size=size)
    poses.boxes[:], poses.scores[:], poses.keypoints[:] = (0, 0, 640, 480), 0.9, (320, 240)
    with ContactSheetWriter(tmp_path / "a.png", columns=1, tiles=1, width=324) as writer:
        writer.write(poses, flat(100, size))
    sheet = cv2.imread(str(tmp_path / "a.png"))
    assert sheet[2 + 120, 2 + 160].tolist() != [100] * 3  # half as large
    assert sheet[2 + 120, 2 + 200].tolist() == [100] * 3


def test_tiles_captions_and_rows_of_a_sheet() -> None:
    images = [flat(60 + 20 * i) for i in range(5)]
    sheet = contact_sheet(images, [f"frame {i}" for i in range(5)], columns=2, width=200)
    assert sheet.shape[1] == 200
    assert tiles_of(sheet, 2, 3) == [60, 80, 100, 120, 140, 24]
    tall = round(97 * 48 / 64)
    strip = sheet[2 + tall : 2 + tall + 18, 2:99]
    assert strip.max() > 150, "the caption stands under its image"


def test_images_of_a_sheet_keep_their_aspect_and_are_untouched() -> None:
    image = picture(1, (90, 60))
    before = image.copy()
    sheet = contact_sheet([image], ["a"], columns=1, width=304)
    assert np.array_equal(image, before)
    assert len(sheet) == 2 + 450 + round(2 * 300 / 26) + 2


@pytest.mark.parametrize(("count", "chosen"), [(1, 12), (12, 12), (13, 12), (72, 12), (100, 7)])
def test_spread_is_even_and_has_both_ends(count: int, chosen: int) -> None:
    positions = spread(count, chosen)
    assert (positions[0], positions[-1]) == (0, count - 1)
    assert len(positions) == min(count, chosen) == len(set(positions))
    assert np.ptp(np.diff(positions)) <= 1 if len(positions) > 1 else True


def test_fit_width_reads_mirrored_views() -> None:
    image = picture(1, SIZE)
    assert np.array_equal(fit_width(image[:, ::-1], 32), fit_width(image[:, ::-1].copy(), 32))
    assert fit_width(image, 32).shape == (24, 32, 3)
    assert fit_width(flat(1, (1, 500)), 5).shape == (1, 5, 3)


# ------------------------------------------------------------------- all writers: whole or nothing

KINDS = (*POSE_FORMATS, "overlay", "contact_sheet")


def outputs(tmp_path: Path, source: FrameSource) -> dict[str, Path]:
    return output_paths(source, config(tmp_path, formats=POSE_FORMATS, contact_sheet=True))


def test_names_of_the_files(tmp_path: Path, video: FrameSource) -> None:
    assert {kind: path.name for kind, path in outputs(tmp_path, video).items()} == {
        "coco": "dance.coco.json",
        "posetrack": "dance.posetrack.json",
        "openpose": "dance.openpose",
        "mmpose": "dance.mmpose.json",
        "csv": "dance.csv",
        "parquet": "dance.parquet",
        "npz": "dance.npz",
        "overlay": "dance.mp4",
        "contact_sheet": "dance.contact.png",
    }
    settings = config(tmp_path, formats=("csv",), render=False)
    assert output_paths(video, settings) == {"csv": tmp_path / "out" / "dance.csv"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_opened_and_written(
    tmp_path: Path, video: FrameSource, kind: str
) -> None:
    settings = config(tmp_path)
    path = outputs(tmp_path, video)[kind]
    writer: PoseWriter = open_writer(kind, path, video, settings)
    with writer:
        for frame, poses in zip(video, clip(), strict=True):
            writer.write(poses, frame.image)
            assert not path.exists()
    assert path.stat().st_size > 100
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert writer.warnings == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [RuntimeError("lost"), KeyboardInterrupt()])
def test_an_error_leaves_nothing_behind(
    tmp_path: Path, video: FrameSource, kind: str, error: BaseException
) -> None:
    path = outputs(tmp_path, video)[kind]
    writer = open_writer(kind, path, video, config(tmp_path))

    def fail() -> None:
        with writer:
            writer.write(clip()[0], picture(0, SIZE))
            raise error

    with pytest.raises(type(error)):
        fail()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_frame_is_no_file(tmp_path: Path, video: FrameSource, kind: str) -> None:
    path = outputs(tmp_path, video)[kind]
    writer = open_writer(kind, path, video, config(tmp_path))
    with pytest.raises(OutputError, match="there was no frame to write"), writer:
        pass
    assert list(path.parent.iterdir()) == []


def test_an_unknown_format_names_those_there_are(tmp_path: Path, video: FrameSource) -> None:
    with pytest.raises(UserError, match="json: unknown format; available are coco, pose"):
        output_paths(video, config(tmp_path, formats=("coco", "json")))
    with pytest.raises(UserError, match="json: unknown format; available are coco, pose"):
        open_writer("json", tmp_path / "a.json", video, config(tmp_path))


def test_a_result_never_replaces_its_source(tmp_path: Path, video: FrameSource) -> None:
    settings = PredictConfig(output=tmp_path / "in", overwrite=True)
    with pytest.raises(OutputError, match="is the source itself"):
        output_paths(video, settings)
    assert output_paths(video, PredictConfig(output=tmp_path / "in", render=False))
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(OutputError, match="is the source itself"):
        output_paths(video, PredictConfig(output=tmp_path / "link"))


def test_the_whole_body_fills_openposes_fields(tmp_path: Path, video: FrameSource) -> None:
    joints = JOINT_SETS["wholebody133"]
    frames = clip(joints)
    poses = next(poses for poses in frames if len(poses))
    config = PredictConfig(output=tmp_path, formats=("openpose",), render=False, weights="w")
    path = output_paths(video, config)["openpose"]
    with open_writer("openpose", path, video, config) as writer:
        for each in frames:
            writer.write(each)
    file = sorted(path.iterdir())[frames.index(poses)]
    person = json.loads(file.read_text())["people"][0]
    face, hand = person["face_keypoints_2d"], person["hand_right_keypoints_2d"]
    assert (len(person["pose_keypoints_2d"]), len(face), len(hand)) == (75, 210, 63)
    assert face[:2] == pytest.approx(poses["face_0"][0], abs=0.01)
    assert face[-6:] == [0] * 6  # the pupils
    assert hand[-3:-1] == pytest.approx(poses["right_pinky_finger4"][0], abs=0.01)
    assert person["pose_keypoints_2d"][19 * 3] == pytest.approx(
        poses["left_big_toe"][0, 0], abs=0.01
    )
    assert person["tarvitpose"]["keypoints"] == {}
