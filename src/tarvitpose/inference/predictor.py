"""Frames and boxes to joints, numpy in and out: windowed mode, the exact oracle.

Every frame of a window is cropped with the current frame's box (paper, section 3), and encoded for
that window alone.   Axes: N people, T frames, J joints, h w the size of a crop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from tarvitpose import heatmaps as codec
from tarvitpose.config import ModelConfig, window_offsets
from tarvitpose.errors import UserError
from tarvitpose.geometry import centre_and_size, crop_matrices, invert, transform_points, warp
from tarvitpose.inference.engine import EncodedCrop, Runtime
from tarvitpose.results import TrackedFrame
from tarvitpose.utils.arrays import Float32, UInt8

Item = TypeVar("Item")
# Keypoints (N, J, 2) in frame pixels and scores (N, J); comparing, both again for single frames.
Joints = tuple[Float32, ...]
Views = tuple[EncodedCrop, ...]  # a crop, and with the flip test its mirror image


def windows(items: Iterable[Item], offsets: Sequence[int]) -> Iterator[list[Item]]:
    """Yield for each item its neighbours at `offsets` (sorted, with 0), the ends repeated.

    Holds no more items than the window spans.

    >>> ["".join(window) for window in windows("abcd", (-1, 0, 2))]
    ['aac', 'abd', 'bcd', 'cdd']
    """
    back, ahead = max(-offsets[0], 0), max(offsets[-1], 0)
    held: deque[Item] = deque(maxlen=back + ahead + 1)
    newest = -1

    def around(current: int) -> list[Item]:
        first = newest - len(held) + 1
        return [held[min(max(current + offset, 0), newest) - first] for offset in offsets]

    for item in items:
        held.append(item)
        newest += 1
        if newest >= ahead:
            yield around(newest - ahead)
    for current in range(max(newest - ahead + 1, 0), newest + 1):
        yield around(current)


class Predictor:
    """A runtime, with the way its crops are cut and its heatmaps are read."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        offsets: tuple[int, ...] | None = None,
        single_frame: bool = False,
        flip_test: bool = False,
        batch_size: int = 16,
        compare: bool = False,
    ) -> None:
        """Other `offsets` than the weights' own may be given; `batch_size` is in crops.

        With `compare` the same crops are also answered without the temporal part. Raises UserError
        where there is none.
        """
        self.runtime, self.config = runtime, runtime.config
        self.single_frame = single_frame or not self.config.temporal
        self.compare = compare
        if compare:
            check_compare(self.config, single_frame=single_frame)
        self.flip_test, self.batch_size = flip_test, batch_size
        wanted = () if self.single_frame else offsets or self.config.offsets
        self.offsets, self.current = window_offsets(wanted)

    def joints(self, frames: Sequence[Sequence[UInt8]], boxes: Sequence[Float32]) -> list[Joints]:
        """Return the joints of every person of several windows.

        `frames` holds for each window its T images (height, width, 3), `boxes` its people's boxes
        (N, 4) xyxy in the current frame. Crops are batched across people and windows.
        """
        people = [len(window_boxes) for window_boxes in boxes]
        stacked = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
        images = [window for window, some in zip(frames, boxes, strict=True) for _ in some]
        some = max(self.batch_size // len(self.offsets), 1)
        parts = [self._window_joints(images[at], stacked[at]) for at in slices(len(images), some)]
        return split(self.joined(parts), people)

    def windowed(self, shown: Sequence[Sequence[TrackedFrame]]) -> list[Joints]:
        """Return the joints of the people in the current frame of windows of T frames."""
        images = [[seen.frame.image for seen in window] for window in shown]
        return self.joints(images, [window[self.current].boxes for window in shown])

    def _window_joints(self, images: list[Sequence[UInt8]], boxes: Float32) -> Joints:
        """Return the joints of some people, from a window and a box of each."""
        frames = len(self.offsets)
        crops = self.crops([one for window in images for one in window], boxes.repeat(frames, 0))
        if self.single_frame:
            return self._read(boxes, [self.runtime.single_frame(one) for one in self.views(crops)])
        kept = self.encode(crops)
        return self.answer([kept[at] for at in slices(len(kept), frames)], boxes)

    def crops(self, images: Sequence[UInt8], boxes: Float32) -> UInt8:
        """Cut one crop (N, h, w, 3) out of each of N images, by N boxes xyxy."""
        size = self.config.input_size
        pairs = zip(images, self._matrices(boxes), strict=True)
        return np.stack([warp(image, matrix, size) for image, matrix in pairs])

    def encode(self, crops: UInt8) -> list[Views]:
        """Encode crops (N, h, w, 3), `batch_size` at a time."""
        parts = [crops[at] for at in slices(len(crops), self.batch_size)]
        return [
            views
            for part in parts
            for views in zip(*map(self.runtime.encode, self.views(part)), strict=True)
        ]

    def answer(self, windows: Sequence[Sequence[Views]], boxes: Float32) -> Joints:
        """Return the joints of N people, from encoded windows and the current crops' boxes."""
        of_views = [
            [[views[view] for views in window] for window in windows]
            for view in range(len(windows[0][0]))
        ]
        found = self._read(boxes, [self.runtime.answer(one, self.current) for one in of_views])
        if not self.compare:
            return found
        now = [[window[self.current] for window in one] for one in of_views]
        return *found, *self._read(boxes, [*map(self.runtime.decode, now)], single_frame=True)

    def views(self, crops: UInt8) -> list[UInt8]:
        """Return the crops, and with the flip test their mirror images."""
        return [crops, np.ascontiguousarray(crops[:, :, ::-1])] if self.flip_test else [crops]

    def _read(self, boxes: Float32, maps: list[Float32], *, single_frame: bool = False) -> Joints:
        """Return joints in frame pixels from the heatmaps (N, J, h / 4, w / 4) of each view."""
        kind, order = self.config.codec, self.config.joints.flip_order
        found = maps[0]
        if self.flip_test:
            found = np.asarray((found + codec.flip_back(maps[1], order, kind)) / 2, np.float32)
        points, scores = codec.decode(found, self.config.input_size, kind)
        scores = codec.calibrate(scores, self.config.curve(single_frame or self.single_frame))
        return transform_points(invert(self._matrices(boxes)), points), scores

    def _matrices(self, boxes: Float32) -> Float32:
        size = self.config.input_size
        return crop_matrices(*centre_and_size(boxes, size), size, self.config.codec)

    def joined(self, parts: Sequence[Joints]) -> Joints:
        """Return the joints of several groups of people as one; of nobody where there is none."""
        joints = len(self.config.joints)
        nobody = (np.zeros((0, joints, 2), np.float32), np.zeros((0, joints), np.float32))
        return tuple(map(np.concatenate, zip(nobody * (1 + self.compare), *parts, strict=True)))


def check_compare(config: ModelConfig, *, single_frame: bool) -> None:
    """Raise UserError where a network has no temporal part to set single frames beside."""
    if single_frame or not config.temporal:
        raise UserError(
            "--compare sets single frames beside the temporal part, and these weights have "
            "none; leave it out, or give other --weights"
        )


def split(found: Joints, people: Sequence[int]) -> list[Joints]:
    """Return the joints of each window, where `people` says how many it has."""
    ends = np.cumsum(people, dtype=np.int64)
    return list(zip(*(np.split(array, ends)[:-1] for array in found), strict=True))


def slices(length: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` that cover `length` items; the last may be shorter."""
    return (slice(start, start + size) for start in range(0, length, size))
