"""Whole pipelines by turns, each a command of its own: `predict`, and other programs beside it.

Each command reads the video, finds one person's pose in every frame and writes the video with it
drawn. `predict` writes COCO JSON and copies the sound as well.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, NamedTuple

from tarvitpose.benchmark.others import draw_poses
from tarvitpose.benchmark.plan import MEDIAPIPE, TRANSFORMERS, BenchmarkPlan
from tarvitpose.benchmark.stages import Pipeline
from tarvitpose.config import ModelConfig, PredictConfig
from tarvitpose.errors import ConfigError, UserError
from tarvitpose.formats.reading import load_poses
from tarvitpose.utils.config_messages import option_name
from tarvitpose.utils.interleaved import Spread, ratios, spread
from tarvitpose.utils.optional import check_installed
from tarvitpose.video.sources import open_source

MEDIAPIPE_VERSION = "0.10.21"  # a later one has neither solutions nor a pose model inside
FIRST = "0.01"  # seconds that hold the first frame alone
OPTIONS = (  # of `predict`, which a pipeline's configuration sets
    *("weights", "backend", "device", "precision", "temporal", "offsets", "crop_policy"),
    *("det_every", "max_people"),
)


class CommandRun(NamedTuple):
    """What one command took, in seconds, and what it found."""

    processor: float
    clock: float
    poses: int  # frames with one


class Commands(NamedTuple):
    """How a pipeline is called; where it writes is added."""

    whole: Sequence[str]
    first: Sequence[str]  # of the first frame alone


@dataclass(frozen=True)
class PipelineTimes:
    """What the commands of one pipeline took in each round."""

    whole: list[CommandRun]
    first: list[CommandRun]  # of the first frame alone: from the shell to a first result

    def processor(self, *, first: bool = False) -> list[float]:
        """Return the seconds of the processor in each round."""
        return [run.processor for run in (self.first if first else self.whole)]

    def clock(self, *, first: bool = False) -> list[float]:
        """Return the seconds by the clock in each round."""
        return [run.clock for run in (self.first if first else self.whole)]

    @property
    def poses(self) -> int:
        """In how many frames of the video somebody was found."""
        return self.whole[-1].poses

    def a_frame(self, frames: int) -> float:
        """Return the milliseconds of the processor for each frame after the first."""
        more = [
            whole - first
            for whole, first in zip(self.processor(), self.processor(first=True), strict=True)
        ]
        return 1000 * spread(more).median / max(frames - 1, 1)


class PipelineRatio(NamedTuple):
    """How many times as fast our pipeline is as another one, over the rounds."""

    ours: Pipeline
    other: Pipeline
    processor: Spread
    clock: Spread
    first: Spread  # the first frame alone, by the clock


@dataclass(frozen=True)
class Pipelines:
    """Whole pipelines on one video."""

    frames: int
    versions: Mapping[str, str]  # of the other programs
    times: Mapping[Pipeline, PipelineTimes]

    def comparisons(self) -> list[PipelineRatio]:
        """Return each of our pipelines beside each other one."""
        return [
            self._compare(ours, other)
            for ours in self.times
            for other in self.times
            if ours[1] not in self.versions and other[1] in self.versions
        ]

    def _compare(self, ours: Pipeline, other: Pipeline) -> PipelineRatio:
        fast, slow = self.times[ours], self.times[other]
        return PipelineRatio(
            ours,
            other,
            ratios(slow.processor(), fast.processor()),
            ratios(slow.clock(), fast.clock()),
            ratios(slow.clock(first=True), fast.clock(first=True)),
        )

    def facts(self) -> list[dict[str, Any]]:
        """Return one object for each pipeline, as JSON takes it."""
        return [
            {
                "mode": "pipeline",
                "pipeline": mode,
                "backend": backend,
                "version": self.versions.get(backend),
                "frames": self.frames,
                "frames_with_pose": times.poses,
                "processor_seconds": times.processor(),
                "clock_seconds": times.clock(),
                "first_frame_processor_seconds": times.processor(first=True),
                "first_frame_clock_seconds": times.clock(first=True),
                "milliseconds_a_frame": times.a_frame(self.frames),
                "times": {
                    each.other[1]: {
                        "processor": each.processor._asdict(),
                        "clock": each.clock._asdict(),
                        "first_frame": each.first._asdict(),
                    }
                    for each in self.comparisons()
                    if each.ours == (mode, backend)
                },
            }
            for (mode, backend), times in self.times.items()
        ]


def other_versions(plan: BenchmarkPlan) -> dict[str, str]:
    """Return the versions of the other programs. Raises UserError for one that cannot run."""
    versions: dict[str, str] = {}
    if MEDIAPIPE in plan.against:
        versions[MEDIAPIPE] = _mediapipe_version(plan.mediapipe_python or sys.executable)
    if TRANSFORMERS in plan.against:
        purpose = f"--against {TRANSFORMERS}"
        check_installed("transformers", purpose, "huggingface")
        check_installed("torch", purpose, "torch")
        check_installed("scipy", purpose, "evaluate")  # of its image processor
        versions[TRANSFORMERS] = version(TRANSFORMERS)
    if versions and not hasattr(os, "wait4"):
        raise ConfigError("--against times what the processor does, which this system does not say")
    return versions


def _mediapipe_version(python: str) -> str:
    command = [python, draw_poses.__file__, MEDIAPIPE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"--mediapipe-python {python}: cannot be run ({error})") from None
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise UserError(
            f"--against {MEDIAPIPE} needs MediaPipe {MEDIAPIPE_VERSION}, which {python} cannot run "
            f"({reason}): python3 -m venv mediapipe && mediapipe/bin/pip install "
            f"mediapipe=={MEDIAPIPE_VERSION}, then --mediapipe-python mediapipe/bin/python"
        )
    return done.stdout.strip()


def measure_pipelines(
    ours: Mapping[Pipeline, PredictConfig],
    model: ModelConfig,
    plan: BenchmarkPlan,
    versions: Mapping[str, str],
    on_round: Callable[[int], None],
) -> Pipelines:
    """Return what our pipelines and the other programs take. Raises UserError."""
    with open_source(plan.video) as source:
        frames = sum(1 for _ in source)
    commands = {key: our_commands(plan.video, config) for key, config in ours.items()}
    with other_commands(plan, model, versions) as others:
        times = time_by_turns({**commands, **others}, plan.rounds, on_round)
    return Pipelines(frames, versions, times)


def our_commands(video: str, config: PredictConfig) -> Commands:
    """Return how `predict` is called with a configuration."""
    values = {name: getattr(config, name) for name in OPTIONS}
    values["offsets"] = config.offsets and ",".join(map(str, config.offsets))
    options = [f"{option_name(k)}={value}" for k, value in values.items() if value is not None]
    options += ["--cuda-graphs"] if config.cuda_graphs else []
    whole = [sys.executable, "-m", "tarvitpose", "predict", video, "--quiet", *options]
    return Commands(whole, [*whole, "--end", FIRST])


@contextmanager
def other_commands(
    plan: BenchmarkPlan, model: ModelConfig, versions: Mapping[str, str]
) -> Iterator[dict[Pipeline, Commands]]:
    """Yield how other programs are called; random weights lie in a folder until the end."""
    commands: dict[Pipeline, Commands] = {}
    with TemporaryDirectory(prefix="tarvitpose-") as folder:
        for name in versions:
            python, options = plan.mediapipe_python or sys.executable, list[str]()
            if name == TRANSFORMERS:
                from tarvitpose.benchmark.baselines import (  # noqa: PLC0415 - needs PyTorch
                    save_vitpose,
                )

                save_vitpose(model, folder)
                python, options = sys.executable, ["--weights", folder]
            whole = [python, draw_poses.__file__, name, plan.video, *options]
            commands["single", name] = Commands(whole, [*whole, "--frames", "1"])
        yield commands


def time_by_turns(
    commands: Mapping[Pipeline, Commands],
    rounds: int,
    on_round: Callable[[int], None] = lambda done: None,
) -> dict[Pipeline, PipelineTimes]:
    """Return what commands take; in every round each has one turn, in a random order.

    A run before the first round, which fills caches, is not counted.
    """
    order = random.Random(0)
    times = {key: PipelineTimes([], []) for key in commands}
    for command in commands.values():
        timed(command.first)
    for done in range(1, rounds + 1):
        for key in order.sample(list(commands), len(commands)):
            times[key].whole.append(timed(commands[key].whole))
            times[key].first.append(timed(commands[key].first))
        on_round(done)
    return times


def timed(command: Sequence[str]) -> CommandRun:
    """Run a command that writes into a new folder, and return how it went. Raises UserError."""
    with TemporaryDirectory(prefix="tarvitpose-") as folder, TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--output", folder], stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        clock = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1].removeprefix("error: ") if lines else f"exit {process.returncode}"
            raise UserError(f"{Path(command[1]).name} {command[2]}: {reason}")
        return CommandRun(used.ru_utime + used.ru_stime, clock, frames_with_pose(Path(folder)))


def frames_with_pose(folder: Path) -> int:
    """Return in how many frames a command found somebody, from what it wrote."""
    told = folder / draw_poses.COUNT
    if told.is_file():
        return int(told.read_text())
    (results,) = folder.glob("*.coco.json")
    return sum(len(poses) > 0 for poses in load_poses(results))
