"""Image files as the frames of a video."""

import os
import re
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from tarvitpose.errors import VideoError
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.images import decode_image
from tarvitpose.utils.reading import file_bytes, reason_of
from tarvitpose.utils.source_names import printable
from tarvitpose.video.frame_source import FrameSource, LazyFrame

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


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
                "the frames of one source need one size; photographs are given one by one, as in "
                "predict *.jpg"
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
        data = file_bytes(path)
    except OSError as error:
        raise VideoError(f"{shown}: cannot be read ({reason_of(error)})") from error
    try:
        image = decode_image(data)
    except ValueError as error:
        raise VideoError(f"{shown}: {error}") from None
    if image is None:
        raise VideoError(f"{shown}: damaged or not an image")
    return image


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
