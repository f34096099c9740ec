"""Image files as the frames of a video."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

import cv2
import numpy as np

from tarvitpose.errors import VideoError
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.source_names import printable
from tarvitpose.video.containers import MAX_PIXELS, too_large
from tarvitpose.video.frame_source import FrameSource, LazyFrame, readable

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
FRAME_MARKERS = {bytes([code]) for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC)}
LONE_MARKERS = {bytes([code]) for code in (0x00, 0x01, *range(0xD0, 0xD9), 0xFF)}  # of no length


class ImagesSource(FrameSource):
    """Image files as the frames of a video."""

    def __init__(
        self, source: str, name: str, path: Path | None, images: list[Path], frame_rate: float
    ) -> None:
        """Read the first image for the size; raises VideoError if it cannot be read."""
        super().__init__(source, name, path)
        self.images = images
        self.frame_rate = frame_rate
        self.image_size = read_image(images[0]).shape[:2]

    def _lazy_frames(self) -> Generator[LazyFrame]:
        for index, path in enumerate(self.images):
            name = printable(f"{path.parent.name}/{path.name}")
            yield LazyFrame(index / self.frame_rate, name, partial(self._image, path))

    def _image(self, path: Path) -> UInt8:
        image = read_image(path)
        self._warn_of_animation(path)
        if image.shape[:2] != self.image_size:
            first, this = (f"{w}x{h}" for h, w in (self.image_size, image.shape[:2]))
            raise VideoError(
                f"{printable(str(path))}: {this} pixels, but {self.images[0].name} has {first}; "
                "the frames of one source need one size"
            )
        return image

    @property
    def is_picture(self) -> bool:
        """Whether it is a single image file, not a folder or a pattern."""
        return self.path in self.images and self._count_all() == 1

    def _warn_of_animation(self, path: Path) -> None:
        pictures = pictures_in(path)
        if pictures > 1:
            self.warnings.append(
                f"{printable(str(path))}: an animation of {pictures} pictures, of which only the "
                "first is read; convert it to mp4"
            )

    def _count_all(self) -> int:
        return len(self.images)


def read_image(path: Path) -> UInt8:
    """Read an image file upright, (height, width, 3) RGB; raises VideoError."""
    shown = printable(str(path))
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
            raise VideoError(f"{shown}: cannot be read (not a file)")
        data = path.read_bytes()
    except OSError as error:
        raise VideoError(f"{shown}: cannot be read ({error.strerror})") from error
    width, height = stated_size(data)
    if width * height > MAX_PIXELS:  # decoding would take memory for all of them
        raise VideoError(f"{shown}: {too_large(width, height)}")
    with readable(shown):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise VideoError(f"{shown}: damaged or not an image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def stated_size(data: bytes) -> tuple[int, int]:
    """Return the width and height that a PNG, BMP or JPEG file states, zeros for others."""
    with suppress(struct.error):
        if data.startswith(b"\x89PNG"):
            return struct.unpack_from(">II", data, 16)
        if data.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", data, 18)
            return abs(width), abs(height)
        if data.startswith(b"\xff\xd8"):
            return _stated_by_jpeg(data)
    return 0, 0


def _stated_by_jpeg(data: bytes) -> tuple[int, int]:
    """Follow the segments of a JPEG file to the one that begins a frame."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0:
        marker = data[at + 1 : at + 2]
        if marker in FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        is_segment = marker and marker not in LONE_MARKERS
        at += 2 + struct.unpack_from(">H", data, at + 2)[0] if is_segment else 1
    return 0, 0


def is_animated_png(path: Path) -> bool:
    """Tell whether a file is a PNG of several pictures, which is read as a video."""
    return path.suffix.lower() == ".png" and pictures_in(path) > 1


def pictures_in(path: Path) -> int:
    """Return how many pictures a PNG or WebP file states it holds, 1 for other files."""
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(b"\x89PNG"):
            return _pictures_of_png(file)
        if head[:4] == b"RIFF" and head[8:] == b"WEBP":
            return max(sum(name == b"ANMF" for name in _webp_chunks(file)), 1)
    return 1


def _pictures_of_png(file: IO[bytes]) -> int:
    """Return the count of the chunk acTL, which comes before the first picture."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        if head[4:] == b"acTL":
            return int.from_bytes(file.read(4), "big")
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return 1


def _webp_chunks(file: IO[bytes]) -> Iterator[bytes]:
    while len(head := file.read(8)) == 8:
        yield head[:4]
        length = int.from_bytes(head[4:], "little")
        file.seek(length + length % 2, os.SEEK_CUR)


def sorted_images(paths: Iterable[Path]) -> list[Path]:
    """Return the image files in natural order: frame2 before frame10."""
    images = [p for p in paths if p.suffix.lower() in IMAGE_SUFFIXES and p.name[0] != "."]
    return sorted(images, key=_natural_key)


def _natural_key(path: Path) -> tuple[list[str | int], str]:
    parts = re.split(r"(\d+)", str(path))  # text and digits alternate, so types match
    return [int(part) if part.isdecimal() else part.casefold() for part in parts], str(path)
