"""How training clips vary, and the geometry of a random crop.   Axes: T frames, J joints.

The transforms that draw these variations are in `transforms`.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from tarvitpose.config import BOX_PADDING, LARGEST_OFFSET, Codec
from tarvitpose.data.degrade import DegradeConfig
from tarvitpose.data.records import Box, Record
from tarvitpose.data.stills import STANDSTILL, MotionConfig
from tarvitpose.geometry import centre_and_size, crop_matrices
from tarvitpose.skeleton import JointSet
from tarvitpose.utils.arrays import Bools, Float32, Float64, Generator, UInt8
from tarvitpose.utils.config_base import LARGEST_FACTOR, Config

LOWER_BODY = ("hip", "knee", "ankle")
HALF_BODY_PADDING = 1.5  # a half body's joints reach less far than its outline
SMALLEST_HALF = 1 / 3  # of the whole body: joints that coincide would make a crop of a few pixels
FEWEST_LEFT = 4  # joints of a person whom the frame cuts off
HALF_BODY_JOINTS = 8  # more than so many must be visible
CUT_AT = (0.35, 0.85)  # of the box that stays when a frame's edge cuts a person
CUT_SIDES = (3, 3, 3, 0, 2, 1)  # the bottom most often: indices into a box xyxy
FAR_AWAY = (1.5, 5.0)  # how many times smaller a small person is
LUMA = np.array([0.299, 0.587, 0.114])


class AugmentConfig(Config):
    """How training clips vary. A probability or an amount of 0 switches its transform off."""

    half_body: float = Field(default=0.3, ge=0, le=1)  # probability, with >8 visible joints
    scale: float = Field(default=0.35, ge=0, lt=1)  # the crop's size varies by up to this share
    # standard deviation; None: half of it
    scale_sigma: float | None = Field(default=None, ge=0, le=1)
    rotate: float = Field(default=0.6, ge=0, le=1)  # probability
    rotation: float = Field(default=45.0, ge=0, le=180)  # degrees, at most, to either side
    # standard deviation, in degrees; None: half of `rotation`
    rotation_sigma: float | None = Field(default=None, ge=0, le=180)
    shift: float = Field(default=0.0, ge=0, lt=1)  # of the crop's middle, in shares of its size
    flip: float = Field(default=0.5, ge=0, le=1)  # probability
    colour: float = Field(default=0.2, ge=0, lt=1)  # brightness, contrast, saturation, at most
    offset_span: int = Field(default=0, ge=0, le=LARGEST_OFFSET)  # frames to draw offsets from
    reverse: float = Field(default=0.0, ge=0, le=1)  # probability; only of symmetric windows
    box_jitter: float = Field(default=0.0, ge=0, le=1)  # probability of a box for each frame
    box_noise: float = Field(default=0.05, ge=0, lt=0.5)  # by which it moves and grows, in shares
    truncate: float = Field(default=0.0, ge=0, le=1)  # probability that a still's frame cuts it off
    # loss weight of joints that lie outside: no heat
    absent: float = Field(default=0.0, ge=0, le=LARGEST_FACTOR)
    joint_weights: bool = True  # in the loss elbows and knees count 1.2, wrists and ankles 1.5
    crowd: float = Field(default=0.0, ge=0, le=1)  # probability of a second person beside
    small: float = Field(default=0.0, ge=0, le=1)  # probability of a person far away, in all frames
    motion: MotionConfig = MotionConfig()
    degrade: DegradeConfig = DegradeConfig()


NO_AUGMENTATION = AugmentConfig(
    half_body=0,
    scale=0,
    rotate=0,
    flip=0,
    colour=0,
    motion=STANDSTILL,
    degrade=DegradeConfig(current=0, auxiliary=0),
)


class ShownPart(NamedTuple):
    """What a still's frame shows of a person."""

    record: Record  # with the box of the part, and only the joints in it visible
    cut_joints: Bools  # (J,), labelled joints beyond the frame's edge
    frame_area: Box | None  # xyxy of the image that is left, reaching outside it; None: all


@dataclass(frozen=True)
class CropArea:
    """The area of a frame that a crop shows, before it is turned into a matrix."""

    centre: Float32  # (2,), x and y in pixels of the frame
    size: Float32  # (2,), width and height in pixels of the frame
    rotation: float = 0.0  # degrees, clockwise as seen
    flip: bool = False  # whether the crop is mirrored

    def matrix(self, input_size: tuple[int, int], codec: Codec) -> Float64:
        """Return the transform (2, 3) from pixels of the frame to pixels of the crop."""
        centre, size = self.centre[None], self.size[None]
        matrix = crop_matrices(centre, size, input_size, codec, self.rotation)[0]
        if self.flip:
            matrix[0] *= -1
            matrix[0, 2] += input_size[1] - 1
        return np.asarray(matrix, np.float64)


def inference_area(box: Box, input_size: tuple[int, int], padding: float = BOX_PADDING) -> CropArea:
    """Return the area that inference shows of a box xyxy."""
    centre, size = centre_and_size(box, input_size, padding)
    return CropArea(centre[0], size[0])


def clipped_normal(rng: Generator, limit: float, sigma: float | None) -> float:
    """Draw a number from a normal distribution that is clipped to -limit and limit.

    Without a `sigma` it is half of the limit.
    """
    number = rng.normal() * (limit / 2 if sigma is None else sigma)
    return float(np.clip(number, -limit, limit))


def half_body_area(
    keypoints: ArrayLike,
    visible: ArrayLike,
    joints: JointSet,
    input_size: tuple[int, int],
    rng: Generator,
) -> CropArea | None:
    """Return the area of the upper or the lower body, or None with too few visible joints."""
    is_visible = np.asarray(visible) > 0
    lower = np.array([name.partition("_")[2] in LOWER_BODY for name in joints.joints])
    if is_visible.sum() <= HALF_BODY_JOINTS:
        return None
    choices = [part for part in (is_visible & ~lower, is_visible & lower) if part.sum() > 2]
    points = np.asarray(keypoints)[choices[rng.integers(len(choices))]]  # (K, 2)
    box = np.concatenate([points.min(0), points.max(0)])
    centre, size = centre_and_size(box, input_size, HALF_BODY_PADDING)
    return CropArea(centre[0], size[0])


def whole_person(record: Record) -> ShownPart:
    """Return a person of whom nothing is cut off."""
    return ShownPart(record, np.zeros(len(record.visible), bool), None)


def cut_off(record: Record, rng: Generator) -> ShownPart:
    """Let the frame of a still end within the person, if that leaves enough joints."""
    side = CUT_SIDES[rng.integers(len(CUT_SIDES))]
    axis, share = side % 2, rng.uniform(*CUT_AT)
    low, high = record.box[axis], record.box[axis + 2]
    far = side >= 2  # the right or the bottom edge
    edge = low + share * (high - low) if far else high - share * (high - low)
    along = record.keypoints[:, axis]
    cut_joints = record.labelled & ((along > edge) if far else (along < edge))
    visible = np.where(cut_joints, 0, record.visible)
    if (visible > 0).sum() < FEWEST_LEFT:
        return whole_person(record)
    x0, y0, x1, y1 = (edge if at == side else value for at, value in enumerate(record.box))
    area = [-np.inf, -np.inf, np.inf, np.inf]
    area[side] = edge
    left = replace(record, box=(x0, y0, x1, y1), visible=visible)
    return ShownPart(left, cut_joints, (area[0], area[1], area[2], area[3]))


def black_outside(image: UInt8, area: Box) -> UInt8:
    """Return an image (h, w, 3) that is black outside an area xyxy, as if its frame ended there."""
    limits = np.array([*image.shape[1::-1], *image.shape[1::-1]])
    x0, y0, x1, y1 = np.rint(np.clip(area, 0, limits)).astype(int)
    blackened = np.zeros_like(image)
    blackened[y0:y1, x0:x1] = image[y0:y1, x0:x1]
    return blackened


def shrink(clip: UInt8, rng: Generator) -> UInt8:
    """Show a clip (T, h, w, 3) as if the person were so small that few pixels are left of it."""
    height, width = clip.shape[1:3]
    factor = rng.uniform(*FAR_AWAY)
    size = (max(round(width / factor), 1), max(round(height / factor), 1))
    small = (cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in clip)
    return np.stack([cv2.resize(frame, (width, height)) for frame in small])


def jitter_boxes(
    frames: int, input_size: tuple[int, int], amount: float, rng: Generator
) -> Float64:
    """Return the transforms (T, 2, 3) from the clip's common crop to a random crop of each frame.

    It is as if each frame's box were moved and scaled by up to `amount` of its size.
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
    """Return per-joint values (T, J, ...) of a mirrored person: left and right change names."""
    return values[:, list(joints.flip_order)]
