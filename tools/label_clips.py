"""Label real clips by two teachers: how the clips that trained the default weights were made.

    python -m tools.label_clips --clips data/clips --output data/default/clips

NanoDet detects people in every frame and IouTracker tracks them. In about every third frame
PP-TinyPose (three views of each person) and MoveNet Thunder (one) predict the joints. A joint on
which both agree is fully trusted; one of which only PP-TinyPose is sure is trusted less; others
have no label (`keypoint_weights`). Neither teacher predicts head_bottom and head_top. The rules are
in `tools.label_rules`.

`OUTPUT/images/<video>/%06d.jpg` are all frames of the chosen range, scaled down where people are
large. `OUTPUT/annotations/{train,val}/<video>.json` has PoseTrack18's layout; people who were
detected but not labelled are ignore regions. `OUTPUT/summary.json` counts frames, people, joints.
"""

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
from tarvitpose.utils.json_file import write_json
from tools.label_rules import (
    Label,
    TrackedBox,
    best_range,
    consensus,
    drop_still,
    good_tracks,
    joint_trust,
    keep_distinct,
    motion,
    posetrack18,
)
from tools.teachers import JOINTS, MoveNet, TinyPose

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
LONGEST_READ = 500  # frames of a clip, from its start, in which people are detected
MOST_LABELLED = 120  # frames of one clip, approximately
FEWEST_JOINTS = 5
STILL_EVERY = 5  # a person who stands still is labelled in every fifth labelled frame

Image = NDArray[np.uint8]


def frames_of(path: Path) -> Iterator[Frame]:
    """Decode a clip, upright, in RGB."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            turned = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            yield Frame(index, float(frame.time or 0), np.ascontiguousarray(turned))


def follow(path: Path, detector: NanoDet) -> list[list[TrackedBox]]:
    """Return the tracked people of each of the first LONGEST_READ frames of a clip."""
    tracker, people = IouTracker(), []
    for frame in islice(frames_of(path), LONGEST_READ):
        detected = detector.detect(frame)
        ids = tracker.update(detected.boxes, detected.scores, frame.index)
        boxes = zip(ids, detected.boxes, strict=True)
        people.append([TrackedBox(int(track), box) for track, box in boxes])
    return people


def by_joint(counts: NDArray[np.int64]) -> dict[str, int]:
    """Return counts (J,) by the names of joints."""
    return dict(zip(JOINTS, counts.tolist(), strict=True))


class Labeller:
    """Labels clips: detection, tracking, teachers, rules, files."""

    def __init__(self, teachers: Path, output: Path, every: int, longest: int) -> None:
        self._detector = NanoDet(threshold=DETECTION_SCORE)
        self._tinypose = TinyPose(teachers / "tinypose_256x192.onnx")
        self._movenet = MoveNet(teachers / "movenet_thunder_256.onnx", views=1)
        self._output, self._every, self._longest = output, every, longest

    def label(self, clip: Path, split: str, number: int) -> dict[str, Any]:
        """Write one clip's images and annotations, and return their counts."""
        everyone = follow(clip, self._detector)
        people = good_tracks(everyone)
        if not any(people):
            return {"split": split, "frames": 0, "people": 0}
        used = best_range(motion(people), self._longest)
        heights = [person.height for i in used for person in people[i]]
        scale = min(1.0, TALLEST / max(heights))
        labels = self._images(clip, used, people, scale)
        ignored = left_out(everyone, used, labels, scale)
        content = posetrack18(clip.stem, number, len(used), labels, ignored)
        path = self._output / "annotations" / split / f"{clip.stem}.json"
        write_json(path, content, indent=None)
        return {
            "split": split,
            "first_frame": used.start,
            "frames": len(used),
            "scale": round(scale, 3),
            "labelled_frames": len({label.frame for label in labels}),
            "people": len(labels),
            "tracks": len({label.person.track for label in labels}),
            "joints": by_joint(
                np.array([label.labelled for label in labels]).reshape(-1, len(JOINTS)).sum(0)
            ),
        }

    def _images(
        self, clip: Path, used: range, people: list[list[TrackedBox]], scale: float
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
                frame_labels = self._people(frame.image, people[frame.index], at)
                labels += drop_still(frame_labels, last, STILL_EVERY * every)
        return [label.scaled(scale) for label in labels]

    def _people(self, image: Image, people: list[TrackedBox], at: int) -> list[Label]:
        """Label the people of one frame."""
        labels = []
        for person in people:
            tinypose = self._tinypose.predict(image, person.box)
            movenet = self._movenet.predict(image, person.box)
            pose = consensus(tinypose, movenet, person.height)
            trust = joint_trust(pose, image.shape[:2], person.height)
            label = Label(at, person, pose.points, trust)
            if label.labelled.sum() >= FEWEST_JOINTS:
                labels.append(label)
        return keep_distinct(labels)


def left_out(
    everyone: list[list[TrackedBox]], used: range, labels: list[Label], scale: float
) -> dict[int, list[Float32]]:
    """Return, for each labelled frame, the boxes of people who were detected but not labelled."""
    known = {(label.frame, label.person.track) for label in labels}
    return {
        at: [
            np.float32(scale) * person.box
            for person in everyone[used.start + at]
            if (at, person.track) not in known
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
    parser.add_argument("--every", type=int, default=3, help="label every Nth frame")
    parser.add_argument(
        "--longest", type=int, default=250, help="largest number of frames of a clip"
    )
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
    write_json(given.output / "summary.json", summary, indent=1)


if __name__ == "__main__":
    main()
