"""Blur, darkness, noise and lost frames.   Axes: h w of a crop.

The functions in `DEGRADE` take one RGB crop (h, w, 3) and a severity in 0..1, and return a new
crop. Lengths are given for crops 256 pixels high and grow with the crop.
"""

from collections.abc import Callable
from typing import Literal, get_args

import cv2
import numpy as np
from pydantic import Field

from tarvitpose.utils.arrays import Float32, Generator, UInt8
from tarvitpose.utils.config_base import Config

Degradation = Literal[
    "clean",
    "motion_blur",
    "defocus",
    "occluded",
    "dark",
    "noisy",
    "low_resolution",
    "compressed",
    "dropped",
]
DEGRADATIONS: tuple[Degradation, ...] = get_args(Degradation)
REFERENCE_HEIGHT = 256
STRONG, MILD = (0.5, 1.0), (0.05, 0.4)  # severities of the current frame, of the others


class DegradeConfig(Config):
    """How often, and how, the frames of a training clip are degraded."""

    current: float = Field(default=0.5, ge=0, le=1)  # probability that the current frame is
    auxiliary: float = Field(default=0.25, ge=0, le=1)  # mildly, for each other frame
    auxiliary_strong: float = Field(default=0.0, ge=0, le=1)  # as the current one, for each other
    degradations: tuple[Degradation, ...] = Field(  # of the current frame, equally likely
        default=DEGRADATIONS[1:], min_length=1
    )
    occluder: float = Field(default=0.0, ge=0, le=1)  # that a thing moves through all frames
    blurred: float = Field(default=0.0, ge=0, le=1)  # smeared strongly, for each other frame
    defocused: float = Field(default=0.0, ge=0, le=1)  # strongly, for each other frame
    dropped: float = Field(default=0.0, ge=0, le=1)  # black, grey or repeated, for each other frame
    everywhere: float = Field(default=0.0, ge=0, le=1)  # that all frames are, a little, each anew


def motion_blur(image: UInt8, rng: Generator, severity: float, angle: float | None = None) -> UInt8:
    """Smear along a line of 5 to 25 pixels, at `angle` in degrees or any."""
    length = (5 + 20 * severity) * image.shape[0] / REFERENCE_HEIGHT
    turn = np.deg2rad(rng.uniform(0, 180) if angle is None else angle)
    reach = int(np.ceil(length / 2))
    step = np.array([np.cos(turn), np.sin(turn)]) * (length - 1) / 2 * 16  # in 1/16 pixels
    first, last = (np.rint(reach * 16 + sign * step).astype(int).tolist() for sign in (-1, 1))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    cv2.line(kernel, first, last, 255, 1, cv2.LINE_AA, 4)
    return _filtered(image, kernel)


def defocus(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Spread every pixel over a disc of 2 to 7 pixels radius."""
    radius = (2 + 5 * severity) * image.shape[0] / REFERENCE_HEIGHT
    reach = int(np.ceil(radius))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    cv2.circle(kernel, (reach * 16, reach * 16), round(radius * 16), 255, -1, cv2.LINE_AA, 4)
    return _filtered(image, kernel)


def _filtered(image: UInt8, kernel: UInt8) -> UInt8:
    weights = kernel.astype(np.float32) / max(int(kernel.sum()), 1)
    return np.asarray(cv2.filter2D(image, -1, weights, borderType=cv2.BORDER_REPLICATE))


def dark(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Turn the light down to a half or a twentieth, and add the noise of a sensor."""
    gain = 0.5 * 0.1**severity * rng.uniform(0.8, 1.2)
    light = 255 * gain * (np.arange(256) / 255) ** rng.uniform(1, 1 + 0.6 * severity)
    dimmed = np.asarray(cv2.LUT(image, light.astype(np.float32)), np.float32)
    spread = np.sqrt(2 + 6 * severity * gain * dimmed + 4 * severity)
    return _rounded(dimmed + spread * rng.standard_normal(image.shape, np.float32))


def noisy(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Add noise of 10 to 60 grey levels, the same everywhere or growing with the light."""
    sigma = np.float32(10 + 50 * severity)
    noise = rng.standard_normal(image.shape, np.float32) * sigma
    if rng.uniform() < 0.5:
        noise *= np.sqrt(image.astype(np.float32) / 128)
    return _rounded(image + noise)


def _rounded(values: Float32) -> UInt8:
    return np.asarray(values.clip(0, 255) + np.float32(0.5)).astype(np.uint8)


def low_resolution(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Reduce the image 3 to 10 times and enlarge it again."""
    height, width = image.shape[:2]
    factor = 3 + 7 * severity
    small = (max(round(width / factor), 1), max(round(height / factor), 1))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    method = cv2.INTER_LINEAR if rng.uniform() < 0.7 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=method))


def compressed(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Store as JPEG of quality 20 down to 2 and read again."""
    quality = round(20 - 18 * severity)
    swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    content = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.cvtColor(cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def dropped(image: UInt8, rng: Generator, severity: float) -> UInt8:
    """Lose the frame: all black, or one grey."""
    lost = np.zeros_like(image)
    lost[:] = 0 if rng.uniform() < 0.5 else rng.integers(0, 256)
    return lost


DEGRADE: dict[Degradation, Callable[[UInt8, Generator, float], UInt8]] = {
    "motion_blur": motion_blur,
    "defocus": defocus,
    "dark": dark,
    "noisy": noisy,
    "low_resolution": low_resolution,
    "compressed": compressed,
    "dropped": dropped,
}
MILD_DEGRADATIONS: tuple[Degradation, ...] = (
    "motion_blur",
    "defocus",
    "dark",
    "noisy",
    "compressed",
)
EVERYWHERE_DEGRADATIONS: tuple[Degradation, ...] = ("dark", "noisy", "compressed")
