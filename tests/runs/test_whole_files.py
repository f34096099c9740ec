"""Whatever ends `predict`: files are whole or not there, and --resume gives the same ones."""

import json
import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import command_line, start
from tiny_models import tiny_model
from video_files import make_video

from tarvitpose.weights.files import save_checkpoint

FRAMES = 16
RUN_FOLDER, MANIFEST = ".walk.run", "walk.run.json"
Run = Callable[..., int | None]
Files = dict[str, bytes]

pytestmark = pytest.mark.slow


def on_a_small_disk(arguments: tuple[str, ...], output: Path, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    command_line(arguments, output)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Write a video, boxes and weights, and return the command that reads them."""
    folder = tmp_path_factory.mktemp("inputs")
    video, boxes = make_video(folder / "walk.mp4", FRAMES), folder / "boxes.json"
    people = [{"image_id": at, "bbox": [20 + at, 6, 18, 36], "score": 0.9} for at in range(FRAMES)]
    boxes.write_text(json.dumps(people))
    model = tiny_model(decoder_width=16)
    save_checkpoint(folder / "weights", model.config, model.state_dict())
    return (
        *("predict", str(video), "--weights", str(folder / "weights"), "--boxes", str(boxes)),
        *("--device", "cpu", "--backend", "torch", "--format", "coco,csv,npz,openpose"),
    )


@pytest.fixture(scope="module")
def undisturbed(
    command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Files, float]:
    """Return what an undisturbed run writes, and how many seconds it took."""
    folder, began = tmp_path_factory.mktemp("whole"), time.monotonic()
    process = start(command_line, (*command, "--output", str(folder)), folder / ".output.txt")
    process.join()
    assert process.exitcode == 0, (folder / ".output.txt").read_text()
    return files_in(folder), time.monotonic() - began


@pytest.fixture
def predict(tmp_path: Path, command: tuple[str, ...]) -> Run:
    """Return a function that runs `predict` and may end it; it returns the exit code."""

    def run(
        folder: Path, *options: str, size: int | None = None, number: int = 0, delay: float = 0
    ) -> int | None:
        (tmp_path / "output.txt").unlink(missing_ok=True)
        arguments = (*command, "--output", str(folder), *options)
        output = tmp_path / "output.txt"
        process = (
            start(command_line, arguments, output)
            if size is None
            else start(on_a_small_disk, arguments, output, size)
        )
        deadline = time.monotonic() + delay
        while number and process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.002)
        if number and process.is_alive():
            os.kill(process.pid or 0, number)
        process.join()
        return process.exitcode

    return run


def files_in(folder: Path) -> Files:
    """Return the content of every file below a folder that is not hidden."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.relative_to(folder).as_posix().startswith(".")
    }


def check_whole(folder: Path, whole: Files) -> None:
    """Assert that files have the content of an undisturbed run; the manifest holds a duration."""
    for name, content in files_in(folder).items():
        assert name == MANIFEST or content == whole[name], name


def hidden_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*")) if folder.exists() else []


def test_a_full_disk_is_one_line_and_leaves_whole_files_only(
    predict: Run, undisturbed: tuple[Files, float], tmp_path: Path
) -> None:
    whole, _ = undisturbed
    largest = max(map(len, whole.values()))
    for size in (700, largest // 3, largest - 1):
        folder = tmp_path / f"disk{size}"
        assert predict(folder, size=size) == 2, size
        lines = (tmp_path / "output.txt").read_text().splitlines()
        assert sum("cannot be written" in line for line in lines) == 1, lines
        assert not [line for line in lines if "Traceback" in line]
        check_whole(folder, whole)
        assert set(hidden_in(folder)) <= {RUN_FOLDER}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_at_any_moment_goes_on_to_the_same_files(
    number: signal.Signals, predict: Run, undisturbed: tuple[Files, float], tmp_path: Path
) -> None:
    whole, seconds = undisturbed
    moments = random.Random(number)
    for round_ in range(2):
        folder = tmp_path / f"ended{round_}"
        code = predict(folder, number=number, delay=moments.uniform(0.2, 1) * seconds)
        expected = {0, 130 if number == signal.SIGINT else -number, 128 + number}
        assert code in expected, (tmp_path / "output.txt").read_text()
        if folder.exists():
            check_whole(folder, whole)
            assert number == signal.SIGKILL or set(hidden_in(folder)) <= {RUN_FOLDER}
        assert predict(folder, "--resume") == 0, (tmp_path / "output.txt").read_text()
        check_whole(folder, whole)
        assert files_in(folder).keys() == whole.keys()
        assert hidden_in(folder) == []
