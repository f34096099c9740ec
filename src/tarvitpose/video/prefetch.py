"""Reading in a thread: ahead of the model, or on and on where the source is live."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from threading import Condition, Thread
from time import monotonic

from tarvitpose.results import Frame
from tarvitpose.video.frame_source import FrameSource

LIVE_ROOM = 2  # frames of a live source that wait: one slow step of the model costs no frame


def prefetched(
    frames: Iterable[Frame],
    ahead: int = 4,
    reading: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[Frame]:
    """Yield frames while a thread already reads the next ones, at most `ahead` of them.

    Each frame is read inside the context that `reading` gives, which may measure the time.
    A live source does not wait for the model: the thread reads on, the newest two frames wait
    here, and an older one is dropped. `dropped` of the source counts them, and one of its
    `warnings` says so at the end. Close the generator before the source: that stops the thread.
    Errors of the reading are raised here.
    """
    source = frames if isinstance(frames, FrameSource) and frames.is_live else None
    waiting = _Waiting(ahead if source is None else LIVE_ROOM, drops=source is not None)
    thread = Thread(target=_read, args=(frames, waiting, reading), daemon=True)
    thread.start()
    try:
        while (frame := waiting.take()) is not None:
            if source is not None:
                source.dropped = waiting.dropped
            yield frame
    finally:
        waiting.stop()
        thread.join()
        if source is not None:
            source.dropped = waiting.dropped
            source.warnings += waiting.warnings(source)


class _Waiting:
    """The frames between the thread that reads and the one that takes them."""

    def __init__(self, room: int, *, drops: bool) -> None:
        """With `drops` the oldest frame makes room for a new one, else the reader waits."""
        self.dropped = 0
        self._room, self._drops = room, drops
        self._frames: deque[Frame] = deque()
        self._changed = Condition()
        self._played = 0
        self._error: Exception | None = None
        self._is_finished = False  # by the reader
        self._is_stopped = False  # by the taker

    def put(self, frame: Frame) -> bool:
        """Add a frame; return False once nobody takes frames any more."""
        with self._changed:
            if not self._drops:
                self._changed.wait_for(lambda: self._is_stopped or len(self._frames) < self._room)
            elif len(self._frames) == self._room:
                self._frames.popleft()
                self.dropped += 1
            self._frames.append(frame)
            self._played += 1
            self._changed.notify_all()
            return not self._is_stopped

    def take(self) -> Frame | None:
        """Wait for the next frame, None after the last; raises the reader's error in its place."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_finished or self._frames)
            if self._frames:
                self._changed.notify_all()
                return self._frames.popleft()
            if self._error is not None:
                raise self._error
            return None

    def wait_until(self, moment: float) -> None:
        """Let the reader wait until a moment of the monotonic clock, less if it is stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped, max(moment - monotonic(), 0))

    def finish(self, error: Exception | None = None) -> None:
        """Say that no frame comes any more, and why."""
        with self._changed:
            self._error, self._is_finished = error, True
            self._changed.notify_all()

    def stop(self) -> None:
        """Say that no frame is taken any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def warnings(self, source: FrameSource) -> list[str]:
        """Say how many frames were dropped, if any were."""
        if not self.dropped:
            return []
        return [
            f"{source.name}: {self.dropped} of {self._played} frames dropped, "
            f"the machine was too slow for {source.frame_rate:g} frames/s"
        ]


def _read(
    frames: Iterable[Frame],
    waiting: _Waiting,
    reading: Callable[[], AbstractContextManager[None]],
) -> None:
    """Hand every frame over, one of a recording that plays as if live not before its time."""
    is_paced = isinstance(frames, FrameSource) and frames.is_paced
    began: float | None = None  # when time 0 was
    try:
        with ExitStack() as stack:
            iterator = iter(frames)
            if isinstance(iterator, Generator):
                stack.callback(iterator.close)
            while (frame := _next(iterator, reading)) is not None:
                began = monotonic() - frame.time if began is None else began
                if is_paced:
                    waiting.wait_until(began + frame.time)
                if not waiting.put(frame):
                    break
    except Exception as error:
        waiting.finish(error)
    else:
        waiting.finish()


def _next(
    frames: Iterator[Frame], reading: Callable[[], AbstractContextManager[None]]
) -> Frame | None:
    with reading():
        return next(frames, None)
