"""What every source of frames has in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple, Self

import av
import cv2

from tarvitpose.errors import VideoError
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.reading import reason_of
from tarvitpose.utils.source_names import short, shown

DEFAULT_RATE = 25.0  # frames per second where nothing states it
TIME_SLACK = 1e-6  # seconds of rounding error allowed when times are compared


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn whatever the system, PyAV and OpenCV raise while a source is read into VideoError."""
    try:
        yield
    except MemoryError:
        raise VideoError(f"{name}: needs more memory than there is; make it smaller") from None
    except (av.FFmpegError, cv2.error, OSError, ValueError, ArithmeticError) as error:
        reason = short(" ".join(reason_of(error).split()))
        raise VideoError(f"{name}: damaged, or it cannot be read ({reason})") from error


class LazyFrame(NamedTuple):
    """A frame whose image is not made yet."""

    time: float  # seconds
    name: str  # folder and file name of an image, empty for others
    load: Callable[[], UInt8]  # returns the image


class FrameSource(ABC):
    """The frames of one source, in order, in bounded memory; a context manager and iterable.

    Each iteration over files starts again from the beginning; a live source goes on.
    """

    start: float | None = None
    end: float | None = None
    is_live = False  # frames that are not processed in time are dropped, see `prefetched`
    is_paced = False  # a recording that is played as if live: no frame comes before its time
    allow_playlists = False  # whether the source may be a playlist, which names other sources
    dropped = 0  # frames, in the latest iteration over a live source
    began: float | None = None  # when time 0 was, in seconds of the monotonic clock, for a live one

    def __init__(self, source: str, name: str, path: Path | None) -> None:
        self.given = source  # as the user wrote it, passwords included: to open it again
        self.source = shown(source)  # without passwords, for messages
        self.name = name  # the stem of output files
        self.path = path  # the file or folder
        self.frame_rate = DEFAULT_RATE  # frames per second, the mean where it varies
        self.image_size = (0, 0)  # (height, width), upright
        self.warnings: list[str] = []  # complete after the last frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Generator[Frame]:
        """Yield the selected frames; raises VideoError if there is none."""
        self.warnings.clear()
        selected, last = 0, 0.0
        with closing(self._checked_frames()) as frames:
            for index, (time, name, load) in enumerate(frames):
                last = time
                if self.end is not None and time >= self.end - TIME_SLACK:
                    break
                if self.start is None or time >= self.start - TIME_SLACK:
                    selected += 1
                    yield Frame(index, time, load(), name)
        if not selected:
            raise VideoError(
                f"{self.source}: no frame {self._window()}; the last one read is at {last:.2f} s"
            )

    def at(self, indices: Collection[int]) -> Generator[Frame]:
        """Yield the frames of these indices, in order, without loading the images of others."""
        last = max(indices, default=-1)
        with closing(self._checked_frames()) as frames:
            for index, (time, name, load) in enumerate(frames):
                if index in indices:
                    yield Frame(index, time, load(), name)
                if index >= last:
                    break

    def _checked_frames(self) -> Generator[LazyFrame]:
        """Yield every frame; whatever reading it or its image raises is a VideoError."""
        with closing(self._lazy_frames()) as frames:
            while True:
                with readable(self.source):
                    frame = next(frames, None)
                if frame is None:
                    return
                yield frame._replace(load=partial(self._load, frame.load))

    def _load(self, load: Callable[[], UInt8]) -> UInt8:
        with readable(self.source):
            return load()

    @property
    def frame_count(self) -> int | None:
        """Return about how many frames an iteration yields, None when unknown."""
        total = self._count_all()
        if total is None:
            return None
        first = 0 if self.start is None else self._first_at(self.start)
        last = total if self.end is None else min(total, self._first_at(self.end))
        return max(last - first, 0)

    def _first_at(self, seconds: float) -> int:
        """Return the index of the first frame at or after a time, at a constant frame rate."""
        return max(math.ceil((seconds - TIME_SLACK) * self.frame_rate), 0)

    def delay(self, time: float) -> float | None:
        """Return how long ago the frame of this time was seen, None where it is not live."""
        return monotonic() - self.began - time if self.is_live and self.began is not None else None

    def close(self) -> None:  # noqa: B027  (only some sources hold something open)
        """Free the file or device."""

    @property
    def is_picture(self) -> bool:
        """Whether it is a single image file, whose overlay is a picture instead of a video."""
        return False

    @abstractmethod
    def _lazy_frames(self) -> Generator[LazyFrame]:
        """Yield every frame of the source, without its image."""

    @abstractmethod
    def _count_all(self) -> int | None:
        """Return about how many frames the source has, None when unknown."""

    def _window(self) -> str:
        start = f"from {self.start or 0:g} s on"
        return start if self.end is None else f"between {self.start or 0:g} s and {self.end:g} s"
