"""Sources of frames: video files, folders and globs of images, webcams and stream URLs."""

from __future__ import annotations

import glob
import time
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
from av.video.reformatter import VideoReformatter

from tarvitpose.errors import VideoError
from tarvitpose.frame_source import DEFAULT_RATE, FrameSource, Moment, UInt8
from tarvitpose.image_source import IMAGE_SUFFIXES, ImagesSource, sorted_images
from tarvitpose.prefetch import prefetched
from tarvitpose.video_reader import Reading, upright_rgb
from tarvitpose.video_writer import VideoWriter

__all__ = ["FrameSource", "VideoWriter", "open_source", "prefetched"]

LIVE_PROTOCOLS = {"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srtp", "srt", "udp", "rist"}


def open_source(
    source: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    frame_rate: float | None = None,
    live: bool | None = None,
) -> FrameSource:
    """Open a video file, a folder or glob of images, an image, a webcam ("0") or a stream URL.

    Only frames with start <= time < end (seconds) are given; their index still counts from the
    first frame of the source, and time 0 is where the source begins to play. `frame_rate` (25
    unless given) makes the times of images; videos have their own.

    A `live` source never waits for who reads it through `prefetched`, which drops frames instead.
    Webcams and streams (rtsp, rtmp, srt, udp ...) are live unless told otherwise, files and http
    addresses play at their own pace if told to be. Raises VideoError where nothing can be read.
    """
    text = str(source)
    _check_window(text, start, end, frame_rate)
    opened = _open(text, frame_rate or DEFAULT_RATE)
    opened.start, opened.end = start, end
    if live is not None:
        opened.is_paced = live and not opened.is_live
        opened.is_live = live
    return opened


class VideoSource(FrameSource):
    """A video file or a stream URL, decoded by PyAV."""

    def __init__(self, source: str, name: str, path: Path | None) -> None:
        """Decode the first frame, which tells the size; raises VideoError if there is none."""
        super().__init__(source, name, path)
        # "file:" keeps a colon in a file name from being taken for a protocol.
        self._address = source if path is None else f"file:{path}"
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
        # What is live cannot be read a second time, so it is read with care at once.
        for careful in (False, True) if self.path else (True,):
            reading = Reading(self._address, self.source, careful=careful)
            first = next(iter(reading), None)
            if first is not None:
                return reading, first
            reading.close()
        codec = reading.stream.codec_context.name
        raise VideoError(f"{self.source}: no frame of its video stream ({codec}) can be decoded")

    def _moments(self) -> Generator[Moment]:
        for moment, frame in self._frames():
            yield moment, "", partial(self._image, frame)

    def _frames(self) -> Iterator[tuple[float, Any]]:
        if self._reading is None:
            self._reading, self._first = self._begin()
        reading = self._reading
        try:
            yield from chain([self._first], reading)
            if reading.needs_care:
                reading.close()
                hasty, reading = reading, Reading(self._address, self.source, careful=True)
                self._reading = reading
                yield from islice(reading, hasty.frames, None)
                # What one pass repairs without a word, the other may have noticed.
                reading.damaged_after = reading.damaged_after or hasty.damaged_after
        finally:
            self.warnings += reading.warnings()
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
        self._began = time.monotonic()

    def close(self) -> None:
        """Give the camera back."""
        self._camera.release()

    def _moments(self) -> Generator[Moment]:
        while True:
            is_read, image = self._camera.read()
            if not is_read:
                return
            now = time.monotonic() - self._began
            yield now, "", partial(cv2.cvtColor, image, cv2.COLOR_BGR2RGB)

    def _count_all(self) -> None:
        return None


def _open_camera(number: int) -> Any:
    """Open a camera without OpenCV's own words about a missing one."""
    log = cv2.utils.logging
    before = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(number)
    finally:
        log.setLogLevel(before)


def _open(text: str, frame_rate: float) -> FrameSource:
    path = Path(text)
    if "://" in text:
        stem = Path(text.split("://", 1)[1].split("?", 1)[0]).stem
        return VideoSource(text, stem or "stream", None)
    if _is_there(path):
        return _open_path(text, path, frame_rate)
    if text.isdecimal():
        return WebcamSource(text)
    if glob.has_magic(text):
        found = glob.glob(text, recursive=True)  # noqa: PTH207  (Path.glob takes no absolute ones)
        return _open_images(text, _name_of_glob(path), None, map(Path, found), frame_rate)
    raise VideoError(f"{text}: no such file or folder")


def _open_path(text: str, path: Path, frame_rate: float) -> FrameSource:
    try:
        if path.is_dir():
            return _open_images(text, path.resolve().name, path, path.iterdir(), frame_rate)
        with path.open("rb") as file:
            if not file.read(1):
                raise VideoError(f"{text}: the file is empty")
    except PermissionError as error:
        raise VideoError(f"{text}: no permission to read it") from error
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImagesSource(text, path.stem, path, [path], frame_rate)
    return VideoSource(text, path.stem, path)


def _open_images(
    text: str, name: str, path: Path | None, files: Iterable[Path], frame_rate: float
) -> ImagesSource:
    images = sorted_images(files)
    if not images:
        where = "in this folder" if path else "matches this pattern"
        kinds = ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        raise VideoError(f"{text}: no image {where} (expected {kinds})")
    return ImagesSource(text, name, path, images, frame_rate)


def _name_of_glob(path: Path) -> str:
    plain = [part for part in path.absolute().parts[1:-1] if not glob.has_magic(part)]
    return plain[-1] if plain else "frames"


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError as error:
        raise VideoError(f"{path}: no permission to read it") from error
    except OSError:
        return False
    return True


def _check_window(
    text: str, start: float | None, end: float | None, frame_rate: float | None
) -> None:
    if (end is not None and end <= (start or 0.0)) or (start or 0.0) < 0:
        raise VideoError(f"{text}: expected 0 <= start < end, got start {start} and end {end}")
    if frame_rate is not None and frame_rate <= 0:
        raise VideoError(f"{text}: expected a frame rate above 0, got {frame_rate:g}")
