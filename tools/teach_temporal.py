"""Train the temporal part on pooled heatmaps of clean frames beside labels.

    python -m tools.teach_temporal configs/default/version10_temporal.yaml

The configuration is one of `tarvitpose train` with `cached_clips`, frozen encoder and decoder, and
`clean_loss_weight`. Here that is the weight of what the decoder has for the window before its
current frame was degraded, pooled (docs/temporal.md): it teaches every joint, labelled or not. Half
of the time a clip is seen with its current frame as it was before.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tarvitpose.config import ModelConfig
from tarvitpose.inference.pooling import pool_windows, read_peaks
from tarvitpose.model.mask import seen_regions, token_scores
from tarvitpose.training.batches import ReportLine
from tarvitpose.training.config import TrainConfig, load_train_config
from tarvitpose.training.loop import build_model
from tarvitpose.training.step import Batch, TrainingStep, heatmap_loss
from tools.teach_dense import dense_weights, fit

CLEAN_SHARE = 0.5  # of the clips whose current frame is seen as it was before


def main() -> None:
    """Train the temporal part."""
    parser = argparse.ArgumentParser(description="Train the temporal part on pooled heatmaps.")
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    teach(load_train_config(given.config, tuple(given.overrides)), print)


def teach(config: TrainConfig, report: ReportLine) -> Path:
    """Train, from where the same run stopped, and return the folder of the weights."""
    return fit(config, TemporalStep(config), report)


class TemporalStep(TrainingStep):
    """A network with its loss against labels and the pooled heatmaps of clean windows."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(
            build_model(config),
            frozen=("encoder", "decoder"),
            clean_loss_weight=config.run.clean_loss_weight,
        )

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch of encoded clips with their clean current frames."""
        features, regions = self.encode(batch)
        labels, weights, offsets = batch["targets"], batch["weights"], batch["offsets"]
        assert isinstance(labels, Tensor)
        assert isinstance(weights, Tensor)
        assert isinstance(offsets, Tensor)
        window = features.clone()
        window[:, self.current] = self.clean(batch)
        coarse = self.model.coarse_heatmaps(window.flatten(0, 1)).float()  # (B T, J, 4h, 4w)
        config, frames = self.model.config, window.shape[:2]
        taught = pooled(torch.unflatten(coarse, 0, frames), offsets, config)
        scores = torch.unflatten(token_scores(coarse, config.mask_rule), 0, frames)
        clean_regions = seen_regions(scores, config.mask_rule, config.mask_threshold)
        is_clean = (torch.rand(len(window)) < CLEAN_SHARE)[:, None, None, None, None]
        heatmaps = self.model.aggregate(
            torch.where(is_clean, window, features), torch.where(is_clean, clean_regions, regions)
        )
        dense = dense_weights().expand(len(taught), -1)
        share = self.clean_loss_weight
        return heatmap_loss(heatmaps, labels, weights) + share * heatmap_loss(
            heatmaps, taught, dense
        )


def pooled(coarse: Tensor, offsets: Tensor, config: ModelConfig) -> Tensor:
    """Return the pooled heatmaps (B, J, h, w) of windows (B, T, J, h, w) of single frames.

    `offsets` (B, T) say which frames they are, counted from the current one.
    """
    windows = [read_peaks(frames, config) for frames in coarse.numpy()]
    return torch.from_numpy(pool_windows(windows, offsets.numpy().astype(np.float64), config))


if __name__ == "__main__":
    main()
