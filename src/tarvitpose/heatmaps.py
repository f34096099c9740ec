"""Encode joints as heatmaps, and decode them.   Axes: N people, J joints, h w of a heatmap.

Two codecs, never mixed within one model: "udp" (unbiased, ViTPose: sub-pixel Gaussians, decoded
by a Newton step on the smoothed log-heatmap, DARK) and "classic" (HRNet: Gaussians on whole
pixels, decoded by a quarter of a pixel towards the higher neighbour).
"""

from collections.abc import Sequence
from functools import cache, reduce

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.config import Codec
from tarvitpose.utils.arrays import Float32, Float64, Int64

STRIDE = 4  # crop pixels of one heatmap pixel
BLUR_RADIUS, BLUR_SIGMA = 5, 2.0  # of the smoothing before the Newton step, as in ViTPose
TINY = 1e-10


def heatmap_size(input_size: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of the heatmaps of a crop."""
    return input_size[0] // STRIDE, input_size[1] // STRIDE


def heatmap_scale(input_size: tuple[int, int], codec: Codec) -> Float32:
    """Return heatmap pixels per crop pixel, (2,) as x, y."""
    margin = 1 if codec == "udp" else 0  # udp measures between the centres of the outer pixels
    height, width = heatmap_size(input_size)
    return np.array(
        [(width - margin) / (input_size[1] - margin), (height - margin) / (input_size[0] - margin)],
        np.float32,
    )


def encode(
    points: ArrayLike, visible: ArrayLike, input_size: tuple[int, int], codec: Codec
) -> tuple[Float32, Float32]:
    """Return target heatmaps (J, h, w) and weights (J,) for points (J, 2) in crop pixels.

    A joint that is not visible or lies outside the crop has an empty target and weight 0.
    The Gaussian's sigma is 2 at 64x48 and 3 at 96x72.
    """
    height, width = heatmap_size(input_size)
    centre = np.asarray(points, np.float32) * heatmap_scale(input_size, codec)
    if codec == "classic":
        centre = np.floor(centre + 0.5)
    inside = ((centre > -0.5) & (centre < np.array([width, height]) - 0.5)).all(-1)
    weights = (np.asarray(visible) > 0) & inside & np.isfinite(centre).all(-1)
    centre = np.where(weights[:, None], centre, 0)
    spread = 2 * (height / 32) ** 2
    along_x = np.exp(-((np.arange(width) - centre[:, :1]) ** 2) / spread)  # (J, w)
    along_y = np.exp(-((np.arange(height) - centre[:, 1:]) ** 2) / spread)  # (J, h)
    targets = along_y[:, :, None] * along_x[:, None, :] * weights[:, None, None]
    return targets.astype(np.float32), weights.astype(np.float32)


def decode(heatmaps: Float32, input_size: tuple[int, int], codec: Codec) -> tuple[Float32, Float32]:
    """Return points (N, J, 2) in crop pixels, and the heatmaps' maxima (N, J) in 0..1 as scores."""
    people, joints, height, width = heatmaps.shape
    maps = np.ascontiguousarray(heatmaps, np.float32).reshape(-1, height, width)  # (N J, h, w)
    flat = maps.reshape(people * joints, height * width)
    best = flat.argmax(-1)
    scores = flat[np.arange(len(flat)), best]
    points = _refined(maps, best, codec) / heatmap_scale(input_size, codec)
    shape = (people, joints)
    return points.reshape(*shape, 2), scores.clip(0, 1).reshape(shape)


def decode_peaks(
    heatmaps: Float32, input_size: tuple[int, int], codec: Codec, count: int
) -> tuple[Float32, Float32]:
    """Return the `count` highest peaks of each heatmap, from the highest, which is `decode`'s.

    A peak is the maximum of the 7 x 7 pixels about it. Points (N, J, count, 2) are in crop pixels,
    values (N, J, count) in 0..1; where there are fewer peaks the value is 0 and the point the
    highest peak's.
    """
    people, joints, height, width = heatmaps.shape
    maps = np.ascontiguousarray(heatmaps, np.float32).reshape(-1, height, width)  # (M, h, w)
    is_peak = maps == _highest_nearby(maps)
    flat = np.where(is_peak, maps, 0).reshape(len(maps), height * width)
    rows = np.arange(len(flat))
    best = np.zeros((len(flat), count), np.int64)
    values = np.zeros(best.shape, np.float32)
    for rank in range(count):  # quicker than sorting all pixels
        best[:, rank] = flat.argmax(-1)
        values[:, rank] = flat[rows, best[:, rank]].clip(0, 1)
        flat[rows, best[:, rank]] = 0
    best = np.where(values > 0, best, maps.reshape(flat.shape).argmax(-1)[:, None])
    points = _refined(maps.repeat(count, 0), best.ravel(), codec)
    points = points / heatmap_scale(input_size, codec)
    return points.reshape(people, joints, count, 2), values.reshape(people, joints, count)


def _highest_nearby(maps: Float32) -> Float32:
    """Return the maximum of the 7 x 7 pixels about each pixel, (M, h, w)."""
    height, width = maps.shape[1:]
    wide = np.pad(maps, ((0, 0), (3, 3), (3, 3)), constant_values=-np.inf)
    rows = reduce(np.maximum, [wide[:, shift : shift + height] for shift in range(7)])
    return reduce(np.maximum, [rows[:, :, shift : shift + width] for shift in range(7)])


def _refined(maps: Float32, pixels: Int64, codec: Codec) -> Float32:
    """Return the points (M, 2) in heatmap pixels that peaks stand for, at `pixels` (M,) of each."""
    width = maps.shape[2]
    peak = np.stack([pixels % width, pixels // width], -1)  # (M, 2), x and y
    step = _newton_step(maps, peak) if codec == "udp" else _quarter_step(maps, peak)
    return (peak + step).astype(np.float32)


def calibrate(scores: Float32, curve: Sequence[tuple[float, float]]) -> Float32:
    """Return calibrated scores from a piecewise linear curve of points (maximum, score).

    Without points the scores are unchanged. `evaluation/calibration.py` fits a curve.
    """
    if not curve:
        return scores
    maxima, values = zip(*curve, strict=True)
    return np.asarray(np.interp(scores, maxima, values), np.float32)


def _quarter_step(maps: Float32, peak: Int64) -> Float32:
    """Return a quarter of a pixel towards the higher neighbour, (M, 2), none at the border."""
    height, width = maps.shape[1:]
    x, y, m = peak[:, 0], peak[:, 1], np.arange(len(maps))
    across = maps[m, y, np.minimum(x + 1, width - 1)] - maps[m, y, np.maximum(x - 1, 0)]
    down = maps[m, np.minimum(y + 1, height - 1), x] - maps[m, np.maximum(y - 1, 0), x]
    inner = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    return np.asarray(0.25 * np.sign(np.stack([across, down], -1)) * inner[:, None], np.float32)


def _newton_step(maps: Float32, peak: Int64) -> Float32:
    """Return the step from the highest pixel to the log-heatmap's maximum, (M, 2) as x, y.

    The heatmap is smoothed first, as in DARK. Pixels outside would distort the parabola, so near
    a border the smoothing along that axis is no wider than the distance to the border.
    """
    limit = np.array([maps.shape[2], maps.shape[1]])
    centre = peak.clip(1, limit - 2)
    across, down = np.minimum(centre, limit - 1 - centre).T - 1  # (M,), free pixels on each side
    wide = _patches(maps, centre, BLUR_RADIUS + 1)  # (M, 13, 13)
    smoothed = _smoothing(down) @ wide @ _smoothing(across).swapaxes(1, 2)  # (M, 3, 3)
    step = _parabola_top(np.log(np.maximum(smoothed, TINY)))
    return np.asarray((centre + step - peak).clip(-1, 1), np.float32)


def _patches(maps: Float32, centre: Int64, radius: int) -> Float32:
    """Return squares of 2 radius + 1 pixels at each centre, (M, 2 radius + 1, 2 radius + 1).

    Outside the heatmap the border pixels are repeated.
    """
    offset = np.arange(-radius, radius + 1)
    rows = (centre[:, 1, None, None] + offset[:, None]).clip(0, maps.shape[1] - 1)
    columns = (centre[:, 0, None, None] + offset).clip(0, maps.shape[2] - 1)
    return np.asarray(maps[np.arange(len(maps))[:, None, None], rows, columns], np.float32)


def _smoothing(room: Int64) -> Float64:
    """Return Gaussians that turn 13 pixels into three smoothed ones, (M, 3, 13).

    `room` (M,) is how many pixels on either side each may use.
    """
    return _gaussians()[np.minimum(room, BLUR_RADIUS)]


@cache
def _gaussians() -> Float64:
    """Return the Gaussians of `_smoothing` for each room, (BLUR_RADIUS + 1, 3, 13)."""
    offset, room = np.arange(-BLUR_RADIUS, BLUR_RADIUS + 1), np.arange(BLUR_RADIUS + 1)
    kernel = np.exp(-(offset**2) / (2 * BLUR_SIGMA**2)) * (abs(offset) <= room[:, None])
    kernel /= kernel.sum(-1, keepdims=True)
    return np.stack([np.pad(kernel, ((0, 0), (shift, 2 - shift))) for shift in range(3)], 1)


def _parabola_top(logs: Float64) -> Float64:
    """Return the maximum of the parabola through log-values (M, 3, 3), from the middle, (M, 2)."""
    middle = logs[:, 1, 1]
    slope = np.stack([logs[:, 1, 2] - logs[:, 1, 0], logs[:, 2, 1] - logs[:, 0, 1]], -1) / 2
    xx = logs[:, 1, 2] - 2 * middle + logs[:, 1, 0]
    yy = logs[:, 2, 1] - 2 * middle + logs[:, 0, 1]
    xy = (logs[:, 2, 2] - logs[:, 2, 0] - logs[:, 0, 2] + logs[:, 0, 0]) / 4
    bend = xx * yy - xy * xy
    is_top = (bend > TINY) & (xx < 0)
    bend = np.where(is_top, bend, 1.0)
    step = np.stack([xy * slope[:, 1] - yy * slope[:, 0], xy * slope[:, 0] - xx * slope[:, 1]], -1)
    return np.where(is_top[:, None], step / bend[:, None], 0)


def flip_back(heatmaps: Float32, flip_order: tuple[int, ...], codec: Codec) -> Float32:
    """Turn heatmaps (N, J, h, w) of mirrored crops into those of the original crops.

    With the classic codec a joint at x of a crop w pixels wide is at x / 4 of its heatmap, and in
    the mirror image at (w - 1 - x) / 4: it comes back 3/4 of a pixel too far left. HRNet shifts by
    a whole pixel, which leaves a quarter (Huang et al., 2020); here neighbours are interpolated.
    """
    restored = np.ascontiguousarray(heatmaps[:, list(flip_order), :, ::-1])
    if codec == "classic":
        shift = np.float32((STRIDE - 1) / STRIDE)
        restored[..., 1:] = shift * restored[..., :-1] + (1 - shift) * restored[..., 1:]
    return restored
