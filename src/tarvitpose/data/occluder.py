"""Things in front of a person.   Axes: T frames, h w of a crop."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.config import BOX_PADDING
from tarvitpose.utils.arrays import Float64, Generator, UInt8


def occlude(
    clip: UInt8,
    current: int,
    rng: Generator,
    *,
    image: UInt8 | None = None,
    points: ArrayLike | None = None,
    frames: Sequence[int] | None = None,
) -> UInt8:
    """Put a thing that moves steadily into `frames` of a clip (T, h, w, 3), by default into all.

    In the current frame it hides one of `points`, (K, 2) in pixels of the crop. It shows a piece
    of an RGB `image` of any size, coloured blotches or a single colour.
    """
    height, width = clip.shape[1:3]
    outline, extent = _random_outline(rng, (height, width))
    texture = _random_texture(rng, image, (height, width))
    velocity = rng.uniform(-0.5, 0.5, 2) * extent
    centre = _hidden_point(rng, points, (height, width))
    occluded = clip.copy()
    for t in range(len(clip)) if frames is None else frames:
        corners = np.rint((outline + centre + velocity * (t - current)) * 16).astype(np.int32)
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_8, 4)
        cv2.copyTo(texture, mask, occluded[t])
    return occluded


def _random_outline(rng: Generator, size: tuple[int, int]) -> tuple[Float64, float]:
    """An outline (K, 2) about 0, 0 that covers 15 to 40% of the person's box, and its extent."""
    area = rng.uniform(0.15, 0.40) * size[0] * size[1] / BOX_PADDING**2
    corners = int(rng.choice([4, 5, 6, 24]))
    turn, wobble = rng.uniform(0, 2 * np.pi), 0.0 if corners == 24 else 0.3
    angles = turn + 2 * np.pi * np.arange(corners) / corners
    radii = 1 + rng.uniform(-wobble, wobble, corners)
    stretch = np.exp(rng.uniform(-0.5, 0.5))
    outline = np.stack([np.cos(angles) * stretch, np.sin(angles) / stretch], -1) * radii[:, None]
    covered = cv2.contourArea(outline.astype(np.float32))
    extent = np.sqrt(area / covered)
    return outline * extent, float(extent)


def _random_texture(rng: Generator, image: UInt8 | None, size: tuple[int, int]) -> UInt8:
    """Return the picture of an occluder, (h, w, 3)."""
    choice = rng.uniform()
    if image is not None and choice < 0.7:
        side = [max(1, int(length * rng.uniform(0.4, 1))) for length in image.shape[:2]]
        y, x = (rng.integers(0, image.shape[i] - side[i] + 1) for i in range(2))
        piece = image[y : y + side[0], x : x + side[1]]
    else:
        cells = 1 if choice > 0.85 else int(rng.integers(2, 48))
        piece = rng.integers(0, 256, (cells, cells, 3), np.uint8)
    return np.asarray(cv2.resize(piece, size[::-1], interpolation=cv2.INTER_LINEAR))


def _hidden_point(rng: Generator, points: ArrayLike | None, size: tuple[int, int]) -> Float64:
    """The middle of an occluder, (2,): near one of the points, or anywhere inside."""
    limit = np.array(size[::-1], np.float64)
    anywhere = rng.uniform(0.2, 0.8, 2) * limit
    inside = np.zeros((0, 2)) if points is None else np.asarray(points, np.float64)
    inside = inside[((inside >= 0) & (inside < limit)).all(-1)]
    if not len(inside):
        return np.asarray(anywhere)
    return np.asarray(inside[rng.integers(len(inside))] + rng.normal(0, 0.03 * size[0], 2))
