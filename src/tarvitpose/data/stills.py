"""A still image becomes a clip that moves, with exact joints in its current frame.

The camera (or the whole person) drifts, zooms and turns, and limbs swing a little, all smoothly
over time and not at all in the current frame.   Axes: T frames, J joints, h w the size of a crop.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from tarvitpose.config import BOX_PADDING
from tarvitpose.geometry import invert, transform_points, warp
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Float32, Float64, Generator, UInt8
from tarvitpose.utils.config_base import Config

LIMB_REACH = 0.08  # sigma of the area that moves with a joint, in heights of the person
COARSE = 4  # pixels from one sample of a field to the next
LANDING_STEPS = 10  # of the iteration that finds a moved joint; the error is below 0.1 pixels
BACKGROUND = 0.2  # how strongly what is far from every joint stays where it is
SWINGING = {"elbow": "", "knee": "", "wrist": "elbow", "ankle": "knee"}  # and what carries them


class MotionConfig(Config):
    """How a still moves. Amounts are the largest for one frame step."""

    still: float = Field(default=0.1, ge=0, le=1)  # probability that the camera stands still
    fast: float = Field(default=0.2, ge=0, le=1)  # probability of `fast_shift` instead of `shift`
    shift: float = Field(default=0.03, ge=0, le=1)  # in heights of the person
    fast_shift: float = Field(default=0.08, ge=0, le=1)  # in heights of the person
    zoom: float = Field(default=0.02, ge=0, lt=0.5)  # change of scale
    turn: float = Field(default=2.0, ge=0, le=180)  # degrees
    limbs: float = Field(default=0.5, ge=0, le=1)  # probability that limbs swing
    swing: float = Field(default=0.02, ge=0, le=1)  # of each limb joint, in heights of the person


STANDSTILL = MotionConfig(still=1, limbs=0)


def still_clip(
    image: UInt8,
    keypoints: ArrayLike,
    visible: ArrayLike,
    matrix: ArrayLike,
    *,
    offsets: tuple[int, ...],
    input_size: tuple[int, int],
    joints: JointSet,
    motion: MotionConfig,
    rng: Generator,
    moves: ArrayLike | None = None,
) -> tuple[UInt8, Float32]:
    """Return a clip (T, h, w, 3) of a still and the joints (T, J, 2) in the crop's pixels.

    `matrix` (2, 3) takes pixels of the image to those of the crop of the current frame, whose
    offset is 0; there the joints are where it takes `keypoints` (J, 2), in the other frames where
    camera and limbs have moved them. What is outside the image is black. Every frame is resampled
    only once. `moves` (T, 2, 3) then takes each frame, the current one too, to its own crop.
    """
    points = transform_points(np.asarray(matrix)[None], np.asarray(keypoints)[None])[0]
    path = camera_path(offsets, input_size, rng, motion)  # (T, 2, 3)
    paths = path if moves is None else compose(moves, path)
    matrices = compose(paths, np.asarray(matrix, np.float64))  # (T, 2, 3)
    swings = limb_path(offsets, input_size, rng, motion, joints)  # (T, J, 2)
    is_visible = np.asarray(visible) > 0
    homes = transform_points(paths, np.broadcast_to(points, (len(paths), *points.shape)))
    frames, landed = [], []
    for home, swing, matrix_t in zip(homes, swings, matrices, strict=True):
        if swing.any():
            field = _blend(
                home[is_visible] + swing[is_visible], swing[is_visible], input_size
            )  # (2, h, w)
            frames.append(_swung(image, matrix_t, field))
            landed.append(_landed(home, field))
        else:
            frames.append(warp(image, matrix_t, input_size))
            landed.append(home)
    return np.stack(frames), np.stack(landed)


def compose(moves: ArrayLike, matrix: ArrayLike) -> Float64:
    """Return the transforms (T, 2, 3) that apply `matrix` first, then each of `moves`.

    `matrix` is (2, 3), or (T, 2, 3) with one for each.
    """
    moves, matrix = np.asarray(moves, np.float64), np.asarray(matrix, np.float64)
    composed = moves[:, :, :2] @ matrix  # (T, 2, 3)
    composed[:, :, 2] += moves[:, :, 2]
    return np.asarray(composed)


def smooth_path(offsets: tuple[int, ...], rng: Generator, shape: tuple[int, ...]) -> Float32:
    """Return random smooth curves over time (T, *shape): 0 at offset 0, steps of at most 1.

    Each is a slow sine wave: over a window it is nearly straight, bent or swinging.
    """
    time = np.array(offsets, np.float64).reshape(-1, *[1] * len(shape))
    speed = rng.uniform(0, 1, shape)
    pace = rng.uniform(0.1, 1.0, shape)  # radians for each frame
    phase = rng.uniform(0, 2 * np.pi, shape)
    curves = speed / pace * (np.sin(pace * time + phase) - np.sin(phase))
    return np.asarray(curves, np.float32)


def camera_path(
    offsets: tuple[int, ...], input_size: tuple[int, int], rng: Generator, motion: MotionConfig
) -> Float32:
    """Return what moves the current frame's crop to each frame's, (T, 2, 3), about the middle."""
    curves = smooth_path(offsets, rng, (4,))  # (T, 4)
    fast, still = rng.uniform(size=2) < (motion.fast, motion.still)
    if still:
        curves *= 0
    person = input_size[0] / BOX_PADDING  # pixels
    shift = curves[:, :2] * person * (motion.fast_shift if fast else motion.shift)
    scale, angle = np.exp(curves[:, 2] * motion.zoom), np.deg2rad(curves[:, 3] * motion.turn)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)  # (T, 2, 2)
    middle = (np.array(input_size[::-1]) - 1) / 2
    moved = shift + middle - linear @ middle  # (T, 2)
    return np.concatenate([linear, moved[..., None]], -1).astype(np.float32)


def limb_path(
    offsets: tuple[int, ...],
    input_size: tuple[int, int],
    rng: Generator,
    motion: MotionConfig,
    joints: JointSet,
) -> Float32:
    """Return how far each joint swings in each frame, (T, J, 2) in crop pixels."""
    curves = smooth_path(offsets, rng, (len(joints), 2))  # (T, J, 2)
    swings = np.zeros_like(curves)
    if rng.uniform() >= motion.limbs:
        return swings
    for at, name in enumerate(joints.joints):
        side, _, part = name.partition("_")
        if part in SWINGING:
            swings[:, at] = curves[:, at]
            if SWINGING[part]:
                swings[:, at] += curves[:, joints.joints.index(f"{side}_{SWINGING[part]}")]
    return swings * np.float32(motion.swing * input_size[0] / BOX_PADDING)


def _swung(image: UInt8, matrix: ArrayLike, field: Float32) -> UInt8:
    """Cut one crop whose pixels have moved by `field` (2, h, w)."""
    height, width = field.shape[1:]
    (a, b, c), (d, e, f) = invert(matrix)
    x = np.arange(width, dtype=np.float32) - field[0]
    y = np.arange(height, dtype=np.float32)[:, None] - field[1]
    maps = a * x + b * y + c, d * x + e * y + f
    return np.asarray(cv2.remap(image, *maps, cv2.INTER_LINEAR, borderValue=(0, 0, 0)))


def _landed(homes: Float32, field: Float32) -> Float32:
    """Return where points `homes` (J, 2) are after pixels have moved by `field`, (J, 2).

    The field is given where pixels arrive, so a point p solves p - field(p) = home.
    """
    points = homes
    for _ in range(LANDING_STEPS):
        x, y = np.ascontiguousarray(points.T, np.float32)  # (J,) each
        moved = [
            cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel()
            for part in field
        ]
        points = homes + np.stack(moved, -1)
    return points


def _blend(centres: Float32, values: Float32, size: tuple[int, int]) -> Float32:
    """Spread values (K, 2) given at centres (K, 2) smoothly over a crop, (2, h, w).

    A weighted mean under Gaussians, which are products of one curve in x and one in y: the sum
    over K is a matrix product. A quarter of the resolution is plenty, and so small a product
    starts no threads.
    """
    sigma = LIMB_REACH * size[0] / BOX_PADDING
    x, y = (np.arange(1.5, length, COARSE, dtype=np.float32) for length in size[::-1])
    along_x = np.exp(-((x - centres[:, :1]) ** 2) / (2 * sigma**2))  # (K, w / 4)
    along_y = np.exp(-((y - centres[:, 1:]) ** 2) / (2 * sigma**2))  # (K, h / 4)
    total = along_y.T @ along_x + np.float32(BACKGROUND)  # (h / 4, w / 4)
    parts = ((along_y * values[:, i : i + 1]).T @ along_x / total for i in range(2))
    return np.stack([cv2.resize(part, size[::-1]) for part in parts])
