"""One clock: times that rise strictly and are right, whatever a file says about them."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from video_files import DATA, cut, level, make_video, marker, packets, picture

from tarvitpose.results import Frame
from tarvitpose.video import sources as video_module
from tarvitpose.video.clock import FALL, Clock, Joins, rate_of, shift
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter

CASES = DATA.parent / "cases" / "video"


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of files read from their beginning, which grows."""
    begun: list[str] = []
    reading = video_module.Reading

    def noted(address: str, *arguments: Any, **options: Any) -> Any:
        begun.append(address)
        return reading(address, *arguments, **options)

    monkeypatch.setattr(video_module, "Reading", noted)
    return begun


def case(name: str) -> Path:
    path = CASES / name
    if not path.exists():
        pytest.skip(f"this file lies outside the repository, and {path} is not there")
    return path


def read(path: Path) -> tuple[FrameSource, list[Frame]]:
    with open_source(path) as source:
        return source, list(source)


def steps(frames: list[Frame]) -> list[float]:
    return np.diff([frame.time for frame in frames]).tolist()


# ------------------------------------------------------------------------- files that went wrong


@pytest.mark.parametrize(
    ("name", "rate", "expected"),
    [
        ("base_h264.avi", 15, [(2 + i) / 15 for i in range(15)]),
        ("xvid_b.avi", 25, [0.12 + 0.04 * i for i in range(38)]),
        ("mp3.avi", 15, [i / 15 for i in range(16) if i != 1]),
        ("drop.avi", 25, [i / 25 for i in range(40) if i not in (10, 11, 12, 13, 14, 25)]),
        ("concat.ts", 25, [0.0232 + i / 25 for i in range(80)]),
        ("base.mp4", 15, [i / 15 for i in range(15)]),
        ("anim.png", 25, [i / 25 for i in range(10)]),
    ],
)
def test_a_whole_file_is_read_once_at_rising_times_without_a_warning(
    readings: list[str], name: str, rate: float, expected: list[float]
) -> None:
    source, frames = read(case(name))
    assert [frame.time for frame in frames] == pytest.approx(expected, abs=1e-4)
    assert (source.frame_rate, source.warnings, len(readings)) == (rate, [], 1)


def test_the_rate_of_a_browsers_clock_is_not_that_of_the_frames() -> None:
    source, frames = read(case("mediarecorder2.webm"))
    assert 16 <= source.frame_rate <= 18
    assert len(frames) == 15


def test_streams_joined_with_sound_are_drawn_in_their_whole_length(tmp_path: Path) -> None:
    copied(case("concat.ts"), tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        lengths = [float(s.duration * s.time_base) for s in container.streams]
    assert lengths == pytest.approx([3.2, 3.2], abs=0.04)


# ------------------------------------------------------------------------------ the same, made here


def copied(source: Path, output: Path) -> None:
    with (
        open_source(source) as frames,
        VideoWriter(output, frames.image_size, frames.frame_rate, audio_from=source) as writer,
    ):
        for frame in frames:
            writer.write(frame.image, frame.time)
    assert writer.warnings == []


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_times_go_on_where_streams_were_joined(
    tmp_path: Path, readings: list[str], suffix: str, b_frames: str
) -> None:
    piece = make_video(tmp_path / f"piece{suffix}", 20, options={"bf": b_frames})
    joined = tmp_path / f"joined{suffix}"
    joined.write_bytes(3 * piece.read_bytes())
    source, frames = read(joined)
    _, single = read(piece)
    assert [f.index for f in frames] == list(range(60))
    assert steps(frames) == pytest.approx([0.04] * 59, abs=2e-3)
    assert [marker(f.image) for f in frames] == 3 * [marker(f.image) for f in single]
    assert (source.warnings, len(readings)) == ([], 2)


def test_sound_goes_over_a_join_with_its_pictures(tmp_path: Path) -> None:
    piece = make_video(tmp_path / "piece.ts", 25, audio="ac3", audio_seconds=1.0)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(2 * piece.read_bytes())
    copied(joined, tmp_path / "out.mp4")
    copied(piece, tmp_path / "single.mp4")
    after, single = (packets(tmp_path / name, "audio") for name in ("out.mp4", "single.mp4"))
    once = [content for _, content in single]
    assert [content for _, content in after[: len(once)]] == once
    # The join moves pictures by a second; each packet of the second piece by just as much.
    second = list(zip(after[-20:], single[-20:], strict=True))
    assert all(content == before for (_, content), (_, before) in second)
    moved = [time - before for (time, _), (before, _) in second]
    assert moved == pytest.approx([1.0] * 20, abs=2e-3)


def test_a_stamp_that_jitters_is_no_join() -> None:
    joins = Joins(Fraction(1, 25))
    stamps = [0, 40, 38, 80, 120, 160]
    packets_of = [fake_packet(stamp) for stamp in stamps]
    assert [joins.piece_of(packet) for packet in packets_of] == [0] * 6
    joins.piece_of(fake_packet(160 - round(1000 * FALL)))
    assert joins.shifts == [0, Fraction(240, 1000)]  # it is due at 0.2 s, and says -0.04 s


def fake_packet(stamp: int) -> Any:
    return SimpleNamespace(dts=stamp, pts=stamp, duration=40, time_base=Fraction(1, 1000))


def test_a_packet_is_moved_by_seconds() -> None:
    packet = fake_packet(40)
    shift(packet, Fraction(8, 5))
    assert (packet.pts, packet.dts) == (1640, 1640)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_avi_with_b_frames_comes_in_order(tmp_path: Path, readings: list[str], codec: str) -> None:
    path = make_video(tmp_path / "b.avi", 40, codec=codec, options={"bf": "2", "b": "4000000"})
    source, frames = read(path)
    assert steps(frames) == pytest.approx([0.04] * 39)
    seen = [marker(frame.image) for frame in frames]
    assert seen == pytest.approx([level(i) for i in range(40)], abs=2.9)
    assert (source.warnings, len(readings)) == ([], 1)


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_avi_with_frames_left_out_is_whole(tmp_path: Path, readings: list[str], codec: str) -> None:
    expected = [i / 25 for i in range(40) if i not in (10, 11, 12, 25, 30)]
    path = make_video(tmp_path / "drop.avi", expected, codec=codec, pix_fmt=pixels(codec))
    source, frames = read(path)
    assert [frame.time for frame in frames] == pytest.approx(expected)
    assert (source.warnings, len(readings), source.frame_count) == ([], 1, 35)
    assert source.frame_rate == 25
    cut(path, 0.7)
    source, _ = read(path)
    assert len(source.warnings) == 1
    assert "cut off or damaged" in source.warnings[0]


def pixels(codec: str) -> str:
    return "yuvj420p" if codec == "mjpeg" else "yuv420p"


@pytest.mark.parametrize("name", ["zero.mkv", "zero.ts", "zero.flv", "zero.mp4"])
def test_a_file_without_times_gets_its_nominal_rate_and_a_warning(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", 25, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        images = [av.VideoFrame.from_ndarray(picture(i, (48, 64)), "rgb24") for i in range(12)]
        packets = [packet for image in (*images, None) for packet in stream.encode(image)]
        for packet in packets:
            packet.pts = packet.dts = 0
            output.mux(packet)
    source, frames = read(path)
    assert [frame.time for frame in frames] == pytest.approx([i / 25 for i in range(12)])
    assert source.warnings == [
        f"{path}: its frames have no usable times; they are assumed to follow each other at "
        "25 frames/s"
    ]


# ------------------------------------------------------------------------------------- the parts


@pytest.mark.parametrize(
    ("average", "guessed", "stamps", "expected"),
    [
        (None, 1000, [0, 84, 155, 218, 267], (4 / 0.267, True)),  # a browser's clock
        (25, 25, [0, 40, 80], (25, True)),
        (30, 30, [0, 40, 80], (30, True)),  # stated, and possible
        (500, 500, [0, 2, 4, 6], (500, True)),  # a fast camera
        (None, 90_000, [0, 0, 0], (25, False)),
        (30, 90_000, [None, None], (30, False)),
        (None, None, [7], (25, True)),  # one picture
    ],
)
def test_a_rate_is_believed_where_cameras_have_it(
    average: int | None, guessed: int | None, stamps: list[int], expected: tuple[float, bool]
) -> None:
    stream = SimpleNamespace(
        average_rate=average, guessed_rate=guessed, time_base=Fraction(1, 1000)
    )
    rate, is_usable = rate_of(stream, stamps)
    assert (rate, is_usable) == (pytest.approx(expected[0]), expected[1])


def test_times_rise_whatever_the_stamps_do() -> None:
    stamps = np.random.default_rng(0).normal(0, 1, 500).cumsum().tolist()
    clock = Clock(25.0)
    times = [clock.time(stamp) for stamp in stamps]
    assert min(np.diff(times)) > 0
