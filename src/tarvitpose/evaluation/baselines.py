"""What a temporal part has to beat: neighbours that are combined without any learning.

Axes: B windows, T frames, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tarvitpose.inference.engine import EncodedCrop, Engine
from tarvitpose.utils.arrays import Float32, UInt8


class MeanHeatmaps:
    """An engine that answers a window with the mean of its frames' own heatmaps."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.config = engine, engine.config

    def fingerprint(self) -> str:
        """Return a name of the weights that no others have."""
        return self.engine.fingerprint()

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        """Encode RGB crops (N, H, W, 3)."""
        return self.engine.encode(crops)

    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        """Return heatmaps (N, J, H / 4, W / 4) of encoded crops without the temporal part."""
        return self.engine.decode(crops)

    def single_frame(self, crops: UInt8) -> Float32:
        """Return heatmaps (N, J, H / 4, W / 4) of RGB crops (N, H, W, 3)."""
        return self.engine.single_frame(crops)

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        """Return the mean heatmaps (B, J, H / 4, W / 4) of B windows of T encoded crops."""
        maps = self.engine.decode([crop for window in windows for crop in window])  # (B T, J, ..)
        frames = maps.reshape(len(windows), -1, *maps.shape[1:])  # (B, T, J, ..)
        return np.asarray(frames.mean(1), np.float32)
