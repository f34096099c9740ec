"""Records are immutable; COCO files are mapped by joint name, and what is wrong is named."""

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tarvitpose.data.records import Record, read_image
from tarvitpose.data.sources import read_records
from tarvitpose.data.videos import by_name
from tarvitpose.errors import DataError
from tarvitpose.skeleton import COCO_17, POSETRACK_15

SHARED = Path(__file__).parents[3] / "shared" / "data"
NAMES = ["left_ankle", "nose", "tail"]  # another order, and one that nobody knows


def record(**changes: Any) -> Record:
    fields = {
        "name": "set/one#1",
        "frames": (Path("one.jpg"),),
        "current": 0,
        "box": (0, 0, 10, 20),
        "keypoints": np.ones((15, 2)),
        "visible": np.ones(15),
    }
    return Record(**{**fields, **changes})


def coco(**changes: Any) -> dict[str, Any]:
    person = {
        "id": 7,
        "image_id": 3,
        "bbox": [10, 20, 30, 40],
        "keypoints": [11, 21, 2, 12, 22, 1, 13, 23, 1],
    }
    content = {
        "categories": [{"id": 1, "keypoints": NAMES}],
        "images": [{"id": 3, "file_name": "images/walk.jpg"}],
        "annotations": [{**person, **changes}],
    }
    return content


def write(folder: Path, content: Any) -> Path:
    path = folder / "people.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_nothing_can_write_to_a_record() -> None:
    labelled = record()
    with pytest.raises(ValueError, match="read-only"):
        labelled.keypoints[0, 0] = 5
    with pytest.raises(ValueError, match="read-only"):
        labelled.visible *= 0
    with pytest.raises(FrozenInstanceError):
        labelled.current = 1  # type: ignore[misc]


def test_a_record_keeps_its_own_copy() -> None:
    points = np.zeros((15, 2), np.float32)
    labelled = record(keypoints=points)
    points += 9
    assert not labelled.keypoints.any()
    assert labelled.keypoints.dtype == labelled.visible.dtype == np.float32


@pytest.mark.parametrize("current", [-1, 1])
def test_the_labelled_frame_must_exist(current: int) -> None:
    with pytest.raises(DataError, match=r"set/one#1: .* number -?1 of 1"):
        record(current=current)


def test_joints_are_mapped_by_name() -> None:
    points = np.array([[1, 2, 2], [3, 4, 1], [5, 6, 1]], np.float64)
    keypoints, visible = by_name(points, tuple(NAMES), POSETRACK_15)
    expected = {"left_ankle": [1, 2], "nose": [3, 4]}
    for at, name in enumerate(POSETRACK_15.joints):
        assert keypoints[at].tolist() == expected.get(name, [0, 0])
        assert visible[at] == (name in expected)


def test_a_joint_with_v_0_is_not_visible_and_has_no_place() -> None:
    points = np.array([[1, 2, 0], [0, 0, 0], [5, 6, 1]], np.float64)
    keypoints, visible = by_name(points, tuple(NAMES), POSETRACK_15)
    assert not visible.any()
    assert not keypoints.any()


def test_a_coco_person_becomes_a_record(tmp_path: Path) -> None:
    (read,) = read_records("coco", write(tmp_path, coco()), COCO_17)
    assert read.name == f"{tmp_path.name}/walk#7"
    assert read.frames == (tmp_path / "images" / "walk.jpg",)
    assert read.current == 0
    assert read.box == (10, 20, 40, 60)
    assert read.keypoints[COCO_17.joints.index("left_ankle")].tolist() == [11, 21]
    assert read.visible.sum() == 2


def test_images_may_lie_elsewhere(tmp_path: Path) -> None:
    (read,) = read_records("coco", write(tmp_path, coco()), COCO_17, Path("/photos"))
    assert read.frames == (Path("/photos/images/walk.jpg"),)


@pytest.mark.parametrize("bbox", [[11, 20, 0, 40], None])
def test_a_box_without_area_is_made_from_the_joints(tmp_path: Path, bbox: list[int] | None) -> None:
    (read,) = read_records("coco", write(tmp_path, coco(bbox=bbox)), COCO_17)
    assert read.box == (11.5 - 16, 21.5 - 16, 11.5 + 16, 21.5 + 16)


def test_eyes_and_ears_are_kept_or_dropped_by_name(tmp_path: Path) -> None:
    names = list(COCO_17.joints)[::-1]
    flat = [value for at in range(17) for value in (at, at + 0.5, 2)]
    content = {**coco(keypoints=flat), "categories": [{"keypoints": names}]}
    path = write(tmp_path, content)
    (all_17,), (posetrack,) = (
        read_records("coco", path, COCO_17),
        read_records("coco", path, POSETRACK_15),
    )
    assert all_17.visible.all()
    assert all_17.keypoints[:, 0].tolist() == list(range(17))[::-1]
    assert posetrack.visible.sum() == 13
    assert not posetrack.visible[1:3].any()  # head_bottom and head_top: COCO has none
    for name in ("nose", "left_wrist", "right_hip"):
        at, of = POSETRACK_15.joints.index(name), COCO_17.joints.index(name)
        assert posetrack.keypoints[at].tolist() == all_17.keypoints[of].tolist()


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    content = coco()
    del content["annotations"][0]["image_id"]
    path = write(tmp_path, content)
    with pytest.raises(DataError) as error:
        read_records("coco", path, COCO_17)
    assert str(error.value) == f"{path}: annotations[0]: image_id is missing"


def test_a_label_may_say_how_far_it_is_trusted(tmp_path: Path) -> None:
    path = write(tmp_path, coco(keypoint_weights=[0.25, 1, 0]))
    (read,) = read_records("coco", path, POSETRACK_15)
    ankle, nose = (POSETRACK_15.joints.index(name) for name in ("left_ankle", "nose"))
    assert read.visible[[ankle, nose]].tolist() == [0.25, 1]
    assert read.keypoints[ankle].tolist() == [11, 21]


def test_a_label_that_is_not_trusted_at_all_is_none(tmp_path: Path) -> None:
    (read,) = read_records(
        "coco", write(tmp_path, coco(keypoint_weights=[0.5, 0, 1])), POSETRACK_15
    )
    assert read.labelled.sum() == 1  # a count, whatever the trust
    assert read.keypoints[POSETRACK_15.joints.index("nose")].tolist() == [0, 0]
    with pytest.raises(DataError, match="no person with a labelled joint of posetrack15"):
        read_records("coco", write(tmp_path, coco(keypoint_weights=[0, 0, 0])), POSETRACK_15)


@pytest.mark.parametrize("number", [1e39, -1e30, 10**400, float("inf")])
@pytest.mark.parametrize("field", ["keypoints", "bbox", "area"])
def test_numbers_beyond_float32_or_not_finite_are_refused_in_one_line(
    tmp_path: Path, field: str, number: float
) -> None:
    value: Any = {"keypoints": [11, number, 2, 12, 22, 1, 13, 23, 1], "bbox": [10, 20, number, 4]}
    path = write(tmp_path, coco(**{field: value.get(field, number)}))
    with pytest.raises(DataError, match=rf"annotations\[0\].{field}: ") as caught:
        read_records("coco", path, COCO_17)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("weights", [[0.5, 1.5, 0], [-0.5, 1, 0], [1, 1]])
def test_trust_is_a_number_from_0_to_1_for_each_joint(tmp_path: Path, weights: list[float]) -> None:
    with pytest.raises(DataError, match="keypoint_weights: expected"):
        read_records("coco", write(tmp_path, coco(keypoint_weights=weights)), POSETRACK_15)


def test_images_are_read_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "rot.png"
    cv2.imwrite(str(path), np.full((4, 6, 3), (0, 0, 255), np.uint8))  # BGR
    image = read_image(path, "set/rot#1")
    assert image.shape == (4, 6, 3)
    assert image[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("content", [None, b"", b"no image"])
def test_an_unreadable_image_names_file_and_record(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "gone.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"gone\.jpg: .*set/gone#1"):
        read_image(path, "set/gone#1")


@pytest.mark.skipif(not (SHARED / "lspet").is_dir(), reason="needs ../shared/data/lspet")
def test_lspet_has_all_its_people_and_no_noses() -> None:
    records = read_records("coco", SHARED / "lspet" / "val.json", POSETRACK_15)
    assert len(records) == len({record.name for record in records}) == 160
    assert records[0].name == "lspet/im00155#155"
    assert all(not record.visible[POSETRACK_15.joints.index("nose")] for record in records)
    assert all(record.frames[0].is_file() for record in records)


@pytest.mark.skipif(not (SHARED / "people").is_dir(), reason="needs ../shared/data/people")
def test_people_have_noses_and_no_head_tops() -> None:
    records = read_records("coco", SHARED / "people" / "train.json", POSETRACK_15)
    seen = np.sum([record.visible for record in records], 0)
    assert len(records) == 1809
    assert seen[0] > 1000
    assert seen[1:3].tolist() == [0, 0]
