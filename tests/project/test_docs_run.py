"""The commands of README and docs run, on a short video and with a tiny network."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from commands import shown_commands
from foreign_checkpoints import vitae
from invoke import run
from tiny_datasets import BOX, write_data_sets
from tiny_models import tiny_model

from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter
from tarvitpose.weights.folder import default_folder

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FRAMES = 5
SIZE: dict[str, Any] = {"input_size": (256, 192), "position_grid": (16, 12)}
RESULTS = "tarvitpose predict dance.mp4 --format coco,posetrack,openpose,mmpose,csv,parquet,npz"
EXPORT = "tarvitpose export exported --check dance.mp4"
VERBS = (
    *("predict", "plot", "report", "attention", "models", "doctor"),
    *("export", "convert", "data", "evaluate"),
)
ELSEWHERE = {  # what a command needs that tests lack, or which test runs it
    "PekingU/": "a download",
    "--weights vitpose-": "a download: tests/weights/test_named.py",
    "models vitpose-": "a download: tests/weights/test_named.py",
    "feet5": "a checkpoint with such a head: tests/weights/test_convert.py",
    "cuda": "a GPU",
    "predict 0": "a webcam",
    "rtsp": "a stream",
    "ray": "a cluster: tests/runs/test_bulk_ray.py",
    "runs/": "a finished training",
    "data/default/": "a finished training and its data sets",
    "data/clips": "clips to download",
    "data/lspet": "a data set to download",
    "data/posetrack18_sample": "a data set to download",
    "--tracks": "labels with track ids: tests/cli/test_evaluate_cli.py",
    "--size": "a checkpoint of full size: tests/weights/test_convert.py",
}


def lines_by_page() -> dict[Path, list[str]]:
    """Return the commands that a test can run, in their order, for pages that have some.

    What an earlier page or the fixture runs is left out, unless `--resume` goes on from it.
    """
    before, pages = {RESULTS, EXPORT}, {}
    for page in PAGES:
        lines = [line for line in shown_commands(page.read_text("utf-8")) if is_runnable(line)]
        new = [line for line in lines if line not in before or f"{line} --resume" in lines]
        before |= {*lines}
        if new:
            pages[page] = new
    return pages


def is_runnable(line: str) -> bool:
    if any(need in line for need in ELSEWHERE):
        return False
    _, verb, *_ = [*line.split(), ""]
    return line.startswith("tarvitpose ") and verb in VERBS


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with everything that the pages name: a video, frames, boxes, weights."""
    folder = tmp_path_factory.mktemp("world")
    tiny = tiny_model(**SIZE, offsets=(-2, -1, 1, 2), decoder_width=16)
    for name in ("default", "weights/vitpose-b", "weights/mine"):
        tiny.save_pretrained(folder / name)
    (folder / "takes").mkdir()
    (folder / "frames").mkdir()
    with open_source(default_folder().parent / "demo.mp4") as source:
        frames = [frame for frame, _ in zip(source, range(FRAMES), strict=False)]
        with VideoWriter(folder / "dance.mp4", source.image_size, source.frame_rate) as video:
            for frame in frames:
                video.write(frame.image, frame.time)
    for name in ("takes/one.mp4", "squat.mp4"):
        shutil.copy(folder / "dance.mp4", folder / name)
    for frame in frames:
        picture = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / "frames" / f"{frame.index:06d}.png"), picture)
    shutil.copy(folder / "frames" / "000000.png", folder / "photo.png")
    write_checkpoints(folder)
    write_labelled(folder)
    boxes = [{"image_id": n, "bbox": [10, 20, 90, 200], "score": 0.9} for n in range(FRAMES)]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    with pytest.MonkeyPatch.context() as patch:
        work_in(folder, patch)
        run_line(RESULTS)
        shutil.copy("results/dance.coco.json", "results/corrected.json")
        run_line(EXPORT)
    return folder


def work_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Work in a folder where the weights inside are the tiny network, in PyTorch unless told."""
    patch.setattr("tarvitpose.weights.folder.default_folder", lambda: folder / "default")
    patch.setattr("tarvitpose.weights.folder.tiny_folder", lambda *_: folder / "default")
    patch.setattr("tarvitpose.inference.load.choose_backend", lambda *_: "torch")
    patch.chdir(folder)


def write_checkpoints(folder: Path) -> None:
    """Write what `convert` reads: a checkpoint of another project."""
    small = tiny_model(**SIZE, offsets=(), decoder_width=256)  # as ViTPose has
    for name in "sblh":
        torch.save(vitae(small.state_dict()), folder / f"vitpose-{name}.pth")


def write_labelled(folder: Path) -> None:
    """Write small data sets and boxes under the names that the documents use."""
    write_data_sets(folder)
    for name in ("posetrack17", "posetrack18"):
        (folder / name).symlink_to(folder / "data" / name)
    stills = folder / "data" / "coco"
    shutil.copytree(stills / "val2017", folder, dirs_exist_ok=True)
    shutil.copy(stills / "annotations" / "person_keypoints_val2017.json", folder / "stills.json")
    detections = []
    for path in sorted((folder / "data/posetrack18/annotations/val").glob("*.json")):
        for image in json.loads(path.read_text())["images"]:
            box = {"image_name": image["file_name"], "bbox": BOX, "score": 0.9, "category_id": 1}
            detections.append(box)
    (folder / "detections.json").write_text(json.dumps(detections))


@pytest.fixture
def workplace(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of that folder."""
    copy = shutil.copytree(world, tmp_path / "copy", symlinks=True)
    work_in(copy, monkeypatch)
    return copy


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    "lines", [pytest.param(lines, id=page.stem) for page, lines in lines_by_page().items()]
)
def test_commands_run_one_after_the_other(lines: list[str]) -> None:
    keep_what_is_needed(lines)
    for line in lines:
        run_line(shorter(line))


def keep_what_is_needed(lines: list[str]) -> None:
    """Remove what earlier pages made, unless the first commands of a page expect it."""
    for folder, need, maker in (
        ("results", "results/", "tarvitpose predict dance.mp4"),
        ("exported", "--weights exported", "tarvitpose export"),
    ):
        uses = [n for n, line in enumerate(lines) if need in line]
        made = [n for n, line in enumerate(lines) if line.startswith(maker)]
        if not uses or any(n < uses[0] for n in made):
            shutil.rmtree(folder)


def shorter(line: str) -> str:
    """Return a command with times within the short video, fewer people, and so on."""
    line = re.sub(r"--start \S+", "--start 0.05", line)
    line = re.sub(r"--end \S+", "--end 0.15", line)
    line = re.sub(r"^tarvitpose convert .*", r"\g<0> --heads 3", line)  # of the tiny network
    line = re.sub(r"--people \S+", "--people 2 --frames 3", line)
    return re.sub(r"--time \S+", "--time 0.05", line)


def run_line(line: str) -> None:
    result = run(*shlex.split(line)[1:])
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if python_blocks(page)], ids=lambda p: p.stem
)
def test_python_runs_from_top_to_bottom(page: Path) -> None:
    shutil.copy("results/dance.coco.json", "results/squat.coco.json")
    space: dict[str, object] = {}
    for block in python_blocks(page):
        exec(compile(block, page.name, "exec"), space)
