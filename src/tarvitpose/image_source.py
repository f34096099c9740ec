"""Image files as the frames of a video."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from tarvitpose.errors import VideoError
from tarvitpose.frame_source import FrameSource, Moment, UInt8

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class ImagesSource(FrameSource):
    """Image files as the frames of a video."""

    def __init__(
        self, source: str, name: str, path: Path | None, images: list[Path], frame_rate: float
    ) -> None:
        """Read the first image, which tells the size; raises VideoError if it cannot be read."""
        super().__init__(source, name, path)
        self.images = images
        self.frame_rate = frame_rate
        self.image_size = read_image(images[0]).shape[:2]

    def _moments(self) -> Generator[Moment]:
        for index, path in enumerate(self.images):
            name = f"{path.parent.name}/{path.name}"
            yield index / self.frame_rate, name, partial(self._image, path)

    def _image(self, path: Path) -> UInt8:
        image = read_image(path)
        if image.shape[:2] != self.image_size:
            first, this = (f"{w}x{h}" for h, w in (self.image_size, image.shape[:2]))
            raise VideoError(
                f"{path}: {this} pixels, but {self.images[0].name} has {first}; "
                "the frames of one source need one size"
            )
        return image

    @property
    def is_picture(self) -> bool:
        """Whether it is one image file, not a folder or a pattern of some."""
        return self.path in self.images and self._count_all() == 1

    def _count_all(self) -> int:
        return len(self.images)


def read_image(path: Path) -> UInt8:
    """Read an image file as it should be seen, (height, width, 3) RGB; raises VideoError."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise VideoError(f"{path}: damaged or not an image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def write_image(path: Path, image: UInt8) -> None:
    """Write RGB (height, width, 3) as what the name of the file says: .png or .jpg."""
    path.write_bytes(cv2.imencode(path.suffix, image[:, :, ::-1])[1].tobytes())


def sorted_images(paths: Iterable[Path]) -> list[Path]:
    """Return the image files in natural order: frame2 before frame10."""
    images = [p for p in paths if p.suffix.lower() in IMAGE_SUFFIXES and p.name[0] != "."]
    return sorted(images, key=_natural_key)


def _natural_key(path: Path) -> tuple[list[str | int], str]:
    parts = re.split(r"(\d+)", str(path))  # text and digits take turns, so like meets like
    return [int(part) if part.isdecimal() else part.casefold() for part in parts], str(path)
