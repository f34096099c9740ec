"""Drop gross errors from LSPET's labels: how the stills of the default weights were cleaned.

    python tools/clean_stills.py ../shared/data/lspet/train.json \\
        --teacher ../shared/weights/movenet_thunder_256.onnx --student .work/stage0 \\
        --output .work/clean/lspet.json

A label is dropped (visibility 0) where two networks name one place and the label is far from both.
MoveNet Thunder never saw these labels; the student was trained on them, so it knows what their
makers call a hip or a head, but not each of their slips. Joints that MoveNet does not know stay.
What the networks say is kept beside the output (`.npz`), so other limits need no second look.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from label_clips import Student, Teacher, by_joint
from label_rules import SHARED
from numpy.typing import NDArray

from tarvitpose.data.records import Record, read_image
from tarvitpose.data.sources import read_records
from tarvitpose.files import replace_when_done
from tarvitpose.model.weights import weights_digests
from tarvitpose.provenance import digest, read_facts, require_same, write_facts
from tarvitpose.results import Float32
from tarvitpose.skeleton import POSETRACK_15

SURE = 0.3  # least score of the teacher
TOGETHER = 0.06  # of the box's longer side: at most so far apart, two networks name one place
FAR = 0.15  # of the box's longer side, about half a torso: a label so far from both is dropped
REPORT_EVERY = 160
BATCH = 16

Bools = NDArray[np.bool_]


def gross_errors(
    labels: Float32, teacher: Float32, sure: Bools, student: Float32, side: float
) -> Bools:
    """Return which joints (J,) are far from where both networks see them; points are (J, 2)."""

    def apart(a: Float32, b: Float32) -> Float32:
        return np.asarray(np.linalg.norm(a - b, axis=-1) / side, np.float32)

    one_place = SHARED & sure & (apart(teacher, student) <= TOGETHER)
    return np.asarray(one_place & (apart(labels, teacher) > FAR) & (apart(labels, student) > FAR))


def look(records: list[Record], teacher: Teacher, student: Student) -> dict[str, Float32]:
    """Return where both networks see the joints, (n, J, 2) and (n, J) scores of the teacher.

    The teacher, which is slow, looks only where the student says that a label may be wrong; the
    others have scores of 0.
    """
    points = np.concatenate(list(students_points(records, student)))
    seen, scores = np.zeros_like(points), np.zeros(points.shape[:2], np.float32)
    for at, record in enumerate(records):
        apart = np.linalg.norm(points[at] - record.keypoints, axis=-1) / longer_side(record)
        if not (SHARED & (record.visible > 0) & (apart > FAR)).any():
            continue
        image = read_image(record.frames[0], record.name)
        guess = teacher.look(image, np.array(record.box, np.float32))
        seen[at], scores[at] = guess.points, guess.scores
        if at % REPORT_EVERY == 0:
            print(f"teacher: {at} of {len(records)} people", flush=True)
    return {"teacher": seen, "scores": scores, "student": points}


def students_points(records: list[Record], student: Student) -> Iterator[Float32]:
    """Yield where the student sees the joints, (B, J, 2), of so many people at once."""
    for start in range(0, len(records), BATCH):
        crops, matrices = [], []
        for record in records[start : start + BATCH]:
            image = read_image(record.frames[0], record.name)
            crop, matrix = student.crops(image, np.array([record.box], np.float32))
            crops.append(crop)
            matrices.append(matrix)
        guesses = student.look_at_crops(np.concatenate(crops), np.concatenate(matrices))
        yield np.stack([guess.points for guess in guesses])
        if start % REPORT_EVERY == 0:
            print(f"student: {start} of {len(records)} people", flush=True)


def longer_side(record: Record) -> float:
    """Return the longer side of a person's box, in pixels."""
    left, top, right, bottom = record.box
    return max(right - left, bottom - top)


def cleaned(content: dict[str, Any], wrong: Sequence[Bools]) -> dict[str, Any]:
    """Return COCO annotations without the joints that are wrong, (J,) for each person in turn."""
    people = []
    for person, joints in zip(content["annotations"], wrong, strict=True):
        keypoints = np.array(person["keypoints"], np.float64).reshape(-1, 3)
        keypoints[joints] = 0
        seen = int((keypoints[:, 2] > 0).sum())
        people.append({**person, "keypoints": keypoints.ravel().tolist(), "num_keypoints": seen})
    return {**content, "annotations": people}


def main() -> None:
    """Clean one annotation file."""
    parser = argparse.ArgumentParser(description="Drop gross errors from labels of stills.")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--teacher", type=Path, required=True, help="MoveNet Thunder, ONNX")
    parser.add_argument("--student", required=True, help="weights folder of the student")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    records = read_records("coco", given.annotations, POSETRACK_15)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    kept = given.output.with_suffix(".npz")
    about = kept.with_suffix(".npz.json")
    facts = {
        "annotations": digest(given.annotations),
        "teacher": digest(given.teacher),
        "student": weights_digests(given.student),
    }
    if kept.exists():
        require_same(kept, read_facts(about), facts, "remove it")
    else:
        write_facts(about, facts)
        seen = look(records, Teacher(given.teacher, looks=1), Student(given.student, looks=1))
        with replace_when_done(kept) as path:
            np.savez(path, teacher=seen["teacher"], scores=seen["scores"], student=seen["student"])
    guesses = np.load(kept)
    wrong = []
    for at, record in enumerate(records):
        found = gross_errors(
            record.keypoints,
            guesses["teacher"][at],
            guesses["scores"][at] >= SURE,
            guesses["student"][at],
            longer_side(record),
        )
        wrong.append(found & (record.visible > 0))
    content = json.loads(given.annotations.read_text(encoding="utf-8"))
    with replace_when_done(given.output) as path:
        path.write_text(json.dumps(cleaned(content, wrong)), encoding="utf-8")
    dropped = np.stack(wrong)
    labelled = np.stack([record.visible > 0 for record in records])
    print(f"dropped {dropped.sum()} of {labelled.sum()} joints: {by_joint(dropped.sum(0))}")
    print(f"people with 4 or more: {(dropped.sum(1) >= 4).sum()} of {len(records)}")


if __name__ == "__main__":
    main()
