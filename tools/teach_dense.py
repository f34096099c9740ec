"""Train single frames on the heatmaps of two teachers beside labels.

    python -m tools.teach_dense configs/default/version9_single.yaml

The configuration is one of `tarvitpose train` for single frames; `init` is where the network
begins, and one of its teachers. The other one is PP-TinyPose. The mean of both heatmaps of a crop,
before it was degraded, is the target of every joint, labelled or not; where there is a label, it
makes up half of the target. PP-TinyPose does not know the ends of the head: there `init` alone
teaches.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from tarvitpose.data.dataset import joint_weights
from tarvitpose.evaluation.clips import encode_crops
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.training.batches import ReportLine
from tarvitpose.training.config import TrainConfig, load_train_config
from tarvitpose.training.devices import open_devices
from tarvitpose.training.loop import TrainingRun, build_model
from tarvitpose.training.step import Batch, TrainingStep
from tools.teachers import KNOWN, TinyPose

LABEL_SHARE = 0.5  # of a label in its joint's target
NOSE_WEIGHT = 1.5  # as a wrist: OKS asks more precision of a nose than of any other joint


def main() -> None:
    """Train on teachers' heatmaps."""
    parser = argparse.ArgumentParser(description="Train on teachers' heatmaps beside labels.")
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--teacher", type=Path, default=Path("weights/tinypose_256x192.onnx"))
    given = parser.parse_args()
    config = load_train_config(given.config, tuple(given.overrides))
    teach(config, TinyPose(given.teacher), print)


def teach(config: TrainConfig, tinypose: TinyPose, report: ReportLine) -> Path:
    """Train, from where the same run stopped, and return the folder of the weights."""
    return fit(config, DenseStep(config, tinypose), report)


def fit(config: TrainConfig, step: TrainingStep, report: ReportLine) -> Path:
    """Train a given step, from where the same run stopped; return the folder of the weights."""
    fabric = open_devices(config.run, some_unused=False)
    run = TrainingRun(config, fabric=fabric, step=step, report=report)
    fabric.launch()
    return run.fit(resume=True)


class DenseStep(TrainingStep):
    """A network with its loss against the mean heatmaps of two teachers and against labels."""

    def __init__(self, config: TrainConfig, tinypose: TinyPose) -> None:
        super().__init__(
            build_model(config),
            frozen_blocks=config.run.frozen_blocks,
            position_loss_weight=config.run.position_loss_weight,
        )
        self.teacher = TARViTPose.from_pretrained(str(config.init)).requires_grad_(False)
        self.tinypose = tinypose

    def train(self, mode: bool = True) -> "DenseStep":
        """Switch the network to training mode; its teacher never is."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch (see `TrainingStep.forward`) of single frames."""
        clean, labels, visible = batch["clean"], batch["targets"], batch["visible"]
        assert isinstance(clean, Tensor)
        assert isinstance(labels, Tensor)
        assert isinstance(visible, Tensor)
        with torch.no_grad():
            targets = mixed_targets(self.taught(clean), labels, visible)
        weights = dense_weights().expand(len(targets), -1)
        return super().forward({**batch, "targets": targets, "weights": weights})

    def taught(self, clean: Tensor) -> Tensor:
        """Return the teachers' mean heatmaps (B, J, h, w) of crops (B, 4h, 4w, 3) uint8."""
        tokens = encode_crops(self.teacher, clean.unsqueeze(1))[:, 0]
        own = self.teacher.decoder(tokens).float()
        other = torch.from_numpy(self.tinypose.heatmaps_of_crops(clean.numpy()))
        known = torch.from_numpy(KNOWN)[:, None, None]
        return torch.where(known, (own + other) / 2, own)


def dense_weights() -> Tensor:
    """Return how much each joint counts, (J,): as in training on labels, but the nose more."""
    weights = torch.from_numpy(joint_weights(POSETRACK_15))
    weights[POSETRACK_15.joints.index("nose")] = NOSE_WEIGHT
    return weights


def mixed_targets(taught: Tensor, labels: Tensor, visible: Tensor) -> Tensor:
    """Return targets (B, J, h, w): heatmaps of teachers, and half as much of a label's.

    `visible` (B, J) is how far a label is trusted, 0 for none: then the teachers' alone count.
    """
    return taught.lerp(labels, LABEL_SHARE * visible[:, :, None, None])


if __name__ == "__main__":
    main()
