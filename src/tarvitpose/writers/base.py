"""What all writers share: a result that is whole or not there, and numbers of sensible length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.errors import OutputError
from tarvitpose.geometry import UInt8
from tarvitpose.results import FramePoses

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
