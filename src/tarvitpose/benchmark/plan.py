"""The options of a benchmark."""

from typing import Annotated

from pydantic import Field

from tarvitpose.config import (
    Backend,
    Baseline,
    CropSide,
    EstimatorConfig,
    MeasuredMode,
    Size,
)
from tarvitpose.utils.config_base import MOST, MOST_CROPS, MOST_REPEATS

TRANSFORMERS, MEDIAPIPE = "transformers", "mediapipe"  # the programs of --against
AGAINST_BATCH = 8  # the batch at which transformers' network is timed

Batch = Annotated[int, Field(ge=1, le=MOST_CROPS)]


class BenchmarkPlan(EstimatorConfig):
    """What is measured of a network, and how long."""

    sizes: tuple[Size, ...] = Field(
        default=(), description="Any of tiny, s, b, l, h; that of the weights by default."
    )
    inputs: tuple[tuple[CropSide, CropSide], ...] = Field(
        default=(), description="Crop sizes for each of --sizes; 256x192 by default."
    )
    modes: tuple[MeasuredMode, ...] = Field(
        default=("single", "windowed", "streaming"),
        description="Any of single, windowed, streaming.",
    )
    backends: tuple[Backend, ...] = Field(
        default=("auto",), description="Any of auto, torch, openvino, onnxruntime."
    )
    batches: tuple[Batch, ...] = Field(
        default=(1, 16), description="Crops that the network reads at once."
    )
    against: tuple[Baseline, ...] = Field(
        default=(),
        description="Other programs to time beside predict, from file to drawn video: mediapipe, "
        "transformers; the latter's VitPose also beside every case, at batch 8.",
    )
    mediapipe_python: str = Field(
        default="",
        description="A Python that has MediaPipe, which needs another NumPy; by default this one.",
    )
    rounds: int = Field(
        default=7, ge=1, le=MOST_REPEATS, description="How often each case is timed."
    )
    seconds: float = Field(
        default=0.7, ge=0, le=MOST, description="How long each case is timed at least."
    )
    video: str = Field(default="", description="Clip to take crops from; the demo clip by default.")
    stages: bool = Field(default=True, description="Also time the stages of predict on the clip.")
    memory: bool = Field(default=True, description="Also measure the peak memory of each case.")

    @property
    def all_batches(self) -> tuple[int, ...]:
        """The batches asked for, and the one at which transformers' network is timed."""
        more = {AGAINST_BATCH} if TRANSFORMERS in self.against else set()
        return tuple(sorted({*self.batches, *more}))
