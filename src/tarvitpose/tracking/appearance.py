"""What clothes people wear: colours of the upper and the lower body.   Axes: N boxes, D numbers."""

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.utils.arrays import Float32, Float64, UInt8

PATCH = (16, 48)  # width, height to which a box is reduced: noise and folds average out
COLUMNS = slice(4, 12)  # the middle half of them: beside it is background
BANDS = (slice(8, 24), slice(24, 42))  # upper body, legs; head and feet left out
BINS = (6, 6, 6)  # of lightness, green to red and blue to yellow
STRONGEST = (88, 167)  # of both colours, 128 being grey: clothes hardly have stronger ones
RANGES = (0, 256, 88, 168, 88, 168)


def describe(image: UInt8, boxes: ArrayLike) -> Float32:
    """Return what the people in boxes (N, 4) xyxy of an RGB image wear, (N, D).

    It is the square roots of two histograms of colour; `difference` compares two rows.
    """
    rows = [_described(image, box) for box in np.asarray(boxes, np.float64)]
    return np.asarray(rows, np.float32).reshape(len(rows), len(BANDS) * int(np.prod(BINS)))


def difference(first: Float32, second: Float32) -> Float32:
    """Return the Hellinger distance of descriptions (..., D): 0 the same colours, 1 none shared."""
    shared = (first * second).sum(-1) / len(BANDS)
    return np.asarray(np.sqrt(np.clip(1 - shared, 0, 1)), np.float32)


def _described(image: UInt8, box: Float64) -> Float32:
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(box[:2]), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), [left + 1, top + 1], [width, height]).astype(int)
    patch = cv2.resize(image[top:bottom, left:right], PATCH, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB)
    lab[..., 1:] = lab[..., 1:].clip(*STRONGEST)
    parts = []
    for band in BANDS:
        middle = np.ascontiguousarray(lab[band, COLUMNS])
        histogram = cv2.calcHist([middle], [0, 1, 2], None, list(BINS), list(RANGES))
        parts.append(np.sqrt(histogram / max(float(histogram.sum()), 1e-9)).ravel())
    return np.concatenate(parts)
