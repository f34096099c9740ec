"""Many videos: which they are, where their results go, and the outcome of each."""

import os
import shutil
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from tarvitpose import __version__
from tarvitpose.config import PredictConfig
from tarvitpose.errors import OutputError, UserError, VideoError
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.runs import pipeline
from tarvitpose.runs.pipeline import Outcome, RunProgress
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.json_file import write_json
from tarvitpose.utils.source_names import full_name_of, name_of, shown, without_secrets
from tarvitpose.video.image_source import IMAGE_SUFFIXES

VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv", ".mxf", ".vob"),
)
ATTEMPTS = 2  # at a video that fails: a network drive may work the second time
DEATHS = 3  # of workers, at one video
SUMMARY, FAILED, DATA_SET = "run.json", "failed.txt", "dataset"
Status = Literal["left", "done", "failed"]


@dataclass(frozen=True)
class VideoJob:
    """One video of many."""

    source: str
    output: Path  # the folder of its results
    name: str  # of the video among all others, with its folders below the given one
    stem: str | None = None  # of its results' files; None: that of the source


@dataclass
class JobReport:
    """The outcome of a job so far."""

    job: VideoJob
    status: Status = "left"
    attempts: int = 0
    outcome: Outcome | None = None
    error: str | None = None  # of the latest attempt
    trace: str | None = None  # of an error that is a bug


def find_jobs(sources: Iterable[str], output: Path) -> list[VideoJob]:
    """Return a job for each source, for a folder of videos one for each of them.

    A folder is searched with all folders below it, which the results get as well; what is hidden
    and `output` are left out. A folder that holds images is one video of frames. Raises
    VideoError where a folder holds both.
    """
    jobs = []
    for source in sources:
        folder = Path(source)
        videos = videos_in(folder, output) if folder.is_dir() else []
        for path in videos:
            name = path.relative_to(folder)
            jobs.append(VideoJob(str(path), output / name.parent, name.as_posix()))
        if not videos:
            jobs.append(VideoJob(source, output, folder.name or source))
    return jobs


def with_different_names(jobs: Iterable[VideoJob]) -> list[VideoJob]:
    """Return the jobs with names of results that differ within a folder.

    Files that differ in nothing but their suffix keep it: IMG_1.MOV and IMG_1.mp4. Raises
    OutputError where that is not enough.
    """
    jobs = list(jobs)
    count = Counter(_collision_key(job, name_of(job.source)) for job in jobs)
    named = [
        replace(job, stem=full_name_of(job.source))
        if count[_collision_key(job, name_of(job.source))] > 1
        else job
        for job in jobs
    ]
    first: dict[tuple[Path, str], VideoJob] = {}
    for job in named:
        name = job.stem or name_of(job.source)
        other = first.setdefault(_collision_key(job, name), job)
        if other is not job:
            raise OutputError(
                f"{shown(other.source)} and {shown(job.source)}: the results of both would be "
                f"named {name}; run them one by one with different --output"
            )
    return named


def _collision_key(job: VideoJob, name: str) -> tuple[Path, str]:
    """Return a key that is equal for results that would overwrite each other on any system."""
    return job.output, name.casefold()


def videos_in(folder: Path, output: Path) -> list[Path]:
    """Return the videos in a folder and below it, sorted; none where the folder holds images.

    Raises VideoError if it holds both.
    """
    try:
        kinds = {path.suffix.lower() for path in folder.iterdir() if path.name[0] != "."}
    except OSError as error:
        raise VideoError(f"{folder}: cannot be read ({error.strerror})") from None
    if kinds & {*IMAGE_SUFFIXES}:
        if kinds & {*VIDEO_SUFFIXES}:
            raise VideoError(
                f"{folder}: holds images and videos; use a pattern for one of them, "
                f"such as '{folder}/*.mp4'"
            )
        return []
    paths = []
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        folders[:] = [name for name in folders if name[0] != "." and not _same(here / name, output)]
        videos = (name for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES)
        paths += [here / name for name in videos if name[0] != "."]
    return sorted(paths)


def _same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


class BatchQueue:
    """The jobs of a run: each is handed out until it is done, or has failed for good."""

    def __init__(self, jobs: Iterable[VideoJob], config: PredictConfig) -> None:
        self.config = config
        self.reports = {job: JobReport(job) for job in jobs}
        self.frames = 0  # that this run has done
        self.old = 0  # videos that an earlier run had done
        self._waiting = deque(self.reports)
        self._deaths = Counter[VideoJob]()
        self._began = datetime.now(UTC)
        self._clock = time.monotonic()

    def count(self, status: Status) -> int:
        """Return how many videos are in a state."""
        return sum(report.status == status for report in self.reports.values())

    @property
    def is_waiting(self) -> bool:
        """Whether `take` would return a video."""
        return bool(self._waiting)

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self._clock

    def check(self, on_checked: Callable[[], None]) -> bool:
        """Check every video before the model is loaded; tell whether there is anything to do.

        Videos that an earlier run finished are done; unreadable ones wait for a second attempt.
        """
        usable = deque[VideoJob]()
        unusable = deque[VideoJob]()
        for job in self._waiting:
            report = self.reports[job]
            try:
                old = pipeline.check_source(job.source, self.config_of(job), job.stem)
            except UserError as error:
                report.error, report.attempts = str(error), 1
                unusable.append(job)
            else:
                if old is None:
                    usable.append(job)
                else:
                    self._settle(report, "done", old)
            on_checked()
        if not usable:
            for job in unusable:
                self._settle(self.reports[job], "failed")
            unusable.clear()
        self._waiting = usable + unusable
        return bool(usable)

    def take(self) -> VideoJob | None:
        """Return the next video to process, None if none waits."""
        return self._waiting.popleft() if self._waiting else None

    def config_of(self, job: VideoJob) -> PredictConfig:
        """Return the configuration of one video; a second attempt goes on after the first."""
        changes: dict[str, Any] = {"output": job.output}
        if self.reports[job].attempts or self._deaths[job]:
            changes["resume"] = True
        return self.config.model_copy(update=changes)

    def done(self, job: VideoJob, outcome: Outcome) -> JobReport:
        """Note the results of a video."""
        report = self.reports[job]
        report.attempts += 1
        self._settle(report, "done", outcome)
        return report

    def failed(self, job: VideoJob, error: str, trace: str | None = None) -> JobReport:
        """Note why a video failed; the first time it waits at the end for another attempt."""
        report = self.reports[job]
        report.error, report.trace = error, trace
        report.attempts += 1
        if report.attempts < ATTEMPTS:
            self._waiting.append(job)
        else:
            self._settle(report, "failed")
        return report

    def lost(self, job: VideoJob) -> JobReport:
        """Note that a worker died; its video is the next one, but only `DEATHS` times."""
        self._deaths[job] += 1
        report = self.reports[job]
        report.error = f"{shown(job.source)}: its worker died"
        if self._deaths[job] < DEATHS:
            self._waiting.appendleft(job)
        else:
            self._settle(report, "failed")
            report.error += f" {DEATHS} times"
        return report

    def write_summary(self) -> None:
        """Write `run.json`, and the sources that failed into `failed.txt`. Raises OutputError."""
        config = self.config
        content = {
            "tarvitpose": __version__,
            "began": self._began.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "options": config.model_dump(mode="json"),
            "videos": [_entry(report) for report in self.reports.values()],
        }
        write_json(config.output / SUMMARY, content, indent=1)
        # A file's name is written byte by byte, so that it can be read back.
        failed = [
            without_secrets(r.job.source) for r in self.reports.values() if r.status == "failed"
        ]
        if not failed:
            (config.output / FAILED).unlink(missing_ok=True)
            return
        with atomic_file(config.output / FAILED) as path:
            path.write_text("".join(f"{source}\n" for source in failed), "utf-8", "surrogateescape")

    def _settle(self, report: JobReport, status: Status, outcome: Outcome | None = None) -> None:
        """Note the final status of a video."""
        report.status, report.outcome = status, outcome
        if outcome is not None:
            self.frames += 0 if outcome.is_old else outcome.frames - outcome.resumed
            self.old += outcome.is_old
            self._link(report, outcome)

    def _link(self, report: JobReport, outcome: Outcome) -> None:
        """Make the Parquet table of a video a part of the data set of all."""
        for table in outcome.files:
            if table.suffix == ".parquet":
                name = f"video={quote(report.job.name, safe='')}"
                with atomic_file(self.config.output / DATA_SET / name / "poses.parquet") as path:
                    path.unlink()
                    try:
                        path.hardlink_to(table)
                    except OSError:  # a file system without links
                        shutil.copyfile(table, path)


def run_here(
    queue: BatchQueue, estimator: PoseEstimator, on_frame: Callable[[str, RunProgress], None]
) -> Iterator[JobReport]:
    """Process all videos in this process, and yield a report on each attempt."""
    while (job := queue.take()) is not None:
        try:
            outcome = pipeline.process(
                job.source, estimator, queue.config_of(job), partial(on_frame, job.source), job.stem
            )
        except Exception as error:  # one bad video must not end the run of thousands
            yield queue.failed(job, *explained(error))
        else:
            yield queue.done(job, outcome)


def explained(error: Exception) -> tuple[str, str | None]:
    """Return an error in one line, and its traceback if the user cannot put it right."""
    if isinstance(error, UserError):
        return str(error), None
    return f"{type(error).__name__}: {error}", traceback.format_exc()


def _entry(report: JobReport) -> dict[str, Any]:
    outcome = report.outcome
    values: dict[str, Any] = {
        "source": shown(report.job.source),
        "status": report.status,
        "attempts": report.attempts,
    }
    if outcome is not None:
        values |= {"frames": outcome.frames, "seconds": round(outcome.seconds, 3)}
        values["files"] = [str(path) for path in outcome.files]
    if report.error is not None:  # also of a first attempt, when the second one did better
        values["error"] = report.error
    if report.trace is not None:
        values["traceback"] = report.trace
    return values
