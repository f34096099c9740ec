"""Frames and boxes to joints, numpy in and out: windowed mode, which follows the paper exactly.

Every frame of a window is cropped with the current frame's box (paper, section 3), and encoded for
that window alone.   Axes: N people, T frames, J joints, h w the size of a crop.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Protocol, Self, TypeVar

import numpy as np

from tarvitpose import heatmaps as codec
from tarvitpose.config import OFFSETS, ModelConfig, Temporal, TemporalMode, window_offsets
from tarvitpose.errors import UserError
from tarvitpose.geometry import box_matrices, invert, transform_points, warp
from tarvitpose.inference.engine import Engine, FlipTestEngine
from tarvitpose.inference.observer import Observer
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.window_decoder import ReadCrop, WindowDecoder, Windows
from tarvitpose.results import TrackedFrame
from tarvitpose.utils.arrays import Float32, Float64, UInt8

PEAKS = 3  # of a heatmap, where lower ones are asked for
Item = TypeVar("Item")
# From N images (height, width, 3) and N boxes (N, 4) xyxy to crops (N, h, w, 3).
CutCrops = Callable[[Sequence[UInt8], Float32], UInt8]


def windows(items: Iterable[Item], offsets: Sequence[int]) -> Iterator[list[Item]]:
    """Yield for each item its neighbours at `offsets` (sorted, with 0), the ends repeated.

    Holds no more items than the window spans.

    >>> ["".join(window) for window in windows("abcd", (-1, 0, 2))]
    ['aac', 'abd', 'bcd', 'cdd']
    """
    back, ahead = max(-offsets[0], 0), max(offsets[-1], 0)
    held: deque[Item] = deque(maxlen=back + ahead + 1)
    newest = -1

    def window_of(current: int) -> list[Item]:
        first = newest - len(held) + 1
        return [held[min(max(current + offset, 0), newest) - first] for offset in offsets]

    for item in items:
        held.append(item)
        newest += 1
        if newest >= ahead:
            yield window_of(newest - ahead)
    for current in range(max(newest - ahead + 1, 0), newest + 1):
        yield window_of(current)


class CropBatch:
    """Crops (N, h, w, 3) that are encoded together, when the first of them is needed.

    The same batch gives the same numbers to the last bit, another one might not: so a run that was
    interrupted must put the same crops together as one in one piece.
    """

    def __init__(self, crops: UInt8, decoder: WindowDecoder, observer: Observer) -> None:
        self._crops: UInt8 | None = crops
        self._decoder, self._observer = decoder, observer
        self._encoded: dict[int, ReadCrop] = {}

    def take(self, index: int) -> ReadCrop:
        """Return an encoded crop, once: what others still hold of the batch does not keep it."""
        if self._crops is not None:
            with self._observer.stage("encode"):
                self._encoded = dict(enumerate(self._decoder.encode(self._crops)))
            self._crops = None
        return self._encoded.pop(index)


class BatchedCrop:
    """One crop of a batch, encoded when it is needed."""

    def __init__(self, batch: CropBatch, index: int) -> None:
        self._batch, self._index = batch, index

    @cached_property
    def encoded(self) -> ReadCrop:
        """What the network makes of the crop alone."""
        return self._batch.take(self._index)


class WindowPredictor(Protocol):
    """What gives the joints of people in single windows: a `Predictor`, or what replaces it."""

    config: ModelConfig  # of the network, which names the joints
    offsets: tuple[int, ...]  # where a window's T frames are, from the current one
    batch_size: int  # in crops

    def joints(
        self, frames: Sequence[Sequence[UInt8]], boxes: Sequence[Float32]
    ) -> list[PoseArrays]:
        """Return the joints of every person of several windows."""


class Predictor:
    """An engine, with the way its crops are cut and its heatmaps are read."""

    def __init__(
        self,
        engine: Engine,
        *,
        offsets: tuple[int, ...] | None = None,
        temporal: Temporal = "auto",
        flip_test: bool = False,
        batch_size: int = 16,
        compare: bool = False,
        peaks: bool = False,
        cut_crops: CutCrops | None = None,
    ) -> None:
        """Other `offsets` than those of the weights may be given; `batch_size` is in crops.

        `temporal` says how the other frames help: by default as the weights say. With `compare` the
        same crops are also decoded alone; with `peaks`, joints come with the lower peaks of their
        heatmaps, in a comparison not. `cut_crops` replaces the way crops are cut out of frames.
        Raises UserError where the weights lack what `temporal` or `compare` need.
        """
        self.engine, self.config = engine, engine.config
        self.mode = check_mode(self.config, temporal, compare=compare)
        self.compare, self.peaks = compare, peaks and not compare
        self.flip_test, self.batch_size = flip_test, batch_size
        self.offsets, self.current = window_offsets(
            () if self.single_frame else offsets or self.config.offsets or OFFSETS
        )
        self.observer = Observer()
        self._views = FlipTestEngine(engine) if flip_test else engine
        self._decoder = WindowDecoder(self._views, self.mode, self.current)
        self._cut_crops = cut_crops

    @property
    def single_frame(self) -> bool:
        """Whether each frame is decoded alone."""
        return self.mode == "none"

    def of_pictures(self) -> Predictor:
        """Return a predictor of single frames by the same engine, with the flip test."""
        return Predictor(
            self.engine,
            temporal="none",
            flip_test=True,
            batch_size=self.batch_size,
            peaks=self.peaks,
            cut_crops=self._cut_crops,
        )

    def observed_by(self, observer: Observer) -> Self:
        """Return the same predictor with an observer of its steps."""
        other = copy.copy(self)
        other.observer = observer
        return other

    def joints(
        self, frames: Sequence[Sequence[UInt8]], boxes: Sequence[Float32]
    ) -> list[PoseArrays]:
        """Return the joints of every person of several windows.

        `frames` holds for each window its T images (height, width, 3), `boxes` its people's boxes
        (N, 4) xyxy in the current frame. Crops are batched across people and windows.
        """
        people = [len(window_boxes) for window_boxes in boxes]
        stacked = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
        images = [
            window for window, count in zip(frames, people, strict=True) for _ in range(count)
        ]
        at_once = max(self.batch_size // len(self.offsets), 1)
        parts = [
            self.observer.windows_decoded(
                stacked[part], partial(self._decode_images, images[part], stacked[part])
            )
            for part in slices(len(images), at_once)
        ]
        return self.joined(parts).split(people)

    def windowed(self, batch: Sequence[Sequence[TrackedFrame]]) -> list[PoseArrays]:
        """Return the joints of the people in the current frame of windows of T frames."""
        images = [[tracked.frame.image for tracked in window] for window in batch]
        return self.joints(images, [window[self.current].boxes for window in batch])

    def _decode_images(self, images: list[Sequence[UInt8]], boxes: Float32) -> PoseArrays:
        """Return the joints of N people, from a window of T images and a box of each."""
        frames = len(self.offsets)
        crops = self.crops(
            [image for window in images for image in window], boxes.repeat(frames, 0)
        )
        if self.single_frame:
            with self.observer.stage("encode"):
                heatmaps = self._views.single_frame(crops)
            return self._read(boxes, heatmaps, "none")
        encoded = self.encode(crops)
        in_time = np.array([image_times(window, self.offsets) for window in images])
        every_box = boxes[:, None].repeat(frames, 1)  # (N, T, 4)
        parts = [encoded[part] for part in slices(len(encoded), frames)]
        return self._decode_windows(parts, every_box, in_time)

    def crops(self, images: Sequence[UInt8], boxes: Float32) -> UInt8:
        """Cut one crop (N, h, w, 3) out of each of N images, by N boxes xyxy."""
        with self.observer.stage("warp"):
            return (self._cut_crops or self._warp)(images, boxes)

    def encode(self, crops: UInt8) -> list[BatchedCrop]:
        """Put crops (N, h, w, 3) into batches of `batch_size` to encode them when needed."""
        batched = []
        for part in slices(len(crops), self.batch_size):
            batch = CropBatch(crops[part], self._decoder, self.observer)
            batched += [BatchedCrop(batch, index) for index in range(len(crops[part]))]
        return batched

    def decode_windows(
        self, crop_windows: Sequence[Sequence[BatchedCrop]], boxes: Float32, times: Float64
    ) -> PoseArrays:
        """Return the joints of N people, from windows of T crops.

        `boxes` (N, T, 4) xyxy cut the crops; `times` (N, T) are in frames, 0 at the current one.
        """
        return self.observer.windows_decoded(
            boxes[:, self.current], partial(self._decode_windows, crop_windows, boxes, times)
        )

    def _decode_windows(
        self, crop_windows: Sequence[Sequence[BatchedCrop]], boxes: Float32, times: Float64
    ) -> PoseArrays:
        crops = [[crop.encoded for crop in window] for window in crop_windows]
        windows, now = Windows(crops, boxes, times), boxes[:, self.current]
        with self.observer.stage("temporal"):
            heatmaps = self._decoder.heatmaps(windows)
        poses = self._read(now, heatmaps, self.mode)
        if not self.compare:
            return poses
        with self.observer.stage("temporal"):
            heatmaps = self._decoder.alone(windows)
        alone = self._read(now, heatmaps, "none")
        return replace(poses, single_keypoints=alone.keypoints, single_scores=alone.scores)

    def _read(self, boxes: Float32, heatmaps: Float32, mode: TemporalMode) -> PoseArrays:
        """Return joints in frame pixels from heatmaps (N, J, h / 4, w / 4)."""
        with self.observer.stage("heatmaps"):
            size = self.config.input_size
            curve = self.config.curve(mode, flip_test=self.flip_test)
            if self.peaks:
                return self._with_peaks(boxes, heatmaps, curve)
            points, scores = codec.decode(heatmaps, size, self.config.codec)
            return PoseArrays(self.to_frame(points, boxes), codec.calibrate(scores, curve))

    def _with_peaks(
        self, boxes: Float32, heatmaps: Float32, curve: Sequence[tuple[float, float]]
    ) -> PoseArrays:
        """Return joints and the lower peaks of their heatmaps; a score of 0 says there is none."""
        points, values = codec.decode_peaks(
            heatmaps, self.config.input_size, self.config.codec, PEAKS
        )
        people, joints = values.shape[:2]
        at = self.to_frame(points.reshape(people, joints * PEAKS, 2), boxes).reshape(points.shape)
        scores = np.where(values > 0, codec.calibrate(values, curve), 0).astype(np.float32)
        peaks = np.concatenate([at, scores[..., None]], -1)  # (N, J, PEAKS, 3)
        return PoseArrays(at[:, :, 0], scores[:, :, 0], lower_peaks=peaks[:, :, 1:])

    def to_frame(self, points: Float32, boxes: Float32) -> Float32:
        """Return points (N, J, 2) in frame pixels, given in pixels of crops cut by `boxes`."""
        return transform_points(invert(box_matrices(boxes, self.config)), points)

    def _warp(self, images: Sequence[UInt8], boxes: Float32) -> UInt8:
        size = self.config.input_size
        pairs = zip(images, box_matrices(boxes, self.config), strict=True)
        return np.stack([warp(image, matrix, size) for image, matrix in pairs])

    def joined(self, parts: Sequence[PoseArrays]) -> PoseArrays:
        """Return the joints of several groups of people as one; of nobody where there is none."""
        nobody = PoseArrays.of_nobody(
            len(self.config.joints), compare=self.compare, peaks=self.peaks
        )
        return PoseArrays.joined([nobody, *parts])


def check_mode(config: ModelConfig, temporal: Temporal, *, compare: bool = False) -> TemporalMode:
    """Return how other frames help. Raises UserError where the weights lack what that needs."""
    mode = config.mode(temporal)
    if mode in ("tar", "fused") and not config.temporal:
        raise UserError(
            f"--temporal {mode} needs a temporal part, and these weights have none; use "
            "--temporal pooled or none, or give other --weights"
        )
    if compare and mode == "none":
        raise UserError(
            "--compare sets single frames beside what neighbouring frames add, and here nothing "
            "does; leave it out, or use --temporal pooled"
        )
    return mode


def check_images(images: Sequence[UInt8], offsets: Sequence[int]) -> None:
    """Raise UserError for what are no RGB images, one for each of `offsets`."""
    if len(images) != len(offsets):
        raise UserError(
            f"frames: expected {len(offsets)} images at the offsets {offsets}, got {len(images)}"
        )
    for image in images:
        shape, kind = np.shape(image), getattr(image, "dtype", type(image))
        if len(shape) != 3 or shape[2] != 3 or kind != np.uint8:
            raise UserError(
                f"frames: expected RGB images (height, width, 3) uint8, got {shape} {kind}"
            )


def image_times(images: Sequence[UInt8], offsets: Sequence[int]) -> list[int]:
    """Return how far each image of a window is from the current frame.

    That is its offset, but for an image that stands in for others past an end of the video.
    """
    nearest: dict[int, int] = {}
    for image, offset in sorted(zip(images, offsets, strict=True), key=lambda pair: abs(pair[1])):
        nearest.setdefault(id(image), offset)
    return [nearest[id(image)] for image in images]


def slices(length: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` that cover `length` items; the last may be shorter."""
    return (slice(start, start + size) for start in range(0, length, size))
