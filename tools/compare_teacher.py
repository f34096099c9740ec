"""Compare a model with its teacher, MoveNet Thunder, on the same crops.

    python -m tools.compare_teacher --annotations data/lspet/val.json \\
        --teacher weights/movenet_thunder_256.onnx --degradations clean,motion_blur
    python -m tools.compare_teacher --teacher weights/movenet_thunder_256.onnx \\
        --annotations data/posetrack18_sample/annotations/val

Only joints that both predict count. MoveNet reads the current frame's crop, padded to a square; the
model reads it alone, and with its neighbouring frames. Stills are made into clips and scored by
PCK@0.2 of the torso, with 95% intervals of differences (bootstrap over people); videos are scored
by PoseTrack's AP, PCK and PCKh in labelled boxes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from tarvitpose.cli.evaluate_clips import parse_degradations
from tarvitpose.config import AnnotationFormat, window_offsets
from tarvitpose.data.dataset import ClipDataset, validation_clips
from tarvitpose.data.sources import dataset_files, open_annotations, read_records
from tarvitpose.evaluation.boxes import open_boxes
from tarvitpose.evaluation.clips import encoded_batches, score_clips
from tarvitpose.evaluation.comparison import SINGLE_FRAME
from tarvitpose.evaluation.datasets import read_labelled
from tarvitpose.evaluation.predictions import PredictionTask
from tarvitpose.evaluation.run import load_predictors
from tarvitpose.evaluation.scores import compare
from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.inference.predictor import Predictor, WindowPredictor
from tarvitpose.metrics import TORSO_SHARE
from tarvitpose.metrics.pck import bootstrap_interval, hits, pck, torso_size
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import COCO_17, POSETRACK_15
from tarvitpose.utils.arrays import Float32, UInt8
from tools.teachers import FROM_COCO, KNOWN, MoveNet

SHARED_NAMES = [name for name, known in zip(POSETRACK_15.joints, KNOWN, strict=True) if known]


def teachers_hits(clips: ClipDataset, teacher: MoveNet) -> NDArray[np.bool_]:
    """Return which joints (N, J) of the clips' current frames MoveNet has right."""
    current = window_offsets(clips.settings.model.offsets)[1]
    found, truth, seen = [], [], []
    for index in range(len(clips)):
        item = clips[index]
        found.append(teacher.joints_of_crop(item["clip"][current].numpy())[0])
        truth.append(item["keypoints"].numpy())
        seen.append(item["visible"].numpy() > 0)
    keypoints, visible = np.stack(truth), np.stack(seen)
    torso = torso_size(keypoints, visible, clips.settings.model.joints)
    return hits(np.stack(found), keypoints, torso, TORSO_SHARE)


class TeacherPredictor:
    """MoveNet in place of a predictor, on the same crops; its joints are COCO's 17."""

    offsets: tuple[int, ...] = (0,)

    def __init__(self, teacher: MoveNet, like: Predictor) -> None:
        self.teacher, self.like, self.batch_size = teacher, like, like.batch_size
        self.config = like.config.model_copy(update={"joint_set": COCO_17.name})

    def joints(
        self, frames: Sequence[Sequence[UInt8]], boxes: Sequence[Float32]
    ) -> list[PoseArrays]:
        """Return the joints (N, 17, 2) of the people of each window, and their scores (N, 17)."""
        return [self._of_frame(window, some) for window, some in zip(frames, boxes, strict=True)]

    def _of_frame(self, window: Sequence[UInt8], boxes: Float32) -> PoseArrays:
        points = np.zeros((len(boxes), len(COCO_17), 2), np.float32)
        scores = np.zeros(points.shape[:2], np.float32)
        for at, box in enumerate(boxes[:, None]):
            crop = self.like.crops(window, box)[0]
            found, sure = self.teacher.joints_of_crop(crop)
            found = self.like.to_frame(found[None], box)[0]
            points[at, FROM_COCO[KNOWN]] = found[KNOWN]
            scores[at, FROM_COCO[KNOWN]] = sure[KNOWN]
        return PoseArrays(points, scores)


def compare_stills(given: argparse.Namespace, teacher: MoveNet) -> None:
    """Print a row for each kind of degraded frame."""
    model = TARViTPose.from_pretrained(given.weights)
    records = read_records("coco", given.annotations, model.config.joints)
    for kind in parse_degradations(given.degradations):
        clips = validation_clips(records, model.config, kind)
        ours = score_clips(model, encoded_batches(model, clips, torch.device("cpu")))
        right, seen = teachers_hits(clips, teacher), ours.visible & KNOWN
        row = f"{kind:12} {seen.sum()} joints of {len(records)}  teacher {pck(right, seen):5.1f}"
        for name, mode in (("single-frame", ours.single), ("temporal", ours.temporal)):
            low, high = bootstrap_interval(mode, seen, right)
            more = pck(mode, seen) - pck(right, seen)
            row += f"  {name} {pck(mode, seen):5.1f}, {more:+.1f} ({low:+.1f} to {high:+.1f})"
        print(row, flush=True)


def compare_videos(given: argparse.Namespace, layout: AnnotationFormat, teacher: MoveNet) -> None:
    """Print a row for each metric, over the joints that both know."""
    trained = load_predictors(given.weights)
    beside = TeacherPredictor(teacher, trained[SINGLE_FRAME])
    predictors: dict[str, WindowPredictor] = {**trained, "teacher": beside}
    videos = read_labelled(layout, given.annotations, POSETRACK_15, images=given.images)
    people = sum(len(frame.people.boxes) for video in videos for frame in video.frames)
    with TemporaryDirectory() as folder:
        task = PredictionTask(predictors, open_boxes("gt", None, "cpu"), Path(folder))
        for video in videos:
            task.finish(video, lambda _: None)
        for one in compare(task, videos, COCO_17, samples=0):
            row = f"{one.metric:16} {people} people"
            for mode, values in one.values.items():
                row += f"  {mode} {np.nanmean([values[name] for name in SHARED_NAMES]):5.1f}"
            print(row, flush=True)


def main() -> None:
    """Print the scores of the model and its teacher."""
    parser = argparse.ArgumentParser(description="The model beside MoveNet on the same crops.")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--images", type=Path, help="of videos; found if absent")
    parser.add_argument("--teacher", type=Path, required=True, help="MoveNet Thunder, ONNX")
    parser.add_argument("--degradations", default="clean", help="names or all; for stills only")
    given = parser.parse_args()
    torch.set_num_threads(2)
    teacher, layout = (
        MoveNet(given.teacher),
        open_annotations(dataset_files(given.annotations)[0]).format,
    )
    if layout == "coco":
        compare_stills(given, teacher)
    else:
        compare_videos(given, layout, teacher)


if __name__ == "__main__":
    main()
