"""Damaged videos and images: frames in order with true times, or an error of one line."""

import random
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from damage import ROUNDS, damaged

from tarvitpose.errors import VideoError
from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter

FRAMES, SIZE = 10, (48, 64)
VIDEOS = {
    "h264.mp4": ("libx264", "yuv420p"),
    "h264.mkv": ("libx264", "yuv420p"),
    "h264.avi": ("libx264", "yuv420p"),
    "vp8.webm": ("libvpx", "yuv420p"),
    "stream.ts": ("libx264", "yuv420p"),
    "mjpeg.mov": ("mjpeg", "yuvj420p"),
    "deep.mkv": ("ffv1", "yuv422p10le"),
    "pictures.gif": ("gif", "rgb8"),
}
IMAGES = ("image.png", "image.jpg", "image.bmp", "image.webp")


def picture(number: int) -> np.ndarray:
    """Return a picture (48, 64, 3) with a square that moves."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[..., 0] = np.arange(SIZE[1]) * 3
    image[10:30, 5 + number : 25 + number] = 200
    return image


def whole_file(path: Path) -> bytes:
    """Return the content of an undamaged file, written to a path."""
    if path.name in IMAGES:
        cv2.imwrite(str(path), picture(3))
        return path.read_bytes()
    codec, pixels = VIDEOS[path.name]
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, 25)
        stream.height, stream.width = SIZE
        stream.pix_fmt = pixels
        audio = output.add_stream("aac", 8000) if path.suffix == ".mp4" else None
        for number in range(FRAMES):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), "rgb24")))
        if audio is not None:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 3200), np.float32), "fltp", "mono")
            sound.sample_rate = 8000
            output.mux([*audio.encode(sound), *audio.encode(None)])
        output.mux(stream.encode(None))
    return path.read_bytes()


def read_and_draw(path: Path, folder: Path) -> int:
    """Read a source, write it as a drawn video, and return how many frames it has."""
    drawn = folder / "drawn.mp4"
    with open_source(path) as source:
        audio = None if path.name in IMAGES else path
        with VideoWriter(drawn, source.image_size, source.frame_rate, audio_from=audio) as writer:
            times = []
            for frame in source:
                assert frame.image.shape == (*source.image_size, 3)
                times.append(frame.time)
                writer.write(frame.image, frame.time)
        assert not [line for line in source.warnings + writer.warnings if "\n" in line]
    assert times[0] >= 0
    assert all(before < after < np.inf for before, after in pairwise(times))
    with open_source(drawn) as source:
        assert sum(1 for _ in source) == len(times)
    return len(times)


def check_line(error: VideoError, path: Path) -> None:
    """Assert that an error is one line that names the file."""
    assert str(error).startswith(f"{path}: ")
    assert "\n" not in str(error)


@pytest.mark.parametrize("name", [*VIDEOS, *IMAGES])
def test_damaged_files_are_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path, output = tmp_path / name, tmp_path / "output"
    whole = whole_file(path)
    assert read_and_draw(path, output) == (1 if name in IMAGES else FRAMES)
    for seed in range(ROUNDS // 4):
        path.write_bytes(damaged(whole, random.Random(f"{name} {seed}")))
        (output / "drawn.mp4").unlink(missing_ok=True)
        try:
            read_and_draw(path, output)
        except VideoError as error:
            check_line(error, path)
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}: {error!r}") from error
        assert {file.name for file in output.iterdir()} <= {"drawn.mp4"}, f"seed {seed}"
