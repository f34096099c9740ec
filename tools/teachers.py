"""The two teachers that label people for training: MoveNet Thunder and PP-TinyPose.

Both know COCO's joints; here they speak of PoseTrack's 15, of which they lack both ends of the
head. Axes: N people, R looks at one person, J joints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tarvitpose.geometry import centre_and_size, crop_matrices, invert, transform_points, warp
from tarvitpose.heatmaps import decode
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import Float32
from tools.label_rules import FROM_COCO, SHARED, TEACHER_SIDE, Guess, average_looks, read_movenet

LOOKS = (  # shift in box sides, zoom out, whether mirrored
    (0.0, 0.0, 1.0, False),
    (0.0, 0.0, 1.0, True),
    (0.04, -0.04, 1.12, False),
)
TINYPOSE_SIZE = (256, 192)
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
FLIP = list(POSETRACK_15.flip_order)

Image = NDArray[np.uint8]


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open a graph on two threads that sleep while they wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class MoveNet:
    """MoveNet Thunder: square crops, one at a time."""

    def __init__(self, path: Path, looks: int = 3) -> None:
        self._looks = looks
        self._session = open_session(path)
        self._input = self._session.get_inputs()[0].name

    def look(self, image: Image, box: Float32) -> Guess:
        """Look at a person as it is, then mirrored, then through a shifted, wider crop."""
        (centre,), (size,) = centre_and_size(box, (TEACHER_SIDE, TEACHER_SIDE))
        looks = []
        for dx, dy, zoom, mirrored in LOOKS[: self._looks]:
            middle = centre + size * np.array([dx, dy], np.float32)
            matrix = crop_matrices(
                middle[None], zoom * size[None], (TEACHER_SIDE, TEACHER_SIDE), "classic"
            )
            crop = warp(image, matrix[0], (TEACHER_SIDE, TEACHER_SIDE))
            points, scores = self._run(crop, mirrored)
            looks.append((transform_points(invert(matrix), points[None])[0], scores))
        return average_looks(np.stack([p for p, _ in looks]), np.stack([s for _, s in looks]))

    def joints_of_crop(self, crop: Image) -> tuple[Float32, Float32]:
        """Return the joints (J, 2), in pixels of a crop (256, w, 3), and scores (J,)."""
        aside = (TEACHER_SIDE - crop.shape[1]) // 2
        padded = np.pad(crop, ((0, 0), (aside, TEACHER_SIDE - crop.shape[1] - aside), (0, 0)))
        points, scores = self._run(padded, mirrored=False)
        return points - np.array([aside, 0], np.float32), scores

    def _run(self, crop: Image, mirrored: bool) -> tuple[Float32, Float32]:
        ready = (crop[:, ::-1] if mirrored else crop)[None].astype(np.int32)
        (output,) = self._session.run(None, {self._input: np.ascontiguousarray(ready)})
        return read_movenet(np.asarray(output, np.float32).reshape(17, 3), mirrored)


class TinyPose:
    """PP-TinyPose: crops of 256 x 192, all looks in one batch."""

    def __init__(self, path: Path, looks: int = 3) -> None:
        self._looks = LOOKS[:looks]
        self._session = open_session(path)

    def look(self, image: Image, box: Float32) -> Guess:
        """Look at a person as it is, then mirrored, then through a shifted, wider crop."""
        (centre,), (size,) = centre_and_size(box, TINYPOSE_SIZE)
        centres = np.stack([centre + size * np.array(look[:2], np.float32) for look in self._looks])
        sizes = np.stack([size * np.float32(look[2]) for look in self._looks])
        matrices = crop_matrices(centres, sizes, TINYPOSE_SIZE, "classic")
        crops = np.stack([warp(image, matrix, TINYPOSE_SIZE) for matrix in matrices])
        mirrored = np.array([look[3] for look in self._looks])
        points, scores = self.joints_of_crops(crops, mirrored)
        return average_looks(transform_points(invert(matrices), points), scores)

    def joints_of_crops(self, crops: Image, mirrored: NDArray[np.bool_]) -> tuple[Float32, Float32]:
        """Return joints (R, J, 2) in pixels of the crops (R, 256, 192, 3), and scores (R, J).

        Where `mirrored` (R,), the network looks at the mirror image of the crop.
        """
        seen = np.where(mirrored[:, None, None, None], crops[:, :, ::-1], crops)
        ready = ((seen / np.float32(255) - MEAN) / DEVIATION).transpose(0, 3, 1, 2)
        (maps,) = self._session.run(None, {"image": np.ascontiguousarray(ready, np.float32)})
        points, scores = decode(np.asarray(maps, np.float32), TINYPOSE_SIZE, "udp")
        height, width = TINYPOSE_SIZE  # decoded by (w - 1) / 47 pixels; this network has 4
        points = points * np.array([188 / (width - 1), 252 / (height - 1)], np.float32)
        points, scores = points[:, FROM_COCO], scores[:, FROM_COCO] * SHARED
        flipped = points[:, FLIP] * np.array([-1, 1]) + np.array([width - 1, 0])
        points = np.where(mirrored[:, None, None], flipped, points)
        scores = np.where(mirrored[:, None], scores[:, FLIP], scores)
        return points.astype(np.float32), scores.astype(np.float32)
