"""Writing: the same frames at the same times with the same sound, or nothing at all."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from video_files import (
    DATA,
    add_sine,
    level,
    make_folder,
    make_sound,
    make_video,
    marker,
    packets,
    picture,
    without_rights,
)

from tarvitpose.errors import OutputError
from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter


def copy(
    source: Path, output: Path, *, start: float | None = None, end: float | None = None
) -> None:
    with (
        open_source(source, start=start, end=end) as frames,
        VideoWriter(
            output,
            frames.image_size,
            frames.frame_rate,
            audio_from=frames.path,
            start=start,
            end=end,
        ) as writer,
    ):
        for frame in frames:
            writer.write(frame.image, frame.time)
    assert writer.warnings == []


def read(path: Path) -> tuple[list[float], list[NDArray[np.uint8]]]:
    with open_source(path) as source:
        frames = list(source)
    assert source.warnings == []
    return [frame.time for frame in frames], [frame.image for frame in frames]


def write_some(path: Path, times: list[float], size: tuple[int, int] = (48, 64)) -> None:
    with VideoWriter(path, size, 25) as writer:
        for index, time in enumerate(times):
            writer.write(picture(index, size), time)


# ---------------------------------------------------------------------------- pictures and times


def test_what_was_written_is_read_back_at_its_times(tmp_path: Path) -> None:
    moments = [0.0, 0.033, 0.1, 0.101, 0.5, 0.54, 0.58, 1.7, 1.75, 2.0, 2.001, 2.2]
    path = tmp_path / "vfr.mp4"
    write_some(path, moments)
    times, images = read(path)
    assert times == pytest.approx(moments, abs=1e-4)
    assert [marker(image) for image in images] == pytest.approx(
        [level(i) for i in range(len(moments))], abs=2
    )


def test_a_long_video_loses_no_frame_in_the_encoder(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    moments = [i / 29.97 for i in range(300)]
    write_some(path, moments)
    assert read(path)[0] == pytest.approx(moments, abs=1e-4)


def test_times_that_do_not_rise_are_moved_the_least_bit(tmp_path: Path) -> None:
    path = tmp_path / "still.mp4"
    write_some(path, [0.0, 0.5, 0.5, 0.4, 0.6])
    assert read(path)[0] == pytest.approx([0.0, 0.5, 0.5, 0.5, 0.6], abs=1e-4)


def test_the_file_is_what_players_expect(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    write_some(path, [i / 25 for i in range(10)])
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays before it is loaded


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)])
def test_colours_survive(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = tmp_path / "colour.mp4"
    image = np.full((48, 64, 3), colour, np.uint8)
    with VideoWriter(path, (48, 64), 25) as writer:
        writer.write(image, 0.0)
    (decoded,) = read(path)[1]
    assert np.abs(decoded.astype(int) - image).max() <= 4


@pytest.mark.parametrize("size", [(47, 64), (48, 63), (47, 63)])
def test_odd_sizes_repeat_the_last_row_or_column(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "odd.mp4"
    image = np.full((*size, 3), 200, np.uint8)
    with VideoWriter(path, size, 25) as writer:
        writer.write(image, 0.0)
    (decoded,) = read(path)[1]
    assert decoded.shape == (48, 64, 3)
    assert np.abs(decoded.astype(int) - 200).max() <= 2


def test_any_view_of_an_array_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a:b.mp4"
    upside_down = picture(0, (48, 64))[::-1]
    assert not upside_down.flags.c_contiguous
    with VideoWriter(path, (48, 64), 25) as writer:
        writer.write(upside_down, 0.0)
    assert marker(read(path)[1][0][::-1]) == pytest.approx(level(0), abs=2)


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"expected an image \(48, 64, 3\), got \(64, 48, 3\)"),
        VideoWriter(tmp_path / "video.mp4", (48, 64), 25) as writer,
    ):
        writer.write(np.zeros((64, 48, 3), np.uint8), 0.0)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------ sound


@pytest.mark.parametrize(
    ("name", "codec"),
    [("aac.mp4", "aac"), ("mp3.mkv", "libmp3lame"), ("opus.webm", "libopus"), ("ac3.ts", "ac3")],
)
def test_sound_is_copied_packet_by_packet(tmp_path: Path, name: str, codec: str) -> None:
    video = "libvpx-vp9" if name.endswith("webm") else "libx264"
    source = make_video(tmp_path / name, 30, codec=video, audio=codec, audio_seconds=1.2)
    output = tmp_path / "out.mp4"
    copy(source, output)
    before, after = packets(source, "audio"), packets(output, "audio")
    assert [content for _, content in after] == [content for _, content in before]
    assert sound_behind_picture(output) == pytest.approx(sound_behind_picture(source), abs=1e-3)


def sound_behind_picture(path: Path) -> float:
    return packets(path, "audio")[5][0] - min(time for time, _ in packets(path, "video"))


def test_sound_keeps_its_place_beside_a_picture_that_starts_late(tmp_path: Path) -> None:
    source = make_video(tmp_path / "late.mkv", [0.4, 0.44, 0.48], audio="aac")
    copy(source, tmp_path / "out.mp4")
    assert read(tmp_path / "out.mp4")[0] == pytest.approx([0.4, 0.44, 0.48], abs=1e-3)
    assert packets(tmp_path / "out.mp4", "audio")[5][0] == pytest.approx(
        packets(source, "audio")[5][0], abs=1e-3
    )


@pytest.mark.parametrize(("name", "codec"), [("pcm.mkv", "pcm_s16le"), ("adts.ts", "aac")])
def test_sound_that_mp4_cannot_hold_as_it_is_becomes_aac(
    tmp_path: Path, name: str, codec: str
) -> None:
    source = make_video(tmp_path / name, 30, audio=codec, audio_seconds=1.2)
    output = tmp_path / "out.mp4"
    copy(source, output)
    with av.open(str(output)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        frames = list(container.decode(stream))
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert len(samples) / 48_000 == pytest.approx(1.2, abs=0.05)
    middle = samples[10_000:40_000]
    loudest = np.abs(np.fft.rfft(middle)).argmax() * 48_000 / len(middle)
    assert loudest == pytest.approx(440, abs=3)


def test_a_part_of_a_source_begins_at_0_with_its_own_sound(tmp_path: Path) -> None:
    source = make_video(tmp_path / "clip.mp4", 50, audio="aac", audio_seconds=2.0)
    output = tmp_path / "part.mp4"
    copy(source, output, start=0.8, end=1.2)
    times, images = read(output)
    assert times == pytest.approx([i / 25 for i in range(10)], abs=1e-4)
    assert marker(images[0]) == pytest.approx(level(20), abs=2)
    part = {content: time for time, content in packets(output, "audio")}
    whole = {content: time for time, content in packets(source, "audio")}
    expected = {c for c, time in whole.items() if 0.8 <= time < 1.2}
    assert set(part) == expected
    assert len(expected) > 10
    for content in expected:
        assert part[content] + 0.8 == pytest.approx(whole[content], abs=0.03)


def test_sources_without_sound_give_silent_videos(tmp_path: Path) -> None:
    silent = make_video(tmp_path / "silent.mp4", 5)
    folder = make_folder(tmp_path / "frames", ["0.png", "1.png"])
    for source in (silent, folder):
        output = tmp_path / f"{source.stem}_out.mp4"
        copy(source, output)
        with av.open(str(output)) as container:
            assert [stream.type for stream in container.streams] == ["video"]


def test_a_sound_file_can_go_with_any_frames(tmp_path: Path) -> None:
    sound = make_sound(tmp_path / "song.m4a")
    output = tmp_path / "out.mp4"
    with VideoWriter(output, (48, 64), 25, audio_from=sound) as writer:
        writer.write(picture(0, (48, 64)), 0.0)
    assert [c for _, c in packets(output, "audio")] == [c for _, c in packets(sound, "audio")]


def test_sound_that_is_cut_off_is_reported_and_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    sound = tmp_path / "song.mp4"
    with av.open(str(sound), "w", options={"movflags": "faststart"}) as output:
        add_sine(output, output.add_stream("aac", 48_000, layout="mono"), 2.0)
    whole = packets(sound, "audio")
    data = sound.read_bytes()
    sound.write_bytes(data[: len(data) * 2 // 3])
    path = tmp_path / "out.mp4"
    with VideoWriter(path, (48, 64), 25, audio_from=sound) as writer:
        writer.write(picture(0, (48, 64)), 0.0)
    shortened = packets(path, "audio")
    assert 20 < len(shortened) < len(whole)
    assert [c for _, c in shortened[:20]] == [c for _, c in whole[:20]]
    assert read(path)[0] == [0.0]


def test_a_real_clip_comes_back_with_all_frames_and_its_sound(tmp_path: Path) -> None:
    source = DATA / "clips" / "street_above.mov"
    if not source.exists():
        pytest.skip(f"the clips lie outside the repository, and {source} is not there")
    output = tmp_path / "out.mp4"
    copy(source, output, end=0.5)
    with open_source(source, end=0.5) as frames:
        expected = [frame.time for frame in frames]
    assert read(output)[0] == pytest.approx(expected, abs=1e-3)
    before = [content for time, content in packets(source, "audio") if time < 0.5]
    assert [content for _, content in packets(output, "audio")] == before


# ------------------------------------------------------------------------------- whole or nothing


def test_the_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "video.mp4"
    with VideoWriter(path, (48, 64), 25) as writer:
        writer.write(picture(0, (48, 64)), 0.0)
        assert not path.exists()
        assert next(p.name for p in path.parent.iterdir()).startswith(".video.")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("the model failed"), KeyboardInterrupt()])
def test_an_error_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"the old one")

    def fail() -> None:
        with VideoWriter(path, (48, 64), 25) as writer:
            writer.write(picture(0, (48, 64)), 0.0)
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"the old one"


def test_a_video_without_frames_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with pytest.raises(OutputError) as caught, VideoWriter(path, (48, 64), 25):
        pass
    assert str(caught.value) == f"{path}: not written, because there was no frame to write"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_permission_is_an_output_error(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with without_rights(tmp_path), pytest.raises(OutputError) as caught:
        write_some(path, [0.0])
    assert str(caught.value) == f"{path}: cannot be written (Permission denied)"


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with at_most(20_000), pytest.raises(OutputError) as caught:
        write_some(path, [i / 25 for i in range(60)], size=(96, 128))
    assert str(caught.value) == f"{path}: cannot be written (File too large)"
    assert list(tmp_path.iterdir()) == []
