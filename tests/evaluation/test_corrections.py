"""What people correct in CVAT or Label Studio is read back, and predictions are scored by it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_people import people
from invoke import refusal, run
from some_poses import some_poses
from video_files import make_video

from tarvitpose.config import PredictConfig
from tarvitpose.errors import DataError
from tarvitpose.evaluation.corrections import compare
from tarvitpose.formats.label_studio import write_label_studio
from tarvitpose.formats.reading import load_poses
from tarvitpose.formats.writing import open_writer, output_paths
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import COCO_17
from tarvitpose.video.sources import open_source

FRAMES = 3


def two_people() -> list[FramePoses]:
    """Return two people side by side, whose boxes are 100 pixels high."""
    return [
        replace(
            people((40, 20), (200, 20), height=100), index=at, time=at / 25, image_size=(240, 400)
        )
        for at in range(FRAMES)
    ]


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    config = PredictConfig(output=tmp_path / "out", formats=("coco",), render=False)
    with open_source(make_video(tmp_path / "walk.mp4", FRAMES)) as source:
        path = output_paths(source, config)["coco"]
        with open_writer("coco", path, source, config) as writer:
            for poses in two_people():
                writer.write(poses)
    return path


def exported_by_cvat(path: Path) -> dict[str, Any]:
    """Return what CVAT exports as COCO Keypoints after it imported a file into a task of a video.

    Its frames are called frame_000000.PNG and counted from 1; of a person it keeps the joints and
    the attributes.
    """
    content = json.loads(path.read_text())
    content["images"] = [
        {
            **{"id": image["id"] + 1, "width": image["width"], "height": image["height"]},
            "file_name": Path(image["file_name"]).name + ".PNG",
            **{"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0},
        }
        for image in content["images"]
    ]
    content["annotations"] = [
        {
            **{"id": person["id"], "image_id": person["image_id"] + 1, "category_id": 1},
            **{"segmentation": [], "area": person["area"], "bbox": person["bbox"], "iscrowd": 0},
            "attributes": {**person["attributes"], "occluded": False},
            "keypoints": [round(value, 2) for value in person["keypoints"]],
            "num_keypoints": 15,
        }
        for person in content["annotations"]
    ]
    return content


def move(person: dict[str, Any], joint: int, right: float, flag: int = 2) -> None:
    person["keypoints"][3 * joint] += right
    person["keypoints"][3 * joint + 2] = flag


def test_what_is_written_is_what_cvat_asks_for(predicted: Path) -> None:
    content = json.loads(predicted.read_text())
    names = [image["file_name"] for image in content["images"]]
    assert names == [f"walk/frame_00000{at}" for at in range(FRAMES)]
    for person in content["annotations"]:
        assert person["segmentation"] == []
        assert person["attributes"] == {"track_id": person["track_id"], "keyframe": True}


def test_a_correction_by_cvat_is_scored(predicted: Path, tmp_path: Path) -> None:
    content = exported_by_cvat(predicted)
    first, second = content["annotations"][:2]
    move(first, joint=0, right=7)  # the nose: within a tenth of the 100 pixels, not a twentieth
    move(first, joint=1, right=0, flag=0)  # removed
    content["annotations"].remove(second)  # the second person of the first frame
    del content["images"][1]
    content["annotations"] = [p for p in content["annotations"] if p["image_id"] != 2]
    (tmp_path / "corrected.json").write_text(json.dumps(content))
    corrected = load_poses(tmp_path / "corrected.json")
    assert [poses.index for poses in corrected] == [0, 2]
    assert [poses.track_ids.tolist() for poses in corrected] == [[1], [1, 2]]
    removed = corrected[0].joint_names[1]
    assert np.isnan(corrected[0][removed][0]).all()
    result = compare(load_poses(predicted), corrected)
    assert (len(result.sizes), result.missed, result.extra) == (3, 0, 1)
    rows = result.rows()
    assert rows["nose"] == pytest.approx(
        {"joints": 3, "median_px": 0, "pck_0.05_box": 200 / 3, "pck_0.1_box": 100}, abs=0.02
    )
    assert rows[removed]["joints"] == 2
    assert rows["all"]["joints"] == 3 * 15 - 1
    done = run(
        *("evaluate", "--predictions", predicted, "--correction", tmp_path / "corrected.json"),
        *("--json", tmp_path / "a.json"),
    )
    assert done.exit_code == 0, done.output
    assert "3 people in 2 frames" in done.stdout
    assert "0 not predicted, 1 predicted and removed" in done.stdout
    assert json.loads((tmp_path / "a.json").read_text())["joints"]["nose"]["joints"] == 3


def test_a_correction_by_label_studio_is_scored(predicted: Path, tmp_path: Path) -> None:
    write_label_studio(tmp_path / "tasks.json", load_poses(predicted), "{frame}.jpg")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    for task in tasks:
        regions = task["predictions"][0]["result"]
        task["annotations"] = [{"id": 1, "was_cancelled": False, "result": regions}]
    nose = next(part for part in tasks[1]["annotations"][0]["result"] if part["id"] == "1-0-nose")
    nose["value"]["x"] += 100 * 30 / 400
    (tmp_path / "corrected.json").write_text(json.dumps(tasks))
    result = compare(load_poses(predicted), load_poses(tmp_path / "corrected.json"))
    assert (len(result.sizes), result.missed, result.extra) == (2 * FRAMES, 0, 0)
    rows = result.rows()
    assert rows["nose"]["pck_0.1_box"] == pytest.approx(100 * 5 / 6)
    assert rows["left_knee"]["pck_0.05_box"] == 100


def test_people_go_together_by_their_joints_whatever_their_order_and_ids() -> None:
    before = two_people()
    after = [
        replace(
            poses,
            keypoints=poses.keypoints[::-1] + 1,
            boxes=poses.boxes[::-1],
            track_ids=np.full(2, -1),
        )
        for poses in before
    ]
    result = compare(before, after)
    assert result.rows()["all"]["median_px"] == pytest.approx(2**0.5)
    assert (result.missed, result.extra) == (0, 0)


def test_what_only_one_side_has_counts() -> None:
    before, after = two_people(), two_people()
    before[0].keypoints[0, 3] = np.nan
    before[1] = before[1].only(np.array([True, False]))
    result = compare(before, after)
    name = before[0].joint_names[3]
    assert result.rows()[name]["pck_0.1_box"] == pytest.approx(100 * 4 / 5)
    assert (result.missed, result.extra) == (1, 0)
    nobody = [poses.only(np.zeros(2, np.bool_)) for poses in after]
    assert compare(after, nobody).rows() == {}


def test_files_that_do_not_belong_together_are_refused(predicted: Path, tmp_path: Path) -> None:
    before = two_people()
    with pytest.raises(DataError, match="frame 9 of the correction was not predicted"):
        compare(before, [replace(before[0], index=9)])
    cards = replace(some_poses(0, 1, 0.0, COCO_17), joint_names=tuple(f"j{at}" for at in range(17)))
    with pytest.raises(DataError, match="no joint of the correction is among the predicted"):
        compare(before, [cards])
    smaller = [replace(poses, image_size=(120, 200)) for poses in before]
    with pytest.raises(DataError, match="frame 0 is 200x120, and 400x240 in the predictions"):
        compare(before, smaller)
    assert "--correction also needs --predictions" in refusal("evaluate", "--correction", predicted)
    both = ("--predictions", predicted, "--correction", predicted)
    assert "--tracks cannot be combined with --correction" in refusal("evaluate", *both, "--tracks")
    assert "no such file" in refusal(
        "evaluate", "--predictions", predicted, "--correction", tmp_path / "none.json"
    )
