"""Many videos on the command line: one bar for all of them, what failed at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import typer

from tarvitpose.cli import console
from tarvitpose.cli.outcome import print_outcome
from tarvitpose.utils.source_names import shown
from tarvitpose.utils.terminal import open_bars
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from tarvitpose.config import PredictConfig
    from tarvitpose.runs.many import BatchQueue, JobReport, VideoJob
    from tarvitpose.runs.pipeline import RunProgress

LISTED = 20  # failed videos that are named on the screen; the file has all


class RayWorkers(NamedTuple):
    """How many workers on which Ray cluster; None is for Ray to say."""

    workers: int | None
    address: str | None


def process_many(
    jobs: Sequence[VideoJob], config: PredictConfig, ray: RayWorkers | None, *, quiet: bool
) -> None:
    """Process all videos, those that fail twice; exits with 2 if some failed for good."""
    from tarvitpose.runs.many import BatchQueue

    queue = BatchQueue(jobs, config)
    if not quiet:
        console.note(f"{counted(len(jobs), 'video')} to process")
    try:
        with Bars(queue, quiet=quiet) as bars:
            if queue.check(bars.refresh):
                for report in _attempts(queue, bars, ray):
                    bars.show(report)
    finally:
        queue.write_summary()
    _say_the_end(queue, quiet=quiet)


def _attempts(queue: BatchQueue, bars: Bars, ray: RayWorkers | None) -> Iterator[JobReport]:
    """Yield a report on each attempt at a video."""
    from tarvitpose.inference.estimator import PoseEstimator
    from tarvitpose.runs.many import run_here
    from tarvitpose.runs.on_ray import run_on_ray

    if ray is not None:
        yield from run_on_ray(queue, workers=ray.workers, address=ray.address)
        return
    with console.notes_shown(quiet=bars.quiet):
        estimator = PoseEstimator.from_config(queue.config)
    yield from run_here(queue, estimator, bars.on_frame)


def _say_the_end(queue: BatchQueue, *, quiet: bool) -> None:
    """Print which videos failed, and how many did not."""
    from tarvitpose.runs.many import FAILED

    failed = [report for report in queue.reports.values() if report.status == "failed"]
    for report in failed[:LISTED]:
        console.fail(report.error, source=report.job.source)
    counts = {"done": queue.count("done"), "failed": len(failed)}
    if not quiet:
        parts = [f"{number} {name}" for name, number in counts.items() if number]
        parts += [f"{queue.old} of them before"] if queue.old else []
        speed = f"{_pace(queue)}, {queue.seconds:.1f} s"
        line = f"{len(queue.reports)} videos: {', '.join(parts)}; {speed}"
        console.result([line], videos=len(queue.reports), frames=queue.frames, **counts)
    if failed:
        where = queue.config.output / FAILED
        console.fail(f"{len(failed)} of {len(queue.reports)} videos failed, see {where}")
        raise typer.Exit(2)


def _pace(queue: BatchQueue) -> str:
    frames = counted(queue.frames, "frame")
    return f"{frames} ({queue.frames / max(queue.seconds, 1e-9):.1f} frames/s)"


class Bars:
    """A bar of all videos, below it one of the current one's frames, if stderr is a terminal."""

    def __init__(self, queue: BatchQueue, *, quiet: bool) -> None:
        self._queue, self.quiet = queue, quiet
        self._bar: Any = None
        self._lines = console.ProgressLines()

    def __enter__(self) -> Self:
        """Draw the first bar."""
        if not self.quiet and sys.stderr.isatty() and not console.is_json():
            self._bar = open_bars()
            self._all = self._bar.add_task("videos", total=len(self._queue.reports), note="")
            self._current = self._bar.add_task("", total=None, note="", visible=False)
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the bars."""
        if self._bar is not None:
            self._bar.stop()

    def refresh(self) -> None:
        """Draw how far all videos are."""
        if self._bar is not None:
            failed = self._queue.count("failed")
            self._bar.update(
                self._all,
                completed=self._queue.count("done") + failed,
                note=f"{failed} failed, {_pace(self._queue)},",
            )

    def on_frame(self, source: str, progress: RunProgress) -> None:
        """Draw how far the current video is, or tell programs."""
        if console.is_json() and not self.quiet:
            self._lines.show(source, progress)
        if self._bar is not None:
            if progress.frame == 1:
                self._bar.reset(self._current)  # the time left is that of this video
            people = counted(progress.people, "person", "people")
            self._bar.update(
                self._current,
                description=console.escaped(Path(shown(source)).name),
                completed=progress.frame,
                total=progress.total,
                note=f"{people},",
                visible=True,
            )

    def show(self, report: JobReport) -> None:
        """Print what became of one attempt, above the bars."""
        self.refresh()
        with self._hidden():
            if report.status == "done" and report.outcome is not None:
                print_outcome(report.outcome, quiet=self.quiet)
            elif report.status == "left":
                console.warn(f"{report.error} (it is tried again)")

    @contextmanager
    def _hidden(self) -> Iterator[None]:
        if self._bar is not None:
            self._bar.stop()
        yield
        if self._bar is not None:
            self._bar.start()
