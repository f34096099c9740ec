"""A model as graphs for other engines, compared with PyTorch on a clip before they are used."""

from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tarvitpose.config import BOX_THRESHOLD, CONTINUE, Backend, EstimatorConfig, GraphPrecision
from tarvitpose.detection import Detections, Detector, load_detector
from tarvitpose.errors import UserError, WeightsError
from tarvitpose.inference.engine import EncodedCrop, Engine, WrappedEngine
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.graph_folder import (
    FRAME,
    RTMLIB,
    STEP,
    GraphFolder,
    describe,
    is_exported,
    read_graphs,
    refuse_existing,
    refuse_unsupported,
)
from tarvitpose.inference.graphs import write_graphs, write_rtmlib_graph
from tarvitpose.inference.linked_weights import halve_weights
from tarvitpose.inference.load import open_graphs
from tarvitpose.inference.onnx_engine import write_int8
from tarvitpose.inference.openvino_engine import default_precision
from tarvitpose.inference.openvino_engine import is_installed as openvino_is_installed
from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import Frame, FramePoses
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.interleaved import Case, measure_interleaved, ratios
from tarvitpose.video.sources import open_source
from tarvitpose.weights.files import fingerprint
from tarvitpose.weights.folder import find_folder, load_config

FRAMES, PEOPLE = 20, 2  # of a clip that are compared, and the highest-scoring people of each
SURE = 0.3  # only joints are compared whose score in PyTorch is at least this
TIMED, ROUNDS = 8, 5  # crops at once, and measurements of each engine
CHECKED = "fp32"  # the precision in which a backend's errors may refuse an export


class BackendChoice(NamedTuple):
    """A backend, and what it computes in."""

    backend: Backend
    precision: str


@dataclass(frozen=True)
class Agreement:
    """How far a backend's joints are from PyTorch's, in pixels of the clip, and how fast it is."""

    backend: Backend
    precision: str  # in which it computed
    joints: int  # that were compared
    median: float
    most: float  # the 99th percentile
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
    rtmlib: bool = False,
    detector: Detector | None = None,
) -> list[Agreement]:
    """Write a model's graphs into the folder `output`, and return how well each backend agrees.

    Nothing is left where the 99th percentile of a backend's errors is above `max_error` pixels:
    one unclear joint with two equal peaks must not refuse an export, a joint that is often wrong
    must. int8 moves every joint a little, so its median error is what counts. The graphs are
    checked in float32; where OpenVINO computes in bfloat16 by default, the distance of that from
    PyTorch is returned as well. With `rtmlib` there is one graph more, of single frames, which
    rtmlib runs. Raises UserError.
    """
    folder = find_folder(weights)
    if is_exported(folder):
        raise WeightsError(f"{folder}: holds exported graphs already; give the weights themselves")
    refuse_existing(output, overwrite=overwrite)
    refuse_unsupported(load_config(folder), "export")
    check_clip = CheckClip(
        clip, detector or load_detector("nanodet", threshold=CONTINUE * BOX_THRESHOLD)
    )
    with atomic_folder(output) as new:
        model = TARViTPose.from_pretrained(folder)
        reference = CropRecorder(TorchEngine(model, device="cpu", precision="fp32"))
        expected = check_clip.poses(reference)
        if not any(len(poses) for poses in expected):
            raise WeightsError(f"{clip}: nobody in its first {FRAMES} frames; --check another clip")
        write_graphs(model, new)
        reduce_numbers(new, precision)
        if rtmlib:
            write_rtmlib_graph(model, new / RTMLIB)
        describe(new, model.config, fingerprint(model), precision)
        agreements = _agreements(read_graphs(new), check_clip, reference, expected)
        _refuse_errors(agreements, max_error, precision)
        check = {"clip": str(clip), "backends": [asdict(agreement) for agreement in agreements]}
        describe(new, model.config, fingerprint(model), precision, check)
    return agreements


def reduce_numbers(folder: Path, precision: GraphPrecision) -> None:
    """Rewrite the graphs of a folder: all weights in "fp16", or the encoder in "int8".

    Raises UserError for int8 of a graph beyond 2 GB.
    """
    # A graph beyond 2 GB has its weights in files beside it.
    weight_files = [path for path in folder.iterdir() if path.name not in (FRAME, STEP)]
    if precision == "fp16":
        for name in (FRAME, STEP):
            if (folder / name).is_file():
                halve_weights(folder / name)
        for path in weight_files:
            path.unlink()
    elif precision == "int8":
        if weight_files:
            raise UserError("int8 works for graphs up to 2 GB, size L; use --precision fp16")
        write_int8(folder / FRAME)


class CheckClip:
    """A clip whose people are detected once, whatever engine finds their joints."""

    def __init__(self, source: str | Path, detector: Detector) -> None:
        self.source, self.detector = source, detector
        self._detections: dict[int, Detections] = {}

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame."""
        if frame.index not in self._detections:
            self._detections[frame.index] = self.detector.detect(frame)
        return self._detections[frame.index]

    def poses(self, engine: Engine) -> list[FramePoses]:
        """Return the poses of the first frames. Raises VideoError."""
        estimator = PoseEstimator(Predictor(engine), self, EstimatorConfig(max_people=PEOPLE))
        with open_source(self.source) as frames:
            return [poses for _, poses in estimator.run(islice(frames, FRAMES))]


class CropRecorder(WrappedEngine):
    """Runs another engine and keeps the crops that it saw."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._crops: list[UInt8] = [np.zeros((0, *self.config.input_size, 3), np.uint8)]

    @property
    def crops(self) -> UInt8:
        """The crops (N, H, W, 3)."""
        return np.concatenate(self._crops)

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        self._crops.append(crops)
        return self.engine.encode(crops)

    def single_frame(self, crops: UInt8) -> Float32:
        self._crops.append(crops)
        return self.engine.single_frame(crops)


def _agreements(
    graphs: GraphFolder, check_clip: CheckClip, reference: CropRecorder, expected: list[FramePoses]
) -> list[Agreement]:
    """Compare every installed backend with the joints that PyTorch found."""
    choices = [BackendChoice("onnxruntime", CHECKED)]
    if openvino_is_installed():
        choices.append(BackendChoice("openvino", CHECKED))
        if default_precision() != CHECKED:
            choices.append(BackendChoice("openvino", default_precision()))
    engines = {
        choice: open_graphs(graphs, choice.backend, precision=choice.precision)
        for choice in choices
    }
    distances = {
        choice: errors(expected, check_clip.poses(engine)) for choice, engine in engines.items()
    }
    torch_choice = BackendChoice("torch", CHECKED)
    timed = {torch_choice: reference.engine, **engines}
    cases = [_case(choice, engine, reference.crops[:TIMED]) for choice, engine in timed.items()]
    rates = measure_interleaved(cases, rounds=ROUNDS, seconds=0)
    return [
        Agreement(
            *choice,
            joints=len(pixels),
            median=float(np.median(pixels)),
            most=float(np.quantile(pixels, 0.99)),
            largest=float(pixels.max()),
            speed=ratios(rates[choice], rates[torch_choice]).median,
        )
        for choice, pixels in distances.items()
    ]


def errors(expected: list[FramePoses], computed: list[FramePoses]) -> Float32:
    """Return the distances (N,) of joints of the same people, in pixels; only sure joints count.

    Raises WeightsError if there is none.
    """
    distances = [
        np.linalg.norm(other.keypoints - poses.keypoints, axis=-1)[poses.scores >= SURE]
        for poses, other in zip(expected, computed, strict=True)
    ]
    joined = np.concatenate(distances).astype(np.float32)
    if not len(joined):
        raise WeightsError(
            f"no joint of the clip has a score of {SURE} or more; --check another clip"
        )
    return joined


def _case(choice: BackendChoice, engine: Engine, crops: UInt8) -> Case[BackendChoice]:
    """Return the work of a batch: its crops, and with a temporal part a window for each."""
    frames = len(engine.config.offsets) + 1

    def work() -> Float32:
        if not engine.config.temporal:
            return engine.single_frame(crops)
        return engine.decode_window([[crop] * frames for crop in engine.encode(crops)], 0)

    return Case(choice, len(crops), work)


def _refuse_errors(
    agreements: list[Agreement], max_error: float, precision: GraphPrecision
) -> None:
    share = "half" if (is_int8 := precision == "int8") else "1%"
    for agreement in agreements:
        error = agreement.median if is_int8 else agreement.most
        if agreement.precision == CHECKED and not error <= max_error:
            instead = "" if precision == "fp32" else "--precision fp32, or "
            raise WeightsError(
                f"export refused: with {precision} on {agreement.backend} {share} of the joints "
                f"are off by {error:.2f} px or more, allowed are {max_error:g}; use {instead}a "
                "larger --max-error"
            )
