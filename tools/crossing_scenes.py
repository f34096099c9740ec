"""Scenes in which people of JHMDB meet, cross and hide one another, generated from a number.

People are rectangles cut from clips and pasted over a still of another clip; boxes are drawn from
the truth with the faults of a small detector.   Axes: T frames, K people, N boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.random import Generator

from tarvitpose.data.records import read_image
from tarvitpose.data.sources import dataset_files, open_all, read_videos
from tarvitpose.data.videos import Video
from tarvitpose.detection.nanodet import suppress
from tarvitpose.utils.arrays import Bools, Float32, Float64, Int64, UInt8

WIDTH, HEIGHT = 640, 360
CUTOUT = (48, 120)  # width and height of a person's pictures
FEWEST_CUTOUTS = 5
CLIP_RATE = 10.0  # cutouts per second, played forwards and backwards
RATES = (10, 25, 30, 60)  # frames per second
STEPS = (1, 1, 3, 5)  # one of so many frames is detected, from 25 frames per second on
SPEEDS = (0.3, 0.8, 0.8, 1.0, 2.2)  # heights per second
SLOW = 10  # frames per second of slow scenes
GAPS = (0, 0, 0, 0.05, 0.15, 0.4)  # seconds without a frame, of uneven ones
MARGIN = 200  # pixels that a camera may turn to either side
WALL = (255, 0, 385, HEIGHT)  # xyxy, in front of everybody: who passes is hidden for over a second
Kind = Literal["plain", "wall", "alike", "pan", "slow", "uneven", "leave", "door"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LEAST_SEEN = 0.05  # share of a person in sight from which a tracker should have it
NOISE = 0.03  # deviation of a detected edge, in heights


@dataclass(frozen=True)
class Clips:
    """The clips of JHMDB, with their people."""

    videos: Sequence[tuple[Path, Video]]  # with the folder that image names start from

    @classmethod
    def open(cls, annotations: Path) -> Clips:
        """Read the labels of JHMDB, the release or one file. Raises DataError."""
        files = open_all(dataset_files(annotations), images=None)
        return cls([(file.root, video) for file in files for video in read_videos(file)])

    def still(self, number: int) -> UInt8:
        """Return the first frame of a clip, as large as a scene."""
        root, video = self.videos[number]
        name = video.frames[0].image
        return np.asarray(cv2.resize(read_image(root / name, name), (WIDTH, HEIGHT)), np.uint8)

    def person(self, number: int) -> list[UInt8]:
        """Return the labelled person's cutouts, without those of few pixels."""
        root, video = self.videos[number]
        cutouts = []
        for frame in video.frames:
            if not frame.people or frame.people[0].box is None:
                continue
            image = read_image(root / frame.image, frame.name)
            limit = np.tile(image.shape[1::-1], 2) - 1
            x1, y1, x2, y2 = np.clip(frame.people[0].box, 0, limit).astype(int)
            if x2 - x1 > 15 and y2 - y1 > 30:
                cutouts.append(
                    cv2.resize(image[y1:y2, x1:x2], CUTOUT, interpolation=cv2.INTER_AREA)
                )
        return cutouts


@dataclass(frozen=True, eq=False)
class SceneFrame:
    """One frame as a tracker gets it, and who truly is where."""

    index: int
    time: float  # seconds
    image: UInt8  # (HEIGHT, WIDTH, 3)
    boxes: Float32  # (N, 4), xyxy, as detected
    scores: Float32  # (N,)
    true_ids: Int64  # (K,), of the people in sight
    true_boxes: Float32  # (K, 4), xyxy, inside the frame


def walk_together(rng: Generator, count: int, seconds: float, step: float) -> Float64:
    """Return the boxes (T, K, 4) of people who meet in the middle; some then turn back."""
    walks = []
    for person in range(count):
        height, _, speed, _ = _start(rng)
        side = person % 2
        lead = (1 if side else -1) * speed * height * seconds / 2 * 0.8
        centre = np.array([WIDTH / 2 + lead, HEIGHT * 0.6 + rng.normal(0, 12)])
        height = 140 + rng.normal(0, 6)
        turns = rng.random() < 0.4
        velocity = _velocity(speed * height, np.pi * side)
        phase, boxes = rng.uniform(0, 6), []
        for t in range(frames := int(seconds / step)):
            now = velocity * 0.4 if abs(t - frames / 2) < 0.5 / step else velocity
            now = -now if turns and t > frames / 2 else now
            centre = centre + now * step
            phase += step * 6 * np.hypot(*now) / (height * 0.8)
            boxes.append(_walking_box(centre, height, phase))
        walks.append(boxes)
    return np.array(walks).transpose(1, 0, 2)


def roam(rng: Generator, count: int, seconds: float, step: float) -> Float64:
    """Return the boxes (T, K, 4) of people who walk to and fro, turn anywhere, and stop."""
    walks = []
    for _ in range(count):
        height, centre, speed, angle = _start(rng)
        velocity = _velocity(speed * height, angle)
        phase, pause, boxes = rng.uniform(0, 6), 0.0, []
        for _ in range(int(seconds / step)):
            if rng.random() < step * 0.35:
                angle = rng.choice([0, np.pi]) + rng.normal(0, 0.4)
                velocity = _velocity(speed * height, angle)
            if rng.random() < step * 0.25:
                pause = rng.uniform(0.3, 1.5) / step
            pause -= 1
            _turn_at_the_border(centre, velocity)
            now = velocity * (pause <= 0)
            centre = centre + now * step
            phase += step * 6 * np.hypot(*now) / (height * 0.8)
            boxes.append(_walking_box(centre, height, phase))
        walks.append(boxes)
    return np.array(walks).transpose(1, 0, 2)


def take_turns(
    rng: Generator, count: int, seconds: float, step: float, way_out: float | None
) -> Float64:
    """Return the boxes (T, K, 4) of people of whom every second one comes where one left for good.

    The way out is at x = `way_out`, or beyond one of the borders. The next one sets out up to 3
    seconds after who left is there, and sometimes a little before.
    """
    at, walks = np.arange(int(seconds / step)) * step, []
    for person in range(count):
        height, centre, speed, _ = _start(rng)
        phase, side = rng.uniform(0, 6), rng.choice([-1, 1])
        if person % 2 == 0:
            left = rng.uniform(1.5, seconds / 2)
            x, y = side * (WIDTH / 2 + 60) + WIDTH / 2, centre[1]
            x, inwards = (x, -side) if way_out is None else (way_out, side)
            away = np.maximum(left - at, 0)
        else:
            away = np.maximum(at - left - rng.uniform(-0.5, 3), 0)
            inwards = inwards if way_out is None else side
        places = x + inwards * max(speed, 0.8) * height * away
        phases = phase + at * 6 * max(speed, 0.8) / 0.8
        both = zip(places, phases, strict=True)
        walks.append([_walking_box(np.array([place, y]), height, now) for place, now in both])
    return np.array(walks).transpose(1, 0, 2)


def _start(rng: Generator) -> tuple[float, Float64, float, float]:
    """Return somebody's height in pixels, place, speed in heights per second, and direction."""
    height = rng.uniform(80, 170)
    centre = np.array([rng.uniform(0, WIDTH), rng.uniform(HEIGHT * 0.45, HEIGHT * 0.75)])
    return height, centre, rng.choice(SPEEDS), rng.choice([0, np.pi]) + rng.normal(0, 0.25)


def _velocity(speed: float, angle: float) -> Float64:
    return np.array([speed * np.cos(angle), speed * np.sin(angle) * 0.4])


def _turn_at_the_border(centre: Float64, velocity: Float64) -> None:
    """Change a velocity (2,), and the place, of somebody about to leave."""
    if centre[0] < 20:
        velocity[0] = abs(velocity[0])
    if centre[0] > WIDTH - 20:
        velocity[0] = -abs(velocity[0])
    if not HEIGHT * 0.4 < centre[1] < HEIGHT * 0.85:
        velocity[1] = -velocity[1]
        centre[1] = np.clip(centre[1], HEIGHT * 0.4, HEIGHT * 0.85)


def _walking_box(centre: Float64, height: float, phase: float) -> Float64:
    """Return the box (4,) of somebody who strides."""
    width = height * (0.36 + 0.08 * np.sin(phase) + 0.03 * np.sin(phase * 0.37))
    x, y = centre - np.array([width, height]) / 2
    return np.array([x, y + 0.01 * height * np.sin(2 * phase), x + width, y + height])


def scene(clips: Clips, number: int, kind: Kind = "plain") -> Iterator[SceneFrame]:
    """Yield the frames of a scene: two people meet, or three to seven roam.

    In those of "leave" and "door" two to six leave at the border or behind a wall, and others come.
    """
    rng = np.random.default_rng(number)
    meeting, rate = number % 3 == 0, SLOW if kind == "slow" else RATES[number // 3 % 4]
    step = STEPS[number // 12 % 4] if rate >= 25 else 1
    count = 2 if meeting else int(rng.integers(3, 8))
    walks = walk_together(rng, 2, 5, 1 / rate) if meeting else roam(rng, count, 8, 1 / rate)
    if kind in ("leave", "door"):
        meeting, count = False, 2 * int(rng.integers(1, 4))
        walks = take_turns(rng, count, 8, 1 / rate, WIDTH / 2 if kind == "door" else None)
    people, still = _cast(rng, clips, count)
    order = rng.permutation(count)  # from back to front
    if kind == "alike":
        people = people[:1] * count
    wall = WALL if kind in ("wall", "door") else None
    camera = pan(number, walks, 1 / rate) if kind == "pan" else np.zeros((len(walks), 2))
    gaps = np.random.default_rng(number)
    upcoming = 0
    for index in range(0, len(walks), step):
        if rng.random() < 0.03 or index < upcoming:  # dropped
            continue
        if kind == "uneven":
            upcoming = index + int(gaps.choice(GAPS) * rate)
        if not meeting:
            order = np.argsort(walks[index, :, 3])  # whose feet are lower stands in front
        at = int(index * CLIP_RATE / rate)
        now = walks[index] - np.tile(camera[index], 2)
        behind = _shifted(still, camera[index])
        image = _painted(behind, now, order, [_played(person, at) for person in people], wall)
        seen = _in_sight(now, order, wall)  # (K, 24, 12)
        boxes, scores = _detect(rng, now, order[::-1], seen)
        present = order[::-1][seen[order[::-1]].mean((1, 2)) > LEAST_SEEN]
        yield SceneFrame(
            *(index, index / rate, image, boxes, scores, present),
            _inside(now[present]).astype(np.float32),
        )


def pan(number: int, walks: Float64, step: float) -> Float64:
    """Return where the left top corner of a frame lies, (T, 2): a camera held in a hand.

    It follows the first person with some delay, is swung about, and shakes.
    """
    rng = np.random.default_rng(number)
    middle = (walks[:, 0, :2] + walks[:, 0, 2:]) / 2 - [WIDTH / 2, HEIGHT * 0.6]
    place, speed, swing, corners = np.zeros(2), np.zeros(2), np.zeros(2), []
    for goal in middle:
        if rng.random() < step * 0.7:
            swing = rng.normal(0, (90, 12))
        speed += step * (6 * (goal + swing - place) - 4 * speed)
        place = place + step * speed
        corners.append(np.clip(place, (-MARGIN, -MARGIN / 4), (MARGIN, MARGIN / 4)))
    return np.array(corners) + rng.normal(0, 1, (len(corners), 2))


def _shifted(still: UInt8, corner: Float64) -> UInt8:
    """Return what a camera sees of a still that is larger than a frame."""
    if not corner.any():
        return still
    large = cv2.resize(still, (WIDTH + 2 * MARGIN + 16, HEIGHT + MARGIN))
    centre = np.array([large.shape[1], large.shape[0]]) / 2 + corner
    return np.asarray(cv2.getRectSubPix(large, (WIDTH, HEIGHT), centre.tolist()), np.uint8)


def _cast(rng: Generator, clips: Clips, count: int) -> tuple[list[list[UInt8]], UInt8]:
    """Return the cutouts of each person, and the still behind them."""
    chosen = rng.choice(len(clips.videos), count + 1, replace=False).tolist()
    people = []
    for number in chosen[:count]:
        cutouts = clips.person(number)
        while len(cutouts) < FEWEST_CUTOUTS:
            cutouts = clips.person(int(rng.integers(len(clips.videos))))
        people.append(cutouts)
    if count > 2 and rng.random() < 0.3:  # dressed alike
        people[1] = people[0]
    return people, clips.still(chosen[count])


def _played(cutouts: Sequence[UInt8], at: int) -> UInt8:
    """Return the cutout number `at` of a clip that runs forwards, backwards, and so on."""
    at %= 2 * len(cutouts) - 2
    return cutouts[min(at, 2 * len(cutouts) - 2 - at)]


def _painted(
    still: UInt8,
    boxes: Float64,
    order: Int64,
    cutouts: Sequence[UInt8],
    wall: tuple[int, int, int, int] | None,
) -> UInt8:
    """Return a frame with people in it, who lost some colour to JPEG as those of videos do."""
    image = still.copy()
    for person in order.tolist():
        x1, y1, x2, y2 = np.round(boxes[person]).astype(int)
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, WIDTH), min(y2, HEIGHT)
        if right - left > 1 and bottom - top > 1:
            whole = cv2.resize(cutouts[person], (x2 - x1, y2 - y1))
            image[top:bottom, left:right] = whole[top - y1 : bottom - y1, left - x1 : right - x1]
    if wall:
        cv2.rectangle(image, wall[:2], wall[2:], still.mean((0, 1)).tolist(), cv2.FILLED)
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image)[1], cv2.IMREAD_COLOR), np.uint8)


def _in_sight(boxes: Float64, order: Int64, wall: tuple[int, int, int, int] | None) -> Bools:
    """Return which of 24 x 12 points of each person nobody hides, (K, 24, 12)."""
    seen = np.ones((len(boxes), 24, 12), bool)
    for at, person in enumerate(order.tolist()):
        y, x = _points(boxes[person])
        seen[person] &= (x > 0) & (x < WIDTH)
        hiding = [*boxes[order[at + 1 :]], *([wall] if wall else [])]
        for x1, y1, x2, y2 in hiding:
            seen[person] &= ~((x > x1) & (x < x2) & (y > y1) & (y < y2))
    return seen


def _points(box: Float64) -> tuple[Float64, Float64]:
    """Return y (24, 1) and x (12,) of points all over a box."""
    return np.linspace(box[1], box[3], 24)[:, None], np.linspace(box[0], box[2], 12)


def _detect(
    rng: Generator, walks: Float64, front_to_back: Int64, seen: Bools
) -> tuple[Float32, Float32]:
    """Return boxes and scores of a small detector: noisy, cut off, missing, and false ones."""
    boxes, scores = [], []
    for person in front_to_back.tolist():
        share = seen[person].mean()
        if rng.random() > np.clip((share - 0.25) / 0.3, 0, 0.97):
            continue
        box, height = walks[person], walks[person, 3] - walks[person, 1]
        detected = box + rng.normal(0, NOISE, 4) * height
        if share < 0.75 and rng.random() < 0.5:  # cut to what is seen
            y, x = _points(box)
            rows, columns = np.nonzero(seen[person])
            corners = [x[columns.min()], y[rows.min(), 0], x[columns.max()], y[rows.max(), 0]]
            detected = np.array(corners) + rng.normal(0, NOISE, 4) * height
        elif rng.random() < 0.08:  # without the shins
            detected[3] -= 0.25 * height
        boxes.append(_inside(detected))
        scores.append(np.clip(0.25 + 0.55 * share + rng.normal(0, 0.1), 0.2, 0.95))
    if rng.random() < 0.05:  # a thing
        x1, y1, height = rng.uniform((0, 0, 40), (WIDTH - 50, HEIGHT - 120, 120)).tolist()
        boxes.append(np.array([x1, y1, x1 + 0.4 * height, y1 + height]))
        scores.append(rng.uniform(0.2, 0.5))
    detections = np.array(boxes, np.float32).reshape(-1, 4)
    large = (detections[:, 2:] - detections[:, :2] > [4, 8]).all(1)
    people = suppress(detections[large], np.array(scores, np.float32)[large], 0.0)
    return people.boxes, people.scores


def _inside(boxes: Float64) -> Float64:
    return np.asarray(np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]))
