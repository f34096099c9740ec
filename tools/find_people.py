"""Label people nobody has labelled, in photographs or frames of clips, by PP-TinyPose alone.

    python -m tools.find_people data/default/bystanders.json data/coco_kpt \\
        --known data/default/photographs_train.json
    python -m tools.find_people data/default/films.json data/default/jhmdb \\
        --clips data/default/jhmdb/annotations/train

The embedded detector finds them. A joint has a label where the network is sure and three views of
the person (plain, mirrored, wider) agree; `keypoint_weights` is its score. With `--known`, people
of that COCO file are left out, and only its images are read. The output has COCO's layout.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.data.records import read_image
from tarvitpose.detection.nanodet import NanoDet
from tarvitpose.geometry import box_iou
from tarvitpose.results import Frame
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.json_file import write_json
from tools.find_negatives import labelled_boxes
from tools.label_rules import MAX_SPREAD, TWINS, coincide, inside
from tools.teachers import KNOWN, TeacherPose, TinyPose

DETECTION_SCORE = 0.45
LEAST_SCORE = 0.4  # of a joint
SURE = 0.7  # of both joints of a pair at one position
FEWEST_JOINTS = 4
SMALLEST = 48  # pixels, of the longer side of a box
SAME = 0.5  # intersection over union of two boxes of one person


def teacher_trust(pose: TeacherPose, size: tuple[int, int], box: Float32) -> Float32:
    """Return the trust (J,) in the joints that one teacher sees, 0 for one without a label."""
    width, height = box[2:] - box[:2]
    side = max(width, height)
    sure = KNOWN & (pose.scores >= LEAST_SCORE) & (pose.spread <= MAX_SPREAD * side)
    sure &= inside(pose.points, size)
    for pair in TWINS[coincide(pose.points, height)]:
        sure[pair] &= pose.scores[pair] >= SURE
    return np.asarray(np.where(sure, pose.scores.clip(0, 1), 0), np.float32)


def people_of_image(
    image: Any, known: Float32, detector: NanoDet, teacher: TinyPose
) -> list[dict[str, Any]]:
    """Return the annotations of the people in an image (h, w, 3), but for known boxes (N, 4)."""
    people = []
    for box in detector.detect(Frame(0, 0.0, image)).boxes:
        if np.ptp(box.reshape(2, 2), axis=0).max() < SMALLEST:
            continue
        if len(known) and box_iou(box[None], known).max() > SAME:
            continue
        pose = teacher.predict(image, box)
        weights = teacher_trust(pose, image.shape[:2], box)
        if (weights > 0).sum() < FEWEST_JOINTS:
            continue
        points = np.where(weights[:, None] > 0, pose.points, 0)
        keypoints = np.column_stack([points, weights > 0]).round(2)
        left, top, right, bottom = (round(float(value), 1) for value in box)
        people.append(
            {
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "keypoints": keypoints.ravel().tolist(),
                "keypoint_weights": [round(float(weight), 3) for weight in weights],
                "num_keypoints": int((weights > 0).sum()),
            }
        )
    return people


def frames_of_clips(root: Path, clips: list[str], every: int) -> list[dict[str, Any]]:
    """Return every few frames of the folders `root`/images/<clip>, as images of a COCO file."""
    frames = [sorted((root / "images" / clip).iterdir())[every // 3 :: every] for clip in clips]
    names = [str(path.relative_to(root)) for paths in frames for path in paths]
    return [{"id": number, "file_name": name} for number, name in enumerate(names, start=1)]


def main() -> None:
    """Write the people of one folder of images."""
    parser = argparse.ArgumentParser(description="Label people nobody has labelled.")
    parser.add_argument("output", type=Path)
    parser.add_argument("images", type=Path)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--known", type=Path, help="COCO file of people to leave out")
    source.add_argument("--clips", type=Path, help="folder of files named as the clips to read")
    parser.add_argument("--every", type=int, default=12, help="read every Nth frame of a clip")
    parser.add_argument("--teacher", type=Path, default=Path("weights/tinypose_256x192.onnx"))
    given = parser.parse_args()
    detector, teacher = NanoDet(DETECTION_SCORE), TinyPose(given.teacher)
    if given.known is not None:
        known_people = json.loads(given.known.read_text(encoding="utf-8"))
        images, boxes = known_people["images"], labelled_boxes(known_people)
    else:
        clips = sorted(path.stem for path in given.clips.iterdir())
        images, boxes = frames_of_clips(given.images, clips, given.every), {}
    annotations: list[dict[str, Any]] = []
    for done, image in enumerate(images):
        pixels = read_image(given.images / image["file_name"], image["file_name"])
        image["height"], image["width"] = pixels.shape[:2]
        known = np.array(boxes.get(image["id"], []), np.float32).reshape(-1, 4)
        for person in people_of_image(pixels, known, detector, teacher):
            number = len(annotations) + 1
            ids = {"id": number, "image_id": image["id"], "category_id": 1, "iscrowd": 0}
            annotations.append({**ids, **person})
        if done % 100 == 0:
            print(f"{done} of {len(images)} images, {len(annotations)} people", flush=True)
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_15.joints)}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    write_json(given.output, content, indent=None)
    print(f"{given.output}: {len(annotations)} people in {len(images)} images")


if __name__ == "__main__":
    main()
