"""The files of visitors: whose they are, and when they go."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tarvitpose.errors import VideoError
from tarvitpose.web.jobs import Job
from tarvitpose.web.sessions import BROKEN_OFF, Sessions

MAX_AGE = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Iterator[Sessions]:
    sessions = Sessions(MAX_AGE, parent=tmp_path, clock=clock)
    yield sessions
    sessions.close()


def upload(sessions: Sessions, content: str, name: str = "dance.mp4") -> Path:
    """Put a file where Gradio puts it: into a folder named by its content."""
    path = sessions.files / content / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return path


def test_a_session_has_one_folder_that_no_other_has(sessions: Sessions) -> None:
    first, second = sessions.get("a"), sessions.get("b")
    assert sessions.get("a") is first
    assert first.folder.parent == second.folder.parent == sessions.files
    assert first.folder != second.folder


def test_an_upload_goes_with_its_session(sessions: Sessions) -> None:
    video = upload(sessions, "abc")
    sessions.take("a", video)
    folder = sessions.get("a").folder
    sessions.leave("a")
    assert not video.exists()
    assert not folder.exists()
    sessions.leave("a")  # who has left may leave again


def test_an_upload_of_two_visitors_goes_with_the_last_one(sessions: Sessions) -> None:
    video = upload(sessions, "abc")
    sessions.take("a", video)
    sessions.take("b", video)
    sessions.leave("a")
    assert video.exists()
    sessions.leave("b")
    assert not video.exists()


def test_a_new_upload_replaces_the_one_before(sessions: Sessions) -> None:
    first, second = upload(sessions, "abc"), upload(sessions, "def")
    sessions.take("a", first)
    sessions.take("a", second)
    assert not first.exists()
    assert second.exists()


def test_the_example_is_no_upload(sessions: Sessions) -> None:
    example = sessions.get("a").folder / "demo.mp4"
    example.write_text("demo")
    sessions.take("a", example)
    sessions.take("a", upload(sessions, "abc"))
    assert example.exists()


def test_a_job_reads_a_link_that_outlives_the_upload(sessions: Sessions) -> None:
    video = upload(sessions, "abc")
    session = sessions.get("a")
    source, results = sessions.begin(session, video)
    video.unlink()
    assert source.read_text() == "abc"
    assert source.name == "dance.mp4"
    assert session.folder in source.parents
    assert session.folder in results.parents
    assert not results.exists()


def test_a_new_job_removes_the_files_of_the_last_one(sessions: Sessions) -> None:
    video, session = upload(sessions, "abc"), sessions.get("a")
    first, _ = sessions.begin(session, video)
    second, _ = sessions.begin(session, video)
    assert not first.exists()
    assert second.exists()
    assert session.results is None


def test_a_name_with_a_leading_dot_loses_it(sessions: Sessions) -> None:
    source, _ = sessions.begin(sessions.get("a"), upload(sessions, "abc", ".dance.mp4"))
    assert source.name == "dance.mp4"


def test_a_video_that_has_gone_is_told_in_a_line(sessions: Sessions) -> None:
    with pytest.raises(VideoError, match=r"^gone.mp4: removed meanwhile; upload it again$"):
        sessions.begin(sessions.get("a"), sessions.files / "abc" / "gone.mp4")


def test_a_visitor_who_leaves_during_a_job_keeps_the_files_until_it_has_ended(
    sessions: Sessions,
) -> None:
    begun, may_end = Event(), Event()

    def work(check: object) -> None:
        begun.set()
        may_end.wait(10)

    session = sessions.get("a")
    with ThreadPoolExecutor(1) as worker:
        session.job = Job(worker, work)
        begun.wait(10)
        sessions.leave("a")
        assert session.folder.exists()
        may_end.set()
    assert not session.folder.exists()


def test_sweeping_removes_idle_sessions_and_no_others(sessions: Sessions, clock: Clock) -> None:
    idle, used, busy = (sessions.get(name) for name in ("idle", "used", "busy"))
    may_end = Event()
    with ThreadPoolExecutor(1) as worker:
        busy.job = Job(worker, lambda _: may_end.wait(10))
        clock.now += MAX_AGE + 1
        sessions.get("used")
        sessions.sweep()
        assert [session.folder.exists() for session in (idle, used, busy)] == [False, True, True]
        may_end.set()


def test_sweeping_removes_uploads_that_broke_off(sessions: Sessions, clock: Clock) -> None:
    broken, going_on = sessions.files / "tmp1", sessions.files / "tmp2"
    for path, age in ((broken, BROKEN_OFF + 1), (going_on, 1)):
        path.write_bytes(b"half")
        os.utime(path, (clock.now - age, clock.now - age))
    whole = upload(sessions, "abc")  # goes when Gradio removes it
    (sessions.files / "empty").mkdir()  # what Gradio leaves then
    sessions.sweep()
    assert sorted(path.name for path in sessions.files.iterdir()) == ["abc", "tmp2"]
    assert whole.exists()


def test_closing_removes_everything(tmp_path: Path) -> None:
    sessions = Sessions(MAX_AGE, parent=tmp_path)
    sessions.take("a", upload(sessions, "abc"))
    sessions.close()
    assert not sessions.root.exists()


def test_files_of_a_killed_server_go_and_those_of_a_living_one_stay(tmp_path: Path) -> None:
    living = Sessions(MAX_AGE, parent=tmp_path)
    killed = tmp_path / "tarvitpose-web-killed"
    (killed / "files").mkdir(parents=True)
    (killed / "lock").touch()
    another = Sessions(MAX_AGE, parent=tmp_path)
    assert living.root.exists()
    assert not killed.exists()
    living.close()
    another.close()
