"""Read stills labelled in COCO's keypoint layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tarvitpose.data.records import (
    Record,
    box_of,
    in_joint_order,
    joint_names,
    read_json,
    required,
)
from tarvitpose.errors import DataError
from tarvitpose.skeleton import JointSet


def read_coco(path: Path, joints: JointSet, image_root: Path | None = None) -> list[Record]:
    """Return a record for each person of a COCO keypoint file who has a visible joint.

    `image_root` is the folder that `file_name` starts from, the file's own when not given.
    Crowds are left out. Raises DataError that names the file, the entry and the field.
    """
    content, root = read_json(path), image_root or path.parent
    names = joint_names(content, path)
    images = {
        required(image, "id", f"{path}: images[{i}]"): root
        / str(required(image, "file_name", f"{path}: images[{i}]"))
        for i, image in enumerate(required(content, "images", str(path)))
    }
    people = enumerate(required(content, "annotations", str(path)))
    records = (
        _record(person, f"{path}: annotations[{i}]", names, images, joints)
        for i, person in people
        if not person.get("iscrowd")
    )
    return [record for record in records if record.visible.any()]


def _record(
    person: dict[str, Any],
    where: str,
    names: list[str],
    images: dict[Any, Path],
    joints: JointSet,
) -> Record:
    number, image_id = required(person, "id", where), required(person, "image_id", where)
    if image_id not in images:
        raise DataError(f"{where}: image_id {image_id} is not among the file's images")
    frame = images[image_id]
    keypoints, visible = in_joint_order(required(person, "keypoints", where), names, joints, where)
    name = f"{_data_set(frame)}/{frame.stem}#{number}"
    return Record(name, (frame,), 0, box_of(person, where), keypoints, visible)


def _data_set(frame: Path) -> str:
    """The nearest folder with a telling name: "lspet" for lspet/images/im00155.jpg."""
    folder = frame.parent
    return (folder.parent if folder.name == "images" else folder).name
