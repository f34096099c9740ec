"""Boxes, crop transforms and warps with numpy and OpenCV.   Axes: N people, h w a crop's size."""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tarvitpose.config import BOX_PADDING, Codec, ModelConfig
from tarvitpose.utils.arrays import Float32, UInt8

Number = TypeVar("Number", np.float32, np.float64)
IMAGE_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGE_STD = np.array([0.229, 0.224, 0.225], np.float32)


def xywh_to_xyxy(boxes: ArrayLike) -> Float32:
    """Turn boxes (..., 4) of left, top, width, height into left, top, right, bottom.

    >>> xywh_to_xyxy([10, 20, 5, 6]).tolist()
    [10.0, 20.0, 15.0, 26.0]
    """
    boxes = np.array(boxes, np.float32)
    boxes[..., 2:] += boxes[..., :2]
    return boxes


def xyxy_to_xywh(boxes: ArrayLike) -> Float32:
    """Turn boxes (..., 4) of left, top, right, bottom into left, top, width, height."""
    boxes = np.array(boxes, np.float32)
    boxes[..., 2:] -= boxes[..., :2]
    return boxes


def shared_area(first: NDArray[Number], second: NDArray[Number]) -> NDArray[Number]:
    """Return the area that boxes xyxy (..., 4) share with others; 0 where they do not meet."""
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    return np.asarray((high - low).clip(min=0).prod(-1))


def box_area(boxes: NDArray[Number]) -> NDArray[Number]:
    """Return the area of boxes xyxy (..., 4)."""
    return np.asarray((boxes[..., 2:] - boxes[..., :2]).prod(-1))


def box_iou(first: ArrayLike, second: ArrayLike) -> Float32:
    """Return the intersection over union of boxes xyxy, (N, 4) and (M, 4) -> (N, M).

    >>> box_iou([[0, 0, 2, 2]], [[0, 0, 2, 1], [5, 5, 6, 6]]).tolist()
    [[0.5, 0.0]]
    """
    a = np.asarray(first, np.float32).reshape(-1, 1, 4)
    b = np.asarray(second, np.float32).reshape(1, -1, 4)
    intersection = shared_area(a, b)
    union = box_area(a) + box_area(b) - intersection
    return np.asarray(intersection / np.maximum(union, 1e-9), np.float32)


def centre_and_size(
    boxes: ArrayLike, input_size: tuple[int, int], padding: float = BOX_PADDING
) -> tuple[Float32, Float32]:
    """Return centre and size, (N, 2) each as (x, y), of the area that a crop of each box shows.

    The shorter side grows to the aspect of `input_size` (height, width), then both by `padding`.
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    centre = np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float32)
    width, height = np.maximum(boxes[:, 2:] - boxes[:, :2], 1).T
    aspect = input_size[1] / input_size[0]
    size = np.stack([np.maximum(width, height * aspect), np.maximum(height, width / aspect)], 1)
    return centre, size * np.float32(padding)


def crop_matrices(
    centre: ArrayLike,
    size: ArrayLike,
    input_size: tuple[int, int],
    codec: Codec,
    rotation: ArrayLike = 0.0,
) -> Float32:
    """Return the transforms (N, 2, 3) from pixels of the frame to pixels of the crops.

    `centre` and `size` are (N, 2) in frame pixels, `rotation` is (N,) or one angle in degrees,
    clockwise as seen. With "udp" the area spans the crop from the first pixel's centre to the
    last one's (unbiased, ViTPose); with "classic" from edge to edge (HRNet).
    """
    centre, size = np.asarray(centre, np.float64), np.asarray(size, np.float64)
    span = np.array(input_size[::-1], np.float64) - (1 if codec == "udp" else 0)
    scale = span / size  # (N, 2)
    angle = np.broadcast_to(np.deg2rad(np.asarray(rotation, np.float64)), centre.shape[:1])
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)  # (N, 2, 2)
    linear = scale[:, :, None] * turn
    shift = span / 2 - np.einsum("nij,nj->ni", linear, centre)
    return np.concatenate([linear, shift[:, :, None]], -1).astype(np.float32)


def box_matrices(boxes: ArrayLike, config: ModelConfig) -> Float32:
    """Return the transforms (N, 2, 3) from the frame to the crops that a network has of boxes.

    `boxes` (N, 4) are xyxy.
    """
    areas = centre_and_size(boxes, config.input_size, config.box_padding)
    return crop_matrices(*areas, config.input_size, config.codec)


def invert(matrices: ArrayLike) -> Float32:
    """Return the inverse transforms, (N, 2, 3)."""
    matrices = np.asarray(matrices, np.float64)
    linear = np.linalg.inv(matrices[..., :2])
    shift = -linear @ matrices[..., 2:]
    return np.concatenate([linear, shift], -1).astype(np.float32)


def transform_points(matrices: ArrayLike, points: ArrayLike) -> Float32:
    """Apply transforms (N, 2, 3) to points (N, K, 2)."""
    matrices, points = np.asarray(matrices, np.float32), np.asarray(points, np.float32)
    moved = points @ matrices[..., :2].swapaxes(-1, -2) + matrices[..., None, :, 2]
    return np.asarray(moved, np.float32)


def warp(image: UInt8, matrix: ArrayLike, input_size: tuple[int, int]) -> UInt8:
    """Cut a crop (h, w, 3) out of an image; pixels outside the image are black."""
    size = input_size[::-1]
    return np.asarray(cv2.warpAffine(image, np.asarray(matrix), size, flags=cv2.INTER_LINEAR))


def normalise(crops: UInt8) -> Float32:
    """Normalise RGB crops (N, h, w, 3) for the network, (N, 3, h, w)."""
    scale = 1 / (255 * IMAGE_STD)
    return np.ascontiguousarray((crops * scale - IMAGE_MEAN / IMAGE_STD).transpose(0, 3, 1, 2))
