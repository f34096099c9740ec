"""Read COCO's layout: its stills, and the parts that PoseTrack's files share with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tarvitpose.data.records import Box, Record
from tarvitpose.data.videos import Person, Video, VideoFrame, records_of
from tarvitpose.errors import DataError
from tarvitpose.json_file import Entry, Float64, read_entry
from tarvitpose.posetrack_layout import coco_people, coco_regions
from tarvitpose.skeleton import JointSet


def read_coco(path: Path, joints: JointSet, image_root: Path | None = None) -> list[Record]:
    """Return a record for each person of a COCO keypoint file who has a visible joint.

    `image_root` is the folder that `file_name` starts from, the file's own when not given.
    Crowds are left out. Raises DataError that names the file, the entry and the field.
    """
    root = image_root or path.parent
    return [record for still in coco_stills(path) for record in records_of(still, root, joints)]


def coco_stills(path: Path) -> Iterator[Video]:
    """Yield each image of a COCO keypoint file as a video of one frame. Raises DataError."""
    content = read_entry(path)
    names = joint_names(content)
    for frame in image_frames(content, names):
        yield Video(_data_set(path.parent / frame.name), path, names, (frame,))


def joint_names(content: Entry) -> tuple[str, ...]:
    """Return the names of the file's joints, in the file's order. Raises DataError."""
    categories = content["categories"]
    named = [one for one in categories.items() if one.get("keypoints")]
    if not named:
        raise DataError(
            f"{categories.where}: none has keypoints, the joints' names; joints are mapped by name"
        )
    return tuple(str(name.value) for name in named[0]["keypoints"].items())


def image_frames(content: Entry, names: tuple[str, ...]) -> list[VideoFrame]:
    """Return every image with its people; people of other categories and crowds are left out."""
    category = next(
        (one.get("id") for one in content["categories"].items() if one.get("keypoints")), None
    )
    wanted = None if category is None else category.value
    return [
        VideoFrame(
            name=str(image["file_name"].value),
            labelled=_is_labelled(image),
            people=tuple(_person(one, len(names)) for one in people if _is_person(one, wanted)),
            ignored=coco_regions(image),
            size=_size(image),
        )
        for image, people in coco_people(content)
    ]


def _is_person(person: Entry, category: object) -> bool:
    of = person.get("category_id")
    return not person.filled("iscrowd") and (of is None or category is None or of.value == category)


def _is_labelled(image: Entry) -> bool:
    labelled = image.get("is_labeled")
    return labelled is None or bool(labelled.value)


def _size(image: Entry) -> tuple[int, int] | None:
    if image.get("height") is None or image.get("width") is None:
        return None
    return image["height"].whole(), image["width"].whole()


def _person(person: Entry, joints: int) -> Person:
    track, number = person.get("track_id"), person.get("id")
    label = track or number
    return Person(
        where=person.where,
        label=str(label.value) if label else person.position,
        points=_points(person, joints),
        box=_box(person.filled("bbox")),
        head=_box(person.filled("bbox_head")),
        track=track.whole() if track else None,
        number=number.value if number else None,
        weights=_weights(person.filled("keypoint_weights"), joints),
    )


def _points(person: Entry, joints: int) -> Float64:
    return person["keypoints"].numbers(3 * joints).reshape(-1, 3)


def _weights(entry: Entry | None, joints: int) -> Float64 | None:
    """How far each label is trusted, (K,), of an optional key that pseudo-labels have."""
    if entry is None:
        return None
    weights = entry.numbers(joints)
    if weights.min() < 0 or weights.max() > 1:
        raise DataError(f"{entry.where}: expected numbers from 0 to 1")
    return weights


def _box(entry: Entry | None) -> Box | None:
    """The xyxy box of an xywh entry."""
    if entry is None:
        return None
    x, y, width, height = entry.numbers(4).tolist()
    return x, y, x + width, y + height


def _data_set(image: Path) -> str:
    """The nearest folder with a telling name: "lspet" for lspet/images/im00155.jpg."""
    folder = image.parent
    return (folder.parent if folder.name == "images" else folder).name
