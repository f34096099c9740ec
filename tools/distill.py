"""Teach a cheaper network to answer as a dearer one does, without labels.

    python -m tools.distill configs/default/fast.yaml

The configuration is one of `tarvitpose train`: `init` is the teacher, `model` what the student has
otherwise: `input_size`, the size of its crops, or `fine_cells`, how many of its tokens are not
merged. With `--leave-out` it has some of the encoder's blocks fewer. It learns the teacher's
heatmaps and final tokens of the same crop before that was degraded; the temporal part, which reads
the tokens, stays the teacher's. Cells that may be merged are those where the teacher sees no joint.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tarvitpose.config import ModelConfig
from tarvitpose.evaluation.clips import encode_crops, normalise_clip
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.batches import Batches, ReportLine
from tarvitpose.training.config import TrainConfig, load_train_config, model_config
from tarvitpose.training.devices import open_devices
from tarvitpose.training.loop import TrainingRun
from tarvitpose.training.step import Batch, TrainingStep


def main() -> None:
    """Train a student."""
    parser = argparse.ArgumentParser(description="Teach a cheaper network what a dearer one says.")
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--leave-out", nargs="+", type=int, default=[], metavar="BLOCK")
    parser.add_argument("--student", help="weights to begin with, from an earlier run")
    given = parser.parse_args()
    config = load_train_config(given.config, tuple(given.overrides))
    teacher = TARViTPose.from_pretrained(str(config.init))
    if given.student is None:
        student = without_blocks(teacher, given.leave_out, model_config(config))
    else:
        student = TARViTPose.from_pretrained(given.student)
    distil(config, student, teacher, print)


def distil(
    config: TrainConfig, student: TARViTPose, teacher: TARViTPose, report: ReportLine
) -> Path:
    """Train a student, from where the same run stopped, and return the folder of its weights."""
    step = Distillation(student, teacher)
    fabric = open_devices(config.run, some_unused=True)
    run = TrainingRun(config, fabric=fabric, step=step, report=report)
    stills = teacher.config.model_copy(update={"offsets": ()})
    run.data = Batches(config, stills, fabric)  # the teacher's crops
    fabric.launch()
    return run.fit(resume=True)


def without_blocks(
    teacher: TARViTPose, left_out: Collection[int], config: ModelConfig
) -> TARViTPose:
    """Return a network without some blocks of its encoder, for crops of another size."""
    kept = [block for block in range(teacher.config.depth) if block not in left_out]
    changes = {
        "depth": len(kept),
        "input_size": config.input_size,
        "fine_cells": config.fine_cells,
        "merge_after": config.merge_after,
        "drop_path": 0.0,
    }
    student = TARViTPose(teacher.config.model_copy(update=changes))
    tensors = teacher.state_dict()
    names = student.state_dict()
    shared = {name: tensors[_longer_name(name, kept)] for name in names if "merging" not in name}
    student.load_state_dict(shared, strict=False)
    return student


def _longer_name(name: str, kept: list[int]) -> str:
    """Return the teacher's name of a student's tensor."""
    return re.sub(r"(?<=^encoder\.blocks\.)\d+", lambda number: str(kept[int(number[0])]), name)


class Distillation(TrainingStep):
    """A student with its loss: how far its tokens and heatmaps are from the teacher's."""

    def __init__(self, student: TARViTPose, teacher: TARViTPose) -> None:
        super().__init__(student)
        for name, parameter in student.named_parameters():
            parameter.requires_grad_(name.startswith(("encoder.", "decoder.")))
        if student.encoder.merging is not None:
            student.encoder.freeze_first(student.config.merge_after)
        self.teacher = teacher.requires_grad_(False)

    def train(self, mode: bool = True) -> Distillation:
        """Switch the student to training mode; the teacher never is."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch whose `clip` (B, 1, H, W, 3) has the teacher's size."""
        clip, clean = batch["clip"], batch["clean"]
        assert isinstance(clip, Tensor)
        assert isinstance(clean, Tensor)
        with torch.no_grad():
            tokens = encode_crops(self.teacher, clean.unsqueeze(1))[:, 0]  # (B, C, h, w)
            heatmaps = self.teacher.decoder(tokens)  # (B, J, 4h, 4w)
        encoder = self.model.encoder
        x, grid = encoder.first_blocks(self._student_crops(clip[:, 0]))  # (B, N, C)
        features = encoder.other_blocks(x, grid)  # (B, C, h', w')
        answer = self.model.decoder(features)  # (B, J, 4h', 4w')
        loss = relative_error(answer, resized(heatmaps, answer, corners=True)) + relative_error(
            features, resized(tokens, features, corners=False)
        )
        if encoder.merging is None:
            return loss
        logits = encoder.merging.scores(x.detach(), grid)  # of the student's choice of cells
        return loss + F.binary_cross_entropy_with_logits(logits, cell_relevance(heatmaps))

    def _student_crops(self, crops: Tensor) -> Tensor:
        """Return normalised crops (B, 3, H', W') of the student's size."""
        size = self.model.config.input_size
        images = normalise_clip(crops.unsqueeze(1))[:, 0]  # (B, 3, H, W)
        return F.interpolate(images, size, mode="bilinear", align_corners=True)


def resized(values: Tensor, like: Tensor, *, corners: bool) -> Tensor:
    """Return values (B, C, h, w) on the grid of others; pixels of crops and heatmaps lie on UDP's
    grid, whose corners are those of the crop, tokens do not."""
    return F.interpolate(values, like.shape[2:], mode="bilinear", align_corners=corners)


def cell_relevance(heatmaps: Tensor) -> Tensor:
    """Return from 0 to 1 how close a joint is to each 2 x 2 tokens, (B, h w / 4).

    Heatmaps (B, J, 4h, 4w) count in full at the tokens where they peak, less one or two away.
    """
    near = F.max_pool2d(heatmaps, 4).amax(1, keepdim=True).clamp(0, 1)  # (B, 1, h, w)
    rings = near + F.max_pool2d(near, 3, 1, 1) / 2 + F.max_pool2d(near, 5, 1, 2) / 4
    return F.max_pool2d(rings / 1.75, 2).flatten(1)


def relative_error(answer: Tensor, target: Tensor) -> Tensor:
    """Return the squared error as a share of the target's squares."""
    return (answer - target).square().sum() / target.square().sum()


if __name__ == "__main__":
    main()
