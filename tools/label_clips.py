"""Label real clips by two teachers: how the clips that trained the default weights were made.

    python -m tools.label_clips --clips data/clips --output data/default/clips

NanoDet finds people in every frame and IouTracker follows them. In every third frame or so
PP-TinyPose (three looks at each person) and MoveNet Thunder (one) place the joints. Where they
agree a joint is fully trusted, where only PP-TinyPose is sure a little less, and else it has no
label (`keypoint_weights`). Neither knows head_bottom and head_top.
`label_rules.py` holds the rules.

`OUTPUT/images/<video>/%06d.jpg` are all frames of the range that was used, smaller where people
are large. `OUTPUT/annotations/{train,val}/<video>.json` are PoseTrack18's layout; people who were
seen but not labelled are ignore regions. `OUTPUT/summary.json` counts what was kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tarvitpose.detection.nanodet import NanoDet
from tarvitpose.results import Frame
from tarvitpose.tracking import IouTracker
from tarvitpose.utils.arrays import Float32
from tools.label_rules import (
    JOINTS,
    Label,
    TrackedFrame,
    best_range,
    drop_still,
    good_tracks,
    keep_distinct,
    liveliness,
    opinion,
    posetrack18,
    trusted,
)
from tools.teachers import MoveNet, TinyPose

SPLITS = {  # crowd_above is for tests only
    "train": (
        *("balance_cam01", "balance_cam02", "balance_cam03"),
        *("two_people_cam01", "two_people_cam02", "two_people_cam03"),
        *("walk_outdoor", "juggle", "one_by_one", "street_above"),
    ),
    "val": ("two_people_cam04", "walk_indoor", "balance_cam04"),
}
DETECTION_SCORE = 0.5
TALLEST = 480  # pixels, of a person in the images that are written
JPEG_QUALITY = 92
LONGEST_READ = 500  # frames of a clip, from its start, in which people are looked for
MOST_LABELLED = 120  # frames of one clip, about
FEWEST_JOINTS = 5
STILL_EVERY = 5  # labelled frames: one who stands still is labelled in one of so many

Image = NDArray[np.uint8]


def frames_of(path: Path) -> Iterator[Frame]:
    """Decode a clip, upright, in RGB."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            turned = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            yield Frame(index, float(frame.time or 0), np.ascontiguousarray(turned))


def follow(path: Path, detector: NanoDet) -> list[list[TrackedFrame]]:
    """Return who is seen in each frame of a clip, its first LONGEST_READ frames."""
    tracker, people = IouTracker(), []
    for frame in islice(frames_of(path), LONGEST_READ):
        found = detector.detect(frame)
        ids = tracker.update(found.boxes, found.scores, frame.index)
        people.append([TrackedFrame(int(i), box) for i, box in zip(ids, found.boxes, strict=True)])
    return people


def by_joint(counts: NDArray[np.int64]) -> dict[str, int]:
    """Name the counts (J,)."""
    return dict(zip(JOINTS, counts.tolist(), strict=True))


class Labeller:
    """Everything that one clip passes through."""

    def __init__(self, teachers: Path, output: Path, every: int, longest: int) -> None:
        self._detector = NanoDet(threshold=DETECTION_SCORE)
        self._tinypose = TinyPose(teachers / "tinypose_256x192.onnx")
        self._movenet = MoveNet(teachers / "movenet_thunder_256.onnx", looks=1)
        self._output, self._every, self._longest = output, every, longest

    def label(self, clip: Path, split: str, number: int) -> dict[str, Any]:
        """Write one clip's images and annotations, and return their counts."""
        everyone = follow(clip, self._detector)
        people = good_tracks(everyone)
        if not any(people):
            return {"split": split, "frames": 0, "people": 0}
        used = best_range(liveliness(people), self._longest)
        heights = [seen.height for i in used for seen in people[i]]
        scale = min(1.0, TALLEST / max(heights))
        labels = self._images(clip, used, people, scale)
        ignored = left_out(everyone, used, labels, scale)
        content = posetrack18(clip.stem, number, len(used), labels, ignored)
        path = self._output / "annotations" / split / f"{clip.stem}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        return {
            "split": split,
            "first_frame": used.start,
            "frames": len(used),
            "scale": round(scale, 3),
            "labelled_frames": len({label.frame for label in labels}),
            "people": len(labels),
            "tracks": len({label.seen.track for label in labels}),
            "joints": by_joint(
                np.array([label.kept for label in labels]).reshape(-1, len(JOINTS)).sum(0)
            ),
        }

    def _images(
        self, clip: Path, used: range, people: list[list[TrackedFrame]], scale: float
    ) -> list[Label]:
        """Write the images of a range, and label every few of them."""
        folder = self._output / "images" / clip.stem
        folder.mkdir(parents=True, exist_ok=True)
        every = max(self._every, len(used) // MOST_LABELLED)
        labels: list[Label] = []
        last: dict[int, Label] = {}
        for frame in frames_of(clip):
            if frame.index >= used.stop:
                break
            if frame.index not in used:
                continue
            at = frame.index - used.start
            write_image(folder / f"{at:06d}.jpg", frame.image, scale)
            if at % every == 0 and people[frame.index]:
                seen = self._people(frame.image, people[frame.index], at)
                labels += drop_still(seen, last, STILL_EVERY * every)
        return [label.scaled(scale) for label in labels]

    def _people(self, image: Image, people: list[TrackedFrame], at: int) -> list[Label]:
        """Label the people of one frame."""
        labels = []
        for seen in people:
            both = self._tinypose.look(image, seen.box), self._movenet.look(image, seen.box)
            view = opinion(*both, seen.height)
            label = Label(at, seen, view.points, trusted(view, image.shape[:2], seen.height))
            if label.kept.sum() >= FEWEST_JOINTS:
                labels.append(label)
        return keep_distinct(labels)


def left_out(
    everyone: list[list[TrackedFrame]], used: range, labels: list[Label], scale: float
) -> dict[int, list[Float32]]:
    """Return, for each labelled frame, the boxes of those who were seen but not labelled."""
    known = {(label.frame, label.seen.track) for label in labels}
    return {
        at: [
            np.float32(scale) * seen.box
            for seen in everyone[used.start + at]
            if (at, seen.track) not in known
        ]
        for at in {label.frame for label in labels}
    }


def write_image(path: Path, image: Image, scale: float) -> None:
    """Write a JPEG, resized by `scale`."""
    height, width = image.shape[:2]
    if scale < 1:
        size = (round(width * scale), round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        raise SystemExit(f"{path}: cannot be written")


def main() -> None:
    """Label the clips of both splits."""
    parser = argparse.ArgumentParser(description="Label real clips by two teachers.")
    parser.add_argument("--clips", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--teachers", type=Path, default=Path("weights"), help="folder")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--every", type=int, default=3, help="label one frame of so many")
    parser.add_argument("--longest", type=int, default=250, help="frames used of one clip")
    parser.add_argument("--only", nargs="*", default=[], help="only these clips")
    given = parser.parse_args()
    labeller = Labeller(given.teachers, given.output, given.every, given.longest)
    clips = [(split, name) for split, names in SPLITS.items() for name in names]
    summary = {}
    for number, (split, name) in enumerate(clips, start=1):
        if given.only and name not in given.only:
            continue
        (path,) = given.clips.glob(f"{name}.*")
        summary[name] = labeller.label(path, split, number)
        print(name, json.dumps(summary[name]), flush=True)
    (given.output / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
