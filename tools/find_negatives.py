"""Collect boxes without a person, so that a training also shows what must have empty heatmaps.

    python -m tools.find_negatives data/default/photographs_train.json data/coco_kpt \\
        data/default/photographs_negatives.json

Boxes are what the detector takes for a person with some doubt, and random upright ones, where they
lie apart from every labelled person and a teacher sees hardly any joint. In the COCO file that is
written all joints are labelled far outside the image, which training reads as empty heatmaps.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.data.records import read_image
from tarvitpose.detection.nanodet import NanoDet
from tarvitpose.geometry import box_area, shared_area
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import Bools, Float32
from tarvitpose.utils.json_file import write_json
from tools.teachers import TinyPose

FAR_OUTSIDE = -1e6  # pixels
RANDOM_BOXES = 12  # tried in each image
HEIGHTS = (0.15, 0.8)  # of random boxes, in heights of the image
ASPECTS = (0.2, 0.9)  # their width by their height
LEAST_SCORE, MOST_SCORE = 0.08, 0.4  # of the detector: above, it may be a person without labels
MOST_COVERED = 0.1  # share of a box that a labelled person may cover
SURE_JOINT = 0.35  # a box in which the teacher gives two joints a higher score shows somebody
SMALLEST = 32  # pixels, of a box's shorter side


def random_boxes(width: int, height: int, rng: np.random.Generator) -> Float32:
    """Return upright boxes (N, 4) inside an image."""
    tall = rng.uniform(*HEIGHTS, RANDOM_BOXES) * height
    wide = np.minimum(tall * rng.uniform(*ASPECTS, RANDOM_BOXES), width)
    left = rng.uniform(0, 1, RANDOM_BOXES) * (width - wide)
    top = rng.uniform(0, 1, RANDOM_BOXES) * (height - tall)
    return np.stack([left, top, left + wide, top + tall], 1).astype(np.float32)


def is_apart(boxes: Float32, people: Float32) -> Bools:
    """Return which boxes (N, 4) labelled people (M, 4) hardly cover, and hardly lie in."""
    shared = shared_area(boxes[:, None], people[None])  # (N, M)
    smaller = np.minimum(box_area(boxes)[:, None], box_area(people)[None].clip(1))
    covered = shared / smaller
    return np.asarray((covered < MOST_COVERED).all(1))


def negatives(
    image: Any, people: Float32, detector: NanoDet, teacher: TinyPose, rng: np.random.Generator
) -> Float32:
    """Return the boxes (N, 4) xyxy of an image that hold nobody."""
    height, width = image.shape[:2]
    detections = detector.detect(Frame(0, 0.0, image))
    sure = detections.scores > MOST_SCORE
    boxes = np.concatenate([detections.boxes[~sure], random_boxes(width, height, rng)])
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2]).min(1) >= SMALLEST]
    everybody = np.concatenate([people, detections.boxes[sure]])
    boxes = boxes[is_apart(boxes, everybody)]
    second_best = [np.sort(teacher.predict(image, box).scores)[-2] for box in boxes]
    return np.asarray(boxes[np.array(second_best, np.float32) < SURE_JOINT])


def labelled_boxes(content: dict[str, Any]) -> dict[int, list[list[float]]]:
    """Return the boxes xyxy of each image of a COCO file, by its id; none for those not named."""
    boxes: dict[int, list[list[float]]] = defaultdict(list)
    for person in content["annotations"]:
        x, y, width, height = person["bbox"]
        boxes[person["image_id"]].append([x, y, x + width, y + height])
    return boxes


def main() -> None:
    """Write the negatives of one annotation file."""
    parser = argparse.ArgumentParser(description="Collect boxes without a person.")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--teacher", type=Path, default=Path("weights/tinypose_256x192.onnx"))
    given = parser.parse_args()
    content = json.loads(given.annotations.read_text(encoding="utf-8"))
    people = labelled_boxes(content)
    detector, teacher = NanoDet(LEAST_SCORE), TinyPose(given.teacher, views=1)
    joints = len(content["categories"][0]["keypoints"])
    chosen: list[dict[str, Any]] = []
    for image in content["images"]:
        pixels = read_image(given.images / image["file_name"], str(image["id"]))
        known = np.array(people[image["id"]], np.float32).reshape(-1, 4)
        rng = np.random.default_rng(image["id"])
        for box in negatives(pixels, known, detector, teacher, rng):
            x, y, right, bottom = (round(float(value), 1) for value in box)
            chosen.append(
                {
                    "id": len(chosen) + 1,
                    "image_id": image["id"],
                    "category_id": content["categories"][0]["id"],
                    "iscrowd": 0,
                    "bbox": [x, y, right - x, bottom - y],
                    "area": (right - x) * (bottom - y),
                    "keypoints": [FAR_OUTSIDE, FAR_OUTSIDE, 2] * joints,
                    "num_keypoints": joints,
                }
            )
    write_json(given.output, {**content, "annotations": chosen}, indent=None)
    print(f"{given.output}: {len(chosen)} boxes without a person")


if __name__ == "__main__":
    main()
