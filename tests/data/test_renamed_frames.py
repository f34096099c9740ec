"""PoseTrack17's frames under two names: official ones, and those that the DCPose files count."""

from pathlib import Path
from typing import Any

import pytest
from invoke import run
from label_files import (
    dcpose,
    frame17,
    image_dcpose,
    person17,
    person18,
    save,
    save_images,
    video18,
)
from tiny_models import modest_model
from typer.testing import Result

from tarvitpose.data.check import check_data
from tarvitpose.data.sources import read_records
from tarvitpose.detection import BoxesFile
from tarvitpose.evaluation.boxes import open_boxes
from tarvitpose.evaluation.datasets import read_labelled
from tarvitpose.formats.posetrack_files import read_predictions
from tarvitpose.formats.reading import load_poses
from tarvitpose.skeleton import POSETRACK_15

COUNT, LABELLED = 8, (2, 4)  # frames of a video, and numbers of the labelled ones
OFFICIAL = {  # the names of images in the official folders
    "counted": [f"{at:08d}.jpg" for at in range(1, COUNT + 1)],
    "shifted": [f"{at:08d}.jpg" for at in range(4, COUNT + 4)],  # most are also renamed ones
    "cropped": [f"{at:04d}_crop.jpg" for at in range(1, COUNT + 1)],
}
RENAMED = OFFICIAL["counted"]


def official(root: Path) -> Path:
    """Write official annotations and images."""
    for video, names in OFFICIAL.items():
        folder = f"images/bonn/{video}"
        frames = [
            frame17(1, *[person17()] * (at in LABELLED), image=[{"name": f"{folder}/{name}"}])
            for at, name in enumerate(names)
        ]
        save(root / "annotations" / f"{video}.json", {"annolist": frames})
        save_images(root, [f"{folder}/{name}" for name in names])
    return root / "annotations"


def left(at: int) -> int:
    """Return where the box of a frame begins: elsewhere in each, so that none is mistaken."""
    return 3 * at


def boxes(path: Path) -> Path:
    """Write boxes as those of the supplement: frames are renamed."""
    entries = [
        {
            "image_name": f"bonn/{video}/{name}",
            "bbox": [left(at), 5, 30, 40],
            "score": 0.9,
            "category_id": 1,
            "nframes": COUNT,
            "frame_id": at + 1,
        }
        for video in OFFICIAL
        for at, name in enumerate(RENAMED)
    ]
    return save(path, entries)


def merged(root: Path) -> Path:
    """Write the supplement's merged annotations: only labelled frames are listed, renamed."""
    names = [f"bonn/{video}/{RENAMED[at]}" for video in OFFICIAL for at in LABELLED]
    images = [image_dcpose(number, name, COUNT) for number, name in enumerate(names)]
    people = [person18(number, 0) for number in range(len(names))]
    return save(root / "posetrack_val.json", dcpose(images, people))


def test_boxes_of_renamed_frames_reach_the_official_ones(tmp_path: Path) -> None:
    videos = read_labelled("posetrack17", official(tmp_path), POSETRACK_15, images=tmp_path)
    path = boxes(tmp_path / "boxes.json")
    known = open_boxes(str(path), None, "cpu", videos)
    lefts = {
        video.name: [known.people(frame, None).boxes[:, 0].tolist() for frame in video.frames]  # type: ignore[arg-type]
        for video in videos
    }
    assert lefts == {video: [[left(at)] for at in LABELLED] for video in OFFICIAL}
    assert known.warnings == (
        f"{path}: has other frame names for 2 of 3 videos, matched by order "
        "(its first frame is cropped/0001_crop.jpg)",
    )


def test_the_command_finds_people_in_all_videos(tmp_path: Path) -> None:
    modest_model().save_pretrained(tmp_path / "weights")
    annotations, made = official(tmp_path), tmp_path / "made"
    result = run(
        *("evaluate", "--weights", tmp_path / "weights", "--device", "cpu"),
        *("--annotations", annotations, "--boxes", boxes(tmp_path / "boxes.json")),
        *("--output", made),
    )
    assert result.exit_code == 0, result.output
    assert "matched by order" in result.stderr
    for video in OFFICIAL:
        frames = read_predictions(made / "temporal-posetrack17" / f"{video}.json").values()
        assert [len(frame.scores) for frame in frames] == [int(at in LABELLED) for at in range(8)]


def test_boxes_with_the_official_names_stay_as_they_are(tmp_path: Path) -> None:
    names = [f"shifted/{name}" for name in OFFICIAL["shifted"]]
    entry = {"image_name": f"bonn/{names[2]}", "bbox": [7, 5, 30, 40], "score": 0.9}
    file = BoxesFile(save(tmp_path / "boxes.json", [entry]))
    assert not file.match_by_order(names)
    assert not file.match_by_order(["other/00000001.jpg"])


@pytest.mark.parametrize("name", ["00000009.jpg", "000001.jpg", "cover.jpg"])
def test_boxes_that_do_not_count_the_frames_are_not_guessed(tmp_path: Path, name: str) -> None:
    entries = [
        {"image_name": f"bonn/cropped/{image}", "bbox": [7, 5, 30, 40], "score": 0.9}
        for image in ("00000001.jpg", name)
    ]
    file = BoxesFile(save(tmp_path / "boxes.json", entries))
    assert not file.match_by_order([f"cropped/{image}" for image in OFFICIAL["cropped"]])


def test_predict_takes_renamed_boxes_for_a_folder_of_frames(tmp_path: Path) -> None:
    modest_model().save_pretrained(tmp_path / "weights")
    official(tmp_path)
    folder = tmp_path / "images" / "bonn" / "shifted"
    result = run(
        *("predict", folder, "--weights", tmp_path / "weights", "--device", "cpu"),
        *("--boxes", boxes(tmp_path / "boxes.json"), "--output", tmp_path / "out"),
        *("--format", "npz"),
    )
    assert result.exit_code == 0, result.output
    assert "has other frame names than" in result.stderr
    frames = load_poses(tmp_path / "out" / "shifted.npz")
    assert [frame.boxes[:, 0].tolist() for frame in frames] == [[left(at)] for at in range(COUNT)]


def test_merged_annotations_find_official_images(tmp_path: Path) -> None:
    official(tmp_path)
    path = merged(tmp_path)
    records = read_records("dcpose", path, POSETRACK_15, tmp_path / "images")
    for video, names in OFFICIAL.items():
        matching = [record for record in records if record.frames[0].parent.name == video]
        assert [record.current for record in matching] == list(LABELLED)
        assert {tuple(path.name for path in record.frames) for record in matching} == {tuple(names)}
    report = check_data([path], "dcpose", tmp_path / "images", quick=True, progress=lambda *_: None)
    assert list(report.by_kind()) == ["other image name"]
    assert report.by_kind()["other image name"] == [
        "bonn/shifted/00000001.jpg is bonn/shifted/00000004.jpg, one of 8 in shifted",
        "bonn/cropped/00000001.jpg is bonn/cropped/0001_crop.jpg, one of 8 in cropped",
    ]


def test_official_annotations_find_renamed_images(tmp_path: Path) -> None:
    annotations = official(tmp_path)
    renamed = tmp_path / "renamed"
    save_images(renamed, [f"images/bonn/{video}/{name}" for video in OFFICIAL for name in RENAMED])
    records = read_records("posetrack17", annotations, POSETRACK_15, renamed)
    assert len(records) == len(OFFICIAL) * len(LABELLED)
    for record in records:
        assert [path.name for path in record.frames] == RENAMED
        assert record.current in LABELLED


def test_predictions_keep_the_names_of_the_annotations(tmp_path: Path) -> None:
    official(tmp_path)
    videos = read_labelled("dcpose", merged(tmp_path), POSETRACK_15, images=tmp_path / "images")
    [shifted] = [video for video in videos if video.name == "shifted"]
    assert list(shifted.listed) == [f"bonn/shifted/{RENAMED[at]}" for at in LABELLED]
    assert [path.name for path in shifted.images] == OFFICIAL["shifted"]


@pytest.mark.parametrize("change", ["one is missing", "one too many", "other files"])
def test_images_are_not_matched_where_their_number_or_naming_differs(
    tmp_path: Path, change: str
) -> None:
    official(tmp_path)
    folder = tmp_path / "images" / "bonn" / "shifted"
    last = folder / OFFICIAL["shifted"][-1]
    if change == "one is missing":
        last.unlink()
    elif change == "one too many":
        (folder / "00000020.jpg").write_bytes(last.read_bytes())
    else:
        last.rename(folder / "cover.jpg")
    records = read_records("dcpose", merged(tmp_path), POSETRACK_15, tmp_path / "images")
    matching = [record for record in records if record.frames[0].parent.name == "shifted"]
    assert {tuple(path.name for path in record.frames) for record in matching} == {tuple(RENAMED)}


def test_cropped_frames_that_are_only_on_disk_are_neighbours(tmp_path: Path) -> None:
    names = OFFICIAL["cropped"]
    folder = "images/bonn/cropped"
    save_images(tmp_path, [f"{folder}/{name}" for name in names])
    frame = frame17(1, person17(), image=[{"name": f"{folder}/{names[3]}"}])
    path = save(tmp_path / "annotations" / "cropped.json", {"annolist": [frame]})
    [record] = read_records("posetrack17", path, POSETRACK_15, tmp_path)
    assert ([path.name for path in record.frames], record.current) == (names, 3)


def scored(tmp_path: Path, truth: list[str], made: list[str]) -> Result:
    """Score predictions that are right in each place, under other names."""
    for folder, names in (("truth", truth), ("made", made)):
        content: dict[str, Any] = video18([], range(len(names)), range(len(names)))
        for at, (image, name) in enumerate(zip(content["images"], names, strict=True)):
            image |= {"id": at, "file_name": f"images/val/clip/{name}"}
        points = [[10 * at, 5.0, 1] + [9.0 * at, 30.0, 1] * 16 for at in range(1, len(names) + 1)]
        content["annotations"] = [
            person18(at, 0, keypoints=values, scores=[0.9] * 17) for at, values in enumerate(points)
        ]
        save(tmp_path / folder / "clip.json", content)
    return run("evaluate", "--predictions", tmp_path / "made", "--annotations", tmp_path / "truth")


@pytest.mark.parametrize("video", ["shifted", "cropped"])
def test_predictions_of_renamed_frames_are_scored_by_order(tmp_path: Path, video: str) -> None:
    result = scored(tmp_path, OFFICIAL[video], RENAMED)
    assert result.exit_code == 0, result.output
    assert "Mean       100.0" in result.stdout
    first = f"images/val/clip/{OFFICIAL[video][0]} is images/val/clip/{RENAMED[0]}"
    assert result.stderr.startswith(
        "warning: 1 video with other frame names than annotated, matched by order as poseval does"
    )
    assert first in result.stderr


def test_frames_of_the_same_names_are_matched_by_these(tmp_path: Path) -> None:
    result = scored(tmp_path, RENAMED, RENAMED[::-1])
    assert result.stderr == ""
    assert "Mean       0.0" in result.stdout
