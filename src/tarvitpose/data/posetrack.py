"""Read PoseTrack's videos: the per-video JSON of PoseTrack18 and PoseTrack21."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tarvitpose.data.records import (
    Box,
    Record,
    box_of,
    in_joint_order,
    joint_names,
    read_json,
    required,
)
from tarvitpose.errors import DataError
from tarvitpose.results import Float32
from tarvitpose.skeleton import JointSet

BOX_MARGIN = 0.15  # of the joints' extent, on each side, where a person has no box
SMALLEST_SIDE = 32.0  # pixels, of a box that is made from joints


def read_posetrack18(path: Path, image_root: Path, joints: JointSet) -> list[Record]:
    """Return a record for each person with a visible joint in each labelled frame.

    `path` is the JSON file of one video or a folder of them; `image_root` is the folder that
    `file_name` starts from, the one with `images` in it. A record's frames are all images of
    its video, labelled or not. Raises DataError that names the file, the entry and the field.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no JSON files in this folder, expected one for each video")
    return [record for file in files for record in _video(file, image_root, joints)]


def _video(path: Path, image_root: Path, joints: JointSet) -> list[Record]:
    content = read_json(path)
    names = joint_names(content, path)
    images = sorted(_images(content, path), key=lambda image: str(image["file_name"]))
    frames = tuple(image_root / image["file_name"] for image in images)
    labelled = {image["id"]: at for at, image in enumerate(images) if image.get("is_labeled", True)}
    known = {image["id"] for image in images}
    records = []
    for i, person in enumerate(required(content, "annotations", str(path))):
        where = f"{path}: annotations[{i}]"
        image_id = required(person, "image_id", where)
        if image_id not in known:
            raise DataError(f"{where}: image_id {image_id} is not among the file's images")
        points = required(person, "keypoints", where)
        keypoints, visible = in_joint_order(points, names, joints, where)
        if image_id in labelled and visible.any():
            at = labelled[image_id]
            name = f"{path.stem}/{frames[at].stem}#{person.get('track_id', i)}"
            box = _person_box(person, keypoints[visible > 0], where)
            records.append(Record(name, frames, at, box, keypoints, visible))
    return records


def _images(content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The file's images, each with an id and a file name for certain."""
    images = list(required(content, "images", str(path)))
    for i, image in enumerate(images):
        for key in ("id", "file_name"):
            required(image, key, f"{path}: images[{i}]")
    return images


def _person_box(person: dict[str, Any], points: Float32, where: str) -> Box:
    """The labelled box, or one around the visible joints (K, 2)."""
    return box_of(person, where) if person.get("bbox") else box_around(points)


def box_around(points: Float32) -> Box:
    """Return the xyxy box of points (K, 2), larger by 15% on each side and never tiny."""
    low, high = points.min(0), points.max(0)
    half = ((high - low) * (0.5 + BOX_MARGIN)).clip(min=SMALLEST_SIDE / 2)
    (x, y), (across, down) = (low + high) / 2, half
    return float(x - across), float(y - down), float(x + across), float(y + down)
