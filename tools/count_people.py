"""Count the labelled people of photographs whom `predict` shows, and the boxes without a label.

    python -m tools.count_people data/default/photographs_val.json data/coco_kpt

A person is found where a box has an IoU of at least 0.5, one box for one person. People up to 32
pixels large (the root of the box's area) do not count. The interval is over draws of photographs.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tarvitpose import PoseEstimator
from tarvitpose.geometry import box_area, box_iou
from tarvitpose.metrics.pck import ratio_interval
from tarvitpose.utils.arrays import Bools, Float32
from tarvitpose.utils.assignment import assign
from tools.find_negatives import labelled_boxes

SAME = 0.5  # overlap (IoU) from which a box is a labelled person's
SMALLEST = 32  # pixels


def matched(labels: Float32, boxes: Float32) -> tuple[Bools, Bools]:
    """Return which labels (N, 4) have a box, (N,), and which boxes (M, 4) a label, (M,)."""
    overlap = box_iou(labels, boxes)
    benefit = np.where(overlap >= SAME, 1 + overlap, 0)  # as many as possible, then the nearest
    rows, columns = assign(benefit)
    is_pair = benefit[rows, columns] > 0
    have = np.zeros(len(labels), bool), np.zeros(len(boxes), bool)
    have[0][rows[is_pair]] = have[1][columns[is_pair]] = True
    return have


def counts(annotations: Path, images: Path, estimator: PoseEstimator) -> Iterator[list[int]]:
    """Yield for each photograph how many are found, how many there are, and other boxes."""
    content = json.loads(annotations.read_text(encoding="utf-8"))
    people = labelled_boxes(content)
    for image in content["images"]:
        labels = np.array(people.get(image["id"], []), np.float32).reshape(-1, 4)
        (poses,) = estimator.stream(images / image["file_name"])
        found, known = matched(labels, poses.boxes)
        counted = np.sqrt(box_area(labels)) > SMALLEST
        yield [int((found & counted).sum()), int(counted.sum()), int((~known).sum())]


def main() -> None:
    """Print the counts of one annotation file."""
    parser = argparse.ArgumentParser(description="Count the labelled people who are shown.")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    given = parser.parse_args()
    rows = np.array([*counts(given.annotations, given.images, PoseEstimator.from_pretrained())])
    found, people, others = rows.sum(0).tolist()
    low, high = ratio_interval(100 * rows[:, 0], rows[:, 1])
    print(
        f"{found} of {people} people found ({100 * found / people:.1f}%, {low:.1f} to "
        f"{high:.1f}), {others} boxes without a label, {len(rows)} photographs"
    )


if __name__ == "__main__":
    main()
