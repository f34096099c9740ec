"""Many videos on the command line: one bar for all of them, what failed at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import typer

from tarvitpose.cli import console
from tarvitpose.cli.outcome import print_outcome
from tarvitpose.utils.source_names import shown

if TYPE_CHECKING:
    from tarvitpose.config import PredictConfig
    from tarvitpose.runs.many import Job, Report, Work
    from tarvitpose.runs.pipeline import Progress

LISTED = 20  # failed videos that are named on the screen; the file has all


def process_many(
    jobs: Sequence[Job],
    config: PredictConfig,
    *,
    on_ray: bool,
    workers: int | None,
    address: str | None,
    quiet: bool,
) -> None:
    """Process all videos, those that fail twice; exits with 2 if some failed for good."""
    from tarvitpose.runs.many import Work

    work = Work(jobs, config)
    try:
        with Bars(work, quiet=quiet) as bars:
            if work.check(bars.refresh):
                for report in _attempts(work, bars, on_ray, workers, address):
                    bars.show(report)
    finally:
        work.write_summary()
    _say_the_end(work, quiet=quiet)


def _attempts(
    work: Work, bars: Bars, on_ray: bool, workers: int | None, address: str | None
) -> Iterator[Report]:
    """Yield what became of each attempt at a video."""
    from tarvitpose.runs import pipeline
    from tarvitpose.runs.many import run_here
    from tarvitpose.runs.on_ray import run_on_ray

    if on_ray:
        yield from run_on_ray(work, workers=workers, address=address)
        return
    with console.notes_shown(quiet=bars.quiet):
        estimator = pipeline.load_estimator(work.config)
    yield from run_here(work, estimator, bars.on_frame)


def _say_the_end(work: Work, *, quiet: bool) -> None:
    """Print which videos failed, and how many did not."""
    from tarvitpose.runs.many import FAILED

    failed = [report for report in work.reports.values() if report.status == "failed"]
    for report in failed[:LISTED]:
        console.fail(report.error, source=report.job.source)
    counts = {"done": work.count("done"), "failed": len(failed)}
    if not quiet:
        parts = [f"{number} {name}" for name, number in counts.items() if number]
        parts += [f"{work.old} of them before"] if work.old else []
        line = (
            f"{len(work.reports)} videos: {', '.join(parts)}; {_pace(work)}, {work.seconds:.1f} s"
        )
        console.result([line], videos=len(work.reports), frames=work.frames, **counts)
    if failed:
        where = work.config.output / FAILED
        console.fail(f"{len(failed)} of {len(work.reports)} videos failed, see {where}")
        raise typer.Exit(2)


def _pace(work: Work) -> str:
    frames = console.counted(work.frames, "frame")
    return f"{frames} ({work.frames / max(work.seconds, 1e-9):.1f} frames/s)"


class Bars:
    """A bar of all videos, below it one of the current one's frames, if stderr is a terminal."""

    def __init__(self, work: Work, *, quiet: bool) -> None:
        self._work, self.quiet = work, quiet
        self._bar: Any = None
        self._lines = console.ProgressLines()

    def __enter__(self) -> Self:
        """Draw the first bar."""
        if not self.quiet and sys.stderr.isatty() and not console.is_json():
            self._bar = console.open_bars()
            self._all = self._bar.add_task("videos", total=len(self._work.reports), note="")
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
            failed = self._work.count("failed")
            self._bar.update(
                self._all,
                completed=self._work.count("done") + failed,
                note=f"{failed} failed, {_pace(self._work)},",
            )

    def on_frame(self, source: str, progress: Progress) -> None:
        """Draw how far the current video is, or tell programs."""
        if console.is_json() and not self.quiet:
            self._lines.show(source, progress)
        if self._bar is not None:
            if progress.frame == 1:
                self._bar.reset(self._current)  # the time left is that of this video
            people = console.counted(progress.people, "person", "people")
            self._bar.update(
                self._current,
                description=Path(shown(source)).name,
                completed=progress.frame,
                total=progress.total,
                note=f"{people},",
                visible=True,
            )

    def show(self, report: Report) -> None:
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
