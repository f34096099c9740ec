"""Small videos and folders of frames."""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parents[3] / "shared" / "data"
CLOCK = 90_000
NOBODY = 65534  # an unprivileged user, for tests that run as root


def level(index: int) -> int:
    """Return the brightness that marks frame `index`."""
    return 30 + 6 * index % 200


def picture(index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a grey RGB picture (height, width, 3) with noise at the bottom and a red corner.

    The red corner is top left, so it shows how the picture was rotated.
    """
    height, width = size
    image = np.full((height, width, 3), level(index), np.uint8)
    noise = np.random.default_rng(index).integers(0, 256, (height // 2, width, 3))
    image[height - height // 2 :] = noise  # so that packets are long enough to be damaged
    image[: height // 4, : width // 4] = (255, 0, 0)
    return image


def make_video(
    path: Path,
    times: int | Sequence[float] = 20,
    *,
    size: tuple[int, int] = (48, 64),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    rotation: int | None = None,
    flip: bool = False,
    audio: str | None = None,
    audio_seconds: float = 0.8,
) -> Path:
    """Write a video with frames at `times` (seconds, or the number of frames at 25 a second)."""
    times = [i / 25 for i in range(times)] if isinstance(times, int) else times
    with av.open(str(path), "w", options=container_options or {}) as output:
        video = output.add_stream(codec, 25, options=options or {})
        video.height, video.width, video.pix_fmt = *size, pix_fmt
        if path.suffix != ".avi":
            video.codec_context.time_base = Fraction(1, CLOCK)
        if rotation is not None:
            video.set_display_rotation(rotation, hflip=flip)
        sound = None if audio is None else output.add_stream(audio, 48_000, layout="mono")
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index, size), "rgb24")
            frame.pts, frame.time_base = round(time * CLOCK), Fraction(1, CLOCK)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if sound is not None:
            add_sine(output, sound, audio_seconds)
    return path


def make_sound(path: Path, codec: str = "aac") -> Path:
    """Write a file with a tone and no video."""
    with av.open(str(path), "w") as output:
        add_sine(output, output.add_stream(codec, 48_000, layout="mono"), 0.5)
    return path


def add_sine(output: Any, stream: Any, seconds: float) -> None:
    """Encode a tone of 440 Hz."""
    samples = np.sin(np.arange(round(48_000 * seconds)) * 2 * np.pi * 440 / 48_000)
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32) / 2, "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def make_folder(folder: Path, names: Sequence[str], size: tuple[int, int] = (48, 64)) -> Path:
    """Write an image for each name, each brighter than the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        write_image(folder / name, picture(index, size))
    return folder


def write_image(path: Path, image: NDArray[np.uint8]) -> Path:
    """Write an RGB image."""
    assert cv2.imwrite(str(path), image[:, :, ::-1])
    return path


def cut(path: Path, fraction: float) -> Path:
    """Keep only the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * fraction)])
    return path


def damage_packet(path: Path, number: int) -> Path:
    """Overwrite one video packet with zeros."""
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    position, size = packets[number]
    data = bytearray(path.read_bytes())
    data[position : position + size] = bytes(size)
    path.write_bytes(data)
    return path


def trim_by_edit_list(path: Path, skipped_ticks: int, kept_milliseconds: int) -> Path:
    """Change the edit list of an mp4 file, as phones do when one trims a video."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 8  # behind the name, the version and the flags
    assert data[at - 4] == 0
    count, _, media_time = struct.unpack_from(">IIi", data, at)
    assert count == 1
    struct.pack_into(">Ii", data, at + 4, kept_milliseconds, media_time + skipped_ticks)
    path.write_bytes(data)
    return path


def decode_fully(path: Path) -> tuple[list[float], list[int]]:
    """Return times and brightness of all frames, decoded by PyAV alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        times = [float(frame.pts * stream.time_base) for frame in frames]
        return times, [marker(frame.to_ndarray(format="rgb24")) for frame in frames]


def marker(image: NDArray[np.uint8]) -> int:
    """Return the brightness in the upper half of an upright picture."""
    height, width = image.shape[:2]
    return round(float(image[: height // 3, width // 2 :].mean()))


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """Return time in seconds and content of the packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Run as a user who may not read or write in `folder`, also if the tests run as root."""
    mode = folder.stat().st_mode
    is_root = os.geteuid() == 0
    folder.chmod(0)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(mode)
