"""A small data set from code alone: moving figures with exact joints, in PoseTrack18's layout.

Figures face the viewer. Left limbs have warm colours and right ones cool colours, so a network can
tell them apart. Lengths are in heights of the figure, x points right and y down.

Axes: T frames, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.posetrack_files import in_slots
from tarvitpose.geometry import xyxy_to_xywh
from tarvitpose.skeleton import POSETRACK_15, POSETRACK_17
from tarvitpose.utils.arrays import Float64, Generator, UInt8
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.images import write_image
from tarvitpose.utils.json_file import write_json

Shape = tuple[Float64, Float64]  # a convex outline (M, 2) in pixels, and its RGB colour (3,)

CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 24, endpoint=False)), np.sin(a)], -1)
BONES = {
    **{"spine": 0.29, "shoulder": 0.105, "hip": 0.055},  # the last two from the middle
    **{"upper_arm": 0.165, "forearm": 0.145, "thigh": 0.24, "shin": 0.235},
}
HEAD = {"head_bottom": 0.035, "nose": 0.12, "head_top": 0.21}  # distances from the neck
ANGLES = {  # least and most degrees: of the trunk and the head to the side, of limbs outwards
    **{"lean": (-12, 12), "nod": (-15, 15)},
    **{"upper_arm": (5, 150), "forearm": (-15, 110), "thigh": (-5, 50), "shin": (-55, 5)},
}
PERIOD = (20.0, 44.0)  # frames
LIMBS = {  # the part of the body, and the radii at both ends
    ("hip", "knee"): ("thigh", 0.052, 0.038),
    ("knee", "ankle"): ("shin", 0.038, 0.026),
    ("shoulder", "elbow"): ("upper_arm", 0.036, 0.028),
    ("elbow", "wrist"): ("forearm", 0.027, 0.021),
}
TRUNK = {"shoulder": 0.034, "hip": 0.05}  # radii of its corners
LEGS = 4  # the first limbs, of both sides
HUES = {"left": (-0.06, 0.13), "right": (0.36, 0.66)}  # in turns
SKINS = ((236, 196, 168), (214, 164, 128), (168, 116, 82), (112, 76, 54))
HAIRS = ((40, 30, 26), (92, 60, 34), (176, 136, 78), (120, 118, 116), (140, 60, 30))
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


@dataclass(frozen=True)
class Figure:
    """One person in one video."""

    joints: Float64  # (T, J, 2), in pixels
    height: float  # in pixels
    colours: dict[str, Float64]  # RGB (3,), of the skin, the hair, the trunk and each limb

    def shapes(self, t: int) -> list[Shape]:
        """Return all that is drawn of the person in one frame, from back to front."""
        at = dict(zip(POSETRACK_15.joints, self.joints[t], strict=True))
        ends = [(at[f"{s}_{name}"], r) for s in HUES for name, r in TRUNK.items()]
        trunk = self._hull(*ends), self.colours["trunk"]
        limbs = []
        for (start, end), (part, first, last) in LIMBS.items():
            for side in HUES:
                outline = self._hull((at[f"{side}_{start}"], first), (at[f"{side}_{end}"], last))
                limbs.append((outline, self.colours[f"{side}_{part}"]))
        return [*limbs[:LEGS], trunk, *self.head_shapes(t), *limbs[LEGS:]]

    def head_shapes(self, t: int) -> list[Shape]:
        """Return the neck, the head and the face."""
        at = dict(zip(POSETRACK_15.joints, self.joints[t], strict=True))
        bottom, up = at["head_bottom"], at["head_top"] - at["head_bottom"]
        across = np.array([-up[1], up[0]])
        skin, hair = self.colours["skin"], self.colours["hair"]
        neck = (at["left_shoulder"] + at["right_shoulder"]) / 2
        eyes = [bottom + 0.58 * up + sign * 0.13 * across for sign in (-1, 1)]
        return [
            (self._hull((neck, 0.03), (bottom + 0.2 * up, 0.03)), 0.85 * skin),
            (self._hull((bottom + 0.33 * up, 0.058), (bottom + 0.67 * up, 0.058)), hair),
            (self._hull((bottom + 0.33 * up, 0.05), (bottom + 0.6 * up, 0.046)), skin),
            *((self._hull((eye, 0.008)), 0.2 * skin) for eye in eyes),
            (self._hull((at["nose"], 0.011)), 0.7 * skin),
        ]

    def _hull(self, *circles: tuple[Float64, float]) -> Float64:
        """Return the convex outline (M, 2) of circles, each a middle and a radius in heights."""
        points = [middle + radius * self.height * CIRCLE for middle, radius in circles]
        return np.asarray(cv2.convexHull(np.concatenate(points).astype(np.float32))[:, 0], float)


def bounds(shapes: list[Shape]) -> Float64:
    """Return the box xyxy around shapes, (4,)."""
    points = np.concatenate([outline for outline, _ in shapes])
    return np.concatenate([points.min(0), points.max(0)])


def draw(picture: UInt8, shapes: list[Shape]) -> None:
    """Draw shapes on an RGB picture (h, w, 3), the first at the back."""
    for outline, colour in shapes:
        corners = np.rint(outline * 16).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, colour.tolist(), cv2.LINE_AA, 4)


def random_joints(frames: int, rng: Generator) -> Float64:
    """Return the joints (T, J, 2) of a figure that moves smoothly, in heights from the pelvis."""
    bones = {name: length * rng.uniform(0.92, 1.08) for name, length in BONES.items()}
    lean, nod = _random_angle("lean", frames, rng), _random_angle("nod", frames, rng)
    neck = -_bone(bones["spine"], lean)
    points = {name: neck - _bone(distance, lean + nod) for name, distance in HEAD.items()}
    for side, sign in (("left", 1), ("right", -1)):  # its left is on the right of the picture
        angles = {part: sign * _random_angle(part, frames, rng) for part, *_ in LIMBS.values()}
        # A quarter turn from the trunk's direction is that of its shoulders and hips.
        points[f"{side}_shoulder"] = neck + sign * _bone(bones["shoulder"], lean + np.pi / 2)
        points[f"{side}_hip"] = sign * _bone(bones["hip"], np.full(frames, np.pi / 2))
        total = np.zeros(frames)
        for (start, end), (part, *_) in LIMBS.items():
            is_upper = start in ("hip", "shoulder")
            total = angles[part] if is_upper else total + angles[part]
            points[f"{side}_{end}"] = points[f"{side}_{start}"] + _bone(bones[part], total)
    return np.stack([points[name] for name in POSETRACK_15.joints], 1)


def _bone(length: float, angle: Float64) -> Float64:
    """Return vectors (T, 2) of a length; angles (T,) in radians, 0 is down and positive right."""
    return length * np.stack([np.sin(angle), np.cos(angle)], -1)


def _random_angle(name: str, frames: int, rng: Generator) -> Float64:
    """Return an angle that swings within its limits, (T,) in radians."""
    low, high = np.deg2rad(ANGLES[name])
    middle, amplitude = rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.3)
    phase = 2 * np.pi * (np.arange(frames) / rng.uniform(*PERIOD) + rng.uniform())
    return np.asarray(low + (high - low) * (middle + amplitude * np.sin(phase)))


def random_colours(rng: Generator) -> dict[str, Float64]:
    """Return the colours of a person: a shirt, and a sleeve and a trouser leg for each side."""
    skin, hair = (np.array(each[rng.integers(len(each))], float) for each in (SKINS, HAIRS))
    colours = {"skin": skin, "hair": hair, "trunk": _random_colour((0, 1), rng)}
    for side, hues in HUES.items():
        for upper, lower in (("upper_arm", "forearm"), ("thigh", "shin")):
            colours[f"{side}_{upper}"] = _random_colour(hues, rng)
            colours[f"{side}_{lower}"] = 0.85 * colours[f"{side}_{upper}"]
    return colours


def _random_colour(hues: tuple[float, float], rng: Generator) -> Float64:
    hue, light = rng.uniform(*hues), rng.uniform(110, 240)
    rainbow = np.clip(np.abs((hue * 6 - np.array([0, 2, 4])) % 6 - 3) - 1, 0, 1)  # (3,), RGB
    return np.asarray(light * (1 - rng.uniform(0.55, 0.9) * (1 - rainbow)))
