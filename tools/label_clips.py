"""Label real clips by two teachers: how the clips that trained the default weights were made.

    python tools/label_clips.py --clips ../shared/data/clips \\
        --teacher ../shared/weights/movenet_thunder_256.onnx --student .work/stage0 \\
        --output .work/clips

NanoDet finds people in every frame and IouTracker follows them. In every third frame or so MoveNet
Thunder (the teacher, three looks at each person) and the single-frame model that training starts
from (the student, two looks) place the joints; a joint is kept only where all of them agree.
MoveNet knows neither head_bottom nor head_top: those are the student's, under stricter rules.
Where the student takes a back for a front, left and right are MoveNet's; every such label that
went into the weights was looked at.
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
import onnxruntime
from label_rules import (
    JOINTS,
    TEACHER_SCORE,
    TEACHER_SIDE,
    Guess,
    Label,
    Seen,
    agree,
    average_looks,
    best_range,
    drop_still,
    good_tracks,
    is_close,
    keep_distinct,
    liveliness,
    posetrack18,
    read_movenet,
    takes_sides_wrong,
    with_sides_swapped,
)
from numpy.typing import NDArray

from tarvitpose.detection.nanodet import NanoDet
from tarvitpose.geometry import (
    centre_and_size,
    crop_matrices,
    invert,
    transform_points,
    warp,
)
from tarvitpose.heatmaps import decode, flip_back
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import Float32, Frame
from tarvitpose.runtime.torch import TorchRuntime
from tarvitpose.tracking import IouTracker

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
MOST_LABELLED = 60  # frames of one clip, about
TEACHER_LOOKS = (  # shift in box sides, zoom out, whether mirrored
    (0.0, 0.0, 1.0, False),
    (0.0, 0.0, 1.0, True),
    (0.04, -0.04, 1.12, False),
)
FEWEST_JOINTS = 8
STILL_EVERY = 5  # labelled frames: one who stands still is labelled in one of so many

Image = NDArray[np.uint8]


class Teacher:
    """MoveNet Thunder: square crops, one at a time."""

    def __init__(self, path: Path, looks: int = 3) -> None:
        self._looks = looks
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def look(self, image: Image, box: Float32) -> Guess:
        """Look at a person as it is, then mirrored, then through a shifted, wider crop."""
        (centre,), (size,) = centre_and_size(box, (TEACHER_SIDE, TEACHER_SIDE))
        looks = []
        for dx, dy, zoom, mirrored in TEACHER_LOOKS[: self._looks]:
            middle = centre + size * np.array([dx, dy], np.float32)
            matrix = crop_matrices(
                middle[None], zoom * size[None], (TEACHER_SIDE, TEACHER_SIDE), "classic"
            )
            crop = warp(image, matrix[0], (TEACHER_SIDE, TEACHER_SIDE))
            points, scores = self._run(crop, mirrored)
            looks.append((transform_points(invert(matrix), points[None])[0], scores))
        return average_looks(np.stack([p for p, _ in looks]), np.stack([s for _, s in looks]))

    def joints_of_crop(self, crop: Image) -> tuple[Float32, Float32]:
        """Return the joints (J, 2), in pixels of a crop (256, w, 3), and scores (J,)."""
        aside = (TEACHER_SIDE - crop.shape[1]) // 2
        padded = np.pad(crop, ((0, 0), (aside, TEACHER_SIDE - crop.shape[1] - aside), (0, 0)))
        points, scores = self._run(padded, mirrored=False)
        return points - np.array([aside, 0], np.float32), scores

    def _run(self, crop: Image, mirrored: bool) -> tuple[Float32, Float32]:
        ready = (crop[:, ::-1] if mirrored else crop)[None].astype(np.int32)
        (output,) = self._session.run(None, {self._input: np.ascontiguousarray(ready)})
        return read_movenet(np.asarray(output, np.float32).reshape(17, 3), mirrored)


class Student:
    """The single-frame ViTPose that training starts from."""

    def __init__(self, source: str, looks: int = 2) -> None:
        self._mirrored = looks > 1
        self._runtime = TorchRuntime(TARViTPose.from_pretrained(source), device="cpu")
        self._config = self._runtime.config
        if self._config.joints.joints != JOINTS:
            raise SystemExit(f"{source}: a model with the joints of posetrack15 is needed")

    def look(self, image: Image, boxes: Float32) -> list[Guess]:
        """Look at people of one image, boxes (N, 4)."""
        return self.look_at_crops(*self.crops(image, boxes))

    def crops(self, image: Image, boxes: Float32) -> tuple[Image, Float32]:
        """Return crops (N, h, w, 3) of boxes (N, 4), and what made them of the image (N, 2, 3)."""
        config = self._config
        centre, size = centre_and_size(boxes, config.input_size)
        matrices = crop_matrices(centre, size, config.input_size, config.codec)
        return np.stack([warp(image, matrix, config.input_size) for matrix in matrices]), matrices

    def look_at_crops(self, crops: Image, matrices: Float32) -> list[Guess]:
        """Look at crops as they are and, with two looks, mirrored."""
        config = self._config
        seen = [self._runtime.single_frame(crops)]
        if self._mirrored:
            mirrored = self._runtime.single_frame(np.ascontiguousarray(crops[:, :, ::-1]))
            seen.append(flip_back(mirrored, config.joints.flip_order, config.codec))
        looks = []
        for maps in seen:
            points, scores = decode(maps, config.input_size, config.codec)
            looks.append((transform_points(invert(matrices), points), scores))
        points, scores = (np.stack(parts, 1) for parts in zip(*looks, strict=True))  # (N, R, J, ..)
        return [average_looks(p, s) for p, s in zip(points, scores, strict=True)]


def frames_of(path: Path) -> Iterator[Frame]:
    """Decode a clip, upright, in RGB."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            turned = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            yield Frame(index, float(frame.time or 0), np.ascontiguousarray(turned))


def follow(path: Path, detector: NanoDet) -> list[list[Seen]]:
    """Return who is seen in each frame of a clip, its first LONGEST_READ frames."""
    tracker, people = IouTracker(), []
    for frame in islice(frames_of(path), LONGEST_READ):
        found = detector.detect(frame)
        ids = tracker.update(found.boxes, found.scores, frame.index)
        people.append([Seen(int(i), box) for i, box in zip(ids, found.boxes, strict=True)])
    return people


class Tally:
    """How far the two networks agree before any rule, joint by joint."""

    def __init__(self) -> None:
        self.looked = self.swapped = 0
        self.sure, self.close = (np.zeros(len(JOINTS), np.int64) for _ in range(2))

    def add(self, teacher: Guess, student: Guess, height: float, swapped: bool) -> None:
        """Count one person."""
        sure = teacher.scores >= TEACHER_SCORE
        self.looked += 1
        self.swapped += swapped
        self.sure += sure
        self.close += sure & is_close(teacher, student, height)

    def summary(self) -> dict[str, Any]:
        """Return the counts by name."""
        return {
            "people_looked_at": self.looked,
            "student_had_sides_swapped": self.swapped,
            "teacher_sure": by_joint(self.sure),
            "student_agrees": by_joint(self.close),
            "agreement": round(float(self.close.sum() / max(self.sure.sum(), 1)), 3),
        }


def by_joint(counts: NDArray[np.int64]) -> dict[str, int]:
    """Name the counts (J,)."""
    return dict(zip(JOINTS, counts.tolist(), strict=True))


class Labeller:
    """Everything that one clip passes through."""

    def __init__(self, teacher: Path, student: str, output: Path, every: int, longest: int) -> None:
        self._detector = NanoDet(threshold=DETECTION_SCORE)
        self._teacher, self._student = Teacher(teacher), Student(student)
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
        labels, tally = self._images(clip, used, people, scale)
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
            "people_with_the_teachers_sides": sum(label.teachers_sides for label in labels),
            "tracks": len({label.seen.track for label in labels}),
            "joints": by_joint(
                np.array([label.kept for label in labels]).reshape(-1, len(JOINTS)).sum(0)
            ),
            **tally.summary(),
        }

    def _images(
        self, clip: Path, used: range, people: list[list[Seen]], scale: float
    ) -> tuple[list[Label], Tally]:
        """Write the images of a range, and label every few of them."""
        folder = self._output / "images" / clip.stem
        folder.mkdir(parents=True, exist_ok=True)
        every = max(self._every, len(used) // MOST_LABELLED)
        labels, tally = [], Tally()
        last: dict[int, Label] = {}
        for frame in frames_of(clip):
            if frame.index >= used.stop:
                break
            if frame.index not in used:
                continue
            at = frame.index - used.start
            write_image(folder / f"{at:06d}.jpg", frame.image, scale)
            if at % every == 0 and people[frame.index]:
                found = self._people(frame.image, people[frame.index], at, tally)
                labels += drop_still(found, last, STILL_EVERY * every)
        return [label.scaled(scale) for label in labels], tally

    def _people(self, image: Image, people: list[Seen], at: int, tally: Tally) -> list[Label]:
        """Label the people of one frame."""
        labels = []
        students = self._student.look(image, np.stack([seen.box for seen in people]))
        for seen, student in zip(people, students, strict=True):
            teacher = self._teacher.look(image, seen.box)
            swapped = takes_sides_wrong(teacher, student, seen.height)
            tally.add(teacher, student, seen.height, swapped)
            fitting = with_sides_swapped(student) if swapped else student
            points, kept = agree(teacher, fitting, seen.height, image.shape[:2])
            if kept.sum() >= FEWEST_JOINTS:
                labels.append(Label(at, seen, points, kept, swapped))
        return keep_distinct(labels)


def left_out(
    everyone: list[list[Seen]], used: range, labels: list[Label], scale: float
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
    parser.add_argument("--teacher", type=Path, required=True, help="MoveNet Thunder, ONNX")
    parser.add_argument("--student", required=True, help="weights folder of the student")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--every", type=int, default=3, help="label one frame of so many")
    parser.add_argument("--longest", type=int, default=250, help="frames used of one clip")
    parser.add_argument("--only", nargs="*", default=[], help="only these clips")
    given = parser.parse_args()
    labeller = Labeller(given.teacher, given.student, given.output, given.every, given.longest)
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
