"""Small annotation files in every layout, and images for them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tarvitpose.formats.posetrack_layout import POINT_IDS
from tarvitpose.skeleton import POSETRACK_17

NAMES = list(POSETRACK_17.joints)
PLACES = {"nose": (11.0, 22.0), "left_knee": (33.0, 44.0), "left_ear": (15.0, 26.0)}
SIZE = (60, 80)  # height and width of every image
Points = dict[str, tuple[float, float]]


def save(path: Path, content: Any) -> Path:
    """Write JSON, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def save_images(root: Path, names: Iterable[str], size: tuple[int, int] = SIZE) -> None:
    """Write an image of noise below a root for each file name, all different."""
    for at, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(at).integers(0, 255, (*size, 3), np.uint8)
        assert cv2.imwrite(str(root / name), noise)


def keypoints(points: Points, names: Iterable[str] = NAMES) -> list[float]:
    """Return the flat list x, y, v of joints in the order of `names`; 0, 0, 0 without a point."""
    flat: list[float] = []
    for name in names:
        flat += [*points[name], 1] if name in points else [0, 0, 0]
    return flat


def person18(image_id: int, track: int, **changes: Any) -> dict[str, Any]:
    """Return a person of PoseTrack18."""
    return {
        "id": image_id * 100 + track,
        "image_id": image_id,
        "track_id": track,
        "category_id": 1,
        "bbox": [10, 20, 30, 40],
        "bbox_head": [8, 18, 6, 8],
        "keypoints": keypoints(PLACES),
        **changes,
    }


def video18(
    annotations: list[dict[str, Any]],
    numbers: Iterable[int] = range(4),
    labelled: Iterable[int] = (1, 2),
    folder: str = "images/val/clip",
) -> dict[str, Any]:
    """Return a video whose frames are listed in reverse. Frame N has the id 90 - N."""
    images = [
        {
            "id": 90 - at,
            "frame_id": 90 - at,
            "file_name": f"{folder}/{at:06d}.jpg",
            "is_labeled": at in labelled,
        }
        for at in sorted(numbers, reverse=True)
    ]
    return {"categories": [{"keypoints": NAMES}], "images": images, "annotations": annotations}


def person17(track: int | None = 0, points: Points = PLACES, **changes: Any) -> dict[str, Any]:
    """Return a person of PoseTrack17, with points in the given order."""
    point = [
        {"id": [POINT_IDS.index(name)], "x": [x], "y": [y], "is_visible": [1]}
        for name, (x, y) in points.items()
        if name in POINT_IDS
    ]
    head = {"x1": [8], "y1": [18], "x2": [14], "y2": [26]}
    track_field = {} if track is None else {"track_id": [track]}
    return {**head, **track_field, "annopoints": [{"point": point}], **changes}


def frame17(
    number: int, *people: dict[str, Any], folder: str = "images/val/clip", **changes: Any
) -> dict[str, Any]:
    """Return a frame of PoseTrack17, labelled if it has people; numbers start at 1."""
    return {
        "image": [{"name": f"{folder}/{number:08d}.jpg"}],
        "imgnum": [number],
        "is_labeled": [int(bool(people))],
        "ignore_regions": [],
        "annorect": list(people),
        **changes,
    }


def dcpose(images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a merged file of the DCPose supplement."""
    categories = [{"id": 1, "name": "person", "keypoints": NAMES}]
    return {"categories": categories, "images": images, "annotations": annotations}


def image_dcpose(image_id: int, name: str, nframes: int) -> dict[str, Any]:
    """Return an image of the DCPose supplement, which lists only labelled images."""
    height, width = SIZE
    counts = {"nframes": nframes, "frame_id": image_id, "vid_id": "000001"}
    return {"id": image_id, "file_name": name, "width": width, "height": height, **counts}
