"""Score trackers on generated scenes in which people of JHMDB meet, cross and hide one another.

    python -m tools.track_crossings data/jhmdb --first 24 --scenes 96

Every scene follows from its number. Its people are rectangles cut from clips and pasted over a
still of another clip; boxes are drawn from the truth with the faults of a small detector.
Axes: T frames, K people, N boxes, V scenes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from tarvitpose.config import BOX_THRESHOLD, TrackerName
from tarvitpose.data.records import read_image
from tarvitpose.data.sources import dataset_files, open_all, read_videos
from tarvitpose.data.videos import Video
from tarvitpose.detection.nanodet import suppress
from tarvitpose.errors import UserError
from tarvitpose.geometry import box_iou
from tarvitpose.metrics.mot import FrameIdentities, TrackingCounts, count_tracks, tracking_scores
from tarvitpose.metrics.posetrack_ap import interval, video_draws
from tarvitpose.tracking import open_tracker
from tarvitpose.utils.arrays import Bools, Float32, Float64, Int64, UInt8

WIDTH, HEIGHT = 640, 360
CUTOUT = (48, 120)  # width and height of a person's pictures
FEWEST_CUTOUTS = 5
CLIP_RATE = 10.0  # cutouts per second, played forwards and backwards
RATES = (10, 25, 30, 60)  # frames per second
STEPS = (1, 1, 3, 5)  # one of so many frames is detected, from 25 frames per second on
SPEEDS = (0.3, 0.8, 0.8, 1.0, 2.2)  # heights per second
LEAST_SEEN = 0.05  # share of a person in sight from which a tracker should have it
NOISE = 0.03  # deviation of a detected edge, in heights
BLIND = "body, motion alone"
TRACKERS: dict[str, TrackerName] = {"body": "body", BLIND: "body", "iou": "iou"}
TRACKERS |= {"bytetrack": "bytetrack", "ocsort": "ocsort"}
SHOWN = ("id switches", "IDF1", "HOTA", "MOTA")


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


def scene(clips: Clips, number: int) -> Iterator[SceneFrame]:
    """Yield the frames of a scene: two people meet, or three to seven roam."""
    rng = np.random.default_rng(number)
    meeting, rate = number % 3 == 0, RATES[number // 3 % 4]
    step = STEPS[number // 12 % 4] if rate >= 25 else 1
    count = 2 if meeting else int(rng.integers(3, 8))
    walks = walk_together(rng, 2, 5, 1 / rate) if meeting else roam(rng, count, 8, 1 / rate)
    people, still = _cast(rng, clips, count)
    order = rng.permutation(count)  # from back to front
    for index in range(0, len(walks), step):
        if rng.random() < 0.03:  # dropped
            continue
        if not meeting:
            order = np.argsort(walks[index, :, 3])  # whose feet are lower stands in front
        at = int(index * CLIP_RATE / rate)
        image = _painted(still, walks[index], order, [_played(person, at) for person in people])
        seen = _in_sight(walks[index], order)  # (K, 24, 12)
        boxes, scores = _detect(rng, walks[index], order[::-1], seen)
        present = order[::-1][seen[order[::-1]].mean((1, 2)) > LEAST_SEEN]
        yield SceneFrame(
            *(index, index / rate, image, boxes, scores, present),
            _inside(walks[index, present]).astype(np.float32),
        )


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


def _painted(still: UInt8, boxes: Float64, order: Int64, cutouts: Sequence[UInt8]) -> UInt8:
    """Return a frame with people in it, who lost some colour to JPEG as those of videos do."""
    image = still.copy()
    for person in order.tolist():
        x1, y1, x2, y2 = np.round(boxes[person]).astype(int)
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, WIDTH), min(y2, HEIGHT)
        if right - left > 1 and bottom - top > 1:
            whole = cv2.resize(cutouts[person], (x2 - x1, y2 - y1))
            image[top:bottom, left:right] = whole[top - y1 : bottom - y1, left - x1 : right - x1]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image)[1], cv2.IMREAD_COLOR), np.uint8)


def _in_sight(boxes: Float64, order: Int64) -> Bools:
    """Return which of 24 x 12 points of each person nobody hides, (K, 24, 12)."""
    seen = np.ones((len(boxes), 24, 12), bool)
    for at, person in enumerate(order.tolist()):
        y, x = _points(boxes[person])
        seen[person] &= (x > 0) & (x < WIDTH)
        for x1, y1, x2, y2 in boxes[order[at + 1 :]]:
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


def score_scene(frames: Iterator[SceneFrame], names: Sequence[str]) -> dict[str, TrackingCounts]:
    """Return what each tracker does with the same boxes of a scene."""
    trackers = {name: open_tracker(TRACKERS[name], start_threshold=BOX_THRESHOLD) for name in names}
    identities: dict[str, list[FrameIdentities]] = {name: [] for name in names}
    for frame in frames:
        alike = box_iou(frame.true_boxes, frame.boxes).astype(np.float64)  # (K, N)
        for name, tracker in trackers.items():
            image = None if name == BLIND else frame.image
            ids = tracker.update(frame.boxes, frame.scores, frame.index, frame.time, image)
            tracked = ids > 0
            identities[name].append(
                FrameIdentities(frame.true_ids, ids[tracked], alike[:, tracked])
            )
    return {name: count_tracks(rows) for name, rows in identities.items()}


def per_scene(counts: Sequence[TrackingCounts], weights: Float64) -> dict[str, float]:
    """Return the measures shown, id switches for each scene, scenes counted by weights (V,)."""
    scores = tracking_scores(counts, weights)
    return {**scores, "id switches": scores["id switches"] / float(weights.sum())}


def table(counts: Mapping[str, Sequence[TrackingCounts]], samples: int) -> list[str]:
    """Return rows of every tracker, and of the first less each other: value, 95% interval.

    Intervals are over draws of scenes, the same ones for all trackers.
    """
    first, scenes = next(iter(counts)), len(next(iter(counts.values())))
    weights = [np.ones(scenes), *video_draws(scenes, samples)]  # what was measured, then the draws
    scores = {name: [per_scene(each, row) for row in weights] for name, each in counts.items()}
    rows = [f"| tracker | {' | '.join(SHOWN)} |", "|--" * (len(SHOWN) + 1) + "|"]
    rows += [f"| {name} | {_cells(each, '')} |" for name, each in scores.items()]
    for name in [*scores][1:]:
        less = [
            {key: mine[key] - theirs[key] for key in SHOWN}
            for mine, theirs in zip(scores[first], scores[name], strict=True)
        ]
        rows.append(f"| {first} less {name} | {_cells(less, '+')} |")
    return rows


def _cells(scores: Sequence[dict[str, float]], sign: str) -> str:
    """Return the first score of each measure and the interval of the others."""
    cells = []
    for key in SHOWN:
        low, high = interval(row[key] for row in scores[1:])
        cells.append(f"{scores[0][key]:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})")
    return " | ".join(cells)


def main() -> None:
    """Print the scores of trackers on the same scenes."""
    parser = argparse.ArgumentParser(description="Score trackers on generated crossings.")
    parser.add_argument("annotations", type=Path, help="JHMDB: the release, or a file of clips")
    parser.add_argument("--first", type=int, default=0, help="number of the first scene")
    parser.add_argument("--scenes", type=int, default=48, help="how many")
    parser.add_argument("--trackers", nargs="+", choices=TRACKERS, default=list(TRACKERS))
    parser.add_argument("--bootstrap", type=int, default=1000, help="draws of scenes")
    given = parser.parse_args()
    counts: dict[str, list[TrackingCounts]] = {name: [] for name in given.trackers}
    try:
        clips = Clips.open(given.annotations)
        for number in range(given.first, given.first + given.scenes):
            for name, scores in score_scene(scene(clips, number), given.trackers).items():
                counts[name].append(scores)
    except UserError as error:
        raise SystemExit(str(error)) from None
    print("\n".join(table(counts, given.bootstrap)))


if __name__ == "__main__":
    main()
