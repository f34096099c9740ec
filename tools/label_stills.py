"""Label people of stills by two teachers, or clean and complete the labels that they have.

    python -m tools.label_stills data/people/train.json data/default/people.json \\
        --held-out configs/default/held_out_photographs.txt
    python -m tools.label_stills data/lspet/train.json data/default/lspet.json --keep-labels

Without `--keep-labels` all joints are replaced by the teachers'. With it, only labels far from
where both teachers agree are dropped, and joints without a label get one where a teacher is sure.
`keypoint_weights` of the output is the trust in each joint. Both ends of the head, which teachers
do not predict, are unchanged. The teachers' poses are stored beside the output (`.npz`), so that
another run with other limits does not predict again. Pictures made of photographs that are held
out for validation are left out.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.data.records import Record, read_image
from tarvitpose.data.sources import read_records
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import Bools, Float32
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.json_file import write_json
from tools.hold_out_photographs import read_held_out, without_held_out
from tools.label_rules import Consensus, consensus
from tools.teachers import KNOWN, MoveNet, TeacherPose, TinyPose

FAR = 0.15  # of the box's longer side: a label further from both teachers is dropped
PRINT_EVERY = 400


def gross_errors(labels: Float32, visible: Float32, teachers: Consensus, side: float) -> Bools:
    """Return which labels (J,) are far from where both teachers have the joint."""
    distance = np.linalg.norm(labels - teachers.points, axis=-1)
    return np.asarray((visible > 0) & teachers.agreed & (distance > FAR * side))


def relabelled(
    record: Record, teachers: Consensus, side: float, *, keep: bool
) -> tuple[Float32, Float32, Bools]:
    """Return joints (J, 3) of x, y, v, the trust in them (J,), and which labels were dropped."""
    labels, visible = record.keypoints, record.visible * (keep | ~KNOWN)
    wrong = gross_errors(labels, visible, teachers, side)
    human = (visible > 0) & ~wrong
    added = ~human & ~wrong & (teachers.trust > 0)
    points = np.where(human[:, None], labels, teachers.points * added[:, None])
    trust = np.where(human, 1.0, teachers.trust * added).astype(np.float32)
    return np.column_stack([points, human | added]).astype(np.float32), trust, wrong


def predict(records: list[Record], folder: Path) -> dict[str, Float32]:
    """Return the poses of both teachers: points (N, 2, J, 2), scores and spreads (N, 2, J)."""
    teachers = (
        TinyPose(folder / "tinypose_256x192.onnx"),
        MoveNet(folder / "movenet_thunder_256.onnx", views=1),
    )
    points, scores, spread = [], [], []
    for at, record in enumerate(records):
        image = read_image(record.frames[0], record.name)
        poses = [teacher.predict(image, np.array(record.box, np.float32)) for teacher in teachers]
        points.append([pose.points for pose in poses])
        scores.append([pose.scores for pose in poses])
        spread.append([pose.spread for pose in poses])
        if at % PRINT_EVERY == 0:
            print(f"{at} of {len(records)} people", flush=True)
    return {"points": np.array(points), "scores": np.array(scores), "spread": np.array(spread)}


def longer_side(record: Record) -> float:
    """Return the longer side of a person's box, in pixels."""
    left, top, right, bottom = record.box
    return max(right - left, bottom - top)


def with_labels(content: dict[str, Any], labels: list[tuple[Float32, Float32]]) -> dict[str, Any]:
    """Return COCO annotations with new joints (J, 3) and trust (J,) of each person."""
    people = []
    for person, (keypoints, trust) in zip(content["annotations"], labels, strict=True):
        new = {
            "keypoints": [round(float(value), 2) for value in keypoints.ravel()],
            "keypoint_weights": [round(float(value), 3) for value in trust],
            "num_keypoints": int((keypoints[:, 2] > 0).sum()),
        }
        people.append({**person, **new})
    return {**content, "annotations": people}


def main() -> None:
    """Label one annotation file of PoseTrack's 15 joints."""
    parser = argparse.ArgumentParser(description="Label people of stills by two teachers.")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--teachers", type=Path, default=Path("weights"), help="folder")
    parser.add_argument("--keep-labels", action="store_true")
    parser.add_argument("--held-out", type=Path, help="ids of COCO's photographs, one per line")
    given = parser.parse_args()
    content = json.loads(given.annotations.read_text(encoding="utf-8"))
    records = read_records("coco", given.annotations, POSETRACK_15)
    if len(records) != len(content["annotations"]):
        raise SystemExit(f"{given.annotations}: a person without joints")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    cache = given.output.with_suffix(".npz")
    if not cache.exists():
        predicted = predict(records, given.teachers)
        with atomic_file(cache) as path:
            np.savez(path, **predicted)  # type: ignore[arg-type]
    stored = np.load(cache)
    labels, dropped = [], 0
    for record, *both in zip(
        records, *(stored[k] for k in ("points", "scores", "spread")), strict=True
    ):
        tinypose, movenet = (TeacherPose(*parts) for parts in zip(*both, strict=True))
        side = longer_side(record)
        keypoints, trust, wrong = relabelled(
            record, consensus(tinypose, movenet, side), side, keep=given.keep_labels
        )
        labels.append((keypoints, trust))
        dropped += int(wrong.sum())
    held_out = read_held_out(given.held_out) if given.held_out else set()
    labelled = without_held_out(with_labels(content, labels), held_out)
    write_json(given.output, labelled, indent=None)
    before = sum(int((record.visible > 0).sum()) for record in records)
    after = sum(int((keypoints[:, 2] > 0).sum()) for keypoints, _ in labels)
    print(f"{len(records)} people: {before} labels before, {dropped} dropped, {after} after")


if __name__ == "__main__":
    main()
