"""The boundary to the network: crops become encoded crops, and windows of those become heatmaps.

Whatever runs the network is an `Engine`, and an engine may hold another one: `FlipTestEngine` does.
Axes: B batch, J joints, N tokens of one crop, H W its pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from tarvitpose import heatmaps as codec
from tarvitpose.config import ModelConfig
from tarvitpose.utils.arrays import Float32, UInt8


@dataclass(frozen=True)
class EncodedCrop:
    """What later windows need of one crop, as arrays of the engine that encoded it."""

    tokens: Any  # (N, C)
    visible: Any  # (J, N) bool, the tokens that each joint may attend to
    heatmaps: Any = None  # (J, H / 4, W / 4) without temporal part, where the mask needs them
    mirrored: EncodedCrop | None = None  # the mirror image, with the flip test


class Engine(Protocol):
    """A network that is ready to run; what its methods take and give is said here alone."""

    config: ModelConfig
    precision: str  # what most of it computes in: fp32, bf16, fp16 or int8

    def fingerprint(self) -> str:
        """Return a name of the weights that no others have."""

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        """Encode RGB crops (B, H, W, 3), each once for all the windows it will be part of."""

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of the frame at `current` of B windows."""

    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        """Return what `single_frame` would of encoded crops, without encoding them again."""

    def single_frame(self, crops: UInt8) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of RGB crops (B, H, W, 3) without temporal part."""


class WrappedEngine:
    """An engine that leaves all to another one."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.config, self.precision = engine, engine.config, engine.precision

    def fingerprint(self) -> str:
        return self.engine.fingerprint()

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        return self.engine.encode(crops)

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        return self.engine.decode_window(windows, current)

    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        return self.engine.decode(crops)

    def single_frame(self, crops: UInt8) -> Float32:
        return self.decode(self.encode(crops))


class FlipTestEngine(WrappedEngine):
    """Runs another engine on crops and on their mirror images, and averages the heatmaps."""

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        """Encode RGB crops (B, H, W, 3) and their mirror images."""
        views = zip(self.engine.encode(crops), self.engine.encode(_mirrored(crops)), strict=True)
        return [replace(crop, mirrored=mirrored) for crop, mirrored in views]

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        """Return the mean heatmaps (B, J, H / 4, W / 4) of the frame at `current` of B windows."""
        mirrored = [_mirror_images(window) for window in windows]
        return self._mean(
            self.engine.decode_window(windows, current),
            self.engine.decode_window(mirrored, current),
        )

    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        return self._mean(self.engine.decode(crops), self.engine.decode(_mirror_images(crops)))

    def single_frame(self, crops: UInt8) -> Float32:
        """Return the mean heatmaps (B, J, H / 4, W / 4) of RGB crops (B, H, W, 3)."""
        return self._mean(
            self.engine.single_frame(crops), self.engine.single_frame(_mirrored(crops))
        )

    def _mean(self, heatmaps: Float32, mirrored: Float32) -> Float32:
        flipped = codec.flip_back(mirrored, self.config.joints.flip_order, self.config.codec)
        return np.asarray((heatmaps + flipped) / 2, np.float32)


def _mirrored(crops: UInt8) -> UInt8:
    return np.ascontiguousarray(crops[:, :, ::-1])


def _mirror_images(crops: Sequence[EncodedCrop]) -> list[EncodedCrop]:
    return [crop.mirrored for crop in crops if crop.mirrored is not None]
