"""A small data set from code alone: moving figures with exact joints, in PoseTrack18's layout.

Axes: T frames, K places of a figure.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.data.generated_drawing import (
    Body,
    Looks,
    draw_figure,
    figure_box,
    random_background,
    random_looks,
)
from tarvitpose.data.generated_figure import AT, Generator, random_movement
from tarvitpose.errors import DataError
from tarvitpose.geometry import warp, xyxy_to_xywh
from tarvitpose.skeleton import POSETRACK_15, POSETRACK_17
from tarvitpose.utils.arrays import Float64, UInt8
from tarvitpose.utils.atomic import cannot_write
from tarvitpose.utils.images import write_image
from tarvitpose.utils.json_file import write_json

FRAME_SIZE = (384, 320)  # height, width
MARGIN = 8  # pixels between a figure and the edge of the frame, at least
HEIGHT = (215.0, 285.0)  # of a standing person, in pixels
SLACK = 40  # pixels of background beyond each edge, for the camera to drift in
HELD_OUT = 4  # the second set has a person for so many of the first
TWO_TOGETHER = 0.35  # probability that a video shows two people
SETS = ("train", "val")
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Figure:
    """One person in one video."""

    bodies: tuple[Body, ...]  # of every frame
    looks: Looks


@dataclass(frozen=True)
class Scene:
    """One video."""

    background: UInt8  # larger than a frame by SLACK on every side
    shift: Float64  # (T, 2), of the camera in pixels
    zoom: Float64  # (T,), about the middle of the frame
    figures: tuple[Figure, ...]  # the farthest first


def write_generated(folder: Path, people: int, seed: int, frames: int = 9) -> Path:
    """Write a data set with so many people to train on and a quarter as many to test on.

    Each video shows one or two people in `frames` frames, all of them labelled. The sets "train"
    and "val" share nobody. The same arguments give the same files. Returns the folder; raises
    DataError where it holds something already, OutputError where it cannot be written.
    """
    if people < 1 or frames < 1:
        raise DataError(f"expected at least 1 person and 1 frame, got {people} and {frames}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: expected an empty or new folder, found something in it")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        for number, name in enumerate(SETS):
            count = max(people // HELD_OUT, 1) if number else people
            _write_set(partial, name, count, frames, seed=(seed, number))
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _write_set(root: Path, name: str, people: int, frames: int, seed: tuple[int, int]) -> None:
    """Write videos until they have shown so many people."""
    (root / "annotations" / name).mkdir(parents=True)
    video = 0
    while people > 0:
        video += 1
        rng = np.random.default_rng((*seed, video))
        count = 1 + int(people > 1 and rng.uniform() < TWO_TOGETHER)
        content = _write_video(root, f"images/{name}/{video:06d}", random_scene(count, frames, rng))
        path = root / "annotations" / name / f"{video:06d}.json"
        write_json(path, content, indent=None)
        people -= count


def _write_video(root: Path, folder: str, scene: Scene) -> dict[str, Any]:
    """Write the frames of one video into a folder below the root, and return its annotations."""
    video = Path(folder).name
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    (root / folder).mkdir(parents=True)
    for t in range(len(scene.zoom)):
        name, image_id = f"{folder}/{t:06d}.jpg", 10**10 + int(video) * 10**4 + t
        write_image(root / name, scene_frame(scene, t), JPEG_QUALITY)
        images.append(
            {
                "file_name": name,
                "id": image_id,
                "frame_id": image_id,
                "vid_id": video,
                "nframes": len(scene.zoom),
                "is_labeled": True,
                "ignore_regions_x": [],
                "ignore_regions_y": [],
            }
        )
        people += [
            {
                "id": image_id * 100 + track,
                "image_id": image_id,
                "category_id": 1,
                "track_id": track,
                "person_id": track,
                **_labels(figure.bodies[t]),
            }
            for track, figure in enumerate(scene.figures)
        ]
    category = {"supercategory": "person", "id": 1, "name": "person"}
    category |= {"keypoints": list(POSETRACK_17.joints)}
    return {"images": images, "annotations": people, "categories": [category]}


def _labels(body: Body) -> dict[str, list[float]]:
    """The boxes, xywh, and the joints of one person in one frame; there are no ears."""
    keypoints: list[float] = []
    for joint in POSETRACK_17.joints:
        known = joint in POSETRACK_15.joints
        keypoints += [*body.points[AT[joint]].round(2).tolist(), 1] if known else [0, 0, 0]
    person, head = (xyxy_to_xywh(box).astype(np.float64).round(2) for box in figure_box(body))
    return {"bbox": person.tolist(), "bbox_head": head.tolist(), "keypoints": keypoints}


def random_scene(people: int, frames: int, rng: Generator) -> Scene:
    """Return a video of so many figures side by side, each inside the frame at all times."""
    height, width = FRAME_SIZE
    background = random_background(rng, (height + 2 * SLACK, width + 2 * SLACK))
    pace, phase = rng.uniform(0.05, 0.3, 3), rng.uniform(0, 2 * np.pi, 3)
    curves = np.sin(np.arange(frames)[:, None] * pace + phase)  # (T, 3)
    shift, zoom = curves[:, :2] * rng.uniform(0, SLACK / 3, 2), 1 + 0.03 * curves[:, 2]
    figures = [
        _random_figure(shift, zoom, (at / people, (at + 1) / people), rng) for at in range(people)
    ]
    figures.sort(key=lambda figure: float(figure.bodies[0].height))
    return Scene(background, shift, zoom, tuple(figures))


def _random_figure(
    shift: Float64, zoom: Float64, where: tuple[float, float], rng: Generator
) -> Figure:
    """A figure that fits into the frame; `where` is its share of the room from left to right."""
    movement = random_movement(len(zoom), rng)
    height = rng.uniform(*HEIGHT) * zoom  # (T,)
    points = movement.places[..., :2] * (1, -1) * height[:, None, None] + shift[:, None]
    depth, head = movement.places[..., 2], movement.head
    loose = map(Body, points, depth, head, height.tolist())
    boxes = np.array([figure_box(body)[0] for body in loose])  # (T, 4)
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    room = np.array(FRAME_SIZE[::-1]) - 1 - 2 * MARGIN
    fit = min(1.0, float((room / (high - low)).min()))
    share = np.array([rng.uniform(*where), rng.uniform(0.7, 1)])
    placed = (points - low) * fit + MARGIN + (room - fit * (high - low)) * share
    bodies = map(Body, placed, depth, head, (height * fit).tolist())
    return Figure(tuple(bodies), random_looks(rng))


def scene_frame(scene: Scene, t: int) -> UInt8:
    """Return one frame of a video, RGB (h, w, 3)."""
    zoom, middle = scene.zoom[t], np.array(FRAME_SIZE[::-1]) / 2
    start = scene.shift[t] + middle - zoom * (middle + SLACK)
    picture = warp(scene.background, np.column_stack([zoom * np.eye(2), start]), FRAME_SIZE)
    for figure in scene.figures:
        draw_figure(picture, figure.bodies[t], figure.looks)
    return picture
