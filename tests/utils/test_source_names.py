"""What sources are called: no password in it, no two alike, and any name a file can have."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from video_files import make_folder, make_video, picture, write_image

from tarvitpose.cli import console
from tarvitpose.config import PredictConfig
from tarvitpose.errors import OutputError, VideoError
from tarvitpose.formats.writing import output_paths
from tarvitpose.runs.many import find_jobs, with_different_names
from tarvitpose.utils.source_names import LONGEST, name_of, without_secrets
from tarvitpose.video.sources import open_source

ADDRESSES = [
    "rtsp://admin:geheim@10.0.0.5:554/cam1",
    "rtsp://admin:geheim@10.0.0.5",
    "rtsp://admin:ge@heim@10.0.0.5/cam",
    "rtsp://admin:geheim/x@10.0.0.5/cam",
    "rtsp://admin:geheim?x@10.0.0.5/cam",
    "rtsp://admin:geheim#x@10.0.0.5/cam",
    "rtsp://geheim@10.0.0.5/cam",
    "rtsp://10.0.0.5:554/user=admin_password=geheim_channel=1_stream=0.sdp",
    "http://10.0.0.5/video.mjpg?user=admin&pwd=geheim",
    "https://host/live?token=geheim&quality=high",
    "https://host/clip.mp4?X-Amz-Signature=geheim",
    "srt://host:9000?passphrase=geheim",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_password_is_nowhere(
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    import tarvitpose.video.sources as module

    assert "geheim" not in name_of(address)
    reading, clip = module.Reading, make_video(tmp_path / "clip.mp4", 3)
    opened: list[str] = []

    def replaced(url: str, name: str, **options: bool) -> object:
        opened.append(url)
        return reading(f"file:{clip}", name, **options)

    monkeypatch.setattr(module, "Reading", replaced)
    with open_source(address) as source:
        assert opened == [address]  # it is needed there
        paths = output_paths(source, PredictConfig(formats=("csv", "npz"), output=tmp_path))
        assert "geheim" not in f"{source.source} {source.name} {[*paths.values()]}"
    console.warn(f"{address}: lost (and again: {address})")
    console.fail(VideoError(f"{address}: lost"), source=address)
    monkeypatch.setattr(console._Mode, "is_json", True)
    console.fail(f"{address}: lost", source=address, files=[address])
    printed = capsys.readouterr()
    assert "lost" in printed.err
    assert "geheim" not in printed.err + printed.out
    json.loads(printed.out)


def test_an_address_without_secrets_stays_as_it_is() -> None:
    text = "http://host:8080/a/b.mp4?channel=2&quality=high is slow"
    assert without_secrets(text) == text


def test_no_two_cameras_have_the_same_name() -> None:
    cameras = [
        *("rtsp://10.0.0.5/cam", "rtsp://10.0.0.6/cam", "rtsp://10.0.0.5:8554/cam"),
        *("rtsp://10.0.0.5/cam/1", "rtsp://10.0.0.5/cam_1", "rtsp://10.0.0.5/cam-1"),
        *("rtsp://10.0.0.5/cam?channel=1", "rtsp://10.0.0.5/cam?channel=2", "rtsp://10.0.0.5"),
        *("http://10.0.0.5/video.mjpg", "http://10.0.0.6/video.mjpg"),
    ]
    assert len({name_of(camera) for camera in cameras}) == len(cameras)
    for camera in cameras:
        assert Path(name_of(camera)).name == name_of(camera)


def test_two_streams_that_differ_in_nothing_but_a_password_are_refused(tmp_path: Path) -> None:
    cameras = ["rtsp://a:geheim@host/cam", "rtsp://b:geheim@host/cam"]
    with pytest.raises(OutputError) as caught:
        with_different_names(find_jobs(cameras, tmp_path))
    assert str(caught.value).startswith("rtsp://host/cam and rtsp://host/cam: the results of both")


def test_files_that_differ_in_their_suffix_have_results_that_differ(tmp_path: Path) -> None:
    for name in ("IMG_1.MOV", "IMG_1.mp4", "IMG_2.mp4", "day/IMG_1.mp4"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        make_video(tmp_path / "in" / name, 2)
    jobs = with_different_names(find_jobs([str(tmp_path / "in")], tmp_path / "out"))
    results = {}
    for job in jobs:
        with open_source(job.source, name=job.stem) as source:
            config = PredictConfig(output=job.output)
            results[job.name] = output_paths(source, config)["coco"].relative_to(tmp_path)
    assert results == {
        "IMG_1.MOV": Path("out/IMG_1.MOV.coco.json"),
        "IMG_1.mp4": Path("out/IMG_1.mp4.coco.json"),
        "IMG_2.mp4": Path("out/IMG_2.coco.json"),
        "day/IMG_1.mp4": Path("out/day/IMG_1.coco.json"),
    }


def test_a_folder_and_a_video_of_the_same_name_both_come(tmp_path: Path) -> None:
    make_folder(tmp_path / "dance", ["0.png"])
    video = make_video(tmp_path / "dance.mp4", 2)
    jobs = with_different_names(find_jobs([str(tmp_path / "dance"), str(video)], tmp_path / "out"))
    assert [job.stem for job in jobs] == ["dance", "dance.mp4"]


def test_a_name_that_is_no_utf8_is_read_and_written_in_ascii(tmp_path: Path) -> None:
    path = make_video(tmp_path / "dance.mp4", 3).rename(
        os.fsdecode(bytes(tmp_path) + b"/d\xe9.mp4")
    )
    with open_source(path) as source:
        assert (source.name, len(list(source))) == ("d%E9", 3)
        assert source.source.encode().endswith(b"/d%E9.mp4")
    folder = make_folder(tmp_path / "walk", ["0.png"])
    folder = folder.rename(os.fsdecode(bytes(tmp_path) + b"/w\xe9"))
    with open_source(folder) as source:
        assert [frame.name for frame in source] == ["w%E9/0.png"]


def test_a_long_name_leaves_room_for_the_endings(tmp_path: Path) -> None:
    first, second = (make_video(tmp_path / f"{'ä' * 120}{end}.mp4", 2) for end in "ab")
    names = [name_of(str(path)) for path in (first, second)]
    assert names[0] != names[1]
    assert max(len(name.encode()) for name in names) <= LONGEST
    with pytest.raises(VideoError, match="no such file or folder"):
        open_source("x" * 300 + ".mp4")


def test_a_name_that_is_too_long_is_said_in_one_line(tmp_path: Path) -> None:
    done = predict(tmp_path, "x" * 300 + ".mp4")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "too long" in done.stderr or "no such file" in done.stderr


def predict(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tarvitpose", "predict", *arguments],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_terminal_may_lack_a_character(tmp_path: Path) -> None:
    done = predict(tmp_path, "étude ×.mp4", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (
        2,
        "error: \\xe9tude \\xd7.mp4: no such file or folder\n",
    )


# --------------------------------------------------------------------------- pipes and animations


@pytest.mark.parametrize("name", ["clip.mp4", "clip.png"])
def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    message: list[str] = []

    def read() -> None:
        try:
            open_source(tmp_path / name)
        except VideoError as error:
            message.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert message == [
        f"{tmp_path / name}: a pipe or a device, expected a file: only a file can be read again; "
        "save it as one, or give the address of a stream"
    ]


def test_standard_input_is_refused_in_one_line() -> None:
    code = "from tarvitpose.video.sources import open_source; open_source('/dev/stdin')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=b"no video",
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert b"VideoError: /dev/stdin: a pipe or a device" in done.stderr


def test_a_pipe_among_images_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "walk", ["0.png"])
    os.mkfifo(folder / "1.png")
    with open_source(folder) as source, pytest.raises(VideoError, match=r"1\.png.*not a file"):
        list(source)


def animation(path: Path, count: int) -> Path:
    """Write a picture that moves, PNG or WebP."""
    if not hasattr(cv2, "imwriteanimation"):
        pytest.skip("this OpenCV writes no animations")
    moving = cv2.Animation()
    moving.frames = [
        np.dstack([picture(i, (48, 64))[..., ::-1], np.full((48, 64), 255, np.uint8)])
        for i in range(count)
    ]
    moving.durations = np.full(count, 100, np.int32)
    assert cv2.imwriteanimation(str(path), moving)
    return path


def test_an_animated_png_gives_all_its_pictures(tmp_path: Path) -> None:
    with open_source(animation(tmp_path / "anim.png", 6)) as source:
        frames = list(source)
    assert [frame.time for frame in frames] == pytest.approx([i / 10 for i in range(6)])
    assert np.array_equal(frames[5].image, picture(5, (48, 64)))
    assert source.warnings == []


def test_of_an_animated_webp_the_number_of_pictures_is_said(tmp_path: Path) -> None:
    path = animation(tmp_path / "anim.webp", 6)
    with open_source(path) as source:
        assert len(list(source)) == 1
    assert source.warnings == [
        f"{path}: an animation of 6 pictures, of which only the first is read; convert it to mp4"
    ]


def test_plain_pictures_are_one_picture(tmp_path: Path) -> None:
    for name in ("a.png", "a.webp", "a.jpg"):
        with open_source(write_image(tmp_path / name, picture(0, (48, 64)))) as source:
            assert len(list(source)) == 1
        assert source.warnings == []
