"""A model as graphs for other runtimes, checked on a clip before anybody uses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from tarvitpose.config import BOX_THRESHOLD, Backend, EstimatorConfig, GraphPrecision
from tarvitpose.detection import Detections, Detector, load_detector
from tarvitpose.errors import WeightsError
from tarvitpose.inference.engine import EncodedCrop, Runtime
from tarvitpose.inference.estimator import CONTINUE, PoseEstimator
from tarvitpose.inference.graph_folder import (
    GraphFolder,
    describe,
    is_exported,
    read_graphs,
    refuse_existing,
)
from tarvitpose.inference.graphs import refuse_unsupported, write_graphs
from tarvitpose.inference.load import open_graphs
from tarvitpose.inference.openvino_engine import is_installed as openvino_is_installed
from tarvitpose.inference.openvino_engine import own_precision
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.quantise import reduce_numbers
from tarvitpose.inference.torch_engine import TorchRuntime
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import Frame, FramePoses
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.interleaved import Case, ratios, take_turns
from tarvitpose.video.sources import open_source
from tarvitpose.weights.folder import find_folder, fingerprint, load_config

FRAMES, PEOPLE = 20, 2  # of a clip that are compared, and the surest people of each
SURE = 0.3  # only joints are compared whose score in PyTorch is at least this
TIMED, ROUNDS = 8, 5  # crops at once, and turns of each runtime
JUDGED = "fp32"  # what a backend computes in for its joints to be judged

Way = tuple[Backend, str]  # a backend, and what it computes in


@dataclass(frozen=True)
class Agreement:
    """How far a backend's joints are from PyTorch's, in pixels of the clip, and how fast it is."""

    backend: Backend
    precision: str  # in which it computed
    joints: int  # that were compared
    median: float
    most: float  # the 99th percentile: what is judged
    largest: float
    speed: float  # times PyTorch's


def export(
    weights: str | Path,
    output: Path,
    *,
    clip: str | Path,
    precision: GraphPrecision = "fp32",
    max_error: float = 0.5,
    overwrite: bool = False,
    detector: Detector | None = None,
) -> list[Agreement]:
    """Write a model's graphs into the folder `output`, and return how well each backend agrees.

    Nothing is left where the 99th percentile of a backend's errors is above `max_error` pixels:
    one unclear joint with two peaks of one height cannot refuse an export, a joint that is often
    wrong must. The graphs are judged in their own numbers; where OpenVINO computes in bfloat16
    unless told otherwise, how far that is from PyTorch is returned as well. Raises UserError.
    """
    folder = find_folder(weights)
    if is_exported(folder):
        raise WeightsError(f"{folder}: holds exported graphs already; give the weights themselves")
    refuse_existing(output, overwrite=overwrite)
    refuse_unsupported(load_config(folder), "export")
    watched = Clip(clip, detector or load_detector("nanodet", threshold=CONTINUE * BOX_THRESHOLD))
    # Ranges of int8 are taken from frames that the check does not see.
    half = watched.half() if precision == "int8" else FRAMES
    with atomic_folder(output) as new:
        model = TARViTPose.from_pretrained(folder)
        reference = Noting(TorchRuntime(model, device="cpu", precision="fp32"))
        expected = watched.poses(reference, 0, half)
        if not any(len(poses) for poses in expected):
            raise WeightsError(f"{clip}: nobody in its first {half} frames; --check another clip")
        calibrating = Noting(reference)
        if precision == "int8":
            watched.poses(calibrating, half, 2 * half)
        write_graphs(model, new)
        reduce_numbers(new, precision, calibrating.crops)
        describe(new, model.config, fingerprint(model), precision)
        found = _agreements(read_graphs(new), watched, reference, expected)
        _refuse_errors(found, max_error, precision)
        check = {"clip": str(clip), "backends": [asdict(one) for one in found]}
        describe(new, model.config, fingerprint(model), precision, check)
    return found


class Clip:
    """A clip whose people are detected once, whatever runtime finds their joints."""

    def __init__(self, source: str | Path, detector: Detector) -> None:
        self.source, self.detector = source, detector
        self._found: dict[int, Detections] = {}

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame."""
        if frame.index not in self._found:
            self._found[frame.index] = self.detector.detect(frame)
        return self._found[frame.index]

    def poses(self, runtime: Runtime, start: int, end: int) -> list[FramePoses]:
        """Return the poses of the frames from `start` to before `end`. Raises VideoError."""
        estimator = PoseEstimator(Predictor(runtime), self, EstimatorConfig(max_people=PEOPLE))
        with open_source(self.source) as frames:
            return [poses for _, poses in estimator.run(islice(frames, start, end))]

    def half(self) -> int:
        """Return half the number of frames, at most what is compared. Raises VideoError."""
        with open_source(self.source) as frames:
            return max(sum(1 for _ in islice(frames, 2 * FRAMES)) // 2, 1)


class Noting:
    """A runtime that keeps the crops it saw."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime, self.config = runtime, runtime.config
        self._seen: list[UInt8] = [np.zeros((0, *self.config.input_size, 3), np.uint8)]

    @property
    def crops(self) -> UInt8:
        """The crops (N, H, W, 3)."""
        return np.concatenate(self._seen)

    def fingerprint(self) -> str:
        """Return that of the runtime."""
        return self.runtime.fingerprint()

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        """Encode crops (B, H, W, 3)."""
        self._seen.append(crops)
        return self.runtime.encode(crops)

    def answer(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        """Return what the runtime answers."""
        return self.runtime.answer(windows, current)

    def decode(self, kept: Sequence[EncodedCrop]) -> Float32:
        """Return what the runtime does."""
        return self.runtime.decode(kept)

    def single_frame(self, crops: UInt8) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of crops (B, H, W, 3)."""
        self._seen.append(crops)
        return self.runtime.single_frame(crops)


def _agreements(
    graphs: GraphFolder, watched: Clip, reference: Noting, expected: list[FramePoses]
) -> list[Agreement]:
    """Compare every installed backend with the joints that PyTorch found."""
    ways: list[Way] = [("onnxruntime", JUDGED)]
    if openvino_is_installed():
        ways.append(("openvino", JUDGED))
        if own_precision() != JUDGED:
            ways.append(("openvino", own_precision()))
    runtimes = {way: open_graphs(graphs, way[0], precision=way[1]) for way in ways}
    found = {
        way: errors(expected, watched.poses(runtime, 0, len(expected)))
        for way, runtime in runtimes.items()
    }
    crops = reference.crops[:TIMED]
    ours: Way = ("torch", JUDGED)
    cases = [_case(way, one, crops) for way, one in ((ours, reference.runtime), *runtimes.items())]
    rates = take_turns(cases, rounds=ROUNDS, seconds=0)
    return [
        Agreement(
            *way,
            joints=len(off),
            median=float(np.median(off)),
            most=float(np.quantile(off, 0.99)),
            largest=float(off.max()),
            speed=ratios(rates[way], rates[ours]).median,
        )
        for way, off in found.items()
    ]


def errors(expected: list[FramePoses], found: list[FramePoses]) -> Float32:
    """Return how far joints of the same people are apart (N,), in pixels; only sure joints count.

    Raises WeightsError if there is none.
    """
    apart = [
        np.linalg.norm(other.keypoints - one.keypoints, axis=-1)[one.scores >= SURE]
        for one, other in zip(expected, found, strict=True)
    ]
    every = np.concatenate(apart).astype(np.float32)
    if not len(every):
        raise WeightsError(
            f"no joint of the clip has a score of {SURE} or more; --check another clip"
        )
    return every


def _case(key: Way, runtime: Runtime, crops: UInt8) -> Case[Way]:
    """Return the work of a batch: its crops, and with a temporal part an answer for each."""
    frames = len(runtime.config.offsets) + 1

    def work() -> Float32:
        if not runtime.config.temporal:
            return runtime.single_frame(crops)
        return runtime.answer([[kept] * frames for kept in runtime.encode(crops)], 0)

    return Case(key, len(crops), work)


def _refuse_errors(found: list[Agreement], max_error: float, precision: GraphPrecision) -> None:
    for one in found:
        if one.precision == JUDGED and not one.most <= max_error:
            instead = "" if precision == "fp32" else "--precision fp32, or "
            raise WeightsError(
                f"export refused: with {precision} on {one.backend} 1% of the joints are off by "
                f"{one.most:.2f} px or more (median {one.median:.2f}), allowed are {max_error:g}; "
                f"use {instead}a larger --max-error"
            )
