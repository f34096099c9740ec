"""Sources of frames: video files, folders and globs of images, webcams and stream URLs."""

import glob
import re
import time
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
from av.video.reformatter import VideoReformatter

from tarvitpose.errors import VideoError
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.images import silent_opencv
from tarvitpose.utils.source_names import name_of, printable, shown
from tarvitpose.video.containers import FILE
from tarvitpose.video.frame_source import DEFAULT_RATE, FrameSource, LazyFrame, readable
from tarvitpose.video.image_source import (
    IMAGE_SUFFIXES,
    ImagesSource,
    is_animated_png,
    sorted_images,
)
from tarvitpose.video.playlists import named_sources, playlist_warnings
from tarvitpose.video.reader import Reading, upright_rgb

WEBCAM = re.compile(r"\d{1,3}", re.ASCII)  # the number of one
LIVE_PROTOCOLS = {"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srtp", "srt", "udp", "rist"}


def open_source(
    source: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    frame_rate: float | None = None,
    live: bool | None = None,
    name: str | None = None,
    allow_playlists: bool = False,
) -> FrameSource:
    """Open a video file, a folder or glob of images, an image, a webcam ("0") or a stream URL.

    Only frames with start <= time < end (seconds) are read; their index still counts from the first
    frame of the source, and time 0 is where players begin. `frame_rate` (25 by default) sets the
    times of images; videos have their own.

    A `live` source never waits for its reader: `prefetched` drops frames instead. Webcams and
    streams (rtsp, rtmp, srt, udp ...) are live by default; files and http addresses with `live`
    are played at their own pace. `name` replaces the source's name in the files of results.

    Playlists (HLS, DASH, concat scripts) make FFmpeg open whatever they name, and are refused
    unless `allow_playlists`. Raises VideoError, without passwords, if nothing can be read.
    """
    text = str(source)
    _check_window(shown(text), start, end, frame_rate)
    with readable(shown(text)):
        opened = _open(text, frame_rate or DEFAULT_RATE, allow_playlists=allow_playlists)
    opened.name = name or opened.name
    opened.start, opened.end = start, end
    if live is not None:
        opened.is_paced = live and not opened.is_live
        opened.is_live = live
    return opened


class VideoSource(FrameSource):
    """A video file or a stream URL, decoded by PyAV."""

    def __init__(
        self, source: str, name: str, path: Path | None, *, allow_playlists: bool = False
    ) -> None:
        """Decode the first frame for the size; raises VideoError if there is none."""
        super().__init__(source, name, path)
        self.allow_playlists = allow_playlists
        self._address = source if path is None else f"{FILE}{path}"
        self._named = named_sources(path, self.source) if path and allow_playlists else []
        self.is_live = path is None and source.partition("://")[0].lower() in LIVE_PROTOCOLS
        self._reading: Reading | None
        self._reading, self._first = self._begin()
        self._reformatter = VideoReformatter()
        self.frame_rate = self._reading.frame_rate
        self._total = self._reading.estimate_frames()
        self.image_size = upright_rgb(self._first[1], self._reformatter, None).shape[:2]

    def close(self) -> None:
        """Stop decoding and free the file."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _begin(self) -> tuple[Reading, tuple[float, Any]]:
        """Start a reading and take its first frame."""
        # A stream or playlist cannot be read a second time, so it is read carefully at once.
        for careful in (False, True) if self.path and not self._named else (True,):
            reading = self._open_reading(careful=careful)
            first = next(iter(reading), None)
            if first is not None:
                return reading, first
            reading.close()
        codec = reading.stream.codec_context.name
        raise VideoError(f"{self.source}: no frame of its video stream ({codec}) can be decoded")

    def _open_reading(self, *, careful: bool) -> Reading:
        return Reading(
            self._address, self.source, careful=careful, allow_playlists=self.allow_playlists
        )

    def _lazy_frames(self) -> Generator[LazyFrame]:
        for seconds, frame in self._frames():
            yield LazyFrame(seconds, "", partial(self._image, frame))

    def _frames(self) -> Iterator[tuple[float, Any]]:
        if self._reading is None:
            self._reading, self._first = self._begin()
        reading = self._reading
        try:
            yield from chain([self._first], reading)
            if reading.needs_care:
                reading.close()
                parallel, reading = reading, self._open_reading(careful=True)
                self._reading = reading
                yield from islice(reading, parallel.frames, None)
                # Only one of the two readings may have noticed the damage.
                reading.damaged_after = reading.damaged_after or parallel.damaged_after
        finally:
            self.warnings += [*playlist_warnings(self.source, self._named), *reading.warnings()]
            self.close()

    def _image(self, frame: Any) -> UInt8:
        return upright_rgb(frame, self._reformatter, self.image_size)

    def _count_all(self) -> int | None:
        return self._total


class WebcamSource(FrameSource):
    """A webcam, read through OpenCV: PyAV's wheels have no camera drivers."""

    is_live = True

    def __init__(self, number: str) -> None:
        """Open the camera and read one image; raises VideoError where there is none."""
        super().__init__(number, f"webcam{number}", None)
        self._camera = _open_camera(int(number))
        is_read, image = self._camera.read()
        if not is_read:
            self.close()
            raise VideoError(f"{number}: no image from webcam {number}; is it plugged in and free?")
        self.image_size = image.shape[:2]
        self.frame_rate = self._camera.get(cv2.CAP_PROP_FPS) or 30.0
        self._start_time = time.monotonic()

    def close(self) -> None:
        """Release the camera."""
        self._camera.release()

    def _lazy_frames(self) -> Generator[LazyFrame]:
        while True:
            is_read, image = self._camera.read()
            if not is_read:
                return
            now = time.monotonic() - self._start_time
            yield LazyFrame(now, "", partial(cv2.cvtColor, image, cv2.COLOR_BGR2RGB))

    def _count_all(self) -> None:
        return None


def _open_camera(number: int) -> Any:
    """Open a camera without OpenCV's log lines about a missing one."""
    with silent_opencv():
        return cv2.VideoCapture(number)


def _open(text: str, frame_rate: float, *, allow_playlists: bool) -> FrameSource:
    path, name = Path(text), name_of(text)
    if "://" in text:
        return VideoSource(text, name, None, allow_playlists=allow_playlists)
    if _exists(path):
        return _open_path(text, path, frame_rate, allow_playlists=allow_playlists)
    if WEBCAM.fullmatch(text):
        return WebcamSource(text)
    if glob.has_magic(text):
        matches = glob.glob(text, recursive=True)  # noqa: PTH207  (Path.glob takes no absolute ones)
        return _open_images(text, None, map(Path, matches), frame_rate)
    raise VideoError(f"{printable(text)}: no such file or folder")


def _open_path(text: str, path: Path, frame_rate: float, *, allow_playlists: bool) -> FrameSource:
    label = printable(text)
    try:
        if path.is_dir():
            return _open_images(text, path, path.iterdir(), frame_rate)
        if not path.is_file():  # opening a pipe would wait for its writer
            raise VideoError(
                f"{label}: a pipe or a device, expected a file: only a file can be read again; "
                "save it as one, or give the address of a stream"
            )
        with path.open("rb") as file:
            if not file.read(1):
                raise VideoError(f"{label}: the file is empty")
    except PermissionError as error:
        raise VideoError(f"{label}: no permission to read it") from error
    if path.suffix.lower() in IMAGE_SUFFIXES and not is_animated_png(path):
        return ImagesSource(text, name_of(text), path, [path], frame_rate)
    return VideoSource(text, name_of(text), path, allow_playlists=allow_playlists)


def _open_images(
    text: str, path: Path | None, files: Iterable[Path], frame_rate: float
) -> ImagesSource:
    images = sorted_images(files)
    if not images:
        where = "in this folder" if path else "matches this pattern"
        kinds = ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        raise VideoError(f"{printable(text)}: no image {where} (expected {kinds})")
    return ImagesSource(text, name_of(text), path, images, frame_rate)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError as error:
        raise VideoError(f"{printable(str(path))}: no permission to read it") from error
    except (OSError, ValueError):  # a name that is too long, or has a NUL
        return False
    return True


def _check_window(
    text: str, start: float | None, end: float | None, frame_rate: float | None
) -> None:
    if (end is not None and end <= (start or 0.0)) or (start or 0.0) < 0:
        raise VideoError(f"{text}: expected 0 <= start < end, got start {start} and end {end}")
    if frame_rate is not None and frame_rate <= 0:
        raise VideoError(f"{text}: expected a frame rate above 0, got {frame_rate:g}")
