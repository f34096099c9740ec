"""Many videos: which they are, what happens to those that fail, and what a run leaves."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invoke import run
from typer.testing import Result

from tarvitpose.config import PredictConfig
from tarvitpose.errors import UserError, VideoError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.runs import pipeline
from tarvitpose.runs.many import (
    ATTEMPTS,
    DEATHS,
    BatchQueue,
    JobReport,
    VideoJob,
    find_jobs,
    run_here,
    videos_in,
)
from tarvitpose.runs.on_ray import WorkerPlan, plan_workers, run_on_ray
from tarvitpose.runs.pipeline import Outcome, RunProgress


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def outcome(source: str, *files: Path) -> Outcome:
    return Outcome(source, files, frames=7, people=1, tracks=1, seconds=0.5, warnings=())


def ignore(source: str, progress: RunProgress) -> None:
    """Show nothing."""


def test_a_folder_of_videos_is_searched_with_all_below_it(tmp_path: Path) -> None:
    clips, output = tmp_path / "clips", tmp_path / "clips" / "results"
    touch(clips, "b.mp4", "a.MOV", "notes.txt", "day 1/c.mkv", "day 1/x/d.webm")
    touch(clips, ".hidden.mp4", ".trash/e.mp4", "results/a.mp4", "results/day 1/c.mp4")
    jobs = find_jobs([str(clips)], output)
    assert jobs == [
        VideoJob(str(clips / "a.MOV"), output, "a.MOV"),
        VideoJob(str(clips / "b.mp4"), output, "b.mp4"),
        VideoJob(str(clips / "day 1/c.mkv"), output / "day 1", "day 1/c.mkv"),
        VideoJob(str(clips / "day 1/x/d.webm"), output / "day 1/x", "day 1/x/d.webm"),
    ]


def test_a_folder_of_frames_is_one_video(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "preview/clip.mp4")
    assert find_jobs([str(tmp_path), "0", "a.mp4"], tmp_path / "out") == [
        VideoJob(str(tmp_path), tmp_path / "out", tmp_path.name),
        VideoJob("0", tmp_path / "out", "0"),
        VideoJob("a.mp4", tmp_path / "out", "a.mp4"),
    ]
    touch(tmp_path, "clip.mp4")
    with pytest.raises(VideoError, match="holds images and videos; use a pattern for one of them"):
        videos_in(tmp_path, tmp_path / "out")


def make_queue(tmp_path: Path, *names: str, **options: Any) -> BatchQueue:
    jobs = [VideoJob(name, tmp_path / "out", name) for name in names]
    return BatchQueue(jobs, PredictConfig(output=tmp_path / "out", **options))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Replace the processing by a note of source and `resume`; bad* fail, flaky* only at first."""
    noted: list[tuple[str, bool]] = []

    def process(
        source: str,
        estimator: object,
        config: PredictConfig,
        on_progress: Callable[..., None],
        name: str | None = None,
    ) -> Outcome:
        noted.append((source, config.resume))
        on_progress(RunProgress(1, 7, 1))
        if source.startswith("bug"):
            raise ZeroDivisionError("division by zero")
        if source.startswith("bad") or (source.startswith("flaky") and not config.resume):
            raise VideoError(f"{source}: cannot be read")
        return outcome(source)

    monkeypatch.setattr(pipeline, "check_source", lambda *_: None)
    monkeypatch.setattr(pipeline, "process", process)
    return noted


def all_reports(queue: BatchQueue) -> list[JobReport]:
    return list(run_here(queue, None, ignore))  # type: ignore[arg-type]


def test_what_fails_is_tried_once_more_at_the_end(
    tmp_path: Path, calls: list[tuple[str, bool]]
) -> None:
    queue = make_queue(tmp_path, "flaky", "bad", "good", "bug")
    assert queue.check(lambda: None)
    reports = all_reports(queue)
    first = [("flaky", False), ("bad", False), ("good", False), ("bug", False)]
    assert calls == [*first, ("flaky", True), ("bad", True), ("bug", True)]
    assert len(reports) == 7
    attempts = {report.job.name: (report.status, report.attempts) for report in reports}
    assert attempts == {
        "flaky": ("done", 2),
        "bad": ("failed", ATTEMPTS),
        "good": ("done", 1),
        "bug": ("failed", ATTEMPTS),
    }
    assert (queue.count("done"), queue.count("failed"), queue.count("left")) == (2, 2, 0)
    assert queue.frames == 14


def test_a_run_leaves_a_summary_and_a_list_of_what_failed(
    tmp_path: Path, calls: list[tuple[str, bool]]
) -> None:
    queue = make_queue(tmp_path, "bad", "bug", "good", det_every=3)
    all_reports(queue)
    queue.write_summary()
    assert (tmp_path / "out/failed.txt").read_text() == "bad\nbug\n"
    content = json.loads((tmp_path / "out/run.json").read_text())
    assert content["options"]["det_every"] == 3
    bad, bug, good = content["videos"]
    assert bad == {
        "source": "bad",
        "status": "failed",
        "attempts": 2,
        "error": "bad: cannot be read",
    }
    assert bug["error"] == "ZeroDivisionError: division by zero"
    assert "in process" in bug["traceback"]
    assert (good["status"], good["frames"]) == ("done", 7)
    queue = make_queue(tmp_path, "good")
    all_reports(queue)
    queue.write_summary()
    assert not (tmp_path / "out/failed.txt").exists()


def test_a_run_that_is_stopped_says_what_is_left(
    tmp_path: Path, calls: list[tuple[str, bool]]
) -> None:
    queue = make_queue(tmp_path, "a", "b", "c")
    next(iter(run_here(queue, None, ignore)))  # type: ignore[arg-type]
    queue.write_summary()
    content = json.loads((tmp_path / "out/run.json").read_text())
    assert [video["status"] for video in content["videos"]] == ["done", "left", "left"]


def test_unreadable_and_finished_videos_are_found_before_a_model_is_loaded(
    tmp_path: Path, calls: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(source: str, config: PredictConfig, name: str | None) -> Outcome | None:
        if source.startswith("bad"):
            raise VideoError(f"{source}: cannot be read")
        return outcome(source) if source.startswith("old") else None

    monkeypatch.setattr(pipeline, "check_source", check)
    checked: list[None] = []
    queue = make_queue(tmp_path, "bad", "old", "new")
    assert queue.check(lambda: checked.append(None))
    assert len(checked) == 3
    all_reports(queue)
    assert calls == [("new", False), ("bad", True)]
    nothing_to_do = make_queue(tmp_path, "bad", "old")
    assert not nothing_to_do.check(lambda: None)
    assert (nothing_to_do.count("done"), nothing_to_do.count("failed")) == (1, 1)


def test_a_video_whose_worker_died_is_next_and_goes_on(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a", "b", overwrite=True)
    first = queue.take()
    assert first is not None
    assert not queue.config_of(first).resume
    for _ in range(DEATHS - 1):
        assert queue.lost(first).status == "left"
        assert queue.take() == first
        assert queue.config_of(first).resume
    report = queue.lost(first)
    assert (report.status, report.error) == ("failed", "a: its worker died 3 times")
    second = queue.take()
    assert second is not None
    assert second.name == "b"
    assert not queue.is_waiting


def test_parquet_tables_become_one_data_set(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="the parquet extra is not installed")
    dataset = pytest.importorskip("pyarrow.dataset")
    parquet = pytest.importorskip("pyarrow.parquet")
    names = ["001.mp4", "day 1/002.mp4"]
    queue = make_queue(tmp_path, *names)
    for number, name in enumerate(names):
        table = tmp_path / f"{number}.parquet"
        parquet.write_table(pyarrow.table({"frame": [0, 1], "x": [1.0, number]}), table)
        job = queue.take()
        assert job is not None
        queue.done(job, outcome(name, tmp_path / "clip.csv", table))
        queue.done(job, outcome(name, table))  # a second time changes nothing
    rows = dataset.dataset(tmp_path / "out/dataset", partitioning="hive").to_table().to_pylist()
    assert rows == [
        {"frame": frame, "x": x, "video": name}
        for frame, x, name in [
            (0, 1, names[0]),
            (1, 0, names[0]),
            (0, 1, names[1]),
            (1, 1, names[1]),
        ]
    ]


@pytest.mark.parametrize(
    ("nodes", "device", "workers", "plan"),
    [
        ([{"CPU": 8}], "auto", None, WorkerPlan(1, 8, 0)),
        ([{"CPU": 8}], "cpu", 3, WorkerPlan(3, 2, 0)),
        ([{"CPU": 2}], "auto", 4, WorkerPlan(4, 0.49, 0)),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 64}], "auto", None, WorkerPlan(2, 8, 1)),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 64}], "cpu", None, WorkerPlan(2, 16, 0)),
        ([{"CPU": 16, "GPU": 2}], "cuda", 4, WorkerPlan(4, 4, 0.5)),
    ],
)
def test_each_worker_gets_its_share(
    nodes: list[dict[str, float]], device: str, workers: int | None, plan: WorkerPlan
) -> None:
    assert plan_workers(nodes, device, workers) == plan


def test_workers_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match="--device cuda: no machine of the Ray cluster has a GPU"):
        plan_workers([{"CPU": 8}], "cuda", None)
    with pytest.raises(UserError, match="no machine with processors"):
        plan_workers([{}], "cpu", None)


def test_a_cluster_that_is_not_there_is_named_at_once() -> None:
    pytest.importorskip("ray", reason="the ray extra is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UserError, match=f"--ray-address {address}: no answer from this address"):
        list(run_on_ray(make_queue(Path(), "a"), workers=None, address=address))


def predict(*arguments: str | Path) -> Result:
    return run("predict", *arguments)


def test_the_command_takes_a_folder_and_says_what_came_of_it(
    tmp_path: Path, calls: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PoseEstimator, "from_config", lambda config: None)
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "clips", "good.mp4", "day/good.mp4")  # of one name, in two folders
    result = predict("clips")
    assert result.exit_code == 0, result.output
    assert [source for source, _ in calls] == ["clips/day/good.mp4", "clips/good.mp4"]
    *_, last = result.stdout.splitlines()
    assert last.startswith("2 videos: 2 done; 14 frames (")
    assert result.stderr.splitlines()[0] == "2 videos to process"
    assert (tmp_path / "results/run.json").exists()
    assert predict("clips", "--quiet").output == ""


def test_options_of_many_workers_need_ray() -> None:
    for options, name in ((("--workers", "2"), "--workers"), (("--ray-address", "auto"), "--ray")):
        result = predict("a.mp4", *options)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"error: {name}")
        assert "add --engine ray" in result.stderr


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, calls: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> Outcome:
        touch(tmp_path, ".a.run/journal")
        raise KeyboardInterrupt

    touch(tmp_path, "a.mp4", "b.mp4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PoseEstimator, "from_config", lambda config: None)
    monkeypatch.setattr(pipeline, "process", stop)
    for sources in (["a.mp4"], ["a.mp4", "b.mp4"]):
        result = predict(*sources, "--output", tmp_path, "--quiet")
        assert result.exit_code == 130
        assert result.stderr == "stopped; the same command with --resume goes on from here\n"
    videos = json.loads((tmp_path / "run.json").read_text())["videos"]
    assert [video["status"] for video in videos] == ["left", "left"]
