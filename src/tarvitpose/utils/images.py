"""Images as PNG and JPEG."""

from __future__ import annotations

from pathlib import Path

import cv2

from tarvitpose.utils.arrays import UInt8

JPEG_SUFFIXES = (".jpg", ".jpeg")


def encode_image(image: UInt8, suffix: str, jpeg_quality: int = 95) -> bytes:
    """Return RGB (height, width, 3) as the content of a file that ends in .png, .jpg or .jpeg."""
    is_jpeg = suffix.lower() in JPEG_SUFFIXES
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if is_jpeg else []
    return bytes(cv2.imencode(suffix, image[:, :, ::-1], options)[1])


def write_image(path: Path, image: UInt8, jpeg_quality: int = 95) -> None:
    """Write RGB (height, width, 3) in the format that the name of the file ends in."""
    path.write_bytes(encode_image(image, path.suffix, jpeg_quality))
