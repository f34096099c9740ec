"""Jobs and the service: one at a time, stopped between frames, errors without server paths."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from async_calls import finished
from video_files import make_video

from tarvitpose.config import PredictConfig
from tarvitpose.errors import UserError, VideoError
from tarvitpose.runs.pipeline import RunProgress
from tarvitpose.web import service as service_module
from tarvitpose.web.jobs import Job, StoppedError
from tarvitpose.web.limits import Limits, Upload
from tarvitpose.web.service import Service
from tarvitpose.web.sessions import Sessions

Find = Callable[..., Any]


@pytest.fixture
def worker() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as worker:
        yield worker


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(PredictConfig(), Limits(50, 60), Sessions(60, parent=tmp_path))
    yield service
    service.close()
    assert [*tmp_path.glob("tarvitpose-web-*")] == []


def endless(begun: Event) -> Callable[[Callable[[], None]], None]:
    """Return work that goes on until it is stopped, at most 10 s, lest a failing test hangs."""

    def work(check: Callable[[], None]) -> None:
        begun.set()
        for _ in range(2000):
            check()
            time.sleep(0.005)

    return work


# ------------------------------------------------------------------------------------------ jobs


def test_a_job_returns_what_its_work_returns(worker: Executor) -> None:
    assert finished(Job(worker, lambda _: 7).result()) == 7


def test_a_stopped_job_ends_between_two_frames(worker: Executor) -> None:
    begun = Event()
    job = Job(worker, endless(begun))
    begun.wait(10)
    job.stop()
    with pytest.raises(StoppedError):
        finished(job.result())
    assert job.is_over


def test_a_job_that_is_stopped_while_it_waits_is_never_begun(worker: Executor) -> None:
    begun, never = Event(), Event()
    first = Job(worker, endless(begun))
    second = Job(worker, lambda _: never.set())
    second.stop()
    first.stop()
    with pytest.raises(StoppedError):
        finished(second.result())
    assert not never.is_set()


def test_who_is_cancelled_stops_the_job_and_waits_for_its_end(worker: Executor) -> None:
    begun = Event()
    job = Job(worker, endless(begun))

    async def cancel() -> bool:
        request = asyncio.create_task(job.result())
        await asyncio.sleep(0.01)  # so that it waits for the job
        begun.wait(10)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        return job.is_over

    assert finished(cancel())


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_a_job_that_exits_does_not_end_the_server(worker: Executor, error: BaseException) -> None:
    def work(_: object) -> None:
        raise error

    with pytest.raises(RuntimeError, match="the job ended with"):
        finished(Job(worker, work).result())


# --------------------------------------------------------------------------------------- service


def find(service: Service, video: Path, session_id: str = "a") -> Any:
    return finished(service.find_poses(session_id, video, ["coco"], {}, lambda _: None))


def replace_find_poses(monkeypatch: pytest.MonkeyPatch, function: Find) -> None:
    monkeypatch.setattr(service_module, "find_poses", function)


def test_a_job_gets_a_video_and_a_folder_of_its_own(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: list[Any] = []
    replace_find_poses(monkeypatch, lambda *parts: options.append(parts) or "results")
    video = make_video(tmp_path / "dance.mp4", 5)
    assert find(service, video) == "results"
    source, config, formats, _ = options[0]
    folder = service.sessions.get("a").folder
    assert source.read_bytes() == video.read_bytes()
    assert folder in source.parents
    assert folder in config.output.parents
    assert formats == ["coco"]
    assert service.sessions.get("a").results == "results"


def test_an_error_names_files_without_their_folders(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, config: PredictConfig, *_: object) -> None:
        raise VideoError(f"{source}: damaged, {config.output}/dance.csv: cannot be written")

    replace_find_poses(monkeypatch, fail)
    with pytest.raises(VideoError, match=r"^dance.mp4: damaged, dance.csv: cannot be written$"):
        find(service, make_video(tmp_path / "dance.mp4", 5))


def test_a_visitor_who_leaves_stops_the_job(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Event()

    def endless_frames(*parts: Any) -> None:
        for _ in range(2000):
            parts[-1](RunProgress(1, None, 0))
            begun.set()
            time.sleep(0.005)

    replace_find_poses(monkeypatch, endless_frames)
    video = make_video(tmp_path / "dance.mp4", 5)

    async def leave() -> None:
        request = asyncio.create_task(service.find_poses("a", video, ["coco"], {}, lambda _: None))
        while not begun.is_set():
            await asyncio.sleep(0.005)
        folder = service.sessions.get("a").folder
        service.sessions.leave("a")
        with pytest.raises(StoppedError):
            await request
        for _ in range(1000):  # the job's own thread removes the files
            if not folder.exists():
                return
            await asyncio.sleep(0.005)
        pytest.fail("the files of a visitor who has left are still there")

    finished(leave())


@pytest.mark.parametrize(("seconds", "end"), [(None, 60), (0.2, None)])
def test_a_recording_of_unknown_length_is_cut_at_the_limit(
    service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float | None,
    end: float | None,
) -> None:
    ends: list[float | None] = []
    replace_find_poses(monkeypatch, lambda _, config, *__: ends.append(config.end))
    monkeypatch.setattr(Limits, "check", lambda *_: Upload("dance.mp4", seconds, (8, 8)))
    find(service, make_video(tmp_path / "dance.mp4", 5))
    assert ends == [end]


def test_there_is_no_attention_without_results(service: Service) -> None:
    with pytest.raises(UserError, match="start again"):
        finished(service.draw_attention("a", 0.0, 0, None))


def test_what_jobs_need_is_loaded_by_one_frame_that_leaves_nothing(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, calls = make_video(tmp_path / "dance.mp4", 5), []

    def note(source: Path, config: PredictConfig, formats: list[str], *_: object) -> None:
        calls.append((source, config.end, formats, config.output.is_dir()))
        (config.output / "dance.npz").touch()

    replace_find_poses(monkeypatch, note)
    service.warm_up(video)
    ((source, end, formats, is_there),) = calls
    assert (source, formats, is_there) == (video, [], True)
    assert 0 < end <= 1 / 1000  # before the second frame of any camera
    assert {path.name for path in service.sessions.root.iterdir()} == {"files", "lock"}


def test_the_example_is_lent_as_a_copy(service: Service, tmp_path: Path) -> None:
    (tmp_path / "demo.mp4").write_text("demo")
    first, second = (service.lend(name, tmp_path / "demo.mp4") for name in "ab")
    assert first.read_text() == second.read_text() == "demo"
    assert first.parent != second.parent
    assert service.sessions.files in first.parents
