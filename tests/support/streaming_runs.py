"""Tracked people in small frames, and an engine that counts what streaming computes for them."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from tiny_models import modest_model

from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor, windows
from tarvitpose.inference.streaming import Streamer
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import Frame, TrackedFrame
from tarvitpose.utils.arrays import Float32, UInt8

SIZE = (90, 160)  # height and width of a frame
Boxes = dict[int, Sequence[float]]  # of a frame, by track


class CountingEngine(TorchEngine):
    """Counts the crops that it is given, call by call."""

    def __init__(self, model: TARViTPose | None = None) -> None:
        model = model or modest_model(offsets=(-2, -1, 1, 2))
        super().__init__(model, device="cpu", precision="fp32")
        self.encoded: list[int] = []  # crops of each call of `encode`
        self.totals: Counter[str] = Counter()  # crops or windows, by method
        self.batches: set[int] = set()  # how many crops came at a time
        self.window_lengths: set[int] = set()

    def clear(self) -> None:
        """Start to count anew."""
        for counts in (self.encoded, self.totals, self.batches, self.window_lengths):
            counts.clear()

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        self.encoded.append(len(crops))
        self.totals["encode"] += len(crops)
        self.batches.add(len(crops))
        return super().encode(crops)

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        self.totals["decode_window"] += len(windows)
        self.window_lengths |= {len(window) for window in windows}
        return super().decode_window(windows, current)

    def single_frame(self, crops: UInt8) -> Float32:
        self.totals["single_frame"] += len(crops)
        self.batches.add(len(crops))
        return super().single_frame(crops)


def tracked_frame(index: int, people: Boxes) -> TrackedFrame:
    """Return frame `index`, a picture unlike the others, with people in it."""
    image = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), np.uint8)
    boxes = np.array([people[track] for track in people], np.float32).reshape(-1, 4)
    ids = np.array(list(people), np.int64)
    return TrackedFrame(Frame(index, index / 25, image), boxes, np.ones(len(ids), np.float32), ids)


def tracked_video(length: int, people: Callable[[int], Boxes]) -> list[TrackedFrame]:
    """Return frames with the people that `people` gives for each index."""
    return [tracked_frame(index, people(index)) for index in range(length)]


def crossing_people(index: int) -> Boxes:
    """Return two people who cross, one of them jittering, and one who comes and goes."""
    jitter = np.random.default_rng(index).uniform(-1, 1, 4)
    people: Boxes = {
        1: [5 + 5 * index, 10, 45 + 5 * index, 80],
        2: (np.array([110 - 5 * index, 12, 150 - 5 * index, 84]) + jitter).tolist(),
    }
    if index % 7 < 3:
        people[3] = [20, 30, 30 + index, 60]
    return people


def streamed(
    frames: list[TrackedFrame], streamer: Streamer, at_once: int = 1
) -> list[tuple[TrackedFrame, PoseArrays]]:
    """Return the joints of each frame, `at_once` windows in each call."""
    whole = list(windows(frames, streamer.predictor.offsets))
    joints: list[PoseArrays] = []
    for start in range(0, len(whole), at_once):
        joints += streamer.joints(whole[start : start + at_once])
    return list(zip(frames, joints, strict=True))


def windowed(
    frames: list[TrackedFrame],
    predictor: Predictor,
    boxes: Callable[[TrackedFrame], Float32] | None = None,
) -> list[PoseArrays]:
    """Return the joints of each frame from its whole window, the reference for streaming.

    `boxes` gives other boxes than the tracked ones.
    """
    joints: list[PoseArrays] = []
    for window in windows(frames, predictor.offsets):
        now = window[predictor.current]
        images = [tracked.frame.image for tracked in window]
        joints += predictor.joints([images], [now.boxes if boxes is None else boxes(now)])
    return joints
