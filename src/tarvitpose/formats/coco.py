"""COCO keypoint JSON, with the track and the time that videos add to it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from tarvitpose.formats.base import (
    COORDINATE_DIGITS,
    SCORE_DIGITS,
    FileWriter,
    append_json,
    json_text,
    origin,
    rounded,
    size_and_time,
)
from tarvitpose.geometry import xyxy_to_xywh
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import SIGMAS, limbs_of
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.image_source import ImagesSource

PERSON = 1  # the category
PREDICTED = 2  # COCO's flag of a visible joint; every joint is predicted and has a score


class CocoWriter(FileWriter):
    """Write `images`, one for each frame, and `annotations`, one for each person of a frame.

    An image's `id` and `frame_id` are the frame's index in the source, its `time` is in seconds.
    A person's `score` is the box score times the mean of the keypoint scores. All joints are
    there, however low their `keypoint_scores`; coordinates are never clipped or zeroed.
    """

    def __init__(self, path: Path, source: FrameSource, weights: str = "") -> None:
        super().__init__(path)
        self.source, self.weights = source, weights
        self._joint_names: tuple[str, ...] = ()
        self._people = 0

    def _start(self, stack: ExitStack) -> None:
        temporary = stack.enter_context(atomic_file(self.path))
        self._file = stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))
        # People come with their frames, but stand behind all frames in the file.
        self._spool = stack.enter_context(_temporary_text(self.path.parent))
        info = json_text(origin(self.source, self.weights))
        self._file.write('{"info": ' + info + ',\n"images": [')

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        self._joint_names = poses.joint_names
        append_json(self._file, self._image(poses), is_first=self._frames == 0)
        for person in range(len(poses)):
            self._people += 1
            entry = {"id": self._people, **self._annotation(poses, person)}
            append_json(self._spool, entry, is_first=self._people == 1)

    def _finish(self) -> None:
        self._file.write('],\n"annotations": [')
        self._spool.seek(0)
        shutil.copyfileobj(self._spool, self._file)
        category = json_text(self._category(self._joint_names))
        self._file.write('],\n"categories": [' + category + "]}\n")

    def _image(self, poses: FramePoses) -> dict[str, Any]:
        return {
            "id": poses.index,
            "file_name": frame_name(self.source, poses.index),
            "frame_id": poses.index,
            **size_and_time(poses),
        }

    def _annotation(self, poses: FramePoses, person: int) -> dict[str, Any]:
        points = rounded(poses.keypoints[person], COORDINATE_DIGITS)
        box = xywh_box(poses, person)
        raw = {}
        if poses.raw_keypoints is not None:
            raw["keypoints_raw"] = rounded(poses.raw_keypoints[person].ravel(), COORDINATE_DIGITS)
        return {
            "image_id": poses.index,
            "category_id": PERSON,
            "track_id": int(poses.track_ids[person]),
            "keypoints": [value for x, y in points for value in (x, y, PREDICTED)],
            "keypoint_scores": rounded(poses.scores[person], SCORE_DIGITS),
            "num_keypoints": len(points),
            "score": rounded(person_score(poses, person), SCORE_DIGITS),
            "bbox": box,
            "area": rounded(box[2] * box[3], COORDINATE_DIGITS),
            "iscrowd": 0,
            "bbox_score": rounded(poses.box_scores[person], SCORE_DIGITS),
            **raw,
        }

    def _category(self, joint_names: tuple[str, ...]) -> dict[str, Any]:
        """Describe the joints; COCO counts those of the skeleton from 1.

        The sigmas are what OKS needs of each joint, and COCO's evaluator for any other than its 17.
        """
        known = all(name in SIGMAS for name in joint_names)
        return {
            "id": PERSON,
            "name": "person",
            "supercategory": "person",
            "keypoints": joint_names,
            "skeleton": [[a + 1, b + 1] for a, b in limbs_of(joint_names)],
            **({"sigmas": [SIGMAS[name] for name in joint_names]} if known else {}),
        }


def frame_name(source: FrameSource, index: int) -> str:
    """Return the file name of a frame, or one made of the video's name and the frame's index."""
    if isinstance(source, ImagesSource):
        return source.images[index].name
    return f"{source.name}/{index:06d}"


def person_score(poses: FramePoses, person: int) -> float:
    """Return the box score times the mean of the keypoint scores, what AP sorts people by."""
    return float(poses.box_scores[person] * poses.scores[person].mean())


def xywh_box(poses: FramePoses, person: int) -> list[float]:
    """Return a person's box as COCO has it: left, top, width, height."""
    box: list[float] = rounded(xyxy_to_xywh(poses.boxes[person]), COORDINATE_DIGITS)
    return box


def _temporary_text(folder: Path) -> IO[str]:
    """Open a file without a name, on the disk that the result needs room on anyway."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder)
