"""What the writers of all formats share: complete files only, and numbers of a sensible length."""

import json
from abc import abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose import __version__
from tarvitpose.errors import OutputError
from tarvitpose.geometry import xyxy_to_xywh
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.finished import FinishedOnExit
from tarvitpose.utils.source_names import printable
from tarvitpose.video.frame_source import FrameSource

COORDINATE_DIGITS = 3  # a thousandth of a pixel
SCORE_DIGITS = 5
TIME_DIGITS = 6  # microseconds


class PoseWriter(FinishedOnExit):
    """Takes the frames of a video in order; the file appears when the `with` block succeeds."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._frames = 0
        self._is_smoothed = False

    @property
    def warnings(self) -> list[str]:
        """Return what could not be written as expected, one line each."""
        return []

    def write(self, poses: FramePoses, image: UInt8 | None = None) -> None:
        """Append a frame; formats with pictures need its image, (height, width, 3) RGB."""
        is_smoothed = poses.raw_keypoints is not None
        if not self._frames:
            self._is_smoothed = is_smoothed
        elif is_smoothed != self._is_smoothed:
            raise ValueError("raw_keypoints: expected in all frames, also without people, or none")
        self._add(poses, image)
        self._frames += 1

    def cut(self) -> None:
        """Note that the source has more frames, which are not wanted."""

    @abstractmethod
    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        """Write one frame."""

    def _finish(self) -> None:
        if not self._frames:
            raise OutputError(f"{self.path}: not written, because there was no frame to write")
        self._end()

    def _end(self) -> None:
        """Write the end of the file."""


def origin(source: FrameSource, weights: str) -> dict[str, Any]:
    """Return the software, weights and video that results come from."""
    path = source.path  # without a path the source is an address, which may hold a password
    return {
        "description": "2D human poses predicted by TAR-ViTPose",
        "version": __version__,
        "weights": weights,
        "source": source.name if path is None else printable(path.name),
        "frame_rate": rounded(source.frame_rate, TIME_DIGITS),
    }


def size_and_time(poses: FramePoses) -> dict[str, Any]:
    """Return the JSON fields of a frame: `width`, `height` and `time` in seconds."""
    height, width = poses.image_size
    return {"width": width, "height": height, "time": rounded(poses.time, TIME_DIGITS)}


def xywh_box(poses: FramePoses, person: int) -> list[float]:
    """Return a person's box as left, top, width, height."""
    box: list[float] = rounded(xyxy_to_xywh(poses.boxes[person]), COORDINATE_DIGITS)
    return box


def flat_raw_keypoints(poses: FramePoses, person: int) -> dict[str, list[float]]:
    """Return the JSON field of coordinates before smoothing, none where nothing was smoothed."""
    if poses.raw_keypoints is None:
        return {}
    return {"keypoints_raw": rounded(poses.raw_keypoints[person].ravel(), COORDINATE_DIGITS)}


def open_text(path: Path, stack: ExitStack) -> IO[str]:
    """Open a UTF-8 file with plain newlines, which appears at `path` once the stack closes it."""
    temporary = stack.enter_context(atomic_file(path))
    return stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))


def json_text(value: Any) -> str:
    """Return JSON on one line; raises ValueError for NaN, which JSON cannot hold."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def append_json(file: IO[str], entry: Any, *, is_first: bool) -> None:
    """Write the next entry of a list on a line of its own."""
    file.write(("\n" if is_first else ",\n") + json_text(entry))


def rounded(values: ArrayLike, digits: int) -> Any:
    """Return a number, or nested lists of numbers, rounded.

    >>> rounded(np.array([[0.1, 2.00049]], np.float32), 3)
    [[0.1, 2.0]]
    """
    return np.round(np.asarray(values, np.float64), digits).tolist()


def required_image(image: UInt8 | None) -> UInt8:
    """Return the image; raises ValueError if there is none."""
    if image is None:
        raise ValueError("drawing needs the image of every frame")
    return image
