"""Heatmaps of the current frames of windows, in each of the temporal modes.

Axes: N crops, B windows, T frames, J joints, h w of a heatmap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tarvitpose.config import TemporalMode
from tarvitpose.inference.engine import EncodedCrop, Engine
from tarvitpose.inference.pooling import FrameHeatmaps, read_peaks, seen_from, window_heatmaps
from tarvitpose.utils.arrays import Float32, Float64, UInt8

Part = TypeVar("Part")


@dataclass(frozen=True)
class ReadCrop:
    """What later windows need of one crop; what its mode does not need is None."""

    encoded: EncodedCrop | None = None
    alone: FrameHeatmaps | None = None  # decoded without the temporal part


@dataclass(frozen=True)
class Windows:
    """B windows of T crops of one person each."""

    crops: Sequence[Sequence[ReadCrop]]  # (B, T)
    boxes: Float32  # (B, T, 4), which cut them, xyxy
    times: Float64  # (B, T) in frames, 0 at the current one


class WindowDecoder:
    """An engine, and how its answers are combined."""

    def __init__(self, engine: Engine, mode: TemporalMode, current: int) -> None:
        """`current` is the position of the current frame in a window."""
        self.engine, self.config = engine, engine.config
        self.mode, self.current = mode, current

    def encode(self, crops: UInt8) -> list[ReadCrop]:
        """Read RGB crops (N, H, W, 3), each once for all the windows it will be part of."""
        if self.mode == "pooled":
            heatmaps = self.engine.single_frame(crops)
            return [ReadCrop(alone=alone) for alone in read_peaks(heatmaps, self.config)]
        encoded = self.engine.encode(crops)
        if self.mode == "tar":
            return [ReadCrop(crop) for crop in encoded]
        frames = read_peaks(self.engine.decode(encoded), self.config)
        return [ReadCrop(*pair) for pair in zip(encoded, frames, strict=True)]

    def heatmaps(self, windows: Windows) -> Float32:
        """Return heatmaps (B, J, h, w) of the current frames."""

        def temporal() -> Float32:
            encoded = [[_known(crop.encoded) for crop in window] for window in windows.crops]
            return self.engine.decode_window(encoded, self.current)

        def frames() -> list[list[FrameHeatmaps]]:
            pairs = zip(windows.crops, windows.boxes, strict=True)
            return [self._in_current_crop(window, boxes) for window, boxes in pairs]

        return window_heatmaps(self.mode, temporal, frames, windows.times, self.config)

    def alone(self, windows: Windows) -> Float32:
        """Return heatmaps (B, J, h, w) of the current frames without any of the others."""
        crops = [window[self.current] for window in windows.crops]
        if self.mode == "tar":
            return self.engine.decode([_known(crop.encoded) for crop in crops])
        return np.stack([_known(crop.alone).maps for crop in crops])

    def _in_current_crop(self, window: Sequence[ReadCrop], boxes: Float32) -> list[FrameHeatmaps]:
        """Return the heatmaps of T crops as the current one's box (xyxy) would show them."""
        now = boxes[self.current]
        return [
            seen_from(now, box, _known(crop.alone), self.config)
            for crop, box in zip(window, boxes, strict=True)
        ]


def _known(part: Part | None) -> Part:
    """Return what the mode made of a crop. Raises ValueError for a crop of another mode."""
    if part is None:
        raise ValueError("a crop that was read for another temporal mode")
    return part
