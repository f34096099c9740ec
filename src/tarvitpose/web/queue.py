"""One job at a time; everybody else sees their place in the line."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Event, Lock
from typing import Generic, TypeVar

from tarvitpose.errors import UserError
from tarvitpose.runs.pipeline import Progress

LONGEST = 20  # jobs that wait; a visitor's page asks for its place again and again
Found = TypeVar("Found")


class StoppedError(Exception):
    """The job was stopped before it was done."""


class Job(Generic[Found]):
    """Work that waits, goes on, or is over."""

    def __init__(self, work: Callable[[Callable[[Progress], None]], Found]) -> None:
        self.progress: Progress | None = None  # None: it has no frame yet
        self._work, self._stopped = work, Event()
        self._future: Future[Found] = Future()
        self._since: tuple[float, int] | None = None  # when the first frames were done, how many

    @property
    def pace(self) -> float | None:
        """The frames a second since the first ones, None as long as there are no others."""
        if self._since is None or self.progress is None:
            return None
        seconds, frames = time.monotonic() - self._since[0], self.progress.frame - self._since[1]
        return frames / seconds if frames and seconds else None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more happens, for better or worse."""
        return self._future.done()

    def stop(self) -> None:
        """Leave it undone; what has begun ends after its present frame."""
        self._stopped.set()
        self._future.cancel()

    def result(self) -> Found:
        """Wait for the end, and return what was found.

        Raises StoppedError after `stop`, and what the work raised.
        """
        try:
            return self._future.result()
        except CancelledError:
            raise StoppedError from None

    def when_over(self, call: Callable[[], None]) -> None:
        """Have something called at the end, at once if it has come."""
        self._future.add_done_callback(lambda _: call())

    def run(self) -> None:
        """Do the work, unless it was stopped; for the line."""
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            self._future.set_result(self._work(self._on_progress))
        except Exception as error:  # whoever asks for the result gets it
            self._future.set_exception(error)
        except BaseException as error:  # a job that wants to exit must not take the server with it
            self._future.set_exception(RuntimeError(f"the job ended with {error!r}"))

    def _on_progress(self, progress: Progress) -> None:
        self.progress = progress
        self._since = self._since or (time.monotonic(), progress.frame)
        if self._stopped.is_set():
            raise StoppedError


class Line:
    """Does jobs one by one on a thread of its own, first come, first served."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="tarvitpose-web")
        self._jobs: list[Job[object]] = []  # that are not over, in order
        self._lock = Lock()
        self._longest = longest

    def add(self, work: Callable[[Callable[[Progress], None]], Found]) -> Job[Found]:
        """Return the job of some work, which is given what to call after each frame.

        Raises UserError where too many wait.
        """
        job = Job(work)
        with self._lock:
            if self._place_of_new() > self._longest:
                raise UserError(f"{self._longest} jobs are waiting already: try again later")
            self._jobs.append(job)  # type: ignore[arg-type]  # of different finds
            self._worker.submit(job.run)
        return job

    def before(self, job: Job[Found]) -> int:
        """Return how many jobs have to end before this one begins."""
        with self._lock:
            self._place_of_new()
            return next((n for n, other in enumerate(self._jobs) if other is job), 0)

    def close(self) -> None:
        """Stop all jobs and wait until they are over."""
        with self._lock:
            for job in self._jobs:
                job.stop()
        self._worker.shutdown()

    def _place_of_new(self) -> int:
        """Forget what is over, and return how many jobs are left."""
        self._jobs = [job for job in self._jobs if not job.is_over]
        return len(self._jobs)
