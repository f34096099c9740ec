"""COCO files as other tools write them: what may be missing or spelled in another way.

Each variant is a small file in order with one change; the right value is that of the file in order.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from invoke import run
from label_files import save, save_images

from tarvitpose.data.sources import read_records
from tarvitpose.errors import DataError
from tarvitpose.evaluation.coco_ap import AREA_OF_BOX, coco_ap
from tarvitpose.evaluation.datasets import read_labelled
from tarvitpose.formats.reading import load_poses
from tarvitpose.skeleton import COCO_17, POSETRACK_15
from tarvitpose.utils.json_file import read_json

CASES = Path(__file__).parents[3] / "shared/cases/data/coco"
NAMES = list(COCO_17.joints)
Change = Callable[[dict[str, Any]], None]


def in_order() -> dict[str, Any]:
    """Return two images of 80 x 60 pixels with two people each, whose area is that of the box."""
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 80, "height": 60} for i in (1, 2)]
    people = []
    for number in range(4):
        points = np.random.default_rng(number).uniform((5, 5), (40, 50), (17, 2)).round(1)
        box = [4.0, 4.0, 60.0, 50.0]
        people.append(
            {
                "id": number + 1,
                "image_id": number % 2 + 1,
                "category_id": 1,
                "iscrowd": 0,
                "keypoints": np.c_[points, np.full(17, 2)].ravel().tolist(),
                "num_keypoints": 17,
                "bbox": box,
                "area": AREA_OF_BOX * box[2] * box[3],
            }
        )
    categories = [{"id": 1, "name": "person", "keypoints": NAMES, "skeleton": []}]
    return {"images": images, "annotations": people, "categories": categories}


def every_person(**fields: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        for person in content["annotations"]:
            person.update(fields)

    return change


def no_field(name: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        for person in content["annotations"]:
            del person[name]

    return change


def renamed(spell: Callable[[str], str]) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["categories"][0]["keypoints"] = [spell(name) for name in NAMES]

    return change


def person_added(**fields: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["annotations"].append({"id": 9, "image_id": 1, "bbox": [0, 0, 5, 5], **fields})

    return change


def dog_first(content: dict[str, Any]) -> None:
    dog = {"id": 2, "name": "dog", "keypoints": ["nose", "tail"]}
    content["categories"].insert(0, dog)
    person_added(category_id=2, keypoints=[1, 1, 2, 3, 3, 2])(content)


def nameless_dog_first(content: dict[str, Any]) -> None:
    dog_first(content)
    for category in content["categories"]:
        del category["name"]


def decimals(content: dict[str, Any]) -> None:
    for image in content["images"]:
        image["id"] = float(image["id"])
        image["width"], image["height"] = 80.0, 60.0
    for person in content["annotations"]:
        for key in ("id", "image_id", "category_id"):
            person[key] = float(person[key])
    content["categories"][0]["id"] = 1.0


def backslashes(content: dict[str, Any]) -> None:
    for image in content["images"]:
        image["file_name"] = f"images\\{image['file_name']}"


CHANGES: dict[str, tuple[Change, dict[str, int]]] = {  # and what `data check` counts
    "in order": (lambda _: None, {}),
    "area null": (every_person(area=None), {"no area": 4}),
    "area NaN": (every_person(area=float("nan")), {"no area": 4}),
    "area 0": (every_person(area=0), {"no area": 4}),
    "no area": (no_field("area"), {"no area": 4}),
    "no category": (no_field("category_id"), {"no category": 4}),
    "category null": (every_person(category_id=None), {"no category": 4}),
    "iscrowd null": (every_person(iscrowd=None), {}),
    "crowd": (person_added(category_id=1, iscrowd=1), {"crowd": 1}),
    "empty keypoints": (person_added(category_id=1, keypoints=[]), {"no keypoints": 1}),
    "without keypoints": (person_added(category_id=1), {"no keypoints": 1}),
    "all v = 0": (person_added(category_id=1, keypoints=[0] * 51), {"no labelled joint": 1}),
    "hyphens": (renamed(lambda name: name.replace("_", "-")), {"joint spelling": 16}),
    "capitals": (renamed(str.upper), {"joint spelling": 17}),
    "spaces": (renamed(lambda name: name.replace("_", " ").title()), {"joint spelling": 17}),
    "dog first": (dog_first, {"other category": 1}),
    "nameless dog first": (nameless_dog_first, {"other category": 1}),
    "decimals": (decimals, {}),
    "backslashes": (backslashes, {"backslash": 2}),
}
changed = pytest.mark.parametrize("name", CHANGES)


def written(folder: Path, content: dict[str, Any]) -> Path:
    """Write annotations beside the folder of their images."""
    save_images(folder, ["images/1.jpg", "images/2.jpg"])
    return save(folder / "labels.json", content)


def variant(folder: Path, name: str) -> Path:
    content = in_order()
    CHANGES[name][0](content)
    return written(folder, content)


def results() -> list[dict[str, Any]]:
    """Return predictions that are a few pixels off, so that the area decides on hits."""
    return [
        {
            "image_id": person["image_id"],
            "keypoints": (np.array(person["keypoints"]) + [2.5, 1, 0] * 17).tolist(),
            "score": 1 - person["id"] / 10,
        }
        for person in in_order()["annotations"]
    ]


def check(path: Path, *arguments: str) -> Any:
    return run("data", "check", path, *arguments)


@changed
def test_records_are_those_of_the_file_in_order(tmp_path: Path, name: str) -> None:
    expected = read_records("coco", written(tmp_path / "a", in_order()), POSETRACK_15)
    records = read_records("coco", variant(tmp_path / "b", name), POSETRACK_15)
    assert len(records) == len(expected) == 4
    for record, other in zip(records, expected, strict=True):
        assert record.visible.sum() == 13
        assert np.array_equal(record.keypoints, other.keypoints)
        assert record.box == other.box
        assert record.frames[0].is_file()


@changed
def test_ap_is_that_of_the_file_in_order(tmp_path: Path, name: str) -> None:
    pytest.importorskip("faster_coco_eval")
    expected = coco_ap(in_order(), results(), COCO_17.joints)
    assert 0 < expected["AP"] < 100
    truth = read_json(variant(tmp_path, name))
    np.testing.assert_equal(coco_ap(truth, results(), COCO_17.joints), expected)


@changed
def test_what_is_filled_in_or_left_out_is_told_and_no_fault(tmp_path: Path, name: str) -> None:
    path, report = variant(tmp_path, name), tmp_path / "found.json"
    done = check(path, "--json", str(report))
    assert done.exit_code == 0, done.output
    assert "4 people with joints" in done.output
    content = json.loads(report.read_text(encoding="utf-8"))
    counts = {kind: note["count"] for kind, note in content["notes"].items()}
    assert counts == CHANGES[name][1]
    assert all(f"{count}  {kind}: " in done.output for kind, count in counts.items())


@changed
def test_labelled_people_are_those_of_the_file_in_order(tmp_path: Path, name: str) -> None:
    (stills,) = read_labelled("coco", variant(tmp_path, name), COCO_17)
    assert [len(frame.people.boxes) for frame in stills.frames] == [2, 2]
    assert [frame.image_id for frame in stills.frames] == [1, 2]


@changed
def test_poses_are_those_of_the_file_in_order(tmp_path: Path, name: str) -> None:
    expected = load_poses(written(tmp_path / "a", in_order()))
    poses = load_poses(variant(tmp_path / "b", name))
    assert [frame.index for frame in poses] == [1, 2]
    for frame, other in zip(poses, expected, strict=True):
        assert frame.joint_names == COCO_17.joints
        assert np.array_equal(frame.keypoints[:2], other.keypoints)


def test_people_without_a_box_have_one_around_their_joints(tmp_path: Path) -> None:
    content = in_order()
    no_field("bbox")(content)
    path = written(tmp_path, content)
    for record in read_records("coco", path, COCO_17):
        points = record.keypoints
        margin = 0.15 * (points.max(0) - points.min(0))
        expected = [*(points.min(0) - margin), *(points.max(0) + margin)]
        assert record.box == pytest.approx(expected, abs=1e-3)
    done = check(path)
    assert done.exit_code == 0
    assert "4  no box" in done.output
    no_field("area")(content)
    perfect = [
        {"image_id": person["image_id"], "keypoints": person["keypoints"], "score": 1.0}
        for person in content["annotations"]
    ]
    assert coco_ap(content, perfect, COCO_17.joints)["AP"] == pytest.approx(100)


def test_joints_that_nobody_knows_are_named_in_one_line(tmp_path: Path) -> None:
    content = in_order()
    content["categories"][0]["keypoints"] = [str(number) for number in range(17)]
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=r"labels\.json: categories\[0\]\.keypoints: .*0, 1, 2"):
        read_records("coco", path, COCO_17)
    done = check(path)
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert "no joint of these names is known: 0, 1, 2" in done.output


def test_a_category_that_removes_everybody_is_a_fault_and_no_training_data(tmp_path: Path) -> None:
    content = in_order()
    every_person(category_id=0)(content)
    path = written(tmp_path, content)
    done = check(path)
    assert done.exit_code == 1
    assert "1  nobody: " in done.output
    assert "4  other category: " in done.output
    with pytest.raises(DataError, match=r"labels\.json: no person with a labelled joint.*check"):
        read_records("coco", path, COCO_17)


def test_joints_that_no_model_has_are_named(tmp_path: Path) -> None:
    content = in_order()
    content["categories"][0]["keypoints"] = [*NAMES[:16], "tail"]
    done = check(written(tmp_path, content))
    assert "1  unknown joint: " in done.output
    assert "labels.json: categories[0].keypoints[16]: tail" in done.output


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("good", ""),
        ("areanull", "6  no area"),
        ("nocat", "6  no category"),
        ("crowd_nokp", "1  crowd"),
        ("nobbox", "1  no box"),
        ("hyphennames", "16  joint spelling"),
        ("dogfirst", "1  other category"),
        ("kpempty", "1  no keypoints"),
        ("winpath", "3  backslash"),
    ],
)
def test_files_from_the_field(name: str, note: str) -> None:
    records = read_records("coco", CASES / f"{name}.json", POSETRACK_15)
    assert [record.visible.sum() for record in records] == [13] * 6
    done = check(CASES / f"{name}.json")
    assert done.exit_code == 0, done.output
    assert note in done.output
