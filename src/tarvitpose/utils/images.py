"""Images: their bytes read, with a limit on their size, and written as PNG and JPEG."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np

from tarvitpose.utils.arrays import UInt8

JPEG_SUFFIXES = (".jpg", ".jpeg")
MAX_PIXELS = 2**28  # of a picture: 16,384 x 16,384
LARGE, PIXELS_OF_A_BYTE = 2**25, 2000  # an empty page as PNG has 1000 pixels of grey in a byte
PNG = b"\x89PNG\r\n\x1a\n"
FRAME_MARKERS = {bytes([code]) for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC)}
LONE_MARKERS = {bytes([code]) for code in (0x00, 0x01, *range(0xD0, 0xD9), 0xFF)}  # of no length


def decode_image(content: bytes) -> UInt8 | None:
    """Return the RGB image (height, width, 3) of a file's content, None where it is no image.

    Raises ValueError for one that states more than `MAX_PIXELS`, or many more than its bytes can
    hold: decoding would take memory for all of them.
    """
    width, height = stated_size(content)
    if width * height > MAX_PIXELS:
        raise ValueError(too_large(width, height))
    if width * height > max(LARGE, PIXELS_OF_A_BYTE * len(content)):
        raise ValueError(f"states {width} x {height} pixels, and has {len(content):,} bytes")
    if content.startswith(PNG) and (end := _end_of_png(content)) > len(content) + LARGE:
        raise ValueError(f"states {end:,} bytes, and has {len(content):,}")
    try:
        with silent_opencv():
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:  # of nothing, and of kinds without a size above
        if "CV_IO_MAX_IMAGE" in str(error):
            raise ValueError(f"states more than {MAX_PIXELS:,} pixels; scale it down") from None
        return None
    return None if image is None else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def silent_opencv() -> Iterator[None]:
    """Let OpenCV write no log lines about what it cannot open; errors are told by the caller."""
    log = cv2.utils.logging
    before = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(before)


def stated_size(data: bytes) -> tuple[int, int]:
    """Return the width and height that a PNG, BMP or JPEG file states, zeros for others."""
    with suppress(struct.error):
        if data.startswith(PNG):
            return struct.unpack_from(">II", data, 16)
        if data.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", data, 18)
            return abs(width), abs(height)
        if data.startswith(b"\xff\xd8"):
            return _stated_by_jpeg(data)
    return 0, 0


def _end_of_png(data: bytes) -> int:
    """Return where the last part that begins in a PNG file ends: OpenCV takes memory for it."""
    at = len(PNG)
    while at + 8 <= len(data):
        at += 12 + struct.unpack_from(">I", data, at)[0]
    return at


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


def too_large(width: int, height: int, most: int = MAX_PIXELS) -> str:
    """Return why pictures of this size are not read."""
    return (
        f"states pictures of {width} x {height} pixels, {most:,} are the limit; scale it down first"
    )


def encode_image(image: UInt8, suffix: str, jpeg_quality: int = 95) -> bytes:
    """Return RGB (height, width, 3) as the content of a file with this ending, PNG for others."""
    if not cv2.haveImageWriter(f"image{suffix}"):
        suffix = ".png"
    is_jpeg = suffix.lower() in JPEG_SUFFIXES
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if is_jpeg else []
    return bytes(cv2.imencode(suffix, image[:, :, ::-1], options)[1])


def write_image(path: Path, image: UInt8, jpeg_quality: int = 95) -> None:
    """Write RGB (height, width, 3) in the format that the name of the file ends in."""
    path.write_bytes(encode_image(image, path.suffix, jpeg_quality))
