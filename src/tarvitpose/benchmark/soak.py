"""The memory that is used while poses are estimated in a long generated video."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from tarvitpose.benchmark.cases import backend_of
from tarvitpose.benchmark.memory import megabytes
from tarvitpose.benchmark.model_under_test import ModelUnderTest, weights_of
from tarvitpose.config import Backend, ModelConfig
from tarvitpose.detection import Detections
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import Float32

TINY = "tiny"  # the name of a network that is quick enough for many frames
SIZE = (180, 320)  # height, width of the generated frames
CYCLE = 60  # frames until the people of a generated video are back
WARM_UP = 0.05  # the share of the frames after which memory is first measured


@dataclass(frozen=True)
class Soak:
    """Memory over a long video."""

    network: str
    backend: str
    input: str  # height and width of crops
    frames: int
    people: int  # all frames together
    seconds: float
    memory: tuple[tuple[int, float], ...]  # frames done and megabytes used, from the warm-up on

    @property
    def growth(self) -> float:
        """Megabytes from after the warm-up to the end."""
        return self.memory[-1][1] - self.memory[0][1]

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON takes it, in the words of the other cases."""
        speed = {"mode": "soak", "crops_per_second": self.people / self.seconds}
        return {**asdict(self), "size": self.network, **speed, "growth_megabytes": self.growth}


def soak(frames: int, network: str, backend: Backend, device: str, precision: str) -> Soak:
    """Stream a generated video of two people through an estimator. Raises UserError.

    `network` is "tiny", for random weights of width 48, or what `load_engine` takes.
    """
    config = ModelConfig(width=48, depth=2, heads=3, input_size=(64, 48), position_grid=(4, 3))
    weights = None if network == TINY else network
    with weights_of(ModelUnderTest(network, config, weights)) as folder:
        estimator = PoseEstimator.from_pretrained(
            folder, backend=backend, device=device, precision=precision, detector=TwoPeople()
        )
        began, people = perf_counter(), 0
        memory: list[tuple[int, float]] = []
        checkpoints = {round(share * frames) for share in (WARM_UP, *np.arange(1, 11) / 10)}
        for done, (_, poses) in enumerate(estimator.run(moving_people(frames)), 1):
            people += len(poses)
            if done in checkpoints:
                memory.append((done, megabytes("VmRSS")))
    seconds, engine = perf_counter() - began, estimator.predictor.engine
    crop = "{}x{}".format(*engine.config.input_size)
    return Soak(network, backend_of(engine), crop, frames, people, seconds, tuple(memory))


class TwoPeople:
    """A detector that knows where the people of `moving_people` are."""

    def detect(self, frame: Frame) -> Detections:
        """Return both people, their boxes in pixels."""
        return Detections(two_boxes(frame.index), np.ones(2, np.float32))


def two_boxes(index: int) -> Float32:
    """Return where the two people are in a generated frame, (2, 4) xyxy; they come and go."""
    phase = 2 * np.pi * index / CYCLE
    height, width = SIZE
    left = width * np.array([0.2 + 0.12 * np.sin(phase), 0.6 + 0.12 * np.cos(phase)])
    top = height * np.array([0.2, 0.15 + 0.05 * np.sin(2 * phase)])
    size = [0.16 * width, 0.6 * height]
    return np.stack([left, top, left + size[0], top + size[1]], 1).astype(np.float32)


def moving_people(frames: int) -> Iterator[Frame]:
    """Yield frames in which two grey figures move over noise."""
    background = np.random.default_rng(0).integers(0, 80, (*SIZE, 3), np.uint8)
    for index in range(frames):
        image = background.copy()
        for left, top, right, bottom in two_boxes(index).round().astype(int).tolist():
            middle, shoulder = (left + right) // 2, top + (bottom - top) // 4
            cv2.circle(
                image, (middle, (top + shoulder) // 2), (shoulder - top) // 2, (200,) * 3, -1
            )
            cv2.rectangle(image, (left, shoulder), (right, bottom), (160, 140, 120), -1)
        yield Frame(index, index / 25, image)
