"""The modes on ready crops: from RGB crops to joints in frame pixels, in numpy.

Cutting crops out of frames is not part of it. A batch is what it is for `predict --batch-size`:
how many crops the network reads at once, though a window is always read whole.
"""

from collections.abc import Iterator
from itertools import count, islice
from typing import Literal, NamedTuple, get_args

import numpy as np

from tarvitpose.config import AnchorRule, MeasuredMode
from tarvitpose.inference.engine import Engine
from tarvitpose.inference.onnx_engine import OnnxEngine
from tarvitpose.inference.openvino_engine import OpenVinoEngine
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor, windows
from tarvitpose.inference.streaming import open_streamer
from tarvitpose.results import Frame, TrackedFrame
from tarvitpose.utils.arrays import UInt8
from tarvitpose.utils.interleaved import Case

Mode = MeasuredMode | Literal["encoder"]
MODES: tuple[Mode, ...] = get_args(MeasuredMode)
BESIDE_OTHERS: tuple[Mode, ...] = ("single", "streaming")  # what other programs are held against


class CaseKey(NamedTuple):
    """What is timed: a mode on a backend."""

    mode: Mode  # "encoder": single frames of a network that is little else
    backend: str
    batch: int  # crops


def pose_case(
    key: CaseKey, engine: Engine, crops: UInt8, offsets: tuple[int, ...] | None = None
) -> Case[CaseKey]:
    """Return the case of a mode on crops (N, h, w, 3) of one person in frames in a row.

    Its outputs are poses. Other `offsets` than those of the weights may be given.
    """
    is_single = key.mode in ("single", "encoder")
    predictor = Predictor(
        engine,
        offsets=offsets,
        temporal="none" if is_single else "auto",
        cut_crops=lambda frames, boxes: np.stack(frames),  # which are crops already
    )
    streams = key.mode == "streaming"
    read = 1 if streams else len(predictor.offsets)  # crops that each pose has encoded
    predictor.batch_size = max(key.batch, read)
    poses = predictor.batch_size // read
    decode = open_streamer(predictor, AnchorRule()).joints if streams else predictor.windowed
    stream = windows(_endless(crops), predictor.offsets)

    def work() -> list[PoseArrays]:
        return decode(list(islice(stream, poses)))

    if streams:
        work()  # the first window encodes all of its crops, later ones a single one
    return Case(key, poses, work)


def _endless(crops: UInt8) -> Iterator[TrackedFrame]:
    """Yield frames without end that are crops (N, h, w, 3), each filled by one person's box."""
    height, width = crops.shape[1:3]
    box = np.array([[0, 0, width, height]], np.float32)
    to_and_fro = [*range(len(crops)), *range(len(crops) - 2, 0, -1)]
    for index in count():
        frame = Frame(index, index / 25, crops[to_and_fro[index % len(to_and_fro)]])
        yield TrackedFrame(frame, box, np.ones(1, np.float32), np.ones(1, np.int64))


def backend_of(engine: Engine) -> str:
    """Return the backend of an engine, which "auto" has chosen."""
    if isinstance(engine, OpenVinoEngine):
        return "openvino"
    return "onnxruntime" if isinstance(engine, OnnxEngine) else "torch"
