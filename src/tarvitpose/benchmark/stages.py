"""Where the time of the whole pipeline goes: a stopwatch observes its stages.

Every moment of a thread counts for the innermost stage it is in. Frames are read in a thread of
their own, and results written in another, beside the others.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import local
from time import perf_counter

from tarvitpose.benchmark.cases import Mode
from tarvitpose.config import CropPolicy, PredictConfig
from tarvitpose.inference.engine import Engine
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.observer import STAGES, Observer, Stage
from tarvitpose.runs.pipeline import Outcome, process

RUNS = 3  # of each pipeline; the first, which also warms up, is hardly the middle one
OF_NETWORK = ("encode", "temporal")
Pipeline = tuple[Mode, str]  # and the backend
POLICIES: dict[Mode, CropPolicy] = {
    "single": "anchored",
    "windowed": "window",
    "streaming": "anchored",
}


class Stopwatch(Observer):
    """Adds up the seconds of stages; time in an inner stage does not count for the outer one.

    `wait` returns when a GPU has done what it was given, so that it counts for the stage that
    gave it.
    """

    def __init__(self, wait: Callable[[], None] = lambda: None) -> None:
        self._wait = wait
        self.seconds: dict[str, float] = defaultdict(float)
        self._thread = local()  # what is running, and since when, in each thread

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Count the time inside the `with` block for a stage."""
        outer = getattr(self._thread, "stage", None)
        self._switch(name)
        try:
            yield
            if name in OF_NETWORK:
                self._wait()
        finally:
            self._switch(outer)

    def _switch(self, name: str | None) -> None:
        now = perf_counter()
        running = getattr(self._thread, "stage", None)
        if running is not None:
            self.seconds[running] += now - self._thread.since
        self._thread.stage, self._thread.since = name, now


@dataclass(frozen=True)
class Stages:
    """Milliseconds for each frame of a video, by stage; the rest belongs to no stage."""

    frames: int
    seconds: float  # from opening the video to its finished results
    milliseconds: dict[str, float]

    @property
    def frame_rate(self) -> float:
        """Frames per second of the whole pipeline."""
        return self.frames / self.seconds


def time_stages(video: str | Path, estimator: PoseEstimator, config: PredictConfig) -> Stages:
    """Run the whole pipeline on a video once, its results into a folder that is removed after."""
    with TemporaryDirectory(prefix="tarvitpose-") as folder:
        changes = {"output": Path(folder), "overwrite": True}
        config = config.model_copy(update=changes)
        watch = Stopwatch(waiting_for(estimator.predictor.engine))
        outcome = process(str(video), estimator, config, lambda progress: None, observer=watch)
    return stages_of(watch, outcome)


def waiting_for(engine: Engine) -> Callable[[], None]:
    """Return what waits for the device of an engine; only PyTorch's may go on by itself."""
    wait: Callable[[], None] = getattr(engine, "synchronise", lambda: None)
    return wait


def stages_of(watch: Stopwatch, outcome: Outcome) -> Stages:
    """Return where the time of one run went, from the stopwatch that observed it."""
    spent: dict[str, float] = {name: watch.seconds[name] for name in STAGES}
    beside = spent["decode"] + spent["write"]
    spent["rest"] = outcome.seconds - sum(spent.values()) + beside
    milliseconds = {name: 1000 * value / outcome.frames for name, value in spent.items()}
    return Stages(outcome.frames, outcome.seconds, milliseconds)


def time_stages_interleaved(
    video: str | Path, pipelines: dict[Pipeline, tuple[PoseEstimator, PredictConfig]]
) -> dict[Pipeline, Stages]:
    """Return of each pipeline the run of median length; they take turns in a random order."""
    order = random.Random(0)
    runs: dict[Pipeline, list[Stages]] = {key: [] for key in pipelines}
    for _ in range(RUNS):
        for key in order.sample(list(pipelines), len(pipelines)):
            runs[key].append(time_stages(video, *pipelines[key]))
    return {key: _middle(repeats) for key, repeats in runs.items()}


def _middle(runs: Sequence[Stages]) -> Stages:
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
