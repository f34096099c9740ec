"""A small data set from code alone: moving figures with exact joints, in PoseTrack18's layout.

Axes: T frames, J joints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tarvitpose.data.generated_figure import (
    Figure,
    Generator,
    bounds,
    draw,
    random_colours,
    random_joints,
)
from tarvitpose.errors import DataError
from tarvitpose.formats.posetrack_files import in_slots
from tarvitpose.geometry import xyxy_to_xywh
from tarvitpose.skeleton import POSETRACK_15, POSETRACK_17
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.images import write_image
from tarvitpose.utils.json_file import write_json

FRAME_SIZE = (384, 320)  # height, width
MARGIN = 8  # pixels between a figure and the edge of the frame, at least
HEIGHT = (215.0, 285.0)  # of a figure, in pixels
HELD_OUT = 4  # the second set has a person for each four of the first
TWO_TOGETHER = 0.35  # probability that a video shows two people
SETS = ("train", "val")
JPEG_QUALITY = 92
CATEGORY = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.joints)}


def write_generated(folder: Path, people: int, seed: int, frames: int = 9) -> Path:
    """Write a data set with `people` to train on and a quarter as many to test on.

    Each video shows one or two people in `frames` frames, all of them labelled. The sets "train"
    and "val" share nobody. The same arguments give the same files. Returns the folder; raises
    DataError where it is not empty, OutputError where it cannot be written.
    """
    if people < 1 or frames < 1:
        raise DataError(f"expected at least 1 person and 1 frame, got {people} and {frames}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: expected an empty or new folder, found something in it")
    with atomic_folder(folder) as new:
        for number, name in enumerate(SETS):
            count = max(people // HELD_OUT, 1) if number else people
            _write_set(new, name, count, frames, seed=(seed, number))
    return folder


def _write_set(root: Path, name: str, people: int, frames: int, seed: tuple[int, int]) -> None:
    """Write videos until they have shown all people."""
    video = 0
    while people > 0:
        video += 1
        rng = np.random.default_rng((*seed, video))
        count = 1 + int(people > 1 and rng.uniform() < TWO_TOGETHER)
        pictures, figures = random_video(count, frames, rng)
        content = _write_video(root, f"images/{name}/{video:06d}", pictures, figures)
        write_json(root / "annotations" / name / f"{video:06d}.json", content, indent=None)
        people -= count


def _write_video(
    root: Path, folder: str, pictures: list[UInt8], figures: list[Figure]
) -> dict[str, Any]:
    """Write the frames of a video into a folder below the root, and return its annotations."""
    images, people = [], []
    (root / folder).mkdir(parents=True)
    for t, picture in enumerate(pictures):
        name, image_id = f"{folder}/{t:06d}.jpg", 10**10 + int(Path(folder).name) * 10**4 + t
        write_image(root / name, picture, JPEG_QUALITY)
        image = {"file_name": name, "id": image_id, "nframes": len(pictures), "is_labeled": True}
        images.append({**image, "ignore_regions_x": [], "ignore_regions_y": []})
        for track, figure in enumerate(figures):
            person = {"id": image_id * 100 + track, "image_id": image_id, "category_id": 1}
            people.append({**person, "track_id": track, **_labels(figure, t)})
    return {"images": images, "annotations": people, "categories": [CATEGORY]}


def _labels(figure: Figure, t: int) -> dict[str, list[float]]:
    """The boxes, xywh, and the joints of one person in one frame; there are no ears."""
    points = np.column_stack([figure.joints[t].round(2), np.ones(len(POSETRACK_15))])
    boxes = (bounds(figure.shapes(t)), bounds(figure.head_shapes(t)[1:]))  # the head has no neck
    person, head = (xyxy_to_xywh(box).astype(np.float64).round(2).tolist() for box in boxes)
    keypoints = in_slots(points, POSETRACK_15.joints).ravel().tolist()
    return {"bbox": person, "bbox_head": head, "keypoints": keypoints}


def random_video(people: int, frames: int, rng: Generator) -> tuple[list[UInt8], list[Figure]]:
    """Return the frames, RGB, of a video of figures side by side, and these figures."""
    background = random_background(rng)
    figures = [random_figure(frames, (at / people, (at + 1) / people), rng) for at in range(people)]
    pictures = [background.copy() for _ in range(frames)]
    for t, picture in enumerate(pictures):
        for figure in figures:
            draw(picture, figure.shapes(t))
    return pictures, figures


def random_figure(frames: int, columns: tuple[float, float], rng: Generator) -> Figure:
    """Return a figure that is always in the frame, in some share of its width."""
    height, colours = rng.uniform(*HEIGHT), random_colours(rng)
    joints = random_joints(frames, rng)
    free = Figure(joints * height, height, colours)
    boxes = np.array([bounds(free.shapes(t)) for t in range(frames)])  # (T, 4)
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    room = np.array(FRAME_SIZE[::-1]) - 1 - 2 * MARGIN
    scale = min(1.0, float((room / (high - low)).min()))
    share = np.array([rng.uniform(*columns), rng.uniform(0.7, 1)])
    start = MARGIN + (room - scale * (high - low)) * share
    return Figure((free.joints - low) * scale + start, height * scale, colours)


def random_background(rng: Generator) -> UInt8:
    """Return a picture (h, w, 3) of soft blotches and a few boxes."""
    height, width = FRAME_SIZE
    picture = np.full((height, width, 3), rng.uniform(70, 170, 3), np.float32)
    for cells, strength in ((3, 40), (10, 20), (48, 12)):
        noise = rng.uniform(-strength, strength, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(6, 14))):
        (x, y), (w, h) = rng.integers((width, height)), rng.integers(16, 140, 2)
        picture[y : y + h, x : x + w] = rng.uniform(30, 225, 3)
    return picture.clip(0, 255).astype(np.uint8)
