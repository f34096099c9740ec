"""Random crops of a person: half bodies, scale, rotation, mirror, colour.

One choice for all frames of a clip (method section 4), but for `box_jitter`.
Axes: T frames, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from tarvitpose.config import LARGEST_OFFSET, Config
from tarvitpose.data.degrade import DegradeConfig
from tarvitpose.data.records import Box
from tarvitpose.data.stills import MotionConfig
from tarvitpose.geometry import BOX_PADDING, Codec, UInt8, centre_and_size, crop_matrices
from tarvitpose.results import Float32
from tarvitpose.skeleton import JointSet

Generator = np.random.Generator
LOWER_BODY = ("hip", "knee", "ankle")
HALF_BODY_PADDING = 1.5  # a half body's joints reach less far than its outline
SMALLEST_HALF = 1 / 3  # of the whole body: joints that coincide would make a crop of a few pixels
HALF_BODY_JOINTS = 8  # more than so many must be visible
LUMA = np.array([0.299, 0.587, 0.114])


class AugmentConfig(Config):
    """How training clips vary. A probability or an amount of 0 switches its part off."""

    half_body: float = Field(default=0.3, ge=0, le=1)  # probability, with >8 visible joints
    scale: float = Field(default=0.35, ge=0, lt=1)  # the crop's size varies by up to this share
    rotate: float = Field(default=0.6, ge=0, le=1)  # probability
    rotation: float = Field(default=45.0, ge=0, le=180)  # degrees, at most, to either side
    shift: float = Field(default=0.0, ge=0, lt=1)  # of the crop's middle, in shares of its size
    flip: float = Field(default=0.5, ge=0, le=1)  # probability
    colour: float = Field(default=0.2, ge=0, lt=1)  # brightness, contrast, saturation, at most
    offset_span: int = Field(default=0, ge=0, le=LARGEST_OFFSET)  # frames to draw offsets from
    reverse: float = Field(default=0.0, ge=0, le=1)  # probability; only of symmetric windows
    box_jitter: float = Field(default=0.0, ge=0, le=1)  # probability of a box for each frame
    box_noise: float = Field(default=0.05, ge=0, lt=0.5)  # by which it moves and grows, in shares
    motion: MotionConfig = MotionConfig()
    degrade: DegradeConfig = DegradeConfig()


@dataclass(frozen=True)
class Crop:
    """The area that a crop shows, before it is turned into a matrix."""

    centre: Float32  # (2,), x and y in pixels of the frame
    size: Float32  # (2,), width and height in pixels of the frame
    rotation: float = 0.0  # degrees, clockwise as seen
    flip: bool = False  # whether the crop is mirrored

    def matrix(self, input_size: tuple[int, int], codec: Codec) -> NDArray[np.float64]:
        """Return the transform (2, 3) from pixels of the frame to pixels of the crop."""
        centre, size = self.centre[None], self.size[None]
        matrix = crop_matrices(centre, size, input_size, codec, self.rotation)[0]
        if self.flip:
            matrix[0] *= -1
            matrix[0, 2] += input_size[1] - 1
        return np.asarray(matrix, np.float64)


def plain_box(box: Box, input_size: tuple[int, int]) -> Crop:
    """Return the area that inference shows of a box xyxy."""
    centre, size = centre_and_size(box, input_size)
    return Crop(centre[0], size[0])


def augment_box(
    box: Box,
    keypoints: ArrayLike,
    visible: ArrayLike,
    *,
    joints: JointSet,
    input_size: tuple[int, int],
    config: AugmentConfig,
    rng: Generator,
) -> Crop:
    """Return a random area around a box xyxy or around half of the visible joints, (J, 2)."""
    half, flip, rotate = rng.uniform(size=3) < (config.half_body, config.flip, config.rotate)
    crop = plain_box(box, input_size)
    if half:
        part = half_body(keypoints, visible, joints, input_size, rng) or crop
        crop = Crop(part.centre, np.maximum(part.size, crop.size * np.float32(SMALLEST_HALF)))
    size = crop.size * np.float32(1 + config.scale * _clipped_normal(rng))
    shift = config.shift * rng.uniform(-1, 1, 2).astype(np.float32) * crop.size
    rotation = config.rotation * _clipped_normal(rng) * bool(rotate)
    return Crop(np.asarray(crop.centre + shift, np.float32), size, rotation, bool(flip))


def _clipped_normal(rng: Generator) -> float:
    """A number in -1..1, more often near 0."""
    return float(np.clip(rng.normal(0, 0.5), -1, 1))


def half_body(
    keypoints: ArrayLike,
    visible: ArrayLike,
    joints: JointSet,
    input_size: tuple[int, int],
    rng: Generator,
) -> Crop | None:
    """Return the area of the upper or the lower body, or None with too few visible joints."""
    seen = np.asarray(visible) > 0
    lower = np.array([name.partition("_")[2] in LOWER_BODY for name in joints.joints])
    if seen.sum() <= HALF_BODY_JOINTS:
        return None
    choices = [part for part in (seen & ~lower, seen & lower) if part.sum() > 2]
    points = np.asarray(keypoints)[choices[rng.integers(len(choices))]]  # (K, 2)
    box = np.concatenate([points.min(0), points.max(0)])
    centre, size = centre_and_size(box, input_size, HALF_BODY_PADDING)
    return Crop(centre[0], size[0])


def jitter_boxes(
    frames: int, input_size: tuple[int, int], amount: float, rng: Generator
) -> NDArray[np.float64]:
    """Return what moves a clip's crop to each frame's own, (T, 2, 3).

    As if each frame's box were another one: moved and scaled by up to `amount` of its size.
    """
    scale = 1 / (1 + rng.uniform(-amount, amount, frames))  # (T,), a larger box shows less large
    size = np.array(input_size[::-1], np.float64)
    shift = rng.uniform(-amount, amount, (frames, 2)) * size / BOX_PADDING
    moved = (1 - scale[:, None]) * (size - 1) / 2 - shift
    return np.concatenate([scale[:, None, None] * np.eye(2), moved[..., None]], -1)


def jitter_colour(clip: UInt8, rng: Generator, amount: float) -> UInt8:
    """Vary brightness, contrast, saturation and tint of a clip (T, h, w, 3), all frames alike.

    Black stays black: it means "outside the image".
    """
    gamma, saturation, brightness = 1 + rng.uniform(-amount, amount, 3)
    gains = brightness * (1 + rng.uniform(-amount, amount, 3) / 3)  # of red, green and blue
    mix = (saturation * np.eye(3) + (1 - saturation) * LUMA) * gains[:, None]
    curve = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    rows = cv2.LUT(clip.reshape(-1, *clip.shape[2:]), curve)  # (T h, w, 3)
    return np.asarray(cv2.transform(rows, mix)).reshape(clip.shape)


def swap_sides(values: Float32, joints: JointSet) -> Float32:
    """Return per-joint values (J, ...) of a mirrored person: left and right change names."""
    return values[list(joints.flip_order)]
