"""Where the time of the whole pipeline goes: its real parts, each wrapped in a stopwatch.

Every moment of a thread counts for the innermost stage it is in. Reading frames happens in a
thread of its own, beside the others.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import local
from time import perf_counter

from tarvitpose.benchmark.cases import Mode
from tarvitpose.config import CropPolicy, EstimatorConfig, ModelConfig, PredictConfig
from tarvitpose.detection import Detections, Detector
from tarvitpose.inference.engine import EncodedCrop, Runtime
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.predictor import Joints, Predictor, Views
from tarvitpose.results import Frame, FramePoses
from tarvitpose.runs.pipeline import Outcome, Progress, process
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.video.frame_source import FrameSource

STAGES = ("decode", "detect", "warp", "encode", "temporal", "heatmaps", "write")
RUNS = 3  # of each pipeline; the first, which also warms up, is hardly the middle one
Pipeline = tuple[Mode, str]  # and the backend
POLICIES: dict[Mode, CropPolicy] = {
    "single": "anchored",
    "windowed": "window",
    "streaming": "anchored",
}


class Stopwatch:
    """Adds up the seconds of stages; inside of another, a stage's time is its own alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._thread = local()  # what is running, and since when, in each thread

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` block for a stage."""
        outer = getattr(self._thread, "stage", None)
        self._switch(name)
        try:
            yield
        finally:
            self._switch(outer)

    def _switch(self, name: str | None) -> None:
        now = perf_counter()
        running = getattr(self._thread, "stage", None)
        if running is not None:
            self.seconds[running] += now - self._thread.since
        self._thread.stage, self._thread.since = name, now


class _TimedRuntime:
    """A runtime with a stopwatch."""

    def __init__(self, runtime: Runtime, watch: Stopwatch) -> None:
        self.config: ModelConfig = runtime.config
        self._runtime, self._watch = runtime, watch

    def fingerprint(self) -> str:
        return self._runtime.fingerprint()

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        with self._watch.stage("encode"):
            return self._runtime.encode(crops)

    def answer(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        with self._watch.stage("temporal"):
            return self._runtime.answer(windows, current)

    def decode(self, kept: Sequence[EncodedCrop]) -> Float32:
        with self._watch.stage("temporal"):
            return self._runtime.decode(kept)

    def single_frame(self, crops: UInt8) -> Float32:
        with self._watch.stage("encode"):
            return self._runtime.single_frame(crops)


class _TimedDetector:
    """A detector with a stopwatch."""

    def __init__(self, detector: Detector, watch: Stopwatch) -> None:
        self._detector, self._watch = detector, watch

    def detect(self, frame: Frame) -> Detections:
        with self._watch.stage("detect"):
            return self._detector.detect(frame)


class _TimedPredictor(Predictor):
    """A predictor with a stopwatch: what is not warp, encode or temporal is reading heatmaps."""

    watch: Stopwatch

    def joints(self, frames: Sequence[Sequence[UInt8]], boxes: Sequence[Float32]) -> list[Joints]:
        with self.watch.stage("heatmaps"):
            return super().joints(frames, boxes)

    def answer(self, windows: Sequence[Sequence[Views]], boxes: Float32) -> Joints:
        with self.watch.stage("heatmaps"):
            return super().answer(windows, boxes)

    def crops(self, images: Sequence[UInt8], boxes: Float32) -> UInt8:
        with self.watch.stage("warp"):
            return super().crops(images, boxes)


class TimedEstimator(PoseEstimator):
    """An estimator whose parts have a stopwatch; what its user does between frames is writing."""

    def __init__(self, predictor: Predictor, detector: Detector, config: EstimatorConfig) -> None:
        self.watch = Stopwatch()
        super().__init__(
            _timed(predictor, self.watch), _TimedDetector(detector, self.watch), config
        )

    def run(self, source: FrameSource | Iterable[Frame]) -> Generator[tuple[Frame, FramePoses]]:
        """Yield every frame with its poses, in order."""
        with closing(super().run(self._read(source))) as found:
            for item in found:
                with self.watch.stage("write"):
                    yield item

    def _read(self, source: Iterable[Frame]) -> Generator[Frame]:
        """Yield the frames of a source; the thread that reads calls this."""
        frames = iter(source)
        while True:
            with self.watch.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame


def _timed(predictor: Predictor, watch: Stopwatch) -> _TimedPredictor:
    timed = _TimedPredictor(
        _TimedRuntime(predictor.runtime, watch),
        offsets=tuple(offset for offset in predictor.offsets if offset) or None,
        single_frame=predictor.single_frame,
        flip_test=predictor.flip_test,
        batch_size=predictor.batch_size,
        compare=predictor.compare,
    )
    timed.watch = watch
    return timed


@dataclass(frozen=True)
class Stages:
    """Milliseconds for each frame of a video, by stage; the rest is what no stage claims."""

    frames: int
    seconds: float  # from opening the video to its finished results
    milliseconds: dict[str, float]

    @property
    def frame_rate(self) -> float:
        """Frames per second of the whole pipeline."""
        return self.frames / self.seconds


def time_stages(video: str | Path, estimator: TimedEstimator, config: PredictConfig) -> Stages:
    """Run the whole pipeline on a video once, its results into a folder that is removed after."""
    with TemporaryDirectory(prefix="tarvitpose-") as folder:
        changes = {"output": Path(folder), "overwrite": True}
        config = config.model_copy(update=changes)
        return timed_process(str(video), estimator, config, lambda progress: None)[1]


def timed_process(
    source: str,
    estimator: TimedEstimator,
    config: PredictConfig,
    on_progress: Callable[[Progress], None],
) -> tuple[Outcome, Stages]:
    """Process one source as `process` does, and also return where the time went."""
    estimator.watch.seconds.clear()
    outcome = process(source, estimator, config, on_progress)
    spent = {name: estimator.watch.seconds[name] for name in STAGES}
    spent["rest"] = outcome.seconds - sum(spent.values()) + spent["decode"]  # beside the others
    milliseconds = {name: 1000 * value / outcome.frames for name, value in spent.items()}
    return outcome, Stages(outcome.frames, outcome.seconds, milliseconds)


def time_stages_in_turn(
    video: str | Path, pipelines: dict[Pipeline, tuple[TimedEstimator, PredictConfig]]
) -> dict[Pipeline, Stages]:
    """Return of each pipeline the run of median length; they take turns in a random order."""
    order = random.Random(0)
    runs: dict[Pipeline, list[Stages]] = {key: [] for key in pipelines}
    for _ in range(RUNS):
        for key in order.sample(list(pipelines), len(pipelines)):
            runs[key].append(time_stages(video, *pipelines[key]))
    return {key: _middle(some) for key, some in runs.items()}


def _middle(runs: Sequence[Stages]) -> Stages:
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
