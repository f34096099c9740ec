"""The two teachers that label people for training: MoveNet Thunder and PP-TinyPose.

Both predict COCO's joints. Here they return PoseTrack's 15, with score 0 for both ends of the head,
which COCO lacks. Axes: R augmented views of one person, J joints.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tarvitpose.geometry import centre_and_size, crop_matrices, invert, transform_points, warp
from tarvitpose.heatmaps import STRIDE, decode, flip_back, heatmap_scale
from tarvitpose.skeleton import COCO_17, POSETRACK_15
from tarvitpose.utils.arrays import Float32

VIEWS = (  # shift in crop sides (x, y), scale of the crop, mirrored or not
    (0.0, 0.0, 1.0, False),
    (0.0, 0.0, 1.0, True),
    (0.04, -0.04, 1.12, False),
)
TINYPOSE_SIZE = (256, 192)
# x, y: `decode` scales by (width - 1) / 47; this network by 4.
FROM_UDP = STRIDE * heatmap_scale(TINYPOSE_SIZE, "udp")
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
FLIP = list(POSETRACK_15.flip_order)
MOVENET_SIDE = 256
JOINTS = POSETRACK_15.joints
KNOWN = np.array([name in COCO_17.joints for name in JOINTS])  # (J,), not the ends of the head
FROM_COCO = np.array(
    [COCO_17.joints.index(name) if name in COCO_17.joints else 0 for name in JOINTS]
)


Image = NDArray[np.uint8]


class TeacherPose(NamedTuple):
    """The joints of one person by one network, over all views."""

    points: Float32  # (J, 2), the mean, pixels of the frame
    scores: Float32  # (J,), the mean, 0..1
    spread: Float32  # (J,), the largest distance of a view from the mean, pixels


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open a graph that runs on two threads, which do not spin while they wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def average_views(points: Float32, scores: Float32) -> TeacherPose:
    """Return the mean and spread of views, points (R, J, 2) and scores (R, J)."""
    mean = points.mean(0)
    spread = np.linalg.norm(points - mean, axis=-1).max(0)
    return TeacherPose(mean, scores.mean(0), spread)


def read_movenet(output: Float32, mirrored: bool) -> tuple[Float32, Float32]:
    """Turn MoveNet's rows (17, 3) of y, x, score into crop pixels (J, 2) and scores (J,).

    Joints that MoveNet does not predict have score 0. Points of a mirrored crop are mirrored back,
    with left and right swapped.
    """
    rows = output[list(COCO_17.flip_order)] if mirrored else output
    points = rows[FROM_COCO, 1::-1] * MOVENET_SIDE
    if mirrored:
        points[:, 0] = MOVENET_SIDE - points[:, 0]
    return points.astype(np.float32), (rows[FROM_COCO, 2] * KNOWN).astype(np.float32)


class MoveNet:
    """MoveNet Thunder: square crops, one at a time."""

    def __init__(self, path: Path, views: int = 3) -> None:
        self._views = VIEWS[:views]
        self._session = open_session(path)
        self._input = self._session.get_inputs()[0].name

    def predict(self, image: Image, box: Float32) -> TeacherPose:
        """Return the pose of a person: the mean of plain, mirrored, and shifted wider crops."""
        (centre,), (size,) = centre_and_size(box, (MOVENET_SIDE, MOVENET_SIDE))
        views = []
        for dx, dy, zoom, mirrored in self._views:
            middle = centre + size * np.array([dx, dy], np.float32)
            matrix = crop_matrices(
                middle[None], zoom * size[None], (MOVENET_SIDE, MOVENET_SIDE), "classic"
            )
            crop = warp(image, matrix[0], (MOVENET_SIDE, MOVENET_SIDE))
            points, scores = self._run(crop, mirrored)
            views.append((transform_points(invert(matrix), points[None])[0], scores))
        return average_views(np.stack([p for p, _ in views]), np.stack([s for _, s in views]))

    def joints_of_crop(self, crop: Image) -> tuple[Float32, Float32]:
        """Return the joints (J, 2), in pixels of a crop (256, w, 3), and scores (J,)."""
        left = (MOVENET_SIDE - crop.shape[1]) // 2
        padded = np.pad(crop, ((0, 0), (left, MOVENET_SIDE - crop.shape[1] - left), (0, 0)))
        points, scores = self._run(padded, mirrored=False)
        return points - np.array([left, 0], np.float32), scores

    def _run(self, crop: Image, mirrored: bool) -> tuple[Float32, Float32]:
        ready = (crop[:, ::-1] if mirrored else crop)[None].astype(np.int32)
        (output,) = self._session.run(None, {self._input: np.ascontiguousarray(ready)})
        return read_movenet(np.asarray(output, np.float32).reshape(17, 3), mirrored)


class TinyPose:
    """PP-TinyPose: crops of 256 x 192, all views in one batch."""

    def __init__(self, path: Path, views: int = 3) -> None:
        self._views = VIEWS[:views]
        self._session = open_session(path)

    def predict(self, image: Image, box: Float32) -> TeacherPose:
        """Return the pose of a person: the mean of plain, mirrored, and shifted wider crops."""
        (centre,), (size,) = centre_and_size(box, TINYPOSE_SIZE)
        centres = np.stack([centre + size * np.array(view[:2], np.float32) for view in self._views])
        sizes = np.stack([size * np.float32(view[2]) for view in self._views])
        matrices = crop_matrices(centres, sizes, TINYPOSE_SIZE, "classic")
        crops = np.stack([warp(image, matrix, TINYPOSE_SIZE) for matrix in matrices])
        mirrored = np.array([view[3] for view in self._views])
        points, scores = self.joints_of_crops(crops, mirrored)
        return average_views(transform_points(invert(matrices), points), scores)

    def joints_of_crop(self, crop: Image) -> tuple[Float32, Float32]:
        """Return the joints (J, 2), in pixels of a crop (256, 192, 3), and scores (J,)."""
        points, scores = self.joints_of_crops(crop[None], np.zeros(1, bool))
        return points[0], scores[0]

    def joints_of_crops(self, crops: Image, mirrored: NDArray[np.bool_]) -> tuple[Float32, Float32]:
        """Return joints (R, J, 2) in pixels of the crops (R, 256, 192, 3), and scores (R, J).

        Where `mirrored` (R,) is true, the network reads the mirrored crop.
        """
        maps = self._run(np.where(mirrored[:, None, None, None], crops[:, :, ::-1], crops))
        points, scores = decode(maps, TINYPOSE_SIZE, "udp")
        points = points * FROM_UDP
        width = TINYPOSE_SIZE[1]
        points, scores = points[:, FROM_COCO], scores[:, FROM_COCO] * KNOWN
        flipped = points[:, FLIP] * np.array([-1, 1]) + np.array([width - 1, 0])
        points = np.where(mirrored[:, None, None], flipped, points)
        scores = np.where(mirrored[:, None], scores[:, FLIP], scores)
        return points.astype(np.float32), scores.astype(np.float32)

    def heatmaps_of_crops(self, crops: Image) -> Float32:
        """Return heatmaps (N, J, 64, 48) of crops (N, 256, 192, 3), on the grid of codec "udp".

        They are the mean of the crop's and of its mirror image's, turned back. Those of joints that
        COCO lacks are empty.
        """
        mirrored = flip_back(self._udp_heatmaps(crops[:, :, ::-1]), POSETRACK_15.flip_order, "udp")
        return np.asarray((self._udp_heatmaps(crops) + mirrored) / 2, np.float32)

    def _udp_heatmaps(self, crops: Image) -> Float32:
        maps = self._run(crops)[:, FROM_COCO] * KNOWN[:, None, None]
        grid = np.column_stack([np.diag(FROM_UDP), np.zeros(2)])  # to udp's pixels
        height, width = maps.shape[2:]
        flat = [
            cv2.warpAffine(each, grid, (width, height)) for each in maps.reshape(-1, height, width)
        ]
        return np.stack(flat).reshape(maps.shape)

    def _run(self, crops: Image) -> Float32:
        """Return the network's heatmaps (N, 17, 64, 48) of crops (N, 256, 192, 3)."""
        ready = ((crops / np.float32(255) - MEAN) / DEVIATION).transpose(0, 3, 1, 2)
        (maps,) = self._session.run(None, {"image": np.ascontiguousarray(ready, np.float32)})
        return np.asarray(maps, np.float32)
