"""A video to results on disk: every file whole or not there."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread, main_thread

from tarvitpose.config import PredictConfig
from tarvitpose.detection import BoxesFile, Detector
from tarvitpose.errors import OutputError
from tarvitpose.estimator import BOX_THRESHOLD, PoseEstimator
from tarvitpose.video import open_source
from tarvitpose.writers import PoseWriter, open_writer, output_paths


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    frame: int  # frames done
    total: int | None  # frames in all, None where nobody knows
    people: int  # in the frame just done


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    source: str
    files: tuple[Path, ...]
    frames: int
    people: int  # most in one frame
    tracks: int  # different track ids
    seconds: float
    warnings: tuple[str, ...]


def load_estimator(
    config: PredictConfig, kind: type[PoseEstimator] = PoseEstimator
) -> PoseEstimator:
    """Load the model and the detector that a run asks for. Raises UserError."""
    detector: str | Detector = config.detector
    threshold = BOX_THRESHOLD if config.box_threshold is None else config.box_threshold
    if config.boxes is not None:
        threshold = config.box_threshold or 0.0
        detector = BoxesFile(config.boxes, threshold=threshold)
    return kind.from_pretrained(
        config.weights,
        device=config.device,
        precision=config.precision,
        single_frame=config.single_frame,
        offsets=config.offsets,
        flip_test=config.flip_test,
        detector=detector,
        box_threshold=threshold,
        max_people=config.max_people,
        batch_size=config.batch_size,
        backend=config.backend,
        crop_policy=config.crop_policy,
        anchor=config.anchor,
        det_every=config.det_every,
    )


def check_source(source: str, config: PredictConfig) -> None:
    """Refuse what cannot be read or would replace results, before a model is loaded.

    Raises VideoError or OutputError. Webcams and streams are not opened twice: they pass.
    """
    if source.isdigit() or "://" in source:
        return
    with open_source(source, start=config.start, end=config.end, live=config.live) as frames:
        _refuse_overwriting(output_paths(frames, config), config)


def process(
    source: str,
    estimator: PoseEstimator,
    config: PredictConfig,
    on_progress: Callable[[Progress], None],
) -> Outcome:
    """Write the results of one source into `config.output`.

    Ctrl-C ends a live source: what was seen until then is written. Raises VideoError, or
    OutputError where results are there already or cannot be written.
    """
    began = time.monotonic()
    with open_source(source, start=config.start, end=config.end, live=config.live) as frames:
        files = output_paths(frames, config)
        _refuse_overwriting(files, config)
        done, people, ids = 0, 0, set[int]()
        with ExitStack() as stack:
            writers: list[PoseWriter] = [
                stack.enter_context(open_writer(kind, path, frames, config))
                for kind, path in files.items()
            ]
            is_stopped = stack.enter_context(_stopped_by_user(frames.is_live))
            run = stack.enter_context(closing(estimator.run(frames)))
            for frame, poses in run:
                for writer in writers:
                    writer.write(poses, frame.image)
                done, people = done + 1, max(people, len(poses))
                ids.update(poses.track_ids.tolist())
                on_progress(Progress(done, frames.frame_count, len(poses)))
                if is_stopped():
                    break
        warnings = [*frames.warnings, *(w for writer in writers for w in writer.warnings)]
    if config.boxes is not None and not people:
        warnings.append(f"{config.boxes}: no box matched any of the {done} frames of {source}")
    seconds = time.monotonic() - began
    return Outcome(source, tuple(files.values()), done, people, len(ids), seconds, tuple(warnings))


@contextmanager
def _stopped_by_user(is_live: bool) -> Iterator[Callable[[], bool]]:
    """Yield what tells whether the user pressed Ctrl-C; only for live sources, and only once."""
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


def _refuse_overwriting(files: dict[str, Path], config: PredictConfig) -> None:
    there = [str(path) for path in files.values() if path.exists()]
    if there and not config.overwrite:
        raise OutputError(f"{there[0]}: there already; pass --overwrite or another --output")
