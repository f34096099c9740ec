"""COCO's keypoint JSON with tracks and times, PoseTrack18's dialect of it, and COCO's results.

Axes: J joints.
"""

import re
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.formats.file_reader import (
    NAN,
    NO_TRACK,
    PersonRecord,
    frame_poses,
    image_size,
    integer,
    number,
    read_raw_keypoints,
    read_xywh_box,
)
from tarvitpose.formats.file_writer import (
    COORDINATE_DIGITS,
    SCORE_DIGITS,
    PoseWriter,
    append_json,
    flat_raw_keypoints,
    json_text,
    open_text,
    origin,
    rounded,
    size_and_time,
    xywh_box,
)
from tarvitpose.formats.posetrack_layout import (
    PERSON_CATEGORY,
    coco_people,
    is_of_category,
    keypoint_category,
)
from tarvitpose.results import FramePoses
from tarvitpose.skeleton import (
    COCO_17,
    SIGMAS,
    joint_names,
    limbs_of,
    parse_joint_set,
    remember,
    set_of,
)
from tarvitpose.utils.arrays import Float64, UInt8
from tarvitpose.utils.json_file import Entry
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.image_source import ImagesSource

PREDICTED = 2  # COCO's flag of a visible joint; every joint is predicted and has a score


class CocoWriter(PoseWriter):
    """Write `images`, one for each frame, and `annotations`, one for each person of a frame.

    An image's `id` and `frame_id` are the frame's index in the source, its `time` is in seconds.
    A person's `score` is the box score times the mean of the keypoint scores. All joints are
    written, however low their `keypoint_scores`; coordinates are never clipped or zeroed.
    """

    def __init__(self, path: Path, source: FrameSource, weights: str = "") -> None:
        super().__init__(path)
        self.source, self.weights = source, weights
        self._joint_names: tuple[str, ...] = ()
        self._people = 0

    def _start(self, stack: ExitStack) -> None:
        self._file = open_text(self.path, stack)
        # Annotations arrive with their frames, but come after all images in the file.
        self._annotations = stack.enter_context(_temporary_text(self.path.parent))
        info = json_text(origin(self.source, self.weights))
        self._file.write('{"info": ' + info + ',\n"images": [')

    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        self._joint_names = poses.joint_names
        append_json(self._file, self._image(poses), is_first=self._frames == 0)
        for person in range(len(poses)):
            self._people += 1
            entry = {"id": self._people, **self._annotation(poses, person)}
            append_json(self._annotations, entry, is_first=self._people == 1)

    def _end(self) -> None:
        self._file.write('],\n"annotations": [')
        self._annotations.seek(0)
        shutil.copyfileobj(self._annotations, self._file)
        category = json_text(self._category(self._joint_names))
        self._file.write('],\n"categories": [' + category + "]}\n")

    def _image(self, poses: FramePoses) -> dict[str, Any]:
        return {
            "id": poses.index,
            "file_name": frame_name(self.source, poses.index, "frame_"),  # as CVAT has them
            "frame_id": poses.index,
            **size_and_time(poses),
        }

    def _annotation(self, poses: FramePoses, person: int) -> dict[str, Any]:
        points = rounded(poses.keypoints[person], COORDINATE_DIGITS)
        box = xywh_box(poses, person)
        return {
            "image_id": poses.index,
            "category_id": PERSON_CATEGORY["id"],
            "track_id": int(poses.track_ids[person]),
            "keypoints": [value for x, y in points for value in (x, y, PREDICTED)],
            "keypoint_scores": rounded(poses.scores[person], SCORE_DIGITS),
            "num_keypoints": len(points),
            "score": rounded(person_score(poses, person), SCORE_DIGITS),
            "bbox": box,
            "segmentation": [],  # which CVAT asks for
            "area": rounded(box[2] * box[3], COORDINATE_DIGITS),
            "iscrowd": 0,
            "bbox_score": rounded(poses.box_scores[person], SCORE_DIGITS),
            # By which CVAT makes a track of each person, and exports their ids.
            "attributes": {"track_id": int(poses.track_ids[person]), "keyframe": True},
            **flat_raw_keypoints(poses, person),
        }

    def _category(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Describe the joints; COCO counts those of the skeleton from 1.

        OKS needs the sigma of each joint, and COCO's evaluator knows only those of its 17 joints.
        """
        joints = set_of(names)
        sigmas = {**SIGMAS, **(joints.sigmas if joints else {})}
        return {
            **PERSON_CATEGORY,
            "keypoints": names,
            "skeleton": [[a + 1, b + 1] for a, b in limbs_of(names)],
            **({"sigmas": [sigmas[name] for name in names]} if sigmas.keys() >= {*names} else {}),
        }


def frame_name(source: FrameSource, index: int, before: str = "") -> str:
    """Return the file name of a frame, made of the name and the index in a video."""
    if isinstance(source, ImagesSource):
        return source.images[index].name
    return f"{source.name}/{before}{index:06d}"


def person_score(poses: FramePoses, person: int) -> float:
    """Return the box score times the mean of the keypoint scores, what AP sorts people by."""
    return float(poses.box_scores[person] * poses.scores[person].mean())


def _temporary_text(folder: Path) -> IO[str]:
    """Open a file without a name, on the same disk as the result."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder)


def read_coco(content: Entry) -> list[FramePoses]:
    """Return the frames of a file with images, annotations and categories. Raises DataError.

    Crowds and categories other than people are left out; people without keypoints have NaN.
    A joint's score is the one in `keypoint_scores`, which predict writes, or in PoseTrack's
    `scores`. A frame's index is its image's `frame_id`; without one the number in a name such as
    frame_000012, which CVAT gives the frames of videos, and else the `id`.
    """
    category = keypoint_category(content)
    names = _joint_names(category["keypoints"])
    _remember_limbs(category, names)
    chosen = _chosen_joints(category, names)
    predicted = tuple(names[at] for at in chosen)
    return [
        frame_poses(
            _frame_index(image),
            [
                _person(person, len(names), chosen)
                for person in people
                if is_of_category(person, category) and not person.non_empty("iscrowd")
            ],
            predicted,
            time=number(image, "time"),
            image_size=image_size(image),
        )
        for image, people in coco_people(content)
    ]


def _frame_index(image: Entry) -> int:
    if image.get("frame_id"):
        return image["frame_id"].integer()
    name = image.get("file_name")
    number = re.fullmatch(r"(?:.*/)?frame_(\d{6,12})(?:\.\w+)?", str(name.value) if name else "")
    return int(number[1]) if number else image["id"].integer()


def _remember_limbs(category: Entry, names: tuple[str, ...]) -> None:
    """Let poses with joints of no known set be drawn with the limbs of their file, if it has some.

    COCO counts joints from 1.
    """
    skeleton = category.get("skeleton")
    if skeleton is None or set_of(names) is not None:
        return
    try:
        limbs = [(names[first - 1], names[second - 1]) for first, second in skeleton.value]
        remember(parse_joint_set({"name": "of-a-file", "joints": names, "limbs": limbs}))
    except (ValueError, TypeError, IndexError):  # a file's own affair: its poses are read
        return


def read_results(content: Entry) -> list[FramePoses]:
    """Return the frames of COCO's list of results, which holds no frames without people.

    The third number of a keypoint is taken as its score, as most tools write it. Raises DataError
    where people do not have COCO's 17 joints.
    """
    frames: dict[int, list[PersonRecord]] = {}
    all_joints = list(range(len(COCO_17)))
    for entry in content.items():
        person = _person(entry, len(COCO_17), all_joints, third_is_score=True)
        frames.setdefault(entry["image_id"].integer(), []).append(person)
    return [frame_poses(index, people, COCO_17.joints) for index, people in frames.items()]


def _joint_names(keypoints: Entry) -> tuple[str, ...]:
    return joint_names(tuple(name.text() for name in keypoints.items()))


def _chosen_joints(category: Entry, names: tuple[str, ...]) -> list[int]:
    """Return the positions of the joints that were predicted, all where the file does not say.

    PoseTrack18 has room for 17 joints, of which a model may predict fewer: predict lists them.
    """
    if len(set(names)) != len(names):
        raise DataError(f"{category.where}: two keypoints have the same name")
    predicted = category.get("predicted_keypoints")
    if predicted is None:
        return list(range(len(names)))
    chosen = _joint_names(predicted)
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise DataError(f"{predicted.where}: {unknown[0]} is not among the keypoints")
    return [names.index(name) for name in chosen]


def _person(
    entry: Entry, joints: int, chosen: list[int], *, third_is_score: bool = False
) -> PersonRecord:
    field = entry.non_empty("keypoints")
    values = np.zeros((joints, 3)) if field is None else field.numbers(3 * joints).reshape(-1, 3)
    # In PoseTrack's and COCO's tools 0, 0, 0 means that a joint is missing.
    # CVAT, which alone has attributes, leaves a removed joint its position.
    attributes = entry.get("attributes")
    absent = (values == 0).all(1) if attributes is None else values[:, 2] == 0
    keypoints = np.where(absent[:, None], NAN, values[:, :2])
    scores = values[:, 2] if third_is_score else _scores(entry, joints)
    raw = read_raw_keypoints(entry, joints)
    attributes = attributes or Entry(entry.where, {})
    return PersonRecord(
        keypoints=keypoints[chosen],
        scores=scores[chosen],
        box=read_xywh_box(entry),
        box_score=number(entry, "bbox_score"),
        track_id=integer(entry, "track_id", integer(attributes, "track_id", NO_TRACK)),
        raw_keypoints=None if raw is None else raw[chosen],
    )


def _scores(entry: Entry, joints: int) -> Float64:
    field = entry.get("keypoint_scores") or entry.get("scores")
    return np.full(joints, NAN) if field is None else field.numbers(joints)
