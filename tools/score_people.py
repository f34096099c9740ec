"""Score the two teachers as `tarvitpose evaluate` scores weights, in the labelled boxes.

    python -m tools.score_people weights --annotations data/default/photographs_val.json \\
        --images data/coco_kpt
    python -m tools.score_people weights --annotations data/default/jhmdb/annotations/val \\
        --images data/default/jhmdb --every 4

`weights` is the folder of the teachers' graphs. Only joints that COCO names count.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tarvitpose.cli.tables import drawn, headline_table
from tarvitpose.data.records import read_image
from tarvitpose.evaluation.datasets import LabelledVideo, every_nth, read_labelled
from tarvitpose.evaluation.people_scores import labelled_joints, people_comparisons
from tarvitpose.skeleton import COCO_17, POSETRACK_15
from tarvitpose.utils.arrays import Float32
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


def main() -> None:
    """Print the teachers' rows of every metric."""
    parser = argparse.ArgumentParser(description="Score the teachers on labelled people.")
    parser.add_argument("teachers", type=Path, help="folder of the teachers' graphs")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--every", type=int, default=1, help="one of so many labelled frames")
    given = parser.parse_args()
    videos = read_labelled(None, given.annotations, POSETRACK_15, images=given.images)
    if given.every > 1:
        videos = every_nth(videos, given.every)
    teachers: dict[str, MoveNet | TinyPose] = {
        "PP-TinyPose": TinyPose(given.teachers / "tinypose_256x192.onnx", views=1),
        "MoveNet Thunder": MoveNet(given.teachers / "movenet_thunder_256.onnx", views=1),
    }
    predicted = {name: predicted_joints(teacher, videos) for name, teacher in teachers.items()}
    truth = labelled_joints(videos, POSETRACK_15, COCO_17.joints)
    print(drawn(headline_table(people_comparisons(truth, predicted, SAMPLES))))


if __name__ == "__main__":
    main()
