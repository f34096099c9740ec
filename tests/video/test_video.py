"""Reading: every frame once, upright, at its true time, and one clear line for what is wrong."""

from __future__ import annotations

import gc
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from video_files import (
    DATA,
    cut,
    damage_packet,
    decode_fully,
    level,
    make_folder,
    make_sound,
    make_video,
    marker,
    picture,
    trim_by_edit_list,
    without_rights,
    write_image,
)

from tarvitpose.errors import VideoError
from tarvitpose.results import Frame
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.prefetch import prefetched
from tarvitpose.video.reader import upright_rgb
from tarvitpose.video.sources import open_source

RED = (255, 0, 0)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """Yield a folder that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def read(source: FrameSource) -> list[Frame]:
    with source:
        return list(source)


def times(frames: list[Frame]) -> list[float]:
    return [frame.time for frame in frames]


def message(source: str | Path, **options: float) -> str:
    with pytest.raises(VideoError) as caught:
        read(open_source(source, **options))
    text = str(caught.value)
    assert "\n" not in text
    return text


def assert_frames_are(frames: list[Frame], numbers: list[int]) -> None:
    """Check index and picture: the brightness of each picture tells which one it is."""
    assert [frame.index for frame in frames] == numbers
    seen = [marker(frame.image) for frame in frames]
    assert seen == pytest.approx([level(n) for n in numbers], abs=2)


# ---------------------------------------------------------------- frames and times of video files


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("h264.mp4", "libx264", "yuv420p"),
        ("h264.mov", "libx264", "yuv444p"),
        ("ten_bit.mkv", "libx264", "yuv420p10le"),
        ("h264.ts", "libx264", "yuv420p"),
        ("h264.flv", "libx264", "yuv420p"),
        ("mpeg4.avi", "mpeg4", "yuv420p"),
        ("vp9.webm", "libvpx-vp9", "yuva420p"),
        ("grey.mkv", "ffv1", "gray"),
        ("alpha.mkv", "ffv1", "bgra"),
        ("lossless.avi", "ffv1", "yuv444p"),
    ],
)
def test_every_frame_of_every_format_comes_once(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    path = make_video(tmp_path / name, 40, codec=codec, pix_fmt=pix_fmt)
    source = open_source(path)
    frames = read(source)
    assert source.warnings == []
    assert [frame.index for frame in frames] == list(range(40))
    assert times(frames) == pytest.approx([i / 25 for i in range(40)], abs=1e-3)
    assert [marker(frame.image) for frame in frames] == decode_fully(path)[1]
    for frame in frames:
        assert frame.image.shape == (48, 64, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
    if pix_fmt != "gray":
        assert np.abs(frames[0].image[2:8, 2:12].astype(int) - RED).max() < 40  # RGB, not BGR


def test_a_source_describes_itself(tmp_path: Path) -> None:
    path = make_video(tmp_path / "dance.mp4", 40)
    with open_source(str(path)) as source:
        assert source.name == "dance"
        assert source.path == path
        assert source.frame_rate == pytest.approx(25)
        assert source.frame_count == 40
        assert source.image_size == (48, 64)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_variable_frame_rates_keep_their_times(tmp_path: Path, suffix: str, b_frames: str) -> None:
    moments = [0.0, 0.033, 0.1, 0.101, 0.5, 0.54, 0.58, 1.7, 1.75, 2.0, 2.001, 2.2]
    path = make_video(tmp_path / f"vfr{suffix}", moments, options={"bf": b_frames})
    frames = read(open_source(path))
    assert times(frames) == pytest.approx(moments, abs=1e-6)
    assert_frames_are(frames, list(range(len(moments))))


def test_time_begins_where_the_file_begins_to_play(tmp_path: Path) -> None:
    late = [5.0, 5.1, 5.3]
    path = make_video(tmp_path / "late.mkv", late)
    assert decode_fully(path)[0] == pytest.approx(late)
    assert times(read(open_source(path))) == pytest.approx([0.0, 0.1, 0.3])


def test_a_picture_that_starts_after_the_sound_keeps_its_delay(tmp_path: Path) -> None:
    path = make_video(tmp_path / "delayed.mkv", [0.4, 0.5, 0.6], audio="aac")
    assert times(read(open_source(path))) == pytest.approx([0.4, 0.5, 0.6], abs=1e-3)


def test_frames_without_time_stamps_follow_at_the_frame_rate(tmp_path: Path) -> None:
    path = make_video(tmp_path / "raw.h264", 10, options={"bf": "0"})
    assert times(read(open_source(path))) == pytest.approx([i / 25 for i in range(10)])


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
def test_pictures_come_upright(tmp_path: Path, rotation: int, flip: bool) -> None:
    path = make_video(tmp_path / "turned.mp4", 3, rotation=rotation, flip=flip)
    expected = np.rot90(picture(0, (48, 64)), rotation // 90)  # counter-clockwise, like PyAV's
    expected = expected[:, ::-1] if flip else expected
    source = open_source(path)
    frames = read(source)
    assert source.image_size == expected.shape[:2]
    for frame in frames:
        assert frame.image.shape == expected.shape
        assert frame.image.flags.c_contiguous
    difference = np.abs(frames[0].image.astype(int) - expected)
    is_red = (expected == RED).all(-1)
    assert np.median(difference[is_red]) < 25


class FrameOfUnknownKind:
    """A frame that PyAV cannot list the side data of, and the converter for it."""

    def __init__(self, rotation: int) -> None:
        self.rotation = rotation

    @property
    def side_data(self) -> dict[str, bytes]:
        raise ValueError("31 is not a valid Type")

    def reformat(self, frame: object, *size_and_format: object) -> FrameOfUnknownKind:
        return self

    def to_ndarray(self) -> np.ndarray:
        return picture(0, (48, 64))


@pytest.mark.parametrize("rotation", [0, 90, 180, -180, -90])
def test_unknown_side_data_does_not_hide_the_rotation(rotation: int) -> None:
    frame = FrameOfUnknownKind(rotation)
    image = upright_rgb(frame, frame, None)
    assert np.array_equal(image, np.rot90(picture(0, (48, 64)), rotation // 90))


@pytest.mark.parametrize("suffix", [".tiff", ".avif"])
def test_other_images_are_read_as_videos_of_one_frame(tmp_path: Path, suffix: str) -> None:
    path = write_image(tmp_path / f"still{suffix}", picture(0, (48, 64)))
    assert_frames_are(read(open_source(path)), [0])


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    path = make_video(tmp_path / "odd.mkv", 5, size=(47, 61), codec="ffv1", pix_fmt="yuv444p")
    source = open_source(path)
    assert source.image_size == (47, 61)
    assert {frame.image.shape for frame in read(source)} == {(47, 61, 3)}


def test_a_change_of_size_is_scaled_to_the_first(tmp_path: Path) -> None:
    first = make_video(tmp_path / "first.ts", 10)
    second = make_video(tmp_path / "second.ts", [i / 25 for i in range(10, 20)], size=(96, 128))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    with av.open(str(joined)) as container:
        assert {f.width for f in container.decode(video=0)} == {64, 128}
    frames = read(open_source(joined))
    assert len(frames) == 20
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}


def test_what_an_edit_list_hides_stays_hidden_and_is_no_damage(tmp_path: Path) -> None:
    path = make_video(tmp_path / "trimmed.mp4", 50, options={"bf": "0", "g": "5"})
    trim_by_edit_list(path, skipped_ticks=10 * 3600, kept_milliseconds=800)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 50
    source = open_source(path)
    frames = read(source)
    assert len(frames) == len(decode_fully(path)[0]) == 20
    assert source.warnings == []
    assert times(frames) == pytest.approx([i / 25 for i in range(20)])
    assert marker(frames[0].image) == pytest.approx(level(10), abs=2)


@pytest.mark.parametrize("name", ["balance_cam01.mp4", "street_above.mov"])
def test_real_clips_give_what_a_full_decode_gives(name: str) -> None:
    path = DATA / "clips" / name
    if not path.exists():
        pytest.skip(f"the clips lie outside the repository, and {path} is not there")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        expected = [float(f.pts * stream.time_base) for f in container.decode(stream)]
    source = open_source(path)
    assert source.frame_count == len(expected)
    with source:
        assert [frame.time for frame in source] == expected
    assert source.warnings == []


def test_a_source_can_be_read_twice(tmp_path: Path) -> None:
    source = open_source(make_video(tmp_path / "clip.mp4", 12))
    assert times(list(source)) == times(list(source)) == pytest.approx([i / 25 for i in range(12)])


# ------------------------------------------------------------------------------- start and end


@pytest.mark.parametrize(
    ("start", "end", "numbers"),
    [
        (0.4, None, range(10, 40)),
        (None, 0.4, range(10)),
        (0.12, 0.28, range(3, 7)),
        (0.121, 0.281, range(4, 8)),
        (0.0, 99.0, range(40)),
    ],
)
def test_start_and_end_select_frames_that_keep_index_and_time(
    tmp_path: Path, start: float | None, end: float | None, numbers: range
) -> None:
    path = make_video(tmp_path / "clip.mp4", 40)
    source = open_source(path, start=start, end=end)
    frames = read(source)
    assert_frames_are(frames, list(numbers))
    assert times(frames) == pytest.approx([n / 25 for n in numbers])
    assert source.warnings == []
    assert source.frame_count == len(numbers)


def test_a_window_without_frames_is_an_error(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mp4", 10)
    assert message(path, start=7) == (
        f"{path}: no frame from 7 s on; the last one read is at 0.36 s"
    )
    assert message(path, start=0.05, end=0.06) == (
        f"{path}: no frame between 0.05 s and 0.06 s; the last one read is at 0.08 s"
    )


@pytest.mark.parametrize(("start", "end"), [(2.0, 1.0), (1.0, 1.0), (-1.0, 1.0)])
def test_a_window_that_holds_nothing_is_refused(tmp_path: Path, start: float, end: float) -> None:
    path = make_video(tmp_path / "clip.mp4", 3)
    assert message(path, start=start, end=end) == (
        f"{path}: expected 0 <= start < end, got start {start} and end {end}"
    )


# ---------------------------------------------------------------------------------- resources


def open_files(path: Path) -> int:
    gc.collect()
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]  # noqa: PTH208
    return sum(link.exists() and link.resolve() == path.resolve() for link in links)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_stopping_early_frees_the_file(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mp4", 40)
    with open_source(path) as source:
        for frame in source:
            assert open_files(path) == 1
            if frame.index == 3:
                break
        assert open_files(path) == 0
    with open_source(path):
        assert open_files(path) == 1
    assert open_files(path) == 0


def test_frames_are_read_only_when_asked_for(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "frames", ["0.png", "1.png", "2.png"])
    frames = iter(open_source(folder))
    assert next(frames).index == 0
    (folder / "1.png").write_bytes(b"damaged after the start")
    with pytest.raises(VideoError, match=r"1\.png: damaged or not an image"):
        next(frames)


def test_prefetched_frames_are_the_same(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mp4", 40)
    plain = read(open_source(path))
    with open_source(path) as source:
        ahead = list(prefetched(source, ahead=3))
    assert times(ahead) == times(plain)
    for early, other in zip(ahead, plain, strict=True):
        assert np.array_equal(early.image, other.image)


def test_prefetching_reads_no_further_ahead_than_told() -> None:
    produced = []

    def endless() -> Iterator[Frame]:
        while True:
            produced.append(len(produced))
            yield Frame(produced[-1], 0.0, np.zeros((1, 1, 3), np.uint8))

    frames = prefetched(endless(), ahead=2)
    for index in range(10):
        assert next(frames).index == index
        assert len(produced) <= index + 1 + 2 + 2  # the queue, one in each hand
    frames.close()  # type: ignore[attr-defined]


def test_stopping_early_ends_the_thread_and_frees_the_source(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mp4", 40)
    before = threading.active_count()
    with open_source(path) as source:
        for frame in prefetched(source, ahead=2):
            assert threading.active_count() == before + 1
            if frame.index == 1:
                break
    assert threading.active_count() == before


def test_errors_of_the_thread_reach_the_consumer(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "frames", ["0.png", "1.png", "2.png"])
    (folder / "2.png").write_bytes(b"not an image")
    seen = []
    with pytest.raises(VideoError, match=r"2\.png: damaged or not an image"):
        seen.extend(frame.index for frame in prefetched(open_source(folder)))
    frames = prefetched(open_source(folder))
    assert [next(frames).index, next(frames).index] == [0, 1]


# ----------------------------------------------------------------------------- images and cameras


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    names = ["f1.png", "f2.PNG", "f10.bmp", "f011.webp", "f100.jpg", "g.jpeg"]
    folder = make_folder(tmp_path / "walk", names)
    (folder / "notes.txt").write_text("no image")
    (folder / ".f3.png").write_bytes(b"hidden")
    source = open_source(folder)
    assert (source.name, source.path, source.frame_count) == ("walk", folder, 6)
    frames = read(source)
    assert [frame.name for frame in frames] == [f"walk/{name}" for name in names]
    assert times(frames) == pytest.approx([i / 25 for i in range(6)])
    assert_frames_are(frames, list(range(6)))
    assert np.abs(frames[0].image[2:8, 2:12].astype(int) - RED).max() == 0


def test_a_frame_rate_sets_the_times_of_a_folder(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "frames", ["0.png", "1.png", "2.png"])
    source = open_source(folder, frame_rate=10, start=0.1)
    assert source.frame_rate == 10
    assert times(read(source)) == pytest.approx([0.1, 0.2])


def test_a_glob_takes_what_it_matches(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "walk", ["a2.png", "a10.png", "b1.png"])
    source = open_source(str(folder / "a*.png"))
    assert (source.name, source.path) == ("walk", None)
    assert [frame.name for frame in read(source)] == ["walk/a2.png", "walk/a10.png"]


def test_a_single_image_is_one_frame_turned_by_its_exif(tmp_path: Path) -> None:
    path = write_image(tmp_path / "still.jpg", picture(0, (48, 64)))
    data = path.read_bytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # turn clockwise
    exif = b"\xff\xe1" + (len(tiff) + 8).to_bytes(2, "big") + b"Exif\0\0" + tiff
    path.write_bytes(data[:2] + exif + data[2:])
    source = open_source(path)
    assert (source.name, source.image_size) == ("still", (64, 48))
    (frame,) = read(source)
    assert np.abs(frame.image[2:12, -8:-2].astype(int) - RED).max() < 60  # now top right


def test_a_file_whose_name_has_magic_or_a_colon_is_still_a_file(tmp_path: Path) -> None:
    for name in ("a[1]*.mp4", "a:b.mp4", "7"):
        path = tmp_path / name
        make_video(tmp_path / "clip.mp4", 3).rename(path)
        assert len(read(open_source(path))) == 3


def test_a_stream_address_is_opened_by_pyav(tmp_path: Path) -> None:
    path = make_video(tmp_path / "live.ts", 10)
    source = open_source(f"file://{path}")
    assert (source.name, source.path, source.frame_count) == ("live", None, 10)
    assert_frames_are(read(source), list(range(10)))


def test_a_stream_that_nobody_serves_is_an_error() -> None:
    text = message("http://127.0.0.1:9/clip.mp4")
    assert text == "http://127.0.0.1:9/clip.mp4: cannot be opened (Connection refused)"


class FakeCamera:
    def __init__(self, pictures: int) -> None:
        self.left = pictures
        self.is_released = False

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        bgr = np.zeros((4, 6, 3), np.uint8)
        bgr[..., 2] = 200
        return (True, bgr) if self.left >= 0 else (False, None)

    def get(self, _: int) -> float:
        return 15.0

    def release(self) -> None:
        self.is_released = True


def test_a_webcam_gives_rgb_frames_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(4)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: camera if number == 2 else None)
    source = open_source("2")
    assert (source.name, source.image_size, source.frame_rate) == ("webcam2", (4, 6), 15.0)
    assert source.frame_count is None
    frames = read(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert frames[0].image[0, 0].tolist() == [200, 0, 0]
    assert 0 <= frames[0].time <= frames[1].time <= frames[2].time
    assert camera.is_released


def test_a_missing_webcam_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCamera(0)
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: camera)
    assert message("3") == "3: no image from webcam 3; is it plugged in and free?"
    assert camera.is_released


def test_only_our_own_line_tells_of_a_missing_webcam(capfd: pytest.CaptureFixture[str]) -> None:
    assert message("97") == "97: no image from webcam 97; is it plugged in and free?"
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------------------------- bad input


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert message("clip.mp4") == "clip.mp4: no such file or folder"


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    assert message(path) == f"{path}: the file is empty"


@pytest.mark.parametrize("name", ["clip.mp4", "notes.md"])
def test_what_is_no_video_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("Dear diary, today I saw no video at all.\n" * 50)
    assert message(path) == (
        f"{path}: cut off, damaged or not a video; it cannot be opened "
        "(Invalid data found when processing input)"
    )


def test_a_text_file_is_no_video_of_text_art(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("FFmpeg would paint this on a terminal.\n" * 50)
    assert message(path) == (
        f"{path}: a text file, expected a video, an image or a folder of frames"
    )


def test_sound_alone_is_named(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "clip.mp4")
    assert message(path) == f"{path}: no video stream (found 1 audio stream)"


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "song.m4a")
    cover = write_image(tmp_path / "cover.png", picture(0, (16, 16))).read_bytes()
    data = bytearray(path.read_bytes())
    atoms = b""
    for name, content in ((b"data", b"\0\0\0\x0e\0\0\0\0" + cover), (b"covr", b""), (b"ilst", b"")):
        atoms = (8 + len(content + atoms)).to_bytes(4, "big") + name + content + atoms
    handler = b"\0\0\0\x21hdlr" + bytes(8) + b"mdirappl" + bytes(9)
    meta = b"\0\0\0\0" + handler + atoms
    meta = (8 + len(meta)).to_bytes(4, "big") + b"meta" + meta
    udta = (8 + len(meta)).to_bytes(4, "big") + b"udta" + meta
    moov = data.index(b"moov") - 4
    size = int.from_bytes(data[moov : moov + 4], "big")
    assert moov + size == len(data)
    data[moov : moov + 4] = (size + len(udta)).to_bytes(4, "big")
    path.write_bytes(data + udta)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    assert message(path) == f"{path}: no video stream (found 1 audio stream, 1 cover picture)"


def test_a_folder_or_glob_without_images_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    kinds = "(expected jpg, jpeg, png, bmp, webp)"
    assert message(folder) == f"{folder}: no image in this folder {kinds}"
    assert message(f"{folder}/*.png") == f"{folder}/*.png: no image matches this pattern {kinds}"


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "frames", ["0.png", "1.png"])
    (folder / "1.png").write_bytes(b"")
    assert message(folder) == f"{folder / '1.png'}: damaged or not an image"
    (folder / "1.png").write_bytes(b"something else")
    assert message(folder / "1.png") == f"{folder / '1.png'}: damaged or not an image"


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "frames", ["0.png"])
    odd = write_image(folder / "1.png", picture(1, (50, 70)))
    assert message(folder) == (
        f"{odd}: 70x50 pixels, but 0.png has 64x48; the frames of one source need one size; "
        "photographs are given one by one, as in predict *.jpg"
    )


def test_a_file_without_permission_is_named(shared_folder: Path) -> None:
    path = make_video(shared_folder / "clip.mp4", 3)
    for locked in (path, shared_folder):
        with without_rights(locked):
            assert message(path) == f"{path}: no permission to read it"


def test_a_folder_without_permission_is_named(shared_folder: Path) -> None:
    folder = make_folder(shared_folder / "frames", ["0.png"])
    with without_rights(folder):
        assert message(folder) == f"{folder}: no permission to read it"
    with without_rights(folder / "0.png"):
        assert message(folder) == f"{folder / '0.png'}: cannot be read (Permission denied)"


def test_a_frame_rate_must_be_above_zero(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "frames", ["0.png"])
    assert message(folder, frame_rate=-5) == f"{folder}: expected a frame rate above 0, got -5"


def test_a_stream_without_one_whole_frame_is_an_error(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mp4", 1)
    damage_packet(path, 0)
    assert message(path) == f"{path}: no frame of its video stream (h264) can be decoded"


def test_an_mp4_without_its_index_cannot_be_opened(tmp_path: Path) -> None:
    path = cut(make_video(tmp_path / "clip.mp4", 20), 0.6)
    assert message(path).startswith(f"{path}: cut off, damaged or not a video; it cannot be opened")


# ------------------------------------------------------------------------------------- damage

FRONT = {"movflags": "faststart"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", FRONT), ("a.mp4", FRAGMENTED), ("a.mkv", {}), ("a.flv", {}), ("a.avi", {})],
)
def test_of_a_file_that_is_cut_off_the_frames_up_to_the_cut_come(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    encoding = {"g": "12", "b": "4000000"}
    path = make_video(tmp_path / name, 60, codec=codec, options=encoding, container_options=options)
    cut(path, 0.6)
    whole_packets = len(decode_as_far_as_possible(path))
    source = open_source(path)
    frames = read(source)
    assert 15 < len(frames) < 50
    assert len(frames) == whole_packets
    last = frames[-1]
    assert_frames_are(frames[:-1], list(range(last.index)))
    assert source.warnings == [
        f"{path}: cut off or damaged after frame {last.index} ({last.time:.2f} s); poses end there"
    ]


def decode_as_far_as_possible(path: Path) -> list[int]:
    markers = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                markers += [marker(f.to_ndarray(format="rgb24")) for f in packet.decode()]
            except av.FFmpegError:
                continue
    return markers


def test_a_damaged_packet_costs_its_frame_and_no_other(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mp4", 40, options={"bf": "0", "g": "1"})
    damage_packet(path, 17)
    source = open_source(path)
    frames = read(source)
    remaining = [i for i in range(40) if i != 17]
    assert times(frames) == pytest.approx([i / 25 for i in remaining])
    seen = [marker(frame.image) for frame in frames]
    assert seen == pytest.approx([level(i) for i in remaining], abs=2)
    (warning,) = source.warnings
    assert warning == (
        f"{path}: damaged after frame 16 (0.64 s), 1 frame missing; poses may be wrong there"
    )


def test_a_picture_that_the_decoder_repaired_is_reported(tmp_path: Path) -> None:
    path = make_video(tmp_path / "clip.mkv", 40, size=(240, 320), options={"bf": "0", "g": "20"})
    with av.open(str(path)) as container:
        packet = [(p.pos, p.size) for p in container.demux(video=0) if p.size][25]
    data = bytearray(path.read_bytes())
    middle = packet[0] + packet[1] // 2
    data[middle : middle + 400] = bytes(range(200)) * 2
    path.write_bytes(data)
    source = open_source(path)
    frames = read(source)
    assert [frame.index for frame in frames] == list(range(40))
    assert source.warnings == [f"{path}: damaged after frame 24 (0.96 s); poses may be wrong there"]


def test_a_source_that_is_read_twice_warns_once(tmp_path: Path) -> None:
    path = cut(make_video(tmp_path / "clip.mp4", 60, container_options=FRONT), 0.7)
    source = open_source(path)
    counts = [len(list(source)), len(list(source))]
    assert counts[0] == counts[1]
    assert len(source.warnings) == 1


def test_the_part_before_the_damage_needs_no_warning(tmp_path: Path) -> None:
    path = cut(make_video(tmp_path / "clip.mp4", 60, container_options=FRONT), 0.7)
    source = open_source(path, end=0.2)
    assert_frames_are(read(source), list(range(5)))
    assert source.warnings == []


def test_a_matroska_file_that_is_whole_gives_no_warning_where_the_sound_is_longer(
    tmp_path: Path,
) -> None:
    path = make_video(tmp_path / "clip.mkv", 10, audio="aac", audio_seconds=4.0)
    source = open_source(path)
    assert len(read(source)) == 10
    assert source.warnings == []


def test_damage_messages_are_one_line(tmp_path: Path) -> None:
    path = cut(make_video(tmp_path / "clip.mp4", 60, container_options=FRONT), 0.5)
    source = open_source(path)
    read(source)
    assert all(re.fullmatch(r"[^\n]+", warning) for warning in source.warnings)
    assert source.warnings
