"""The jobs of visitors: poses of a video, by the code of `predict`, and a joint's attention map."""

import asyncio
import shutil
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Event
from typing import Generic, TypeVar

from tarvitpose.config import PredictConfig
from tarvitpose.detection import Detections
from tarvitpose.formats.reading import load_poses
from tarvitpose.formats.writing import ENDINGS
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.results import Frame, FramePoses
from tarvitpose.runs.pipeline import Outcome, RunProgress, process
from tarvitpose.utils.images import write_image
from tarvitpose.utils.source_names import name_of
from tarvitpose.video.sources import open_source
from tarvitpose.visualization.attention_options import Moment
from tarvitpose.visualization.attention_picture import draw_attention_maps

STORED = "npz"  # the format that is read again for the attention
Answer = TypeVar("Answer")


class StoppedError(Exception):
    """The job was stopped before it was done."""


class Job(Generic[Answer]):
    """Work on another thread, which can be stopped between two frames."""

    def __init__(self, worker: Executor, work: Callable[[Callable[[], None]], Answer]) -> None:
        """`work` is given a function to call now and then, which raises StoppedError."""
        self._stopped = Event()
        context = copy_context()  # by which Gradio knows whose progress it is
        self.future: Future[Answer] = worker.submit(context.run, self._run, work)

    @property
    def is_over(self) -> bool:
        """Tell whether the work has ended, in whatever way."""
        return self.future.done()

    def stop(self) -> None:
        """Leave the work undone; what has begun ends after its present frame."""
        self._stopped.set()
        self.future.cancel()

    async def result(self) -> Answer:
        """Return what the work returns or raise what it raises, StoppedError after `stop`.

        A caller that is cancelled stops the work, and is held until it has ended.
        """
        future = asyncio.wrap_future(self.future)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            self.stop()
            await asyncio.gather(future, return_exceptions=True)
            raise
        if future.cancelled():
            raise StoppedError
        return future.result()

    def _run(self, work: Callable[[Callable[[], None]], Answer]) -> Answer:
        try:
            return work(self._check)
        except Exception:
            raise
        except BaseException as error:  # a job that wants to exit must not take the server with it
            raise RuntimeError(f"the job ended with {error!r}") from error

    def _check(self) -> None:
        if self._stopped.is_set():
            raise StoppedError


@dataclass(frozen=True)
class JobResults:
    """What a job left in the folder `config.output`."""

    source: Path
    config: PredictConfig
    outcome: Outcome
    poses: tuple[FramePoses, ...]  # of every frame
    downloads: tuple[Path, ...]

    @property
    def tracks(self) -> list[int]:
        """The ids of all people."""
        return sorted({track for frame in self.poses for track in frame.track_ids.tolist()})

    def file(self, kind: str) -> Path:
        """Return the path of a result: a format, "overlay" or "compare"."""
        return _file(self.source, self.config, kind)


def find_poses(
    source: Path,
    config: PredictConfig,
    formats: Sequence[str],
    on_progress: Callable[[RunProgress], None],
) -> JobResults:
    """Process a video, and return the results, with `formats` to download. Raises UserError."""
    written = (*dict.fromkeys((*formats, STORED)),)
    config = config.model_copy(update={"formats": written})
    outcome = process(str(source), _estimator(_loading_options(config)), config, on_progress)
    videos = ["overlay", "compare"] if config.compare else ["overlay"]
    files = [_file(source, config, kind) for kind in (*videos, *formats)]
    return JobResults(
        source=source,
        config=config,
        outcome=outcome,
        poses=tuple(load_poses(_file(source, config, STORED))),
        downloads=tuple(zipped(path) if path.is_dir() else path for path in files),
    )


def zipped(folder: Path) -> Path:
    """Return a zip of a folder beside it."""
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


def draw_attention(results: JobResults, seconds: float, joint: int, track: int | None) -> Path:
    """Draw where a joint looks in the frame at a time, and return the picture.

    Raises VideoError where that person, or everybody, is absent.
    """
    config = results.config.model_copy(
        update={"backend": "torch", "precision": "fp32", "compare": False}
    )
    estimator = PoseEstimator(
        _estimator(_loading_options(config)).predictor, KnownPeople(results.poses)
    )
    times = [frame.time for frame in results.poses]
    position = max(bisect_right(times, seconds + 1e-3) - 1, 0)  # of the frame that is shown then
    offsets = estimator.predictor.offsets
    start = results.poses[max(position + offsets[0], 0)].time
    with open_source(results.source, start=start, end=config.end) as frames:
        moment = Moment(frame=results.poses[position].index)
        # Here, because it needs PyTorch, which finding poses does not.
        from tarvitpose.visualization.attention_maps import attention_maps  # noqa: PLC0415

        maps = attention_maps(estimator, frames, moment, track_id=track)
    picture = draw_attention_maps(maps, [joint], results.source.name)
    path = config.output / f"attention-{position}-{maps.track_id}-{joint}.png"
    write_image(path, picture)
    return path


class KnownPeople:
    """A detector that looks up who is in each frame of a video, and as which track."""

    def __init__(self, poses: Sequence[FramePoses]) -> None:
        self._poses = {frame.index: frame for frame in poses}

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame."""
        poses = self._poses[frame.index]
        return Detections(poses.boxes, poses.box_scores, poses.track_ids)


@lru_cache(maxsize=3)  # with and without `compare`, and for the attention
def _estimator(config: PredictConfig) -> PoseEstimator:
    return PoseEstimator.from_config(config)


def _loading_options(config: PredictConfig) -> PredictConfig:
    """Return a configuration that is equal where the same estimator serves."""
    unused = {"output": Path(), "formats": (), "end": None, "smooth": "none"}
    return config.model_copy(update={**unused, "blur_faces": False})


def _file(source: Path, config: PredictConfig, kind: str) -> Path:
    return config.output / f"{name_of(str(source))}{ENDINGS[kind]}"
