"""JHMDB: the official release and a file with all clips become records, by split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from invoke import refusal, run
from jhmdb_release import (
    CLIPS,
    FRAMES,
    SIZE,
    joints_of,
    write_images,
    write_masks,
    write_positions,
    write_release,
)
from label_files import save
from tiny_models import tiny_model
from tiny_training import experiment, write_experiment
from video_files import level, make_video

from tarvitpose.data.records import Record, read_image
from tarvitpose.data.sources import dataset_files, read_records
from tarvitpose.errors import DataError
from tarvitpose.skeleton import COCO_17, POSETRACK_15

SHARED = Path(__file__).parents[3] / "shared" / "data" / "jhmdb"
(ACTION, CLIP), (_, OTHER), (WAVE, WAVES) = CLIPS
AT = {name: at for at, name in enumerate(POSETRACK_15.joints)}


def read(root: Path, set_name: str | None = "train1", **how: Any) -> list[Record]:
    return read_records(None, root, POSETRACK_15, set_name=set_name, **how)


def names(records: list[Record]) -> set[str]:
    return {record.name.partition("/")[0] for record in records}


def test_joints_are_mapped_by_name_and_counted_from_0(tmp_path: Path) -> None:
    records = read(write_release(tmp_path))
    assert [record.name for record in records] == [
        f"{ACTION}__{CLIP}/{t:05d}#0" for t in (1, 2, 3, 4)
    ]
    pos_img = joints_of(0) - 1
    for t, record in enumerate(records):
        order = {"head_bottom": 0, "nose": 2, "right_shoulder": 3, "left_shoulder": 4}
        order |= {"right_hip": 5, "left_hip": 6, "right_elbow": 7, "left_elbow": 8}
        order |= {"right_knee": 9, "left_knee": 10, "right_wrist": 11, "left_wrist": 12}
        order |= {"right_ankle": 13, "left_ankle": 14}
        for name, at in order.items():
            assert record.keypoints[AT[name]] == pytest.approx(pos_img[:, at, t])
        assert not record.visible[AT["head_top"]]
        assert record.visible.sum() == 14
        assert (len(record.frames), record.current) == (FRAMES, t)
        assert read_image(record.frames[t], "x")[0, 0, 0] == 10 * (t + 1)


def test_boxes_are_those_of_the_puppet_masks(tmp_path: Path) -> None:
    records = read(write_release(tmp_path))
    assert [record.box for record in records] == [(20, 10 + t, 50, 51) for t in range(FRAMES)]


def test_frames_without_a_mask_have_a_box_around_their_joints(tmp_path: Path) -> None:
    write_release(tmp_path)
    write_masks(tmp_path, ACTION, CLIP, FRAMES - 1)
    records = read(tmp_path)
    assert records[2].box == (20, 12, 50, 51)
    points = records[3].keypoints[records[3].visible > 0]
    middle = (points.min(0) + points.max(0)) / 2
    assert np.add(records[3].box[:2], records[3].box[2:]) / 2 == pytest.approx(middle)


def test_joints_outside_the_frame_are_not_labelled(tmp_path: Path) -> None:
    write_release(tmp_path)
    pos_img = joints_of(0)
    pos_img[:, 3, 1] = SIZE[1] + 0.5, 30  # 79.5 of 80 columns: beyond the last pixel's middle
    pos_img[:, 4, 1] = SIZE[1], SIZE[0]  # the last pixel
    pos_img[:, 5, 1] = 0.9, 30
    pos_img[:, 6, 1] = 1, 1
    write_positions(tmp_path, ACTION, CLIP, pos_img)
    seen = read(tmp_path)[1].visible
    assert [seen[AT[f"{name}"]] for name in ("right_shoulder", "right_hip")] == [0, 0]
    assert [seen[AT[f"{name}"]] for name in ("left_shoulder", "left_hip")] == [1, 1]


@pytest.mark.parametrize(
    ("set_name", "clips"),
    [
        ("train1", {(ACTION, CLIP)}),
        ("test1", {(ACTION, OTHER), (WAVE, WAVES)}),
        ("sub-train1", {(ACTION, CLIP)}),
        ("sub-test1", {(ACTION, OTHER)}),
    ],
)
def test_sets_are_those_of_the_lists(
    tmp_path: Path, set_name: str, clips: set[tuple[str, str]]
) -> None:
    records = read(write_release(tmp_path), set_name)
    assert names(records) == {f"{action}__{clip}" for action, clip in clips}
    assert len(dataset_files(tmp_path)) == len(CLIPS)


def test_hidden_folders_of_other_systems_are_no_clips(tmp_path: Path) -> None:
    write_release(tmp_path)
    for folder in ("joint_positions/.AppleDouble/x", "joint_positions/catch/.AppleDouble"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "joint_positions.mat").write_bytes(b"")
    (tmp_path / "splits" / "._catch_test_split1.txt").write_bytes(b"\x00\x05")
    assert len(dataset_files(tmp_path)) == len(CLIPS)
    assert names(read(tmp_path)) == {f"{ACTION}__{CLIP}"}


def test_without_a_set_nothing_is_trained_on_or_evaluated(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="several sets; choose one of train1, test1, sub-train1"):
        read(write_release(tmp_path), None)


@pytest.mark.parametrize(
    ("set_name", "message"),
    [
        ("val", "JHMDB has no set val; its sets are train1, test1"),
        ("train4", "JHMDB has no set train4"),
        ("train2", "splits: no lists of split 2, such as catch_test_split2.txt"),
        ("sub-test3", "sub_splits: no lists of split 3"),
    ],
)
def test_other_sets_are_refused(tmp_path: Path, set_name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write_release(tmp_path), set_name)


def test_a_line_that_is_no_clip_is_named(tmp_path: Path) -> None:
    write_release(tmp_path)
    path = tmp_path / "splits" / "catch_test_split1.txt"
    path.write_text(f"{CLIP}.avi 1\n\n{OTHER}.avi\n")
    with pytest.raises(DataError, match=r"catch_test_split1.txt: line 3: expected a clip and 1 or"):
        read(tmp_path)


def test_a_clip_that_the_lists_name_has_to_be_there(tmp_path: Path) -> None:
    write_release(tmp_path)
    path = tmp_path / "joint_positions" / ACTION / CLIP / "joint_positions.mat"
    path.unlink()
    with pytest.raises(DataError, match=r"joint_positions.mat: no such file"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("pos_img", "message"),
    [
        (np.zeros((2, 14, 3)), r"pos_img: expected 2 x 15 x frames, found \(2, 14, 3\)"),
        (np.full((2, 15, 3), np.nan), "pos_img: a number is missing or not finite"),
        (np.full((2, 15, 3), 1e39), "pos_img: .* beyond"),
        ("text", "pos_img: expected numbers"),
    ],
)
def test_wrong_joints_are_refused_in_one_line(tmp_path: Path, pos_img: Any, message: str) -> None:
    write_release(tmp_path)
    write_positions(tmp_path, ACTION, CLIP, pos_img)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"\x00" * 300])
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    write_release(tmp_path)
    path = tmp_path / "joint_positions" / ACTION / CLIP / "joint_positions.mat"
    for damaged in (content, path.read_bytes()[:200]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"\.mat: (not readable as a MATL|holds no)") as e:
            read(tmp_path)
        assert "\n" not in str(e.value)


def test_a_clip_of_one_frame_has_lost_its_last_axis(tmp_path: Path) -> None:
    write_release(tmp_path)
    write_positions(tmp_path, ACTION, CLIP, joints_of(0)[..., 0])
    (record,) = read(tmp_path)
    assert record.visible.sum() == 14


def test_images_without_labels_are_neighbours(tmp_path: Path) -> None:
    write_release(tmp_path)
    write_images(tmp_path, ACTION, CLIP, FRAMES + 2)
    records = read(tmp_path)
    assert len(records) == FRAMES
    assert [frame.name for frame in records[0].frames][-1] == "00006.png"


def test_without_images_the_videos_are_read(tmp_path: Path) -> None:
    write_release(tmp_path, images=False)
    video = tmp_path / "ReCompress_Videos" / ACTION / f"{CLIP}.avi"
    video.parent.mkdir(parents=True)
    make_video(video, FRAMES, size=SIZE, codec="ffv1")
    records = read(tmp_path)
    for t, record in enumerate(records):
        shown = read_image(record.frames[record.current], record.name).astype(int)
        assert shown.shape == (*SIZE, 3)
        assert abs(np.median(shown[16:24, 40:]) - level(t)) < 3  # the next is 6 brighter
    write_positions(tmp_path, ACTION, CLIP, np.repeat(joints_of(0), 2, axis=2))
    record = read(tmp_path)[-1]
    with pytest.raises(DataError, match=rf"{CLIP}.avi: has 4 frames, frame 8 is needed for"):
        read_image(record.frames[record.current], record.name)


def clips_file(root: Path, **changes: Any) -> Path:
    """Write a file of two clips, with their videos, one of each set."""
    joints = ["left_shoulder", "right_hip", "left_wrist"]
    xy = [[[10 + t, 20], [30, 40 + t], [-3, 5]] for t in range(3)]
    boxes = [[4, 5, 44, 55]] * 3
    clips = []
    for name, part in (("a", "train"), ("b", "val")):
        make_video(root / f"{name}.mp4", 3, size=SIZE)
        clip = {"clip": name, "file": f"{name}.mp4", "split": part, "xy": xy, "boxes": boxes}
        clips.append({**clip, **changes})
    return save(root / "labels.json", {"joints": joints, "size": SIZE[::-1], "clips": clips})


def test_a_file_with_all_clips_is_read_by_set(tmp_path: Path) -> None:
    path = clips_file(tmp_path)
    for annotations in (path, tmp_path):
        records = read(annotations, "val")
        assert [record.name for record in records] == [f"b/{t:05d}#0" for t in (1, 2, 3)]
        assert records[2].keypoints[AT["left_shoulder"]].tolist() == [12, 20]
        assert records[2].visible.sum() == 2  # the wrist is outside
        assert records[0].box == (4, 5, 44, 55)
        assert read_image(records[2].frames[2], "x").shape == (*SIZE, 3)
    for set_name in (None, "test"):
        with pytest.raises(DataError, match="train, val"):
            read(path, set_name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"xy": [[[1, 2]]]}, r"clips\[0\].xy: expected frames x 3 x 2, found \(1, 1, 2\)"),
        ({"xy": [[[1, 2], [3]]]}, r"clips\[0\].xy: expected numbers"),
        ({"xy": [[[1, 2], [3, None], [1, 1]]]}, r"clips\[0\].xy: a number is missing or not"),
        ({"boxes": [[1, 2, 3]]}, r"clips\[0\].boxes\[0\]: expected 4 numbers"),
        ({"file": None}, r"clips\[0\]: file is missing"),
    ],
)
def test_wrong_clips_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(clips_file(tmp_path, **changes), "train")


def test_check_says_what_is_left_out(tmp_path: Path) -> None:
    write_release(tmp_path)
    pos_img = joints_of(0)
    pos_img[0, 3, 1] = 0
    write_positions(tmp_path, ACTION, CLIP, pos_img)
    write_masks(tmp_path, ACTION, OTHER, FRAMES - 1)
    result = run("data", "check", tmp_path, "--json", tmp_path / "found.json")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (report["videos"], report["labelled_frames"]) == (len(CLIPS), len(CLIPS) * FRAMES)
    counts = {kind: note["count"] for kind, note in report["notes"].items()}
    assert counts == {"no box": 1, "unknown joint": len(CLIPS), "joint outside": 1}


def test_check_finds_missing_images_and_broken_videos(tmp_path: Path) -> None:
    write_release(tmp_path)
    (tmp_path / "Rename_Images" / ACTION / CLIP / "00002.png").unlink()
    result = run("data", "check", tmp_path)
    assert result.exit_code == 1
    assert "missing image" in result.stdout
    path = clips_file(tmp_path / "clips" if (tmp_path / "clips").mkdir() is None else tmp_path)
    (path.parent / "a.mp4").write_bytes(b"no video")
    result = run("data", "check", path)
    assert result.exit_code == 1
    assert "broken image" in result.stdout


def test_it_is_prepared_with_images_out_of_videos(tmp_path: Path) -> None:
    source, output = tmp_path / "source", tmp_path / "prepared"
    source.mkdir()
    before = read(clips_file(source), "val")
    result = run("data", "prepare", source, output, "--set", "val", "--max-side", 40)
    assert result.exit_code == 0, result.output
    after = read_records("posetrack18", output / "annotations" / "val", POSETRACK_15, output)
    assert len(after) == len(before) == 3
    for old, new in zip(before, after, strict=True):
        assert new.visible.tolist() == old.visible.tolist()
        labelled = old.visible > 0
        assert new.keypoints[labelled] == pytest.approx((old.keypoints[labelled] + 0.5) / 2 - 0.5)
        assert read_image(new.frames[new.current], new.name).shape == (30, 40, 3)


def test_a_model_trains_and_is_evaluated_on_it(tmp_path: Path) -> None:
    root = write_release(tmp_path / "jhmdb")
    tiny_model().save_pretrained(tmp_path / "start")
    source = {"format": "jhmdb", "annotations": root}
    validation = {"validation": [{**source, "set": "test1"}]}
    config = experiment(
        root,
        tmp_path / "run",
        source={**source, "set": "train1"},
        data=validation,
        init=str(tmp_path / "start"),
    )
    result = run("train", write_experiment(config, tmp_path / "train.yaml"), "run.epochs=0.5")
    assert result.exit_code == 0, result.output
    arguments = ("--weights", tmp_path / "run" / "weights", "--annotations", root)
    result = run("evaluate", *arguments, "--set", "test1", "--json", tmp_path / "scores.json")
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert (scores["videos"], scores["set"]) == (2, "test1")
    assert ", set test1: 2 videos, 8 labelled frames" in " ".join(result.stdout.split())
    assert scores["frames"] == scores["people"] == 2 * FRAMES
    assert list(scores["metrics"]) == [
        *("PCK@0.2 person", "PCK@0.1 person", "PCK@0.2 torso", "PCK@0.1 torso"),
        *("jitter", "calibration error"),
    ]
    assert "choose one of train1" in refusal("evaluate", *arguments)


def test_the_shared_clips() -> None:
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data/jhmdb")
    records = {
        part: read_records(None, SHARED, COCO_17, set_name=part) for part in ("train", "val")
    }
    clips = {part: len(names(records[part])) for part in records}
    assert clips == {"train": 320, "val": 66}
    content = json.loads((SHARED / "labels.json").read_text(encoding="utf-8"))
    lengths = {Path(clip["file"]).stem: len(clip["xy"]) for clip in content["clips"]}
    for record in records["val"][::300]:
        clip = record.name.partition("/")[0]
        last = record.frames[-1]
        assert int(last.stem) == len(record.frames) == lengths[clip]
        assert read_image(last, record.name).shape == (240, 320, 3)
        points = record.keypoints[record.visible > 0]
        assert ((points >= 0) & (points <= (319, 239))).all()
