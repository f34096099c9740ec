"""Whom a box finds, and which boxes have no label."""

from pathlib import Path

import numpy as np

from tarvitpose.results import FramePoses
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.json_file import write_json
from tools.count_people import counts, matched

ONE, TWO = [0.0, 0, 40, 100], [50.0, 0, 90, 100]


def test_one_box_finds_one_person() -> None:
    labels, boxes = np.float32([ONE, TWO]), np.float32([ONE, [4, 0, 44, 100], [0, 0, 60, 100]])
    found, known = matched(labels, boxes)
    assert (found.tolist(), known.tolist()) == ([True, False], [True, False, False])
    found, known = matched(np.float32([ONE, [8, 0, 48, 100]]), boxes[:2])
    assert found.all()
    assert known.all()
    empty = np.zeros((0, 4), np.float32)
    assert [each.tolist() for each in matched(labels, empty)] == [[False, False], []]
    assert [each.tolist() for each in matched(empty, boxes)] == [[], [False] * 3]


class Shows:
    """Stands for an estimator that shows two boxes in each photograph."""

    def stream(self, source: Path) -> list[FramePoses]:
        boxes = np.float32([ONE, [0, 0, 20, 20]])
        joints = np.zeros((2, len(POSETRACK_15), 2), np.float32)
        return [
            FramePoses(
                index=0,
                time=0.0,
                image_size=(100, 100),
                keypoints=joints,
                scores=joints[..., 0],
                boxes=boxes,
                box_scores=np.ones(2, np.float32),
                track_ids=np.array([1, 2]),
                joint_names=POSETRACK_15.joints,
            )
        ]


def test_small_people_count_neither_as_found_nor_as_others(tmp_path: Path) -> None:
    boxes = [(1, [0, 0, 40, 100]), (1, [50, 0, 40, 100]), (2, [0, 0, 20, 20])]
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2)],
        "annotations": [{"image_id": image, "bbox": box} for image, box in boxes],
    }
    write_json(tmp_path / "people.json", content, indent=None)
    rows = [*counts(tmp_path / "people.json", tmp_path, Shows())]  # type: ignore[arg-type]
    assert rows == [[1, 2, 1], [0, 0, 1]]
