"""Small pictures of a video's frames, taken in a second pass that holds no other frame."""

import base64
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from tarvitpose.drawing import DARK, LIGHT, draw_poses, fit_width
from tarvitpose.errors import DataError
from tarvitpose.results import Frame, FramePoses
from tarvitpose.runs.face_blur import without_faces
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.images import encode_image
from tarvitpose.video.frame_source import FrameSource

LONGER_SIDE = 480  # pixels of a picture
JPEG_QUALITY = 82
CUTOUT_SCALE = 1.4  # side of a cut-out, relative to the longer side of the person's box
MIN_CUTOUT = 96  # pixels of a cut-out's side in the frame


@dataclass(frozen=True)
class Subject:
    """A whole frame to show, or one person and the part of the frame around them."""

    poses: FramePoses
    alt: str
    person: int | None = None  # None: the whole frame
    joint: int | None = None  # of that person, to ring


class Thumbnail(NamedTuple):
    """A JPEG picture that stands in the page itself."""

    address: str  # a data: URL
    alt: str
    width: int
    height: int


def thumbnails(
    source: FrameSource,
    subjects: Sequence[Subject],
    threshold: float,
    hidden: Sequence[FramePoses] = (),
) -> list[Thumbnail]:
    """Return the pictures with the poses drawn on them. Raises UserError.

    Joints that score below `threshold` are not drawn. The heads of `hidden`, the poses of all
    frames, are made unrecognisable.
    """
    waiting: dict[int, list[int]] = defaultdict(list)
    for number, subject in enumerate(subjects):
        waiting[subject.poses.index].append(number)
    taken: dict[int, Thumbnail] = {}
    for frame in _faceless(source, hidden) if hidden else source.at(waiting):
        for number in waiting.pop(frame.index, ()):
            subject = subjects[number]
            taken[number] = _encoded(_picture(frame.image, subject, threshold), subject.alt)
    if waiting:
        raise DataError(
            f"{source.source}: has no frame {min(waiting)}, which the results have; "
            "give the video that they are of"
        )
    return [taken[number] for number in range(len(subjects))]


def _faceless(source: FrameSource, poses: Sequence[FramePoses]) -> Iterator[Frame]:
    """Yield the frames of all poses without faces: a head is hidden longer than it is seen."""
    by_index = {frame.index: frame for frame in poses}
    pairs = ((frame, by_index[frame.index]) for frame in source.at(by_index))
    return (frame for frame, _ in without_faces(pairs))


def _encoded(picture: UInt8, alt: str) -> Thumbnail:
    """Encode an RGB picture (height, width, 3)."""
    data = encode_image(picture, ".jpg", JPEG_QUALITY)
    height, width = picture.shape[:2]
    address = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
    return Thumbnail(address, alt, width, height)


def _picture(whole: UInt8, subject: Subject, threshold: float) -> UInt8:
    part, poses = whole, replace(subject.poses, image_size=whole.shape[:2])
    if subject.person is not None:
        part, poses = cut_out(whole, poses, subject.person)
    height, width = part.shape[:2]
    small = fit_width(part, max(round(width * LONGER_SIDE / max(width, height)), 1))
    shown = poses.resized(small.shape)
    drawn = draw_poses(small, shown, keypoint_threshold=threshold, legend=False)
    if subject.joint is not None:
        _ring(drawn, *shown.keypoints[0, subject.joint].tolist())
    return drawn


def cut_out(whole: UInt8, poses: FramePoses, person: int) -> tuple[UInt8, FramePoses]:
    """Return the square around a person, and their pose alone in its coordinates."""
    box = poses.boxes[person]
    size = np.array(whole.shape[1::-1])  # width, height
    side = max(CUTOUT_SCALE * float((box[2:] - box[:2]).max()), MIN_CUTOUT)
    sides = np.minimum(round(side), size)
    corner = np.clip(np.round((box[:2] + box[2:] - sides) / 2), 0, size - sides).astype(int)
    part = whole[corner[1] : corner[1] + sides[1], corner[0] : corner[0] + sides[0]]
    alone = poses.only(slice(person, person + 1))
    return part, alone.cropped(*corner.tolist(), *sides.tolist())


def _ring(canvas: UInt8, x: float, y: float) -> None:
    """Draw a ring around a point, unless it is far outside."""
    radius = max(canvas.shape) // 24
    if -radius < x < canvas.shape[1] + radius and -radius < y < canvas.shape[0] + radius:
        for colour, line in ((DARK, 5), (LIGHT, 2)):
            cv2.circle(canvas, (round(x), round(y)), radius, colour, line, cv2.LINE_AA)
