"""Read COCO's layout: its stills, and the parts that PoseTrack's files share with it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tarvitpose.data.records import Box
from tarvitpose.data.videos import LabelledPerson, Video, VideoFrame, in_order
from tarvitpose.errors import DataError
from tarvitpose.formats.posetrack_layout import (
    category_joints,
    coco_head,
    coco_people,
    coco_regions,
    file_name,
    is_labelled,
    is_of_category,
    keypoint_category,
)
from tarvitpose.utils.arrays import Float64
from tarvitpose.utils.json_file import Entry


def coco_stills(path: Path, content: Entry) -> Iterator[Video]:
    """Yield each image of a COCO keypoint file as a video of one frame. Raises DataError."""
    names = joint_names(content)
    for frame in image_frames(content, names):
        yield Video(_data_set(path.parent / frame.name), path, names, (frame,))


def joint_names(content: Entry) -> tuple[str, ...]:
    """Return the names of the file's joints, in the file's order. Raises DataError."""
    return category_joints(keypoint_category(content))


def image_frames(content: Entry, names: tuple[str, ...]) -> list[VideoFrame]:
    """Return every image with its people; people of other categories and crowds are left out."""
    category = keypoint_category(content)
    return [
        VideoFrame(
            name=file_name(image),
            labelled=is_labelled(image) is not False,
            people=tuple(
                _person(person, len(names)) for person in people if is_person(person, category)
            ),
            ignored=coco_regions(image),
            size=_size(image),
        )
        for image, people in coco_people(content)
    ]


def is_person(person: Entry, category: Entry) -> bool:
    """Tell whether an annotation is a single person: no crowd, and of the category of people."""
    return not person.non_empty("iscrowd") and is_of_category(person, category)


def _size(image: Entry) -> tuple[int, int] | None:
    if image.get("height") is None or image.get("width") is None:
        return None
    return image["height"].integer(), image["width"].integer()


def _person(person: Entry, joints: int) -> LabelledPerson:
    track, number = person.get("track_id"), person.get("id")
    label, area = track or number, person.non_empty("area")
    return LabelledPerson(
        where=person.where,
        label=str(label.identity()) if label else person.position,
        points=labelled_points(person, joints),
        box=xyxy_box(person.non_empty("bbox")),
        head=_head(person),
        track=track.integer() if track else None,
        number=number.identity() if number else None,
        weights=_weights(person.non_empty("keypoint_weights"), joints),
        area=None if area is None else float(Entry(area.where, [area.value]).numbers(1)[0]),
    )


def labelled_points(person: Entry, joints: int) -> Float64:
    """Return a person's points with v, (K, 3); all 0, not labelled, for one with a box alone."""
    keypoints = person.non_empty("keypoints")
    if keypoints is None:
        return np.zeros((joints, 3))
    return keypoints.numbers(3 * joints).reshape(-1, 3)


def _weights(entry: Entry | None, joints: int) -> Float64 | None:
    """How far each label is trusted, (K,), of an optional key that pseudo-labels have."""
    if entry is None:
        return None
    weights = entry.numbers(joints)
    if weights.min() < 0 or weights.max() > 1:
        raise DataError(f"{entry.where}: expected numbers from 0 to 1")
    return weights


def _head(person: Entry) -> Box | None:
    corners = coco_head(person)
    return None if corners is None else in_order(corners)


def xyxy_box(entry: Entry | None) -> Box | None:
    """Return the xyxy box of an xywh entry."""
    if entry is None:
        return None
    x, y, width, height = entry.numbers(4).tolist()
    return x, y, x + width, y + height


def _data_set(image: Path) -> str:
    """The nearest folder with a telling name: "lspet" for lspet/images/im00155.jpg."""
    folder = image.parent
    return (folder.parent if folder.name == "images" else folder).name
