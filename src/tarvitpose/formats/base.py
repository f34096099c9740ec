"""What all writers share: a result that is whole or not there, and numbers of sensible length."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose import __version__
from tarvitpose.errors import OutputError
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.source_names import printable
from tarvitpose.video.frame_source import FrameSource

COORDINATE_DIGITS = 3  # a thousandth of a pixel
SCORE_DIGITS = 5
TIME_DIGITS = 6  # microseconds


class PoseWriter(Protocol):
    """Something that takes the frames of a video in order and leaves a file."""

    @property
    def warnings(self) -> list[str]:
        """Return what could not be written as it should be, a line each."""

    def __enter__(self) -> Self:
        """Start the file. Raises OutputError."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file, or remove it after an error."""

    def write(self, poses: FramePoses, image: UInt8 | None = None) -> None:
        """Append a frame; writers that draw need its image, (height, width, 3) RGB."""


class FileWriter(ABC):
    """A PoseWriter whose file appears when the `with` block ends without an error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = ExitStack()
        self._frames = 0
        self._is_smoothed = False

    @property
    def warnings(self) -> list[str]:
        """Return what could not be written as it should be, a line each."""
        return []

    def __enter__(self) -> Self:
        """Start the file. Raises OutputError where it cannot be written."""
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file, or remove it after an error. Raises OutputError."""
        with self._stack:  # what it holds sees the error of the caller as well as our own
            if error is not None:
                raise error
            if not self._frames:
                raise OutputError(f"{self.path}: not written, because there was no frame to write")
            self._finish()

    def write(self, poses: FramePoses, image: UInt8 | None = None) -> None:
        """Append a frame; writers that draw need its image, (height, width, 3) RGB."""
        is_smoothed = poses.raw_keypoints is not None
        if not self._frames:
            self._is_smoothed = is_smoothed
        elif is_smoothed != self._is_smoothed:
            raise ValueError("either all frames have raw_keypoints, also those of nobody, or none")
        self._add(poses, image)
        self._frames += 1

    @abstractmethod
    def _start(self, stack: ExitStack) -> None:
        """Open what is needed and let the stack close it."""

    @abstractmethod
    def _add(self, poses: FramePoses, image: UInt8 | None) -> None:
        """Write one frame."""

    def _finish(self) -> None:  # noqa: B027  (not every format has an end)
        """Write what comes last."""


def origin(source: FrameSource, weights: str) -> dict[str, Any]:
    """Return where results come from, for those who find the file later."""
    path = source.path  # without one the source is an address, which may hold a password
    return {
        "description": "2D human poses predicted by TAR-ViTPose",
        "version": __version__,
        "weights": weights,
        "source": source.name if path is None else printable(path.name),
        "frame_rate": rounded(source.frame_rate, TIME_DIGITS),
    }


def size_and_time(poses: FramePoses) -> dict[str, Any]:
    """Return what JSON says about a frame beside its people: `width`, `height`, and seconds."""
    height, width = poses.image_size
    return {"width": width, "height": height, "time": rounded(poses.time, TIME_DIGITS)}


def json_text(value: Any) -> str:
    """Return JSON in one line; raises ValueError for NaN, which JSON cannot hold."""
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


def needed(image: UInt8 | None) -> UInt8:
    """Return the image; raises ValueError if there is none."""
    if image is None:
        raise ValueError("drawing needs the image of every frame")
    return image
