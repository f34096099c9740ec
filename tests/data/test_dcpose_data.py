"""The merged files of the DCPose supplement: videos by folder, unlisted frames by counting."""

from pathlib import Path
from typing import Any

import pytest
from label_files import dcpose, image_dcpose, person18, save

from tarvitpose.data.records import Record
from tarvitpose.data.sources import read_records
from tarvitpose.errors import DataError
from tarvitpose.skeleton import POSETRACK_15

OLD, NEW = "images/train/old_video", "images/train/new_video"


def read(root: Path, content: dict[str, Any]) -> list[Record]:
    return read_records("dcpose", save(root / "posetrack_train.json", content), POSETRACK_15, root)


def test_each_folder_is_a_video_with_the_frames_that_nframes_counts(tmp_path: Path) -> None:
    images = [
        image_dcpose(1, f"{OLD}/00000004.jpg", 5),
        image_dcpose(2, f"{NEW}/000004.jpg", 6),
        image_dcpose(3, f"{NEW}/000000.jpg", 6),
    ]
    people = [person18(1, 0), person18(2, 1), person18(3, 1)]
    start, late, old = sorted(read(tmp_path, dcpose(images, people)), key=lambda each: each.name)
    assert old.frames == tuple(tmp_path / OLD / f"{at:08d}.jpg" for at in range(1, 6))
    assert (old.current, old.name) == (3, "old_video/00000004#0")
    assert start.frames == tuple(tmp_path / NEW / f"{at:06d}.jpg" for at in range(6))
    assert start.frames == late.frames
    assert (start.current, late.current) == (0, 4)


def test_without_the_joints_names_nothing_is_guessed(tmp_path: Path) -> None:
    content = dcpose([image_dcpose(1, f"{NEW}/000000.jpg", 2)], [person18(1, 0)])
    del content["categories"][0]["keypoints"]
    with pytest.raises(DataError, match="none has keypoints, the joints' names"):
        read(tmp_path, content)


def test_one_folder_is_named_by_the_folder_too(tmp_path: Path) -> None:
    content = dcpose([image_dcpose(1, f"{NEW}/000001.jpg", 3)], [person18(1, 0)])
    (record,) = read(tmp_path, content)
    assert record.name == "new_video/000001#0"
