"""Boxes without a person: which are chosen, and that training reads them as empty heatmaps."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_models import tiny_config

from tarvitpose.data.augment import AugmentConfig
from tarvitpose.data.dataset import ClipDataset
from tarvitpose.data.sources import read_records
from tarvitpose.detection.protocol import Detections
from tarvitpose.results import Frame
from tarvitpose.skeleton import COCO_17, POSETRACK_15
from tarvitpose.utils.arrays import Float32, UInt8
from tools import find_negatives
from tools.teachers import TeacherPose

PERSON = np.array([[100, 50, 160, 230]], np.float32)  # labelled
POLE = np.array([300, 40, 340, 220], np.float32)
STRANGER = np.array([200, 100, 240, 200], np.float32)  # a sure detection without a label


class StubDetector:
    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def detect(self, frame: Frame) -> Detections:
        boxes = np.stack([STRANGER, PERSON[0], POLE])
        return Detections(boxes, np.array([0.8, 0.7, 0.2], np.float32))


class StubTeacher:
    """Sees the nose in every box, and a wrist as well in boxes left of x = 60."""

    def __init__(self, path: Path, views: int) -> None:
        pass

    def predict(self, image: UInt8, box: Float32) -> TeacherPose:
        scores = np.zeros(len(POSETRACK_15), np.float32)
        scores[0], scores[5] = 0.9, 0.9 if box[0] < 60 else 0.1
        return TeacherPose(np.zeros((len(scores), 2), np.float32), scores, scores)


def write_photograph(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    cv2.imwrite(str(folder / "street.png"), rng.integers(0, 255, (240, 400, 3), dtype=np.uint8))
    x, y, right, bottom = PERSON[0].tolist()
    content = {
        "images": [{"id": 7, "file_name": "street.png", "height": 240, "width": 400}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 1,
                "bbox": [x, y, right - x, bottom - y],
                "keypoints": [120, 100, 2] * len(COCO_17),
            }
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}],
    }
    path = folder / "photographs.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def negatives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the tool writes for one photograph of a person, a stranger and a pole."""
    monkeypatch.setattr(find_negatives, "NanoDet", StubDetector)
    monkeypatch.setattr(find_negatives, "TinyPose", StubTeacher)
    output = tmp_path / "negatives.json"
    command = ["find_negatives", str(write_photograph(tmp_path)), str(tmp_path), str(output)]
    monkeypatch.setattr(sys, "argv", command)
    find_negatives.main()
    return output


def test_a_box_is_apart_only_where_neither_covers_a_tenth_of_the_other() -> None:
    people = np.array([[0, 0, 10, 10]], np.float32)
    boxes = np.array(
        [
            [9.1, 0, 19.1, 10],  # shares 9% of both
            [8.9, 0, 18.9, 10],  # 11%
            [-500, -500, 500, 500],  # hardly covered, but the person lies inside
            [2, 2, 3, 3],  # inside the person
        ],
        np.float32,
    )
    assert find_negatives.is_apart(boxes, people).tolist() == [True, False, False, False]
    assert find_negatives.is_apart(boxes, people[:0]).all()


def test_negatives_lie_apart_from_labelled_and_surely_detected_people(negatives: Path) -> None:
    records = read_records("coco", negatives, POSETRACK_15)
    boxes = np.array([record.box for record in records], np.float32)
    assert (np.abs(boxes - POLE).max(1) < 0.1).any()
    assert len(boxes) >= 3  # random ones as well
    assert find_negatives.is_apart(boxes, np.stack([PERSON[0], STRANGER])).all()
    assert (boxes[:, 0] >= 60).all()  # left of that the teacher sees two joints


def test_training_reads_negatives_as_empty_heatmaps(negatives: Path) -> None:
    records = read_records("coco", negatives, POSETRACK_15)
    augment = AugmentConfig(
        absent=0.5,
        crowd=1,
        half_body=0.5,
        truncate=0.5,
        rotation=40,
        scale=0.3,
        joint_weights=False,
    )
    clips = ClipDataset(records, tiny_config(offsets=()), augment)
    for epoch in range(8):
        clip = clips[epoch, epoch % len(records)]
        assert not clip["targets"].any()
        known = [name in COCO_17.joints for name in POSETRACK_15.joints]
        assert (clip["weights"].numpy() == np.where(known, np.float32(0.5), 0)).all()
