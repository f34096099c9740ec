"""Frames of a data set that lie in video files: VIDEO/00001.jpg is the first frame of a video."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

from tarvitpose.errors import DataError, VideoError
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.hashing import sample_digest
from tarvitpose.video.sources import open_source

VIDEO_SUFFIXES = (".avi", ".mp4")
DECODING = Lock()
HELD = 8  # short clips that stay decoded: the windows of a clip read the same frames


def image_file(image: Path) -> Path:
    """Return the file that holds an image: the image itself, or the video that it is a frame of."""
    video = image.parent
    is_frame = image.stem.isdecimal() and video.suffix.lower() in VIDEO_SUFFIXES
    return video if is_frame and video.is_file() else image


def image_exists(image: Path) -> bool:
    """Tell whether an image, or the video that it is a frame of, is on the disk."""
    return image_file(image).is_file()


def images_digest(images: Sequence[Path]) -> str:
    """Return what tells the images of a data set from others: the content of three of them."""
    return sample_digest([image_file(image) for image in images])


def frame_name(video: str, number: int) -> str:
    """Return what a frame of a video is called, by its number from 1.

    >>> frame_name("clips/wave.avi", 7)
    'clips/wave.avi/00007.jpg'
    """
    return f"{video}/{number:05d}.jpg"


def read_frame(image: Path, record: str) -> UInt8:
    """Read a frame (height, width, 3), RGB, of a video file. Raises DataError naming the record."""
    video, number = image.parent, int(image.stem)
    try:
        with DECODING:  # threads that want the same clip wait for one of them to decode it
            frames = _decoded(video, video.stat().st_mtime_ns)
    except (OSError, VideoError) as error:
        raise DataError(f"{error}, needed for {record}") from None
    if not 1 <= number <= len(frames):
        raise DataError(f"{video}: has {len(frames)} frames, frame {number} is needed for {record}")
    return frames[number - 1]


@lru_cache(maxsize=HELD)
def _decoded(video: Path, modified: int) -> list[UInt8]:
    with open_source(video) as source:
        return [frame.image for frame in source]
