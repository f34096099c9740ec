"""Many videos on a real Ray cluster of two workers, one of which is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from invoke import run
from processes import size_of
from tiny_models import modest_model
from video_files import make_video

pytest.importorskip("ray", reason="the ray extra is not installed")
dataset = pytest.importorskip("pyarrow.dataset", reason="the parquet extra is not installed")

FRAMES, VIDEOS = 120, ["a/0.mp4", "a/1.mp4", "2.mp4", "3.mp4"]
NUMBERS = ["frame", "time_s", "track_id", "x", "y", "score"]


def write_inputs(folder: Path) -> list[str]:
    """Write videos and boxes, and return the command that needs them."""
    modest_model(decoder_width=256).save_pretrained(folder / "weights")  # slow enough to be met
    for number, name in enumerate(VIDEOS):
        (folder / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        make_video(folder / "clips" / name, FRAMES - 20 * number)
    boxes = [
        {"image_id": frame, "bbox": [5 + frame / 4, 4, 20, 40], "score": 0.9, "category_id": 1}
        for frame in range(FRAMES)
    ]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    return [
        *("predict", "clips", "--weights", "weights"),
        *("--boxes", "boxes.json", "--device", "cpu", "--backend", "torch", "--batch-size", "4"),
        *("--format", "parquet", "--no-render"),
    ]


def kill_a_worker(output: Path, process: subprocess.Popen[str]) -> str:
    """Kill -9 the first worker that is in the middle of a video; return the video's name."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and process.poll() is None:
        for journal in output.rglob(".*.run/journal"):
            owner = journal.with_name("owner")
            if owner.exists() and size_of(journal) > 5000:
                os.kill(int(owner.read_text().split()[1]), signal.SIGKILL)
                return f"{journal.parent.name[1:-4]}.mp4"
        time.sleep(0.002)
    raise AssertionError(f"no worker was at work: {process.communicate()}")


@pytest.mark.slow
def test_every_video_is_done_once_though_a_worker_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = write_inputs(tmp_path)
    on_ray = [*command, "--output", "on_ray", "--engine", "ray", "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "tarvitpose", *on_ray],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        killed = kill_a_worker(tmp_path / "on_ray", process)
        out, errors = process.communicate(timeout=150)
    assert process.returncode == 0, (out, errors)
    assert "raylet" not in out + errors  # only what tarvitpose says
    assert out.count("at most 1 person in one") == len(VIDEOS)
    assert f"{killed}: its worker died (it is tried again)" in errors
    assert next(line for line in out.splitlines() if killed in line).count("of them from before")

    monkeypatch.chdir(tmp_path)
    here = run(*command, "--output", "here")
    assert here.exit_code == 0, here.output
    of_ray, of_here = (rows(tmp_path / name / "dataset") for name in ("on_ray", "here"))
    assert of_ray.keys() == of_here.keys() == set(VIDEOS)
    for number, name in enumerate(VIDEOS):
        assert len(of_ray[name]) == 15 * (FRAMES - 20 * number)
        assert np.allclose(of_ray[name], of_here[name], atol=1e-2), name
    assert not list((tmp_path / "on_ray").rglob(".*"))

    done = run(*command, "--output", "on_ray", "--resume")  # without Ray
    assert "4 videos: 4 done, 4 of them before; 0 frames" in done.stdout


def rows(folder: Path) -> dict[str, np.ndarray]:
    """Return the numbers of each video of a data set, a row for each joint."""
    table = dataset.dataset(folder, partitioning="hive").to_table()
    videos = np.array(table.column("video").to_pylist())
    numbers = np.stack([np.array(table.column(name), np.float64) for name in NUMBERS], 1)
    return {name: numbers[videos == name] for name in set(videos.tolist())}
