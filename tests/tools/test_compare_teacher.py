"""The teacher reads the model's crops, and its joints are mapped back into the frame."""

from typing import Any

import numpy as np
from tiny_models import tiny_model

from tarvitpose.inference.predictor import Predictor
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.skeleton import COCO_17, POSETRACK_15
from tarvitpose.utils.arrays import Float32, UInt8
from tools import compare_teacher
from tools.teachers import KNOWN

BRIGHT = (300, 200)  # x and y of a white pixel


class BrightestPixel:
    """A teacher that puts every joint on the brightest pixel of a crop."""

    def joints_of_crop(self, crop: UInt8) -> tuple[Float32, Float32]:
        y, x = np.unravel_index(crop[..., 0].argmax(), crop.shape[:2])
        return np.tile(np.float32([x, y]), (15, 1)), np.where(KNOWN, np.float32(0.5), 0)


def test_the_teachers_joints_are_mapped_back_into_the_frame() -> None:
    frame = np.zeros((400, 500, 3), np.uint8)
    frame[BRIGHT[1] - 4 : BRIGHT[1] + 5, BRIGHT[0] - 4 : BRIGHT[0] + 5] = 100
    frame[BRIGHT[1] - 1 : BRIGHT[1] + 2, BRIGHT[0] - 1 : BRIGHT[0] + 2] = 255
    boxes = np.float32([[250, 100, 350, 350], [200, 150, 380, 300]])
    like = Predictor(TorchEngine(tiny_model(input_size=(256, 192)), device="cpu"))
    teacher: Any = BrightestPixel()
    predictor = compare_teacher.TeacherPredictor(teacher, like)
    both, nobody = predictor.joints([[frame], [frame]], [boxes, boxes[:0]])
    points, scores = both.keypoints, both.scores
    assert points.shape == (2, 17, 2)
    assert nobody.keypoints.shape == (0, 17, 2)
    known = np.isin(COCO_17.joints, POSETRACK_15.joints)
    assert np.abs(points[:, known] - BRIGHT).max() < 3
    assert (scores == np.where(known, np.float32(0.5), 0)).all()  # it does not know heads
    assert predictor.config.joints == COCO_17
