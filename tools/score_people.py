"""Score the two teachers as `tarvitpose evaluate` scores weights, in the labelled boxes.

    python -m tools.score_people weights --annotations data/default/photographs_val.json \\
        --images data/coco_kpt
    python -m tools.score_people weights --annotations data/default/jhmdb/annotations/val \\
        --images data/default/jhmdb --every 4
    python -m tools.score_people weights --annotations data/lspet/val.json \\
        --degradations clean,motion_blur

`weights` is the folder of the teachers' graphs. Only joints that COCO names count. With
`--degradations` they read the current frames of the clips that `evaluate --degradations` makes of
the same people, and are scored by PCK@0.2 of the torso.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tarvitpose.cli.evaluate_options import parse_degradations
from tarvitpose.cli.tables import drawn, headline_table
from tarvitpose.config import window_offsets
from tarvitpose.data.dataset import validation_clips
from tarvitpose.data.records import Record, read_image
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.datasets import LabelledVideo, every_nth, read_labelled
from tarvitpose.evaluation.people_scores import (
    cells_of,
    labelled_joints,
    people_comparisons,
    tabulated,
)
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.pck import hits, torso_size
from tarvitpose.skeleton import COCO_17, POSETRACK_15
from tarvitpose.utils.arrays import Float32
from tarvitpose.weights.folder import load_config
from tools.teachers import MoveNet, TinyPose

SAMPLES = 1000  # draws of images or clips


def predicted_joints(teacher: MoveNet | TinyPose, videos: Sequence[LabelledVideo]) -> Float32:
    """Return a teacher's joints (N, 15, 2) of all labelled people."""
    people = [
        teacher.predict(read_image(frame.frames[frame.current], frame.name), box).points
        for video in videos
        for frame in video.frames
        for box in frame.people.boxes
    ]
    return np.stack(people).astype(np.float32)


def score_degraded(
    teachers: dict[str, MoveNet | TinyPose], records: list[Record], names: str
) -> None:
    """Print the teachers' PCK on degraded crops."""
    config = load_config("default")
    middle = window_offsets(config.offsets)[1]
    comparisons = []
    for degradation in parse_degradations(names):
        clips = validation_clips(records, config, degradation)
        items = [clips[at] for at in range(len(clips))]
        truth = np.stack([item["keypoints"].numpy() for item in items])
        visible = np.stack([item["visible"].numpy() for item in items]) > 0
        torso = torso_size(truth, visible, config.joints)
        seen = visible & np.isfinite(torso)[:, None]
        right = {}
        for name, teacher in teachers.items():
            points = [teacher.joints_of_crop(item["clip"][middle].numpy())[0] for item in items]
            right[name] = hits(np.stack(points), truth, torso, TORSO_SHARE).astype(np.float64)
        cells, units = cells_of(right, seen, config.joints), np.arange(len(items))
        comparisons.append(tabulated(degradation, cells, units, SAMPLES, ""))
    print(drawn(headline_table(comparisons)))


def main() -> None:
    """Print the teachers' rows of every metric."""
    parser = argparse.ArgumentParser(description="Score the teachers on labelled people.")
    parser.add_argument("teachers", type=Path, help="folder of the teachers' graphs")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--every", type=int, default=1, help="one of so many labelled frames")
    parser.add_argument("--degradations", help="names or all; for stills")
    given = parser.parse_args()
    teachers: dict[str, MoveNet | TinyPose] = {
        "PP-TinyPose": TinyPose(given.teachers / "tinypose_256x192.onnx", views=1),
        "MoveNet Thunder": MoveNet(given.teachers / "movenet_thunder_256.onnx", views=1),
    }
    if given.degradations is not None:
        records = read_records(None, given.annotations, POSETRACK_15, given.images)
        score_degraded(teachers, records, given.degradations)
        return
    videos = read_labelled(None, given.annotations, POSETRACK_15, images=given.images)
    if given.every > 1:
        videos = every_nth(videos, given.every)
    predicted = {name: predicted_joints(teacher, videos) for name, teacher in teachers.items()}
    truth = labelled_joints(videos, POSETRACK_15, COCO_17.joints)
    print(drawn(headline_table(people_comparisons(truth, predicted, SAMPLES))))


if __name__ == "__main__":
    main()
