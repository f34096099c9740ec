"""What the page keeps on the disk: a folder for each visitor, gone when the visitor is.

ROOT/lock says that a server is there, ROOT/files holds all that visitors may read: uploads, which
Gradio puts into folders named by content, and the folders of visitors, which nobody can guess.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, RLock, Thread

from filelock import FileLock, Timeout

from tarvitpose.errors import VideoError
from tarvitpose.web.jobs import Results
from tarvitpose.web.queue import Job

PREFIX, RUN = "tarvitpose-web-", "run-"
BROKEN_OFF = 60.0  # seconds without a byte more; an upload lies in a file until it is whole
SWEEP = 30.0  # seconds between two looks at what is old


class Visitor:
    """One open page."""

    def __init__(self, folder: Path, now: float) -> None:
        self.folder, self.used = folder, now
        self.upload: Path | None = None  # the folder of Gradio's that holds it
        self.job: Job[Results] | None = None
        self.results: Results | None = None

    @property
    def is_busy(self) -> bool:
        """Tell whether a job waits or goes on."""
        return self.job is not None and not self.job.is_over


class Visitors:
    """All open pages and their files; safe to be used by several threads."""

    def __init__(
        self,
        keep: float,
        *,
        parent: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Files are kept for `keep` seconds after they were last used."""
        self._keep, self._clock = keep, clock
        self._visitors: dict[str, Visitor] = {}
        self._lock, self._closed = RLock(), Event()
        remove_leftovers(parent or Path(tempfile.gettempdir()))
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()
        self._alive = FileLock(self.root / "lock")
        self._alive.acquire()
        self.files = self.root / "files"
        self.files.mkdir()

    def of(self, session: str) -> Visitor:
        """Return the visitor of a session, who is new or still there."""
        with self._lock:
            if session not in self._visitors:
                folder = Path(tempfile.mkdtemp(prefix="visitor-", dir=self.files))
                self._visitors[session] = Visitor(folder, self._clock())
            visitor = self._visitors[session]
            visitor.used = self._clock()
            return visitor

    def take(self, session: str, upload: Path) -> None:
        """Note whose upload a file is; the one before is removed unless somebody else has it."""
        visitor = self.of(session)
        with self._lock:
            if self.files in upload.parents and visitor.folder not in upload.parents:
                before, visitor.upload = visitor.upload, upload.parent
                self._drop(before)

    def begin(self, session: str, video: Path) -> tuple[Path, Path]:
        """Return a video of the visitor's own and an empty folder for what comes of it.

        What the visitor had before is removed. Raises VideoError where the video has gone.
        """
        visitor = self.of(session)
        with self._lock:
            visitor.results = None
            for old in visitor.folder.glob(f"{RUN}*"):
                shutil.rmtree(old, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(prefix=RUN, dir=visitor.folder))
            # Gradio serves nothing whose name begins with a dot.
            own = folder / "source" / (video.name.lstrip(".") or "video")
            own.parent.mkdir()
            try:
                own.hardlink_to(video)  # stays when another visitor with the same video leaves
            except FileNotFoundError:
                raise VideoError(f"{video.name}: removed meanwhile; upload it again") from None
            return own, folder / "results"

    def finish(self, visitor: Visitor, results: Results) -> None:
        """Note what a job found."""
        with self._lock:
            visitor.results, visitor.used = results, self._clock()

    def leave(self, session: str) -> None:
        """Stop a visitor's job, and remove all files as soon as nobody writes them."""
        with self._lock:
            visitor = self._visitors.pop(session, None)
            if visitor is None:
                return
            job = visitor.job
        if job is not None:
            job.stop()
            job.when_over(lambda: self._forget(visitor))
        else:
            self._forget(visitor)

    def sweep(self) -> None:
        """Remove what nobody has used for long: visitors without a job, uploads of nobody."""
        oldest = self._clock() - self._keep
        with self._lock:
            idle = [
                session
                for session, visitor in self._visitors.items()
                if visitor.used < oldest and not visitor.is_busy
            ]
            for session in idle:
                self.leave(session)
            owned = {path for one in self._visitors.values() for path in (one.folder, one.upload)}
            for path in self.files.iterdir():
                limit = self._clock() - BROKEN_OFF if path.is_file() else oldest
                with suppress(OSError):  # gone meanwhile
                    if path not in owned and path.stat().st_mtime < limit:
                        _remove(path)

    def sweep_now_and_then(self) -> None:
        """Go on sweeping in a thread until `close`."""

        def work() -> None:
            while not self._closed.wait(SWEEP):
                self.sweep()

        Thread(target=work, daemon=True, name="tarvitpose-web-sweep").start()

    def close(self) -> None:
        """Remove everything; no job may be going on."""
        self._closed.set()
        with self._lock:
            self._alive.release()
            shutil.rmtree(self.root, ignore_errors=True)

    def _forget(self, visitor: Visitor) -> None:
        with self._lock:
            shutil.rmtree(visitor.folder, ignore_errors=True)
            upload, visitor.upload = visitor.upload, None
            self._drop(upload)

    def _drop(self, upload: Path | None) -> None:
        """Remove an upload that no visitor has."""
        if upload is not None and all(one.upload != upload for one in self._visitors.values()):
            shutil.rmtree(upload, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of servers that were killed; the lock of a living one is held."""
    for root in parent.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):  # another user's, or alive
            lock = FileLock(root / "lock")
            if not (root / "lock").exists():
                continue
            with lock.acquire(timeout=0):
                shutil.rmtree(root, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
