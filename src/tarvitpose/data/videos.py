"""People in videos, as every format is read first.   Axes: K joints of the file, J of the model.

Records for training, the check and the preparation all start from here.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np

from tarvitpose.data.records import Box, Record
from tarvitpose.formats.posetrack_layout import frame_number
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Float32, Float64
from tarvitpose.utils.stretches import stretches

BOX_SCALE = 1.3  # times the joints' extent, where a person has no box: as PoseTrack18's own boxes
SMALLEST_SIDE = 32.0  # pixels, of a box that is made from joints


@dataclass(frozen=True, eq=False)
class LabelledPerson:
    """One person in one frame, as the file has it."""

    where: str  # position in the file, for messages
    label: str  # what tells the person apart in its frame: the track id, else the annotation id
    points: Float64  # (K, 3): x and y in pixels of the frame, and v, 0 where not labelled
    box: Box | None = None  # xyxy; may have no area, or be wrong
    head: Box | None = None  # xyxy
    track: int | None = None
    number: int | str | None = None  # the annotation's id
    weights: Float64 | None = None  # (K,): how far each label is trusted, 0..1; None: all fully
    area: float | None = None  # in pixels², of what the person covers, where the file tells


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame, labelled or not."""

    name: str  # the image's file name in the annotations, from the image root
    number: int = 0  # position in time: frames whose numbers follow each other are neighbours
    labelled: bool = False
    people: tuple[LabelledPerson, ...] = ()
    ignored: tuple[Float64, ...] = ()  # polygons, (corners, 2) each
    size: tuple[int, int] | None = None  # (height, width), where the file tells
    other_name: str | None = None  # the image's on disk, where it is another

    @property
    def image(self) -> str:
        """The image's file name on disk, from the image root."""
        return self.other_name or self.name


@dataclass(frozen=True, eq=False)
class Video:
    """The frames of one video in the order of time; a still is a video of one frame."""

    name: str
    source: Path  # the annotation file
    joints: tuple[str, ...]  # the names of the K joints
    frames: tuple[VideoFrame, ...]
    frame_count: int | None = None  # how many frames the file says there are
    box_scale: float = BOX_SCALE  # times the joints' extent, where a person has no box


def in_time(frames: Iterable[VideoFrame]) -> tuple[VideoFrame, ...]:
    """Return frames sorted and numbered by the number in their file names.

    Where a name has none, or two have the same, all are numbered in the order of their names.
    """
    frames = sorted(frames, key=lambda frame: frame.name)
    named = [frame_number(PurePosixPath(frame.name).stem) for frame in frames]
    numbers = [number for number in named if number is not None]
    if len(set(numbers)) < len(frames):
        numbers = list(range(len(frames)))
    numbered = [
        replace(frame, number=number) for frame, number in zip(frames, numbers, strict=True)
    ]
    return tuple(sorted(numbered, key=lambda frame: frame.number))


def with_images(video: Video, root: Path) -> Video:
    """Return a video whose frames know what their images are called on disk.

    PoseTrack2017's official images do not all count from 1, and some are called 0012_crop.jpg;
    the files of the DCPose supplement know them renamed. Where a folder has as many images as the
    video has frames, but not of the same names, they belong together by their order.
    """
    names = {PurePosixPath(frame.name).name for frame in video.frames}
    first = root / video.frames[0].name
    beside = first.parent.glob("[!.]*")  # a suffix may hold what a pattern gives a meaning to
    images = [path.name for path in beside if path.suffix == first.suffix]
    images.sort(key=lambda name: (len(name), name))  # 9.jpg before 10.jpg
    is_numbered = len({numbering(name) for name in images}) == 1
    if names <= set(images) or len(images) != len(video.frames) or not is_numbered:
        return video
    frames = [
        replace(frame, other_name=str(PurePosixPath(frame.name).with_name(image)))
        for frame, image in zip(video.frames, images, strict=True)
    ]
    return replace(video, frames=tuple(frames))


def numbering(name: str) -> str:
    """Return what file names share that are numbered in the same way.

    >>> numbering("0012_crop.jpg")
    '0_crop.jpg'
    """
    return re.sub("[0-9]+", "0", name)


def runs(frames: Sequence[VideoFrame]) -> list[tuple[VideoFrame, ...]]:
    """Return the frames split where a number is missing, so that all in a run are neighbours."""
    numbers = np.array([frame.number for frame in frames], np.int64)
    return [tuple(frames[at] for at in run) for run in stretches(numbers)]


def records_of(video: Video, root: Path, joints: JointSet) -> list[Record]:
    """Return a record for each person with a visible joint in each labelled frame.

    A record's frames are those about it without a gap; a window that reaches farther repeats
    the last of them, as it does at the end of a video.
    """
    records = []
    for run in runs(video.frames):
        files = tuple(root / frame.image for frame in run)
        for at, frame in enumerate(run):
            for person in frame.people if frame.labelled else ():
                keypoints, visible = trusted_joints(person, video.joints, joints)
                if visible.any():
                    name = f"{video.name}/{files[at].stem}#{person.label}"
                    box = crop_box(person.box, keypoints[visible > 0], video.box_scale)
                    records.append(Record(name, files, at, box, keypoints, visible))
    return records


def by_name(points: Float64, names: tuple[str, ...], joints: JointSet) -> tuple[Float32, Float32]:
    """Turn points (K, 3) of x, y, v into keypoints (J, 2) and visible (J,), mapped by name.

    A joint that the file does not know, or marks with v = 0, is 0, 0 and not visible.
    """
    nowhere = np.zeros((1, 3))
    mapped = np.concatenate([points, nowhere])[_order(names, joints)].astype(np.float32)
    visible = (mapped[:, 2] > 0).astype(np.float32)
    return mapped[:, :2] * visible[:, None], visible


def trusted_joints(
    person: LabelledPerson, names: tuple[str, ...], joints: JointSet
) -> tuple[Float32, Float32]:
    """Return a person's keypoints (J, 2) and visible (J,), less than 1 where trusted less.

    A joint that is not trusted at all is not labelled.
    """
    points = person.points
    if person.weights is not None:
        points = points * (person.weights[:, None] > 0)
    keypoints, visible = by_name(points, names, joints)
    if person.weights is not None:
        visible = visible * np.append(person.weights, 0.0)[_order(names, joints)]
    return keypoints, visible.astype(np.float32)


@cache
def _order(names: tuple[str, ...], joints: JointSet) -> list[int]:
    """Where each joint of the model stands among the names, -1 if nowhere."""
    return [names.index(name) if name in names else -1 for name in joints.joints]


def crop_box(box: Box | None, points: Float32, scale: float = BOX_SCALE) -> Box:
    """Return the labelled box if it has an area, else one around the visible joints (K, 2)."""
    return box_around(points, scale) if box is None or not has_area(box) else box


def has_area(box: Box) -> bool:
    """Tell whether a box xyxy is wider and higher than nothing.

    >>> has_area((0, 0, 5, 1)), has_area((0, 0, 5, 0))
    (True, False)
    """
    return box[2] > box[0] and box[3] > box[1]


def in_order(corners: Float64) -> Box:
    """Return the xyxy box of two opposite corners, (4,), in any order.

    >>> in_order(np.array([14.0, 18, 8, 26]))
    (8.0, 18.0, 14.0, 26.0)
    """
    x1, y1, x2, y2 = corners.tolist()
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def box_around(points: Float32, scale: float = BOX_SCALE) -> Box:
    """Return the xyxy box of points (K, 2), `scale` times their extent and never tiny."""
    low, high = points.min(0), points.max(0)
    half = ((high - low) * scale / 2).clip(min=SMALLEST_SIDE / 2)
    (x, y), (across, down) = (low + high) / 2, half
    return float(x - across), float(y - down), float(x + across), float(y + down)
