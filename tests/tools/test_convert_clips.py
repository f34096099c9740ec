"""Labelled clips are converted to PoseTrack18's layout, which training reads."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import video_files

from tarvitpose.data.sources import read_records
from tarvitpose.skeleton import POSETRACK_15
from tools import convert_clips

KNEE, ANKLE = (POSETRACK_15.joints.index(f"left_{name}") for name in ("knee", "ankle"))


def convert(kind: str, clip: dict[str, Any], tmp_path: Path, every: int) -> Path:
    folder = tmp_path / "input"
    folder.mkdir()
    video_files.make_video(folder / "jump.mp4", 4, size=(48, 64))
    labels = {"joints": ["left_knee", "left_ankle"], "clips": [{"file": "jump.mp4", **clip}]}
    (folder / "labels.json").write_text(json.dumps(labels))
    arguments = [kind, str(folder), str(tmp_path / "out"), "--every", str(every)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["convert_clips.py", *arguments])
        convert_clips.main()
    return tmp_path / "out"


def test_jhmdb_joints_outside_the_frame_are_not_labelled(tmp_path: Path) -> None:
    points = [[[10 + at, 20], [30, 50 if at == 2 else 40]] for at in range(4)]  # 48 rows
    clip = {"xy": points, "boxes": [[5, 6, 25, 46]] * 4, "split": "train"}
    output = convert("jhmdb", clip, tmp_path, every=2)
    first, third = read_records(
        "posetrack18", output / "annotations" / "train", POSETRACK_15, output
    )
    assert (first.current, third.current) == (0, 2)
    assert len(first.frames) == 4
    assert first.frames[3].exists()
    assert first.box == (5, 6, 25, 46)
    assert first.keypoints[[KNEE, ANKLE]].tolist() == [[10, 20], [30, 40]]
    assert third.visible[[KNEE, ANKLE]].tolist() == [1, 0]


def test_validation_clips_are_labelled_on_every_frame(tmp_path: Path) -> None:
    clip = {"xy": [[[1, 2], [3, 4]]] * 4, "boxes": [[0, 0, 9, 9]] * 4, "split": "val"}
    output = convert("jhmdb", clip, tmp_path, every=2)
    records = read_records("posetrack18", output / "annotations" / "val", POSETRACK_15, output)
    assert [record.current for record in records] == [0, 1, 2, 3]


def test_rendered_people_of_whom_little_is_seen_are_left_out(tmp_path: Path) -> None:
    seen = {"keypoints": [[9, 9, 2]] * 6, "bbox": [1, 2, 10, 20]}
    hidden = {"keypoints": [[9, 9, 2]] * 5 + [[9, 9, 1]], "bbox": [1, 2, 10, 20]}
    (people,) = convert_clips.rendered_people({"people": [[seen, hidden]]}, (64, 48))
    ((keypoints, box),) = people
    assert keypoints.shape == (6, 3)
    assert box == [1, 2, 10, 20]
