"""Frames and boxes to joints, numpy in and out: windowed mode, the exact oracle.

Every frame of a window is cropped with the current frame's box (paper, section 3), and encoded for
that window alone.   Axes: N people, T frames, J joints, h w the size of a crop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from tarvitpose import heatmaps as codec
from tarvitpose.config import window_offsets
from tarvitpose.errors import UserError
from tarvitpose.geometry import (
    UInt8,
    centre_and_size,
    crop_matrices,
    invert,
    normalise,
    transform_points,
    warp,
)
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.results import Float32

Item = TypeVar("Item")
Joints = tuple[Float32, Float32]  # keypoints (N, J, 2) in frame pixels, scores (N, J)
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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
    """A model on a device, with the way its crops are cut and its heatmaps are read."""

    def __init__(
        self,
        model: TARViTPose,
        *,
        device: str = "auto",
        precision: str = "auto",
        offsets: tuple[int, ...] | None = None,
        single_frame: bool = False,
        flip_test: bool = False,
        batch_size: int = 16,
    ) -> None:
        """Raises UserError for a device that is not there."""
        self.device = choose_device(device)
        self.dtype = choose_precision(precision, self.device)
        self.model = model.eval().to(self.device)
        self.single_frame = single_frame or not model.config.temporal
        self.flip_test, self.batch_size = flip_test, batch_size
        wanted = () if self.single_frame else offsets or model.config.offsets
        self.offsets, self.current = window_offsets(wanted)

    def joints(self, frames: Sequence[Sequence[UInt8]], boxes: Sequence[Float32]) -> list[Joints]:
        """Return the joints of every person of several windows.

        `frames` holds for each window its T images (height, width, 3), `boxes` its people's boxes
        (N, 4) xyxy in the current frame. Crops are batched across people and windows.
        """
        size, kind = self.model.config.input_size, self.model.config.codec
        people = [len(window_boxes) for window_boxes in boxes]
        stacked = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
        matrices = crop_matrices(*centre_and_size(stacked, size), size, kind)
        owners = np.repeat(np.arange(len(frames)), people)
        found = [
            self._batch([frames[owner] for owner in owners[at]], matrices[at])
            for at in _slices(len(stacked), max(self.batch_size // len(self.offsets), 1))
        ]
        joints = len(self.model.config.joints)
        points = np.concatenate([np.zeros((0, joints, 2), np.float32), *(f[0] for f in found)])
        scores = np.concatenate([np.zeros((0, joints), np.float32), *(f[1] for f in found)])
        keypoints = transform_points(invert(matrices), points)
        ends = np.cumsum(people)[:-1]
        return list(zip(np.split(keypoints, ends), np.split(scores, ends), strict=True))

    def _batch(self, images: list[Sequence[UInt8]], matrices: Float32) -> Joints:
        """Return the joints of some people, in the pixels of their crops."""
        size, kind = self.model.config.input_size, self.model.config.codec
        crops = [
            warp(image, matrix, size)
            for window, matrix in zip(images, matrices, strict=True)
            for image in window
        ]
        clip = torch.from_numpy(normalise(np.stack(crops))).to(self.device)  # (N T, 3, h, w)
        clip = clip.reshape(len(images), -1, *clip.shape[1:])  # (N, T, 3, h, w)
        maps = self.heatmaps(clip)
        if self.flip_test:
            order = self.model.config.joints.flip_order
            mirrored = codec.flip_back(self.heatmaps(clip.flip(-1)), order, kind)
            maps = np.asarray((maps + mirrored) / 2, np.float32)
        return codec.decode(maps, size, kind)

    @torch.inference_mode()
    def heatmaps(self, clip: Tensor) -> Float32:
        """Return heatmaps (N, J, h / 4, w / 4) of a clip (N, T, 3, h, w).

        Only the encoder runs in low precision on a CPU: transposed convolutions there have no fast
        form in bfloat16.
        """
        low = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype, enabled=low):
            encoded = self.model.encoder(clip.flatten(0, 1))
        features = encoded.unflatten(0, clip.shape[:2])  # (N, T, C, h / 16, w / 16)
        if self.device.type == "cpu":
            features, low = features.float(), False
        with torch.autocast(self.device.type, self.dtype, enabled=low):
            if self.single_frame:
                maps = self.model.decoder(features[:, self.current])
            else:
                regions = self.model.regions(features)
                maps = self.model.aggregate(features, regions, self.current)
        return np.asarray(maps.float().cpu().numpy())


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, length, size))


def choose_device(name: str) -> torch.device:
    """Return the device of a name; "auto" takes a GPU where there is one. Raises UserError."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = name.partition(":")
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if kind not in there or (number and not number.isdigit()):
        raise UserError(f"device {name!r}: expected auto, cpu, cuda, cuda:0 or mps")
    if int(number or 0) >= there[kind]:
        raise UserError(f"device {name!r} is not on this machine; use cpu or auto")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type of a name; "auto" takes the fast one that the device has in hardware.

    On a CPU that is bfloat16 with AVX512-BF16 or AMX; elsewhere it is emulated and many times
    slower than float32. Raises UserError for a name that does not exist.
    """
    if name in PRECISIONS:
        return PRECISIONS[name]
    if name != "auto":
        raise UserError(f"precision {name!r}: expected auto, {', '.join(PRECISIONS)}")
    if device.type == "cuda":
        return (
            torch.bfloat16
            if torch.cuda.is_bf16_supported(including_emulation=False)
            else torch.float16
        )
    if device.type == "cpu" and has_cpu_bfloat16():
        return torch.bfloat16
    return torch.float32


def has_cpu_bfloat16() -> bool:
    """Return whether this processor multiplies bfloat16 in hardware."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
