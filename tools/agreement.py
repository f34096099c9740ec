"""How often a model agrees with MoveNet Thunder on people of held-out real clips.

    python -m tools.agreement --clips data/clips \\
        --teacher weights/movenet_thunder_256.onnx

No training read these clips. NanoDet detects people in some of the frames, and MoveNet predicts
each in three views. Joints of high score on which the views agree count as the truth, with
MoveNet's mistakes; the model has no influence on the choice. A joint agrees within 0.06 of the
box's height, about 0.2 torsos. Intervals are 95%, a bootstrap over people (whose frames are not
independent).
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tarvitpose.detection.nanodet import NanoDet
from tarvitpose.inference.predictor import Predictor, windows
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.metrics.pck import bootstrap_interval, hits, pck
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.utils.arrays import Float32
from tarvitpose.video.sources import open_source
from tools.label_clips import DETECTION_SCORE, SPLITS, Image
from tools.label_rules import BOX_HEIGHT, TOLERANCE
from tools.teachers import MoveNet

CLIPS = (*SPLITS["val"], "crowd_above")
LONGEST, EVERY = 600, 20  # frames of a clip, from its start; every 20th is evaluated
MOST_PEOPLE = 12  # of a frame
TEACHER_SCORE = 0.3  # lowest score of a joint that counts
FEWEST_JOINTS = 4
SHARE = 0.06  # of the box's height


class Scene(NamedTuple):
    """A frame with its neighbours, and the people in it."""

    images: list[Image]
    boxes: Float32  # (N, 4), xyxy
    points: Float32  # (N, 15, 2), MoveNet's, pixels of the frame
    sure: NDArray[np.bool_]  # (N, 15)


def scenes(clip: Path, offsets: tuple[int, ...], teacher: MoveNet) -> Iterator[Scene]:
    """Yield the frames of a clip in which MoveNet is sure of somebody."""
    detector = NanoDet(threshold=DETECTION_SCORE)
    with open_source(str(clip)) as frames:
        for window in islice(windows(islice(frames, LONGEST), offsets), 0, None, EVERY):
            current = window[offsets.index(0)]
            people: list[tuple[Float32, Float32, NDArray[np.bool_]]] = []
            for box in detector.detect(current).boxes[:MOST_PEOPLE]:
                height = box[3] - box[1]
                if height < BOX_HEIGHT:
                    continue
                pose = teacher.predict(current.image, box)
                known = (pose.scores > TEACHER_SCORE) & (pose.spread < TOLERANCE * height)
                if known.sum() >= FEWEST_JOINTS:
                    people.append((box, pose.points, known))
            if people:
                boxes, points, sure = map(np.stack, zip(*people, strict=True))
                yield Scene([frame.image for frame in window], boxes, points, sure)


def main() -> None:
    """Print a row for each clip, and a row for all."""
    parser = argparse.ArgumentParser(description="Agreement with MoveNet on held-out clips.")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="MoveNet Thunder, ONNX")
    given = parser.parse_args()
    torch.set_num_threads(2)
    engine = TorchEngine(TARViTPose.from_pretrained(given.weights))
    predictor, teacher = Predictor(engine, compare=True), MoveNet(given.teacher)
    rows: dict[str, list[NDArray[np.bool_]]] = {}
    for name in CLIPS:
        parts = []
        for scene in scenes(given.clips / f"{name}.mp4", predictor.offsets, teacher):
            height = scene.boxes[:, 3] - scene.boxes[:, 1]
            poses = predictor.joints([scene.images], [scene.boxes])[0]
            both = (poses.single_keypoints, poses.keypoints)
            agreed = [
                hits(points, scene.points, height, SHARE) for points in both if points is not None
            ]
            parts.append((*agreed, scene.sure))
        rows[name] = [np.concatenate(column) for column in zip(*parts, strict=True)]
        print_row(name, *rows[name])
    print_row("all", *map(np.concatenate, zip(*rows.values(), strict=True)))


def print_row(
    name: str, single: NDArray[np.bool_], tar: NDArray[np.bool_], sure: NDArray[np.bool_]
) -> None:
    """Print how many joints of a clip agree, in both modes."""
    low, high = bootstrap_interval(tar, sure, single)
    print(
        f"{name:18} {len(sure):4} people {sure.sum():5} joints  "
        f"single-frame {pck(single, sure):5.1f}  temporal {pck(tar, sure):5.1f}  "
        f"difference {pck(tar, sure) - pck(single, sure):+.1f} ({low:+.1f} to {high:+.1f})",
        flush=True,
    )


if __name__ == "__main__":
    main()
