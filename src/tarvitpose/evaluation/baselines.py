"""What a temporal part has to beat: neighbours that are combined without any learning.

Each frame of a window is decoded alone, by the decoder of single frames.
Axes: B windows, T frames, J joints, h w of a heatmap.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tarvitpose import heatmaps as codec
from tarvitpose.config import ModelConfig, window_offsets
from tarvitpose.evaluation.comparison import (
    MEAN_HEATMAPS,
    MEAN_NEIGHBOURS,
    MEAN_TOKENS,
)
from tarvitpose.inference.engine import EncodedCrop, Engine
from tarvitpose.utils.arrays import Float32, Float64, UInt8
from tarvitpose.utils.hashing import content_digest

CROPS_HELD = 512  # encoded ones, so that all modes share them
BODY_WEIGHT = 0.5  # of the body's velocity beside a joint's own, which have at most 20 for 5 frames
LOOSE = 1 / 32  # of a heatmap's height: peaks farther from the fitted motion weigh less


class WrappedEngine:
    """An engine that leaves all to another one."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.config = engine, engine.config

    def fingerprint(self) -> str:
        """Return a name of the weights that no others have."""
        return self.engine.fingerprint()

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        """Encode RGB crops (N, H, W, 3)."""
        return self.engine.encode(crops)

    def decode_window(self, windows: Sequence[Sequence[EncodedCrop]], current: int) -> Float32:
        """Return heatmaps (B, J, H / 4, W / 4) of the frame at `current` of B windows."""
        return self.engine.decode_window(windows, current)

    def decode(self, crops: Sequence[EncodedCrop]) -> Float32:
        """Return heatmaps (N, J, H / 4, W / 4) of encoded crops without the temporal part."""
        return self.engine.decode(crops)

    def single_frame(self, crops: UInt8) -> Float32:
        """Return heatmaps (N, J, H / 4, W / 4) of RGB crops (N, H, W, 3)."""
        return self.decode(self.encode(crops))


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
    """Answers a window by one of `BASELINES` instead of the temporal part.

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
        return combined_heatmaps(self.baseline, frames, current, self.config)


def mean_tokens(window: Sequence[EncodedCrop]) -> EncodedCrop:
    """Return a crop with the mean of a window's tokens, for the decoder of single frames."""
    tokens = sum(crop.tokens for crop in window) / len(window)
    return EncodedCrop(tokens, window[0].visible)


def combined_heatmaps(baseline: str, frames: Float32, current: int, config: ModelConfig) -> Float32:
    """Return one heatmap of each joint, (B, J, h, w), from those of frames (B, T, J, h, w)."""
    if baseline == MEAN_HEATMAPS:
        return np.asarray(frames.mean(1), np.float32)
    if baseline == MEAN_NEIGHBOURS:
        return np.asarray(np.delete(frames, current, 1).mean(1), np.float32)
    times = np.array(window_offsets(config.offsets)[0], np.float64)
    flat = frames.reshape(-1, *frames.shape[2:])
    points, scores = codec.decode(flat, config.input_size, config.codec)
    peaks = points * codec.heatmap_scale(config.input_size, config.codec)
    shape = frames.shape[:3]  # (B, T, J)
    return pooled_heatmaps(frames, peaks.reshape(*shape, 2), scores.reshape(shape), times)


def pooled_heatmaps(frames: Float32, peaks: Float32, scores: Float32, times: Float64) -> Float32:
    """Return the mean of heatmaps that follow each joint's motion, weighted by confidence.

    `frames` are (B, T, J, h, w), their `peaks` (B, T, J, 2) in heatmap pixels and their maxima
    `scores` (B, T, J); `times` (T,) are 0 at the current frame. Each heatmap is moved to the
    current frame by the joint's velocity and weighs as much as its peak; less where that is far
    from the line through the others.
    """
    velocity, doubt = joint_motion(peaks.astype(np.float64), scores, times, LOOSE * frames.shape[3])
    weights = scores * doubt + 1e-6  # (B, T, J)
    total = np.zeros_like(frames[:, 0])  # (B, J, h, w)
    for at, time in enumerate(times):
        moved = _moved(frames[:, at], -time * velocity)  # (B, J, h, w)
        total += moved * weights[:, at, :, None, None].astype(np.float32)
    return np.asarray(total / weights.sum(1)[..., None, None], np.float32)


def joint_motion(
    peaks: Float64, scores: Float32, times: Float64, loose: float
) -> tuple[Float64, Float64]:
    """Return each joint's velocity (B, J, 2), and how well each peak agrees, (B, T, J), 0..1.

    The velocity is the median of those between any two of a joint's `peaks`, (B, T, J, 2), with
    the product of their `scores` (B, T, J) and their distance in time as weights (Theil and Sen):
    a single jump changes nothing. The whole body's velocity votes too, and decides where a joint's
    peaks are unsure. Peaks farther than `loose` pixels from the motion agree less.
    """
    first, second = np.triu_indices(len(times), 1)  # (P,) pairs of frames
    apart = (times[second] - times[first])[:, None]  # (P, 1)
    slopes = (peaks[:, second] - peaks[:, first]) / apart[..., None]  # (B, P, J, 2)
    weights = scores[:, second] * scores[:, first] * apart  # (B, P, J)
    joints = peaks.shape[2]
    of_all = (len(peaks), -1, 1)
    body = _weighted_median(slopes.reshape(*of_all, 2), weights.reshape(of_all))  # (B, 1, 2)
    slopes = np.concatenate([slopes, body[:, None].repeat(joints, 2)], 1)
    weights = np.concatenate([weights, np.full((len(peaks), 1, joints), BODY_WEIGHT)], 1)
    velocity = _weighted_median(slopes, weights)  # (B, J, 2)
    origins = peaks - velocity[:, None] * times[:, None, None]  # (B, T, J, 2), of the current frame
    distance = np.linalg.norm(origins - _weighted_median(origins, scores)[:, None], axis=-1)
    return velocity, loose / np.maximum(distance, loose)


def _weighted_median(values: Float64, weights: Float64 | Float32) -> Float64:
    """Return the median of values (B, P, J, 2) by weights (B, P, J) over P, (B, J, 2)."""
    order = values.argsort(1)
    ranked = np.take_along_axis(values, order, 1)
    passed = np.take_along_axis(weights[..., None].repeat(2, -1), order, 1).cumsum(1)
    middle = (passed >= passed[:, -1:] / 2).argmax(1)[:, None]  # (B, 1, J, 2)
    return np.asarray(np.take_along_axis(ranked, middle, 1)[:, 0])


def _moved(maps: Float32, shift: Float64) -> Float32:
    """Return heatmaps (B, J, h, w) moved by `shift` (B, J, 2) pixels, 0 where nothing was."""
    size = maps.shape[:1:-1]  # (w, h)
    moved = [
        cv2.warpAffine(heatmap, np.array([[1, 0, x], [0, 1, y]], np.float64), size)
        for heatmap, (x, y) in zip(
            maps.reshape(-1, *maps.shape[2:]), shift.reshape(-1, 2), strict=True
        )
    ]
    return np.stack(moved).reshape(maps.shape)
