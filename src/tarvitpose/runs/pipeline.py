"""From a video to results on disk; each file is written whole or not at all."""

import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Any

from tarvitpose.config import PredictConfig
from tarvitpose.detection import BoxesFile, Detector
from tarvitpose.formats.file_writer import PoseWriter
from tarvitpose.formats.overlay import draw_overlay
from tarvitpose.formats.writing import open_writers, output_paths
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.observer import Observer
from tarvitpose.results import Frame, FramePoses
from tarvitpose.runs.face_blur import without_faces
from tarvitpose.runs.manifest import RunResult, file_facts
from tarvitpose.runs.resume import look_back, open_run
from tarvitpose.smoothing import smoothed
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.video.image_source import ImagesSource
from tarvitpose.video.prefetch import prefetched
from tarvitpose.video.sources import open_source
from tarvitpose.video.window import PoseWindow

MOST_WAITING = 128 << 20  # bytes of frames


@dataclass(frozen=True)
class RunProgress:
    """How far a run has come."""

    frame: int  # frames done
    total: int | None  # frames in all, None where it is unknown
    people: int  # in the frame just done


@dataclass(frozen=True)
class Outcome:
    """The files that a run wrote, and what they hold."""

    source: str
    files: tuple[Path, ...]
    frames: int
    people: int  # most in one frame
    tracks: int  # different track ids
    seconds: float
    warnings: tuple[str, ...]
    resumed: int = 0  # frames that were known from an interrupted run
    is_old: bool = False  # an earlier run had done all of it
    precision: str = ""  # of the network


def check_source(source: str, config: PredictConfig, name: str | None = None) -> Outcome | None:
    """Refuse what cannot be read or would replace results, before a model is loaded.

    `name` is for the files of results, in place of the source's name. Returns the outcome of an
    earlier run if `config.resume` finds nothing left to do. Raises VideoError or OutputError.
    Webcams and streams, which cannot be opened twice, are not checked.
    """
    if source.isdigit() or "://" in source:
        return None
    with _opened(source, config, name) as frames:
        files = output_paths(frames, config)
        result = look_back(frames, files, config).result
        return None if result is None else _outcome(frames.source, files, result, is_old=True)


def process(
    source: str,
    estimator: PoseEstimator,
    config: PredictConfig,
    on_progress: Callable[[RunProgress], None],
    name: str | None = None,
    *,
    observer: Observer | None = None,
) -> Outcome:
    """Write the results of one source into `config.output`, under its name or `name`.

    Ctrl-C ends a live source, and what came until then is written. Another run that is interrupted
    leaves a journal, with which `config.resume` goes on, to the same files as in one piece. The
    `observer` sees every step of the estimator. Raises VideoError, or OutputError where results
    are there already, cannot be written or are being written by another process.
    """
    began = time.monotonic()
    with (
        _opened(source, config, name) as frames,
        open_run(frames, files := output_paths(frames, config), config) as run,
    ):
        if run.manifest.result is not None:
            return _outcome(frames.source, files, run.manifest.result, is_old=True)
        renamed = _match_boxes(estimator.detector, frames)
        poses = smoothed(run.poses(estimator, frames, observer), config)
        poses = without_faces(poses) if config.blur_faces else poses
        if not frames.is_live:
            poses = prefetched(poses, _ahead(frames))
        stats = _write(poses, files, frames, config, on_progress, observer=observer or Observer())
        warnings = [*frames.warnings, *renamed, *stats.warnings]
        if stats.is_cut:
            warnings.append(
                f"{frames.source}: stopped after {stats.frames} frames; --resume goes on from there"
            )
        if config.boxes is not None and not stats.people:
            warnings.append(
                f"{config.boxes}: no box matched any of the {stats.frames} frames "
                f"of {frames.source}"
            )
        result = RunResult(
            frames=stats.frames,
            people=stats.people,
            tracks=len(stats.tracks),
            seconds=time.monotonic() - began,
            warnings=tuple(warnings),
            precision=estimator.predictor.engine.precision,
            files={path.name: file_facts(path) for path in files.values()},
        )
        if not stats.is_cut:
            run.finish(result)
    return _outcome(frames.source, files, result, resumed=run.resumed)


def _opened(source: str, config: PredictConfig, name: str | None) -> FrameSource:
    return open_source(
        source,
        start=config.start,
        end=config.end,
        live=config.live,
        name=name,
        allow_playlists=config.allow_playlists,
    )


def _match_boxes(detector: Detector, frames: FrameSource) -> list[str]:
    """Match a file of boxes to the frames of a folder; return a line if only their order fits."""
    if not isinstance(detector, BoxesFile) or not isinstance(frames, ImagesSource):
        return []
    names = [f"{path.parent.name}/{path.name}" for path in frames.images]
    if len({path.parent for path in frames.images}) > 1 or not detector.match_by_order(names):
        return []
    return [f"{detector.path}: has other frame names than {frames.source}, matched by order"]


@dataclass
class RunStats:
    """Counts over the frames of a run."""

    frames: int = 0
    people: int = 0  # most in one frame
    tracks: set[int] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)  # of the writers
    is_cut: bool = False  # whether the user stopped before the end of a file


def _write(
    results: Generator[tuple[Frame, FramePoses]],
    files: dict[str, Path],
    frames: FrameSource,
    config: PredictConfig,
    on_progress: Callable[[RunProgress], None],
    *,
    observer: Observer,
) -> RunStats:
    """Write the poses of every frame of a source to every file, and return counts."""
    stats, people = RunStats(), 0
    last_total: int | None = 0  # frames in all, as shown last
    with ExitStack() as stack:
        writers: list[PoseWriter] = [
            stack.enter_context(writer) for writer in open_writers(files, frames, config)
        ]
        is_stopped = stack.enter_context(_stopped_by_user(frames.is_live))
        window = stack.enter_context(_window(frames, config)) if config.show else None
        for frame, poses in stack.enter_context(closing(results)):
            with observer.stage("write"):
                for writer in writers:
                    writer.write(poses, frame.image)
            stats.frames, stats.people = stats.frames + 1, max(stats.people, len(poses))
            stats.tracks.update(poses.track_ids.tolist())
            total, people = frames.frame_count, len(poses)
            is_known = total is not None and stats.frames <= total  # a joined file states too few
            last_total = total if is_known else None
            on_progress(RunProgress(stats.frames, last_total, people))
            if window is not None:
                window.show(frame.image, poses, frames.delay(frame.time))
            if is_stopped() or (window is not None and window.is_closed):
                stats.is_cut = not frames.is_live
                break
        else:
            if stats.frames != last_total:  # now the number of frames is known
                on_progress(RunProgress(stats.frames, stats.frames, people))
        if stats.is_cut:
            for writer in writers:
                writer.cut()
    stats.warnings = [warning for writer in writers for warning in writer.warnings]
    return stats


def _ahead(frames: FrameSource) -> int:
    """Return how many frames may wait to be written while the next ones are computed."""
    height, width = frames.image_size
    return min(max(MOST_WAITING // (3 * height * width), 2), 16)


def _window(frames: FrameSource, config: PredictConfig) -> PoseWindow:
    look: dict[str, Any] = {"colors": config.colors, "angles": config.angles}
    draw = partial(draw_overlay, keypoint_threshold=config.keypoint_threshold, **look)
    return PoseWindow(f"{frames.name} - tarvitpose", frames.image_size, draw)


def _outcome(
    source: str,
    files: dict[str, Path],
    result: RunResult,
    *,
    resumed: int = 0,
    is_old: bool = False,
) -> Outcome:
    counts = result.model_dump(exclude={"files", "warnings"})
    warnings = () if is_old else result.warnings
    paths = tuple(files.values())
    return Outcome(source, paths, warnings=warnings, resumed=resumed, is_old=is_old, **counts)


@contextmanager
def _stopped_by_user(is_live: bool) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether the user pressed Ctrl-C, for live sources."""
    stopped = Event()
    if not is_live or current_thread() is not main_thread():
        yield stopped.is_set
        return

    def stop(number: int, frame: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)  # a second time ends the program

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped.is_set
    finally:
        signal.signal(signal.SIGINT, before)
