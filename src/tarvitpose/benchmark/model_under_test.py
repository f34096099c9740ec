"""The networks that are timed, and the crops they read."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tarvitpose.config import PATCH, SIZES, ModelConfig, size_name
from tarvitpose.detection import load_detector
from tarvitpose.errors import ConfigError, VideoError
from tarvitpose.geometry import box_matrices, warp
from tarvitpose.inference.graph_folder import graph_cache
from tarvitpose.utils.arrays import UInt8
from tarvitpose.video.sources import open_source
from tarvitpose.weights.files import CONFIG_FILE, WEIGHTS_FILE
from tarvitpose.weights.folder import load_config

FRAMES = 25  # of a video, to cut crops from
RANDOM = "random"


@dataclass(frozen=True)
class ModelUnderTest:
    """One network at one input size."""

    size: str  # "s", "b", "l", "h", or width x depth
    config: ModelConfig
    weights: str | None  # "default", a folder or a hub id; None: random ones

    @property
    def input(self) -> str:
        """The crop's height and width in words."""
        return "{}x{}".format(*self.config.input_size)

    @property
    def title(self) -> str:
        """The network in words."""
        return f"{self.name} {self.input}, {self.weights or RANDOM} weights"

    @property
    def name(self) -> str:
        """The size in words."""
        return self.size.upper() if self.size in SIZES else self.size


def find_models(
    sizes: Sequence[str], inputs: Sequence[tuple[int, int]], weights: str
) -> list[ModelUnderTest]:
    """Return every size at every input, (height, width); without sizes the weights as they are.

    The weights are taken where they fit, elsewhere random ones: nearly as fast, but for the mask,
    which then hides nothing. Raises ConfigError for an unknown size or input, and WeightsError.
    """
    config = load_config(weights)
    if not sizes:
        return [ModelUnderTest(size_name(config), config, weights)]
    for size in sizes:
        if size not in SIZES:
            raise ConfigError(f"size {size!r}: expected {', '.join(SIZES)}")
    for crop in inputs:
        if any(side % PATCH or side < 2 * PATCH for side in crop):
            raise ConfigError(
                f"input {crop[0]}x{crop[1]}: expected a height and width that are multiples of "
                f"{PATCH} from {2 * PATCH} on, such as 256x192"
            )
    pairs = [(size, crop) for size in sizes for crop in inputs]
    return [_model(size, crop, config, weights) for size, crop in pairs]


def _model(size: str, crop: tuple[int, int], config: ModelConfig, weights: str) -> ModelUnderTest:
    if (size_name(config), config.input_size) == (size, crop):
        return ModelUnderTest(size, config, weights)
    return ModelUnderTest(size, SIZES[size](input_size=crop), None)


def encoder_alone(model: ModelUnderTest) -> ModelUnderTest:
    """Return the network that has the same encoder and next to nothing behind it.

    Its single frames time the encoder alike on every backend.
    """
    config = model.config.model_copy(update={"offsets": (), "decoder": "simple"})
    return ModelUnderTest(model.size, config, None)


@contextmanager
def weights_of(model: ModelUnderTest) -> Iterator[str]:
    """Yield what `load_engine` takes; random weights lie in a folder until the end."""
    if model.weights is not None:
        yield model.weights
        return
    import torch  # noqa: PLC0415 - the weights that are there may need none

    from tarvitpose.model.tarvitpose import TARViTPose  # noqa: PLC0415

    with TemporaryDirectory(prefix="tarvitpose-") as folder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            TARViTPose(model.config).save_pretrained(folder)
        graphs = graph_cache((Path(folder, CONFIG_FILE), Path(folder, WEIGHTS_FILE)))
        try:
            yield folder
        finally:
            shutil.rmtree(graphs, ignore_errors=True)  # these are of no further use


def person_crops(video: str | Path, config: ModelConfig) -> UInt8:
    """Return crops (N, h, w, 3) of frames in a row, cut by the box of the highest-scoring person.

    Raises VideoError where nobody is seen.
    """
    detector = load_detector("nanodet")
    with open_source(video) as source:
        frames = list(islice(source, FRAMES))
    for at, frame in enumerate(frames):
        boxes = detector.detect(frame).boxes[:1]
        if len(boxes):
            (matrix,) = box_matrices(boxes, config)
            crops = [warp(later.image, matrix, config.input_size) for later in frames[at:]]
            return np.stack(crops)
    raise VideoError(f"{video}: nobody is seen in its first {len(frames)} frames; use another clip")
