"""Teach a cheaper network to answer as a dearer one does, without labels.

    python -m tools.distill configs/default/tiny.yaml --student data/default/pruned

The configuration is one of `tarvitpose train`, whose `init` is the teacher; the student, of
`tools.prune`, sees crops of the same size. It learns the teacher's heatmaps and final tokens of a
crop before that was degraded; the temporal part, which reads the tokens, stays as it is. Each crop
teaches several times (`tools.replay`). Cells that may be merged are those where the teacher sees no
joint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tarvitpose.evaluation.clips import encode_crops, normalise_clip
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.batches import Batches, ReportLine
from tarvitpose.training.config import TrainConfig, load_train_config
from tarvitpose.training.devices import open_devices
from tarvitpose.training.loop import TrainingRun
from tarvitpose.training.step import Batch, TrainingStep
from tools.replay import Replay

USES, KEPT = 3, 4096  # how often a crop teaches, and how many crops are kept for it


def main() -> None:
    """Train a student."""
    parser = argparse.ArgumentParser(description="Teach a cheaper network what a dearer one says.")
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--student", required=True, help="weights to begin with")
    given = parser.parse_args()
    config = load_train_config(given.config, tuple(given.overrides))
    teacher = TARViTPose.from_pretrained(str(config.init))
    distil(config, TARViTPose.from_pretrained(given.student), teacher, print)


def distil(
    config: TrainConfig, student: TARViTPose, teacher: TARViTPose, report: ReportLine
) -> Path:
    """Train a student, from where the same run stopped, and return the folder of its weights."""
    step = Distillation(student, teacher, config)
    fabric = open_devices(config.run, some_unused=True)
    run = TrainingRun(config, fabric=fabric, step=step, report=report)
    stills = teacher.config.model_copy(update={"offsets": ()})
    run.data = Batches(config, stills, fabric)  # the teacher's crops
    fabric.launch()
    return run.fit(resume=True)


class Distillation(TrainingStep):
    """A student with its loss: how far its tokens and heatmaps are from the teacher's."""

    def __init__(self, student: TARViTPose, teacher: TARViTPose, config: TrainConfig) -> None:
        super().__init__(student)
        for name, parameter in student.named_parameters():
            parameter.requires_grad_(name.startswith(("encoder.", "decoder.")))
        student.encoder.freeze_first(config.run.frozen_blocks)
        self.teacher = teacher.requires_grad_(False)
        self.replay = Replay(USES, KEPT, config.run.seed)

    def train(self, mode: bool = True) -> Distillation:
        """Switch the student to training mode; the teacher never is."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch of crops `clip` (B, 1, H, W, 3)."""
        clip, clean = batch["clip"], batch["clean"]
        assert isinstance(clip, Tensor)
        assert isinstance(clean, Tensor)
        with torch.no_grad():
            tokens = encode_crops(self.teacher, clean.unsqueeze(1))[:, 0].float()  # (B, C, h, w)
            heatmaps = self.teacher.decoder(tokens).float()  # (B, J, 4h, 4w)
        more = self.replay.joined({"crops": clip[:, 0], "tokens": tokens, "heatmaps": heatmaps})
        crops, tokens, heatmaps = more["crops"], more["tokens"], more["heatmaps"]
        encoder = self.model.encoder
        images = normalise_clip(crops.unsqueeze(1))[:, 0]  # (B, 3, H, W)
        x, grid = encoder.first_blocks(images)  # (B, N, C)
        features = encoder.other_blocks(x, grid)  # (B, C, h, w)
        answer = self.model.decoder(features)  # (B, J, 4h, 4w)
        loss = relative_error(answer, heatmaps) + relative_error(features, tokens)
        if encoder.merging is None:
            return loss
        logits = encoder.merging.scores(x.detach(), grid)  # of the student's choice of cells
        return loss + F.binary_cross_entropy_with_logits(logits, cell_relevance(heatmaps))


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
