"""Layouts are recognised by their keys, and images are found from where the annotations lie."""

from pathlib import Path
from typing import Any

import pytest
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

from tarvitpose.config import AnnotationFormat
from tarvitpose.data.sources import (
    dataset_files,
    open_annotations,
    read_records,
)
from tarvitpose.errors import DataError
from tarvitpose.skeleton import POSETRACK_15


def with_counts(content: dict[str, Any]) -> dict[str, Any]:
    return content | {"images": [{**image, "nframes": 4} for image in content["images"]]}


CLIP18 = with_counts(video18([person18(89, 0)]))
MERGED = dcpose(
    [image_dcpose(at, f"images/val/{name}/000000.jpg", 3) for at, name in enumerate("ab")],
    [person18(0, 0), person18(1, 0)],
)
STILLS = dcpose([{"id": 1, "file_name": "one.jpg"}], [person18(1, 0)])
LAYOUTS: list[tuple[AnnotationFormat, Any]] = [
    ("posetrack17", {"annolist": [frame17(1, person17())]}),
    ("posetrack18", CLIP18),
    ("dcpose", MERGED),
    ("coco", STILLS),
]


@pytest.mark.parametrize(("layout", "content"), LAYOUTS)
def test_every_layout_is_recognised_and_read(
    layout: AnnotationFormat, content: Any, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.json", content)
    assert open_annotations(path).format == layout
    records = read_records(None, path, POSETRACK_15)
    assert records
    assert len(read_records(layout, path, POSETRACK_15)) == len(records)
    assert {type(record.box) for record in records} == {tuple}


@pytest.mark.parametrize(
    ("content", "message"),
    [([], "is this a file of boxes"), ({"images": []}, "has neither annolist")],
)
def test_what_is_no_annotation_file_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        open_annotations(save(tmp_path / "a.json", content))


@pytest.mark.parametrize("folder", ["annotations/val", "posetrack_data/val", "annotations", "."])
def test_images_are_found_above_the_annotations(folder: str, tmp_path: Path) -> None:
    save_images(tmp_path, ["images/val/clip/000000.jpg"])
    path = save(tmp_path / folder / "clip.json", CLIP18)
    assert open_annotations(path).root == tmp_path
    (record,) = read_records("posetrack18", path.parent, POSETRACK_15)
    assert record.frames[0] == tmp_path / "images/val/clip/000000.jpg"


def test_where_no_image_is_found_names_start_beside_the_annotations(tmp_path: Path) -> None:
    path = save(tmp_path / "a" / "b.json", CLIP18)
    assert open_annotations(path).root == tmp_path / "a"
    (record,) = read_records("posetrack18", path, POSETRACK_15, Path("/elsewhere"))
    assert record.frames[0] == Path("/elsewhere/images/val/clip/000000.jpg")


def test_a_data_set_is_a_file_a_folder_or_what_lies_above(tmp_path: Path) -> None:
    val = [save(tmp_path / "pt/annotations/val" / name, {}) for name in ("a.json", "b.json")]
    train = save(tmp_path / "pt/annotations/train/a.json", {})
    save(tmp_path / "pt/annotations/merged.json", {})
    merged = save(tmp_path / "coco/annotations/val.json", {})
    assert dataset_files(val[0]) == val[:1]
    assert dataset_files(val[0].parent) == val
    assert dataset_files(tmp_path / "pt") == [train, *val]
    assert dataset_files(tmp_path / "pt", "val") == val
    assert dataset_files(tmp_path / "coco") == dataset_files(tmp_path / "coco", "val") == [merged]


@pytest.mark.parametrize(
    ("dataset", "set_name", "message"),
    [
        ("none", None, "no such file or folder of annotations"),
        ("empty", None, "no JSON files in this folder"),
        ("pt", "test", "neither the folder test nor test.json"),
    ],
)
def test_a_data_set_that_is_not_there(
    dataset: str, set_name: str | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    save(tmp_path / "pt/annotations/val/a.json", {})
    with pytest.raises(DataError, match=message):
        dataset_files(tmp_path / dataset, set_name)
