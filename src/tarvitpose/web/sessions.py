"""What the page holds on the disk: a folder for each session, which is removed with it.

ROOT/lock is held while the server runs. ROOT/files holds all that visitors may read: uploads, which
Gradio puts into folders named by content, and the folders of sessions, which nobody can guess.
Gradio itself removes uploads that are too old.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any

from filelock import FileLock, Timeout

from tarvitpose.errors import VideoError
from tarvitpose.web.jobs import Job, JobResults

ROOT_PREFIX, SESSION_PREFIX, RUN_PREFIX = "tarvitpose-web-", "visitor-", "run-"
BROKEN_OFF = 60.0  # seconds without new bytes; an upload is a plain file until it is complete
SWEEP_INTERVAL = 30.0  # seconds


class Session:
    """One open page."""

    def __init__(self, folder: Path, now: float) -> None:
        self.folder, self.used = folder, now
        self.upload: Path | None = None  # the folder of Gradio's that holds it
        self.job: Job[Any] | None = None
        self.results: JobResults | None = None

    @property
    def is_busy(self) -> bool:
        """Tell whether a job goes on."""
        return self.job is not None and not self.job.is_over


class Sessions:
    """All open pages and their files; safe to be used by several threads."""

    def __init__(
        self, max_age: float, *, parent: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Files are removed `max_age` seconds after they were last used."""
        self.max_age, self._clock = max_age, clock
        self._sessions: dict[str, Session] = {}
        self._lock, self._closed = RLock(), Event()
        remove_leftovers(parent or Path(tempfile.gettempdir()))
        self.root = Path(tempfile.mkdtemp(prefix=ROOT_PREFIX, dir=parent)).resolve()
        self._root_lock = FileLock(self.root / "lock")
        self._root_lock.acquire()
        self.files = self.root / "files"
        self.files.mkdir()

    def get(self, session_id: str) -> Session:
        """Return a session, a new one where it is not known, and note that it is in use."""
        with self._lock:
            if session_id not in self._sessions:
                folder = Path(tempfile.mkdtemp(prefix=SESSION_PREFIX, dir=self.files))
                self._sessions[session_id] = Session(folder, self._clock())
            session = self._sessions[session_id]
            session.used = self._clock()
            return session

    def take(self, session_id: str, upload: Path) -> None:
        """Note whose upload a file is; the one before is removed unless somebody else has it."""
        session = self.get(session_id)
        with self._lock:
            if self.files in upload.parents and session.folder not in upload.parents:
                previous, session.upload = session.upload, upload.parent
                self._remove_upload(previous)

    def begin(self, session: Session, video: Path) -> tuple[Path, Path]:
        """Return a link to a video inside the session's folder, and a folder for its results.

        The files of the session's last job are removed. Raises VideoError where the video has gone.
        """
        with self._lock:
            session.results = None
            for old in session.folder.glob(f"{RUN_PREFIX}*"):
                shutil.rmtree(old, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir=session.folder))
            # Gradio serves nothing whose name begins with a dot.
            source = folder / "source" / (video.name.lstrip(".") or "video")
            source.parent.mkdir()
            try:
                source.hardlink_to(video)  # outlives another visitor with the same video
            except FileNotFoundError:
                raise VideoError(f"{video.name}: removed meanwhile; upload it again") from None
            return source, folder / "results"

    def finish(self, session: Session, results: JobResults) -> None:
        """Note the results of a session's job."""
        with self._lock:
            session.results, session.used = results, self._clock()

    def leave(self, session_id: str) -> None:
        """Stop a session's job, and remove all files as soon as the job has ended."""
        with self._lock:
            session = self._sessions.pop(session_id, None)
        if session is None:
            return
        if session.job is None:
            self._remove(session)
        else:
            session.job.stop()
            session.job.future.add_done_callback(lambda _: self._remove(session))

    def sweep(self) -> None:
        """Remove sessions that nobody has used for long, and uploads that broke off."""
        now = self._clock()
        with self._lock:
            for session_id, session in [*self._sessions.items()]:
                if session.used < now - self.max_age and not session.is_busy:
                    self.leave(session_id)
            for path in self.files.iterdir():
                with suppress(OSError):  # removed by Gradio meanwhile, or complete and a folder
                    if path.is_file() and path.stat().st_mtime < now - BROKEN_OFF:
                        path.unlink()
                    elif not path.name.startswith(SESSION_PREFIX):
                        path.rmdir()  # does so if Gradio has removed the upload in it

    def start_sweeping(self) -> None:
        """Sweep now and then in a thread until `close`."""

        def work() -> None:
            while not self._closed.wait(SWEEP_INTERVAL):
                self.sweep()

        Thread(target=work, daemon=True, name="tarvitpose-web-sweep").start()

    def stop_jobs(self) -> None:
        """Stop the jobs of all sessions."""
        with self._lock:
            for session in self._sessions.values():
                if session.job is not None:
                    session.job.stop()

    def close(self) -> None:
        """Remove everything; no job may be going on."""
        self._closed.set()
        with self._lock:
            self._root_lock.release()
            shutil.rmtree(self.root, ignore_errors=True)

    def _remove(self, session: Session) -> None:
        with self._lock:
            shutil.rmtree(session.folder, ignore_errors=True)
            upload, session.upload = session.upload, None
            self._remove_upload(upload)

    def _remove_upload(self, upload: Path | None) -> None:
        """Remove an upload that no session has."""
        in_use = [session.upload for session in self._sessions.values()]
        if upload is not None and upload not in in_use:
            shutil.rmtree(upload, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of servers that were killed: those whose lock is free."""
    for root in parent.glob(f"{ROOT_PREFIX}*"):
        with suppress(OSError, Timeout):  # another user's, or still running
            lock = FileLock(root / "lock")
            if not (root / "lock").exists():
                continue
            with lock.acquire(timeout=0):
                shutil.rmtree(root, ignore_errors=True)
