"""Heatmaps of a window's frames, moved along with each joint and weighted by confidence.

Nothing is learned: each frame is decoded alone, and the motion is that of its peaks.
Axes: B windows, T frames, J joints, h w of a heatmap.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tarvitpose import heatmaps as codec
from tarvitpose.config import ModelConfig, TemporalMode
from tarvitpose.geometry import box_matrices, invert, transform_points
from tarvitpose.utils.arrays import Float32, Float64

BODY_WEIGHT = 0.5  # of the body's velocity beside a joint's own, which have at most 20 for 5 frames
LOOSE = 1 / 32  # of a heatmap's height: peaks farther from the fitted motion weigh less
NEGLIGIBLE = 0.01  # share of a joint's weights below which a frame is left out


@dataclass(frozen=True)
class FrameHeatmaps:
    """The heatmaps of one crop, and their peaks, which are found once for all its windows."""

    maps: Float32  # (J, h, w)
    peaks: Float32  # (J, 2) in crop pixels
    scores: Float32  # (J,), the maxima, 0..1


def read_peaks(heatmaps: Float32, config: ModelConfig) -> list[FrameHeatmaps]:
    """Return heatmaps (N, J, h, w) of N crops with their peaks."""
    peaks, scores = codec.decode(heatmaps, config.input_size, config.codec)
    # Copies: a crop must not hold on to the whole batch.
    return [
        FrameHeatmaps(maps.copy(), *rest)
        for maps, *rest in zip(heatmaps, peaks.copy(), scores.copy(), strict=True)
    ]


def seen_from(
    current: Float32, box: Float32, frame: FrameHeatmaps, config: ModelConfig
) -> FrameHeatmaps:
    """Return the heatmaps of a crop cut by `box` as the crop of box `current` shows them.

    Both boxes are (4,) xyxy.
    """
    if np.array_equal(current, box):
        return frame
    to_current, to_crop = box_matrices(np.stack([current, box]), config)
    back = np.vstack([invert(to_crop[None])[0], [0, 0, 1]])
    moved = (to_current @ back).astype(np.float32)  # (2, 3), from crop to crop
    peaks = transform_points(moved[None], frame.peaks[None])[0]
    moved[:, 2] *= codec.heatmap_scale(config.input_size, config.codec)
    shape = frame.maps.shape[:0:-1]  # (w, h)
    maps = np.stack([cv2.warpAffine(heatmap, moved, shape) for heatmap in frame.maps])
    return FrameHeatmaps(maps, peaks, frame.scores)


def window_heatmaps(
    mode: TemporalMode,
    temporal: Callable[[], Float32],
    windows: Callable[[], Sequence[Sequence[FrameHeatmaps]]],
    times: Float64,
    config: ModelConfig,
) -> Float32:
    """Return heatmaps (B, J, h, w) of the current frames by "tar", "pooled" or "fused".

    `temporal` gives those of the temporal part, `windows` B windows of T frames, each decoded
    alone; what the mode does not need is not asked for. `times` (B, T) are 0 at the current frame.
    """
    maps = None if mode == "pooled" else temporal()
    if maps is not None and mode == "tar":
        return maps
    return pool_windows(windows(), times, config, maps)


def pool_windows(
    windows: Sequence[Sequence[FrameHeatmaps]],
    times: Float64,
    config: ModelConfig,
    temporal: Float32 | None = None,
) -> Float32:
    """Return the pooled heatmaps (B, J, h, w) of B windows of T frames; fused with `temporal`.

    `times` (B, T) are 0 at the current frame; `temporal` are the heatmaps (B, J, h, w) that the
    temporal part has for it. Fused is the geometric mean of both: high only where they agree.
    """
    scale = codec.heatmap_scale(config.input_size, config.codec)
    peaks = np.array([[frame.peaks for frame in window] for window in windows]) * scale
    scores = np.array([[frame.scores for frame in window] for window in windows])
    frames = [[frame.maps for frame in window] for window in windows]
    pooled = pooled_heatmaps(frames, peaks, scores, times)
    if temporal is None:
        return pooled
    return np.asarray(np.sqrt(np.maximum(temporal, 0) * np.maximum(pooled, 0)), np.float32)


def pooled_heatmaps(
    frames: Sequence[Sequence[Float32]], peaks: Float32, scores: Float32, times: Float64
) -> Float32:
    """Return the mean of heatmaps that follow each joint's motion, (B, J, h, w).

    `frames` are heatmaps (J, h, w) of T frames for each of B windows, their `peaks` (B, T, J, 2) in
    heatmap pixels and their maxima `scores` (B, T, J); `times` (B, T) are 0 at the current frame.
    Each heatmap is moved to the current frame by the joint's velocity and weighs as much as its
    peak; less where that is far from the line through the others.
    """
    height = frames[0][0].shape[1]
    velocity, agrees = joint_motion(peaks.astype(np.float64), scores, times, LOOSE * height)
    earlier = np.tril(times[:, :, None] == times[:, None], -1).any(2)  # (B, T), a frame again
    weights = (scores * agrees + 1e-6) * ~earlier[..., None]  # (B, T, J)
    weights /= weights.sum(1, keepdims=True)
    weights[weights < NEGLIGIBLE] = 0
    weights /= weights.sum(1, keepdims=True)
    shifts = -times[..., None, None] * velocity[:, None]  # (B, T, J, 2)
    return np.stack(
        [_weighted_sum(*window) for window in zip(frames, weights, shifts, strict=True)]
    )


def _weighted_sum(frames: Sequence[Float32], weights: Float32, shifts: Float64) -> Float32:
    """Return the sum (J, h, w) of T heatmaps (J, h, w), moved by `shifts` (T, J, 2) pixels.

    `weights` are (T, J).
    """
    total = np.zeros_like(frames[0])
    for at, joint in np.argwhere(weights > 0).tolist():
        moved = _moved(frames[at][joint], *shifts[at, joint].tolist())
        cv2.scaleAdd(moved, float(weights[at, joint]), total[joint], dst=total[joint])
    return total


def _moved(heatmap: Float32, right: float, down: float) -> Float32:
    """Return a heatmap (h, w) moved by so many pixels, 0 where nothing was."""
    height, width = heatmap.shape
    middle = ((width - 1) / 2 - right, (height - 1) / 2 - down)
    moved = cv2.getRectSubPix(heatmap, (width, height), middle)  # a fifth of warpAffine's time
    for axis, shift in ((moved.T, right), (moved, down)):
        if shift > 0:
            axis[: math.ceil(shift)] = 0
        elif shift < 0:
            axis[max(len(axis) + math.floor(shift), 0) :] = 0
    return np.asarray(moved)


def joint_motion(
    peaks: Float64, scores: Float32, times: Float64, loose: float
) -> tuple[Float64, Float64]:
    """Return each joint's velocity (B, J, 2), and how well each peak agrees, (B, T, J), 0..1.

    The velocity is the median of those between any two of a joint's `peaks`, (B, T, J, 2), with
    the product of their `scores` (B, T, J) and their distance in `times` (B, T) as weights (Theil
    and Sen): a single jump changes nothing. The whole body's velocity votes too, and decides where
    a joint's peaks are unsure. Peaks farther than `loose` pixels from the motion agree less.
    """
    first, second = np.triu_indices(times.shape[1], 1)  # (P,) pairs of frames
    gaps = (times[:, second] - times[:, first])[..., None]  # (B, P, 1)
    steps = peaks[:, second] - peaks[:, first]  # (B, P, J, 2)
    slopes = np.where(gaps[..., None] == 0, 0, steps / np.where(gaps == 0, 1, gaps)[..., None])
    weights = scores[:, second] * scores[:, first] * np.abs(gaps)  # (B, P, J)
    joints, of_all = peaks.shape[2], (len(peaks), -1, 1)
    body = _weighted_median(slopes.reshape(*of_all, 2), weights.reshape(of_all))  # (B, 1, 2)
    slopes = np.concatenate([slopes, body[:, None].repeat(joints, 2)], 1)
    weights = np.concatenate([weights, np.full((len(peaks), 1, joints), BODY_WEIGHT)], 1)
    velocity = _weighted_median(slopes, weights)  # (B, J, 2)
    origins = peaks - velocity[:, None] * times[..., None, None]  # (B, T, J, 2), at the current
    distance = np.linalg.norm(origins - _weighted_median(origins, scores)[:, None], axis=-1)
    return velocity, loose / np.maximum(distance, loose)


def _weighted_median(values: Float64, weights: Float64 | Float32) -> Float64:
    """Return the median of values (B, P, J, 2) by weights (B, P, J) over P, (B, J, 2)."""
    order = values.argsort(1)
    ranked = np.take_along_axis(values, order, 1)
    passed = np.take_along_axis(weights[..., None].repeat(2, -1), order, 1).cumsum(1)
    middle = (passed >= passed[:, -1:] / 2).argmax(1)[:, None]  # (B, 1, J, 2)
    return np.asarray(np.take_along_axis(ranked, middle, 1)[:, 0])
