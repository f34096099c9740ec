"""The model beside its teacher, MoveNet Thunder, on the same crops.

    python tools/compare_teacher.py --annotations ../shared/data/lspet/val.json \\
        --teacher ../shared/weights/movenet_thunder_256.onnx --kinds clean,motion_blur

PCK@0.2 of the torso over the joints that both know. MoveNet reads the current frame's crop, padded
to a square; the model reads it alone, and with the frames around it. Intervals of differences are
95% of draws of people.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from label_clips import Teacher
from label_rules import SHARED
from numpy.typing import NDArray

from tarvitpose.cli.evaluate_model import parse_kinds
from tarvitpose.config import window_offsets
from tarvitpose.data.dataset import ClipDataset, validation_clips
from tarvitpose.data.sources import read_records
from tarvitpose.evaluation.clips import THRESHOLD, encoded_batches, score_clips
from tarvitpose.metrics.pck import bootstrap_interval, hits, pck, torso_size
from tarvitpose.model.tarvitpose import TARViTPose


def teachers_hits(clips: ClipDataset, teacher: Teacher) -> NDArray[np.bool_]:
    """Return which joints (N, J) MoveNet finds in the clips' current frames."""
    current = window_offsets(clips.model.offsets)[1]
    found, truth, seen = [], [], []
    for index in range(len(clips)):
        item = clips[index]
        found.append(teacher.points_of_crop(item["clip"][current].numpy()))
        truth.append(item["keypoints"].numpy())
        seen.append(item["visible"].numpy() > 0)
    keypoints, visible = np.stack(truth), np.stack(seen)
    torso = torso_size(keypoints, visible, clips.model.joints)
    return hits(np.stack(found), keypoints, torso, THRESHOLD)


def main() -> None:
    """Print a row for each kind of spoilt frame."""
    parser = argparse.ArgumentParser(description="The model beside MoveNet on the same crops.")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="MoveNet Thunder, ONNX")
    parser.add_argument("--kinds", default="clean")
    given = parser.parse_args()
    torch.set_num_threads(2)
    model, teacher = TARViTPose.from_pretrained(given.weights), Teacher(given.teacher)
    records = read_records("coco", given.annotations, model.config.joints)
    for kind in parse_kinds(given.kinds):
        clips = validation_clips(records, model.config, kind)
        ours = score_clips(model, encoded_batches(model, clips, torch.device("cpu")))
        right, seen = teachers_hits(clips, teacher), ours.visible & SHARED
        row = f"{kind:12} {seen.sum()} joints of {len(records)}  teacher {pck(right, seen):5.1f}"
        for name, mode in (("single-frame", ours.single), ("temporal", ours.temporal)):
            low, high = bootstrap_interval(mode, seen, right)
            more = pck(mode, seen) - pck(right, seen)
            row += f"  {name} {pck(mode, seen):5.1f}, {more:+.1f} ({low:+.1f} to {high:+.1f})"
        print(row, flush=True)


if __name__ == "__main__":
    main()
