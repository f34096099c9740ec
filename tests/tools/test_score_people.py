"""tools/score_people.py: means over people, joint by joint, computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tarvitpose.data.records import Record
from tarvitpose.skeleton import POSETRACK_15
from tools import score_people

ELBOW, WRIST = (POSETRACK_15.joints.index(f"left_{name}") for name in ("elbow", "wrist"))


def person(name: str, joints: list[int]) -> Record:
    visible = np.zeros(15, np.float32)
    visible[joints] = 1
    return Record(f"{name}#1", (Path(name),), 0, (0, 0, 50, 100), np.zeros((15, 2)), visible)


def test_every_person_counts_the_same_however_many_joints_are_labelled() -> None:
    records = [person("a.jpg", [ELBOW, WRIST]), person("b.jpg", [ELBOW]), person("c.jpg", [])]
    size = np.array([100.0, 100.0, 100.0])
    people = score_people.People(
        records, score_people.within(0.2 * size), score_people.images_of(records)
    )
    joints = np.zeros((3, 15, 2), np.float32)
    joints[0, WRIST] = 0, 21  # more than a fifth of the box
    mean, (low, high), each = people.score(joints)
    assert mean == pytest.approx(75)  # one half and one whole; nobody is labelled in c.jpg
    assert (low, high) == (50, 100)
    elbow, wrist = (score_people.NAMES.index(f"left_{name}") for name in ("elbow", "wrist"))
    assert each[[elbow, wrist]].tolist() == [100, 0]


def test_oks_falls_to_its_known_value_one_sigma_away(tmp_path: Path) -> None:
    keypoints = [0, 0, 0] * 15
    keypoints[3 * WRIST : 3 * WRIST + 3] = [40, 40, 2]
    annotation = {"id": 5, "image_id": 1, "category_id": 1, "bbox": [0, 0, 80, 90], "area": 3600}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{**annotation, "keypoints": keypoints}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(POSETRACK_15.joints)}],
    }
    path = tmp_path / "people.json"
    path.write_text(json.dumps(content))
    people = score_people.photographs(path, tmp_path)
    joints = np.zeros((1, 15, 2), np.float32)
    joints[0, WRIST] = 40 + 2 * 0.062 * 60, 40  # COCO's k = 2 sigma of a wrist, area 60 squared
    mean, _, _ = people.score(joints)
    assert mean == pytest.approx(100 * np.exp(-0.5), abs=1e-3)
