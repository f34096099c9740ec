"""Sources that claim, name or hold what no camera writes: one line, or frames with true times."""

import os
import socket
import struct
import zlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from error_lines import error_line

from tarvitpose.errors import VideoError
from tarvitpose.utils.images import stated_size
from tarvitpose.video.clock import LATEST, Clock
from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter

TICK = Fraction(1, 90_000)
STEP = 3600  # ticks of a frame


def encoded(path: Path, stamps: list[int], codec: str = "mjpeg", pixels: str = "yuvj420p") -> Path:
    """Write a video of a frame for each time stamp."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, 25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixels
        stream.codec_context.time_base = TICK
        for stamp in stamps:
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = stamp, TICK
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def drawn_frames(path: Path, source: Path) -> list[float]:
    """Draw a source as a video, and return the times of its frames."""
    with (
        open_source(source) as frames,
        VideoWriter(path, frames.image_size, frames.frame_rate) as writer,
    ):
        times = [frame.time for frame in frames if writer.write(frame.image, frame.time) is None]
    assert all(before < after for before, after in pairwise(times))
    with open_source(path) as drawn:
        assert sum(1 for _ in drawn) == len(times)
    return times


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def huge_png(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that states any size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(bytes(999)))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [17_000, 60_000, 2**31 - 1])
def test_a_picture_that_claims_to_be_huge_is_refused_by_its_header(
    side: int, tmp_path: Path
) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(huge_png(side, side))
    assert f"{path}: states pictures of {side} x {side} pixels, 268,435,456 are the limit" in (
        error_line(VideoError, open_source, path)
    )


def test_frames_of_a_video_are_smaller_since_many_are_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.y4m"
    path.write_bytes(b"YUV4MPEG2 W8200 H8200 F25:1 C420\nFRAME\n" + bytes(99))
    assert f"{path}: states pictures of 8200 x 8200 pixels, 67,108,864 are the limit" in (
        error_line(VideoError, open_source, path)
    )


def test_sizes_are_read_from_the_header_of_a_jpeg_with_segments_before_it() -> None:
    exif = b"\xff\xe1" + struct.pack(">H", 20) + b"\xff\xc0" * 9  # looks like frames
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, 30_000, 40_000, 3)
    assert stated_size(b"\xff\xd8" + exif + b"\xff\xff" + frame) == (40_000, 30_000)
    assert stated_size(b"\xff\xd8" + exif) == stated_size(b"\xff\xd8\xff\xc0") == (0, 0)
    assert stated_size(b"BM" + bytes(16) + struct.pack("<ii", 7, -5)) == (7, 5)


@pytest.mark.parametrize(
    "first", [-100_000, 2**62, 2**63 - 40_000], ids=["negative", "late", "at the end of time"]
)
@pytest.mark.parametrize("name", ["a.nut", "a.mkv", "a.ts"])
def test_time_begins_at_0_wherever_stamps_do(name: str, first: int, tmp_path: Path) -> None:
    source = encoded(tmp_path / name, [first + STEP * at for at in range(6)], "libx264", "yuv420p")
    assert drawn_frames(tmp_path / "drawn.mp4", source) == pytest.approx(
        [0.04 * at for at in range(6)]
    )


def test_a_gap_longer_than_mp4_can_hold_is_cut_in_the_drawn_video_only(tmp_path: Path) -> None:
    source = encoded(tmp_path / "a.nut", [0, STEP, 90_000 * 10**7, 90_000 * 10**7 + STEP])
    path = tmp_path / "drawn.mp4"
    with open_source(source) as frames:
        writer = VideoWriter(path, frames.image_size, 25.0)
        with writer:
            times = [f.time for f in frames if writer.write(f.image, f.time) is None]
    assert times == pytest.approx([0, 0.04, 1e7, 1e7 + 0.04])
    assert writer.warnings == [f"{path}: gaps between frames are cut to an hour each (1 of them)"]
    with open_source(path) as drawn:
        assert [frame.time for frame in drawn] == pytest.approx([0, 0.04, 3600.04, 3600.08])


def test_stamps_that_no_clock_has_are_as_none() -> None:
    clock = Clock(25.0)
    stamps = (0.0, -1e14, LATEST * 2, 0.12)
    assert [clock.time(stamp) for stamp in stamps] == pytest.approx([0, 0.04, 0.08, 0.12])


@pytest.mark.parametrize("rate", [10**9, 2**31 - 1])
def test_a_video_of_an_impossible_rate_is_drawn_with_all_its_frames(
    rate: int, tmp_path: Path
) -> None:
    source = tmp_path / "fast.mkv"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("ffv1", rate)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for _ in range(6):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert len(drawn_frames(tmp_path / "drawn.mp4", source)) == 6


@pytest.mark.parametrize("pixels", ["gray16le", "yuva444p16le", "gbrp12le", "yuv410p", "bgra"])
def test_unusual_pixel_formats_are_read(pixels: str, tmp_path: Path) -> None:
    source = encoded(tmp_path / "a.mkv", [STEP * at for at in range(3)], "ffv1", pixels)
    assert len(drawn_frames(tmp_path / "drawn.mp4", source)) == 3


@pytest.mark.parametrize(
    "name",
    ["x" * 300 + ".mp4", "y" * 5000, "nul\0.mp4", "line\nbreak.mp4", "9" * 400, "http://", "://"],
    ids=["long", "longer", "NUL", "two lines", "digits", "no host", "no protocol"],
)
def test_names_that_nothing_can_have_are_one_line(name: str) -> None:
    assert error_line(VideoError, open_source, name)


@pytest.mark.parametrize("protocol", ["concat", "subfile", "data", "pipe", "fd", "crypto"])
def test_addresses_reach_no_files_of_this_machine(protocol: str, tmp_path: Path) -> None:
    source = encoded(tmp_path / "a.nut", [0, STEP])
    assert "cannot be opened" in error_line(VideoError, open_source, f"{protocol}://{source}")


@pytest.mark.parametrize("suffix", ["mp4", "png"])
def test_what_is_no_file_is_not_waited_for(suffix: str, tmp_path: Path) -> None:
    fifo, folder = tmp_path / f"fifo.{suffix}", tmp_path / "folder"
    os.mkfifo(fifo)
    folder.mkdir()
    (folder / f"frame.{suffix}").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / f"socket.{suffix}"))
        for path in (fifo, tmp_path / f"socket.{suffix}", folder):
            assert error_line(VideoError, open_source, path).startswith(str(path))
