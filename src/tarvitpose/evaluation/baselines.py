"""What a temporal part has to beat: neighbours that are combined without any learning.

Each frame of a window is decoded alone, by the decoder of single frames.
Axes: B windows, T frames, J joints, h w of a heatmap.
"""

from collections.abc import Sequence

import numpy as np

from tarvitpose.evaluation.comparison import MEAN_NEIGHBOURS, MEAN_TOKENS
from tarvitpose.inference.engine import EncodedCrop, Engine, WrappedEngine
from tarvitpose.utils.arrays import Float32, UInt8
from tarvitpose.utils.hashing import content_digest

CROPS_HELD = 512  # encoded ones, so that all modes share them


class SharedEncodings(WrappedEngine):
    """Encodes each crop once for all modes that read it."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._encoded: dict[str, EncodedCrop] = {}

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        """Encode RGB crops (N, H, W, 3), those that are held not again."""
        names = [content_digest([crop.tobytes()]) for crop in crops]
        new = {name: at for at, name in enumerate(names) if name not in self._encoded}
        if new:
            self._encoded |= zip(new, self.engine.encode(crops[list(new.values())]), strict=True)
        result = [self._encoded[name] for name in names]
        for name in list(self._encoded)[:-CROPS_HELD]:
            del self._encoded[name]
        return result


class BaselineEngine(WrappedEngine):
    """Answers a window by one of `MEANS` instead of the temporal part.

    Its scores are calibrated as those of single frames, whose decoder it uses.
    """

    def __init__(self, engine: Engine, baseline: str) -> None:
        super().__init__(engine)
        curve = {"score_curve": engine.config.single_score_curve}
        self.config, self.baseline = engine.config.model_copy(update=curve), baseline

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of B windows of T encoded crops."""
        if self.baseline == MEAN_TOKENS:
            return self.engine.decode([mean_tokens(window) for window in windows])
        maps = self.engine.decode([crop for window in windows for crop in window])  # (B T, J, ..)
        frames = maps.reshape(len(windows), -1, *maps.shape[1:])  # (B, T, J, h, w)
        return mean_heatmaps(self.baseline, frames, current)


def mean_tokens(window: Sequence[EncodedCrop]) -> EncodedCrop:
    """Return a crop with the mean of a window's tokens, for the decoder of single frames."""
    tokens = sum(crop.tokens for crop in window) / len(window)
    return EncodedCrop(tokens, window[0].visible)


def mean_heatmaps(baseline: str, frames: Float32, current: int) -> Float32:
    """Return one heatmap of each joint, (B, J, h, w), from those of frames (B, T, J, h, w)."""
    if baseline == MEAN_NEIGHBOURS:
        frames = np.delete(frames, current, 1)
    return np.asarray(frames.mean(1), np.float32)
