"""Live sources: the newest frames, true times, and a count of what was dropped."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from video_files import level, make_folder, make_video, marker

from tarvitpose.errors import VideoError
from tarvitpose.results import Frame
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.prefetch import prefetched
from tarvitpose.video.sources import open_source

TIMES = [i / 100 for i in range(20)] + [0.21, 0.25, 0.251, 0.3]  # seconds


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "dance.mkv", TIMES)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def wait_for_end_of_reading(before: int) -> None:
    while threading.active_count() > before:
        time.sleep(0.01)


def read_slowly(source: FrameSource, seconds: float) -> list[Frame]:
    frames = []
    for frame in prefetched(source):
        frames.append(frame)
        time.sleep(seconds)
    return frames


@pytest.mark.parametrize("seconds", [0.0, 0.015, 0.04])
def test_frames_are_given_or_dropped_and_keep_index_and_time(video: Path, seconds: float) -> None:
    with open_source(video, live=True) as source:
        frames = read_slowly(source, seconds)
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    assert [frame.time for frame in frames] == pytest.approx([TIMES[i] for i in indices], abs=1e-3)
    seen = [marker(frame.image) for frame in frames]
    assert seen == pytest.approx([level(i) for i in indices], abs=2)
    assert len(frames) + source.dropped == len(TIMES)
    assert len(source.warnings) == (source.dropped > 0)


def test_who_comes_back_late_finds_the_newest_two_frames(video: Path) -> None:
    before = threading.active_count()
    with open_source(video, live=True) as source:
        frames = prefetched(source)
        first = next(frames).index
        wait_for_end_of_reading(before)
        rest = [frame.index for frame in frames]
    assert rest == [index for index in (22, 23) if index > first]
    assert source.dropped == 24 - 1 - len(rest)
    (warning,) = source.warnings
    assert re.fullmatch(
        rf"dance: {source.dropped} of 24 frames dropped, "
        r"the machine was too slow for [\d.]+ frames/s",
        warning,
    )


def test_the_count_is_known_while_frames_still_come(video: Path) -> None:
    before = threading.active_count()
    with open_source(video, live=True) as source, closing(prefetched(source)) as frames:
        next(frames)
        wait_for_end_of_reading(before)
        next(frames)
        assert source.dropped >= 21


def test_a_recording_played_as_live_gives_no_frame_before_its_time(video: Path) -> None:
    began = time.monotonic()
    with open_source(video, live=True, start=0.1) as source:
        for frame in prefetched(source):
            assert time.monotonic() - began >= frame.time - 0.1 - 1e-3


def test_a_folder_plays_at_the_frame_rate_that_was_asked_for(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "walk", [f"{i}.png" for i in range(6)])
    began = time.monotonic()
    with open_source(folder, frame_rate=50, live=True) as source:
        frames = list(prefetched(source))
    assert time.monotonic() - began >= 5 / 50
    assert len(frames) + source.dropped == 6


def test_nothing_is_dropped_of_what_is_not_live(video: Path) -> None:
    with open_source(video) as source:
        frames = read_slowly(source, 0.012)
    assert (len(frames), source.dropped, source.warnings) == (24, 0, [])


def test_a_second_reading_counts_from_zero(video: Path) -> None:
    with open_source(video, live=True) as source:
        read_slowly(source, 0.03)
        again = list(prefetched(source))
    assert len(again) + source.dropped == len(TIMES)
    assert len(source.warnings) == (source.dropped > 0)


def test_stopping_early_does_not_wait_for_the_next_frame(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mkv", [0.0, 0.01, 300.0])
    began = time.monotonic()
    with open_source(path, live=True) as source, closing(prefetched(source)) as frames:
        assert next(frames).index in (0, 1)
    assert time.monotonic() - began < 60


def test_errors_of_a_live_source_reach_the_consumer(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "walk", ["0.png", "1.png", "2.png"])
    (folder / "2.png").write_bytes(b"not an image")
    with (
        open_source(folder, frame_rate=100, live=True) as source,
        pytest.raises(VideoError, match=r"2\.png: damaged or not an image"),
    ):
        list(prefetched(source))


class Camera:
    """Gives pictures whose brightness is their number; stops after two until it may go on."""

    def __init__(self, pictures: int) -> None:
        self.pictures, self.given = pictures, 0
        self.read_at: list[float] = []
        self.goes_on = threading.Event()

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(0.005)
        if self.given == 2:
            self.goes_on.wait()
        if self.given == self.pictures:
            return False, None
        self.given += 1
        self.read_at.append(time.monotonic())
        return True, np.full((4, 6, 3), self.given - 1, np.uint8)

    def get(self, _: int) -> float:
        return 200.0

    def release(self) -> None:
        self.pictures = self.given


def test_a_webcam_is_live_and_its_times_are_those_of_capture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    camera = Camera(40)
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: camera)
    before, opening = threading.active_count(), time.monotonic()
    with open_source("0") as source:
        opened = time.monotonic()
        assert (source.is_live, source.is_paced) == (True, False)
        frames = prefetched(source)
        received = [next(frames)]
        camera.goes_on.set()
        wait_for_end_of_reading(before)
        ended = time.monotonic()
        time.sleep(0.1)
        received += frames
    assert [frame.index for frame in received] == [0, 37, 38]  # one picture told the size
    for frame in received:
        assert frame.image[0, 0, 0] == frame.index + 1
    assert source.warnings == [
        "webcam0: 36 of 39 frames dropped, the machine was too slow for 200 frames/s"
    ]
    for frame in received:  # the times are those of capture, however late a frame was fetched
        assert camera.read_at[frame.index + 1] - opened <= frame.time <= ended - opening


@pytest.mark.parametrize(
    ("address", "is_live"),
    [
        *((f"{name}://host/cam", True) for name in ("rtsp", "RTMP", "srt", "udp", "rtp")),
        *((f"{name}://host/clip.mp4", False) for name in ("http", "https", "file")),
    ],
)
def test_streams_are_live_by_their_protocol(
    monkeypatch: pytest.MonkeyPatch, video: Path, address: str, is_live: bool
) -> None:
    import tarvitpose.video.sources as module

    reading = module.Reading
    monkeypatch.setattr(
        module, "Reading", lambda _, name, **options: reading(f"file:{video}", name, **options)
    )
    with open_source(address) as source:
        assert (source.is_live, source.is_paced) == (is_live, False)
    with open_source(address, live=True) as source:
        assert (source.is_live, source.is_paced) == (True, not is_live)
    with open_source(address, live=False) as source:
        assert (source.is_live, source.is_paced) == (False, False)
