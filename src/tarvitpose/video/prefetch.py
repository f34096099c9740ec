"""Make items in a thread: frames ahead of the model, or live ones without waiting for it, and poses
ahead of their files.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from threading import Condition, Thread
from time import monotonic
from typing import Generic, TypeVar

from tarvitpose.results import Frame
from tarvitpose.video.frame_source import FrameSource

Item = TypeVar("Item")  # Frame, where the source is live or paced
LIVE_CAPACITY = 2  # waiting frames of a live source; one slow step of the model drops no frame


def prefetched(
    frames: Iterable[Item],
    ahead: int = 4,
    reading: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[Item]:
    """Yield frames, or other items, while a thread already makes the next ones, at most `ahead`.

    Each frame is read inside the context that `reading` gives, which may measure the time.
    A live source does not wait for the model: the thread keeps reading, the newest two frames
    wait, and older ones are dropped. `dropped` of the source counts them, and at the end one of its
    `warnings` says so. Close the generator before the source, which stops the thread. Errors of
    the reading are raised by the generator.
    """
    source = frames if isinstance(frames, FrameSource) and frames.is_live else None
    queue = _FrameQueue[Item](ahead if source is None else LIVE_CAPACITY, drops=source is not None)
    thread = Thread(target=_read, args=(frames, queue, reading), daemon=True)
    thread.start()
    try:
        while (frame := queue.take()) is not None:
            if source is not None:
                source.dropped = queue.dropped
            yield frame
    finally:
        queue.stop()
        thread.join()
        if source is not None:
            source.dropped = queue.dropped
            source.warnings += queue.warnings(source)


class _FrameQueue(Generic[Item]):
    """The frames between the reading thread and the one that takes them."""

    def __init__(self, room: int, *, drops: bool) -> None:
        """When full, the oldest frame is dropped with `drops`, otherwise the reader waits."""
        self.dropped = 0
        self._room, self._drops = room, drops
        self._frames: deque[Item] = deque()
        self._changed = Condition()
        self._received = 0
        self._error: Exception | None = None
        self._is_finished = False  # by the reader
        self._is_stopped = False  # by the taker

    def put(self, frame: Item) -> bool:
        """Add a frame; return False once the taker has stopped."""
        with self._changed:
            if not self._drops:
                self._changed.wait_for(lambda: self._is_stopped or len(self._frames) < self._room)
            elif len(self._frames) == self._room:
                self._frames.popleft()
                self.dropped += 1
            self._frames.append(frame)
            self._received += 1
            self._changed.notify_all()
            return not self._is_stopped

    def take(self) -> Item | None:
        """Wait for the next frame, None after the last; raises an error of the reader."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_finished or self._frames)
            if self._frames:
                self._changed.notify_all()
                return self._frames.popleft()
            if self._error is not None:
                raise self._error
            return None

    def wait_until(self, moment: float) -> None:
        """Make the reader wait until a moment of the monotonic clock, or until the taker stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped, max(moment - monotonic(), 0))

    def finish(self, error: Exception | None = None) -> None:
        """Announce that the reader has ended, with its error if there was one."""
        with self._changed:
            self._error, self._is_finished = error, True
            self._changed.notify_all()

    def stop(self) -> None:
        """Announce that no more frames are taken."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def warnings(self, source: FrameSource) -> list[str]:
        """Return a line that says how many frames were dropped, if any were."""
        if not self.dropped:
            return []
        return [
            f"{source.name}: {self.dropped} of {self._received} frames dropped, "
            f"the machine was too slow for {source.frame_rate:g} frames/s"
        ]


def _read(
    frames: Iterable[Item],
    queue: _FrameQueue[Item],
    reading: Callable[[], AbstractContextManager[None]],
) -> None:
    """Put every frame into the queue; paced sources wait until the time of each frame."""
    source = frames if isinstance(frames, FrameSource) else None
    began: float | None = None  # when time 0 was
    try:
        with ExitStack() as stack:
            iterator = iter(frames)
            if isinstance(iterator, Generator):
                stack.callback(iterator.close)
            while (frame := _next(iterator, reading)) is not None:
                if source is not None:
                    assert isinstance(frame, Frame)
                    began = monotonic() - frame.time if began is None else began
                    source.began = began
                    if source.is_paced:
                        queue.wait_until(began + frame.time)
                if not queue.put(frame):
                    break
    except Exception as error:
        queue.finish(error)
    else:
        queue.finish()


def _next(
    frames: Iterator[Item], reading: Callable[[], AbstractContextManager[None]]
) -> Item | None:
    with reading():
        return next(frames, None)
