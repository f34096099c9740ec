"""What README and docs show is done, not only understood: on a short video, with a tiny network."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import cv2
import pytest
from commands import shown_commands
from tiny_models import tiny_model
from typer.testing import CliRunner

from tarvitpose.cli import app
from tarvitpose.model.weights import default_folder
from tarvitpose.video import open_source
from tarvitpose.video_writer import VideoWriter

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FRAMES = 6
RESULTS = "tarvitpose predict dance.mp4 --format coco,posetrack,openpose,mmpose,csv,parquet,npz"
DONE = ("predict", "plot", "report", "attention", "models", "doctor")
ELSEWHERE = {  # what a line needs that a test has not, or what another test does
    "PekingU/": "a download",
    "cuda": "a GPU",
    "predict 0": "a webcam",
    "rtsp": "a stream",
    "ray": "a cluster: tests/test_bulk_ray.py",
    "../shared": "data that users do not have",
    "runs/": "a finished training",
}


def done_lines() -> list[str]:
    """Return the commands that a test can carry out."""
    lines = {line for page in PAGES for line in shown_commands(page.read_text("utf-8"))}
    return sorted(line for line in lines if is_done(line))


def is_done(line: str) -> bool:
    if any(need in line for need in ELSEWHERE):
        return False
    _, verb, *_ = [*line.split(), ""]
    return line.startswith("tarvitpose ") and (verb in DONE or "--videos" in line)


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that the documents name: a video, frames, boxes, weights."""
    folder = tmp_path_factory.mktemp("world")
    tiny = tiny_model(input_size=(256, 192), position_grid=(16, 12), offsets=(-2, -1, 1, 2))
    for name in ("default", "weights/vitpose-b", "weights/mine"):
        tiny.save_pretrained(folder / name)
    (folder / "takes").mkdir()
    (folder / "frames").mkdir()
    with open_source(default_folder().parent / "demo.mp4") as source:
        frames = [frame for frame, _ in zip(source, range(FRAMES), strict=False)]
        with VideoWriter(folder / "dance.mp4", source.image_size, source.frame_rate) as video:
            for frame in frames:
                video.write(frame.image, frame.time)
    shutil.copy(folder / "dance.mp4", folder / "takes" / "one.mp4")
    for frame in frames:
        picture = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / "frames" / f"{frame.index:06d}.png"), picture)
    boxes = [{"image_id": n, "bbox": [10, 20, 90, 200], "score": 0.9} for n in range(FRAMES)]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    return folder


@pytest.fixture
def there(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of that folder, where `default` is the tiny network."""
    here = shutil.copytree(world, tmp_path / "here")
    monkeypatch.setattr("tarvitpose.model.weights.default_folder", lambda: here / "default")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(here)
    return here


@pytest.mark.slow
@pytest.mark.parametrize("line", done_lines())
def test_commands_are_carried_out(line: str, there: Path) -> None:
    if "--weights exported" in line:
        run("tarvitpose export exported --check dance.mp4")
    if "results/" in line:
        run(RESULTS)
    run(shorter(line))


def shorter(line: str) -> str:
    """Return a command whose times lie within the short video."""
    line = re.sub(r"--start \S+", "--start 0.05", line)
    line = re.sub(r"--end \S+", "--end 0.15", line)
    return re.sub(r"--time \S+", "--time 0.05", line)


def run(line: str) -> None:
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if python_blocks(page)], ids=lambda p: p.stem
)
def test_python_runs_from_top_to_bottom(page: Path, there: Path) -> None:
    run(RESULTS)
    space: dict[str, object] = {}
    for block in python_blocks(page):
        exec(compile(block, page.name, "exec"), space)
