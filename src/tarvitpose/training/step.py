"""One training step's loss.   Axes: B batch, T frames, J joints, C channels, h w the token grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tarvitpose.config import window_offsets
from tarvitpose.evaluation.clips import encode_crops
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.position_probe import position_loss

Batch = dict[str, Tensor | list[str]]


class TrainingStep(nn.Module):
    """A model with its loss, so that one forward call is one step on any device.

    Frozen parts stay in evaluation mode: no drop-path, and BatchNorm keeps its averages.
    """

    def __init__(
        self,
        model: TARViTPose,
        *,
        frozen: tuple[str, ...] = (),
        frozen_blocks: int = 0,
        coarse_loss_weight: float = 0.0,
        position_loss_weight: float = 0.0,
        clean_loss_weight: float = 0.0,
    ) -> None:
        """`frozen_blocks` of the encoder keep their weights, and what comes before them does."""
        super().__init__()
        self.model = model
        self.frozen = frozen
        self.coarse_loss_weight = coarse_loss_weight
        self.position_loss_weight = position_loss_weight
        self.clean_loss_weight = clean_loss_weight
        self.current = window_offsets(model.config.offsets)[1]
        for part in frozen:
            getattr(model, part).requires_grad_(False)
        if frozen_blocks:
            model.encoder.freeze_first(frozen_blocks)

    def train(self, mode: bool = True) -> TrainingStep:
        """Switch to training mode, but for the frozen parts."""
        super().train(mode)
        for part in self.frozen:
            getattr(self.model, part).eval()
        return self

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss of a batch: `clip` (B, T, h, w, 3) uint8 or its `features`, with
        `targets` (B, J, 4h, 4w), `weights` (B, J) and, to regress, `keypoints` (B, J, 2)."""
        features, regions = self.encode(batch)
        targets, weights = _tensor(batch, "targets"), _tensor(batch, "weights")
        loss = torch.zeros((), device=targets.device)
        if self.position_loss_weight:
            loss = loss + self.position_loss_weight * position_loss(features[:, self.current])
        if self.coarse_loss_weight or not self.model.config.temporal:
            coarse = self.model.decoder(features[:, self.current])
            scale = self.coarse_loss_weight if self.model.config.temporal else 1.0
            loss = loss + scale * heatmap_loss(coarse, targets, weights)
        if not self.model.config.temporal:
            return loss
        if self.model.config.aggregation == "regression":
            joints = self.model.queries(features, regions)
            truth = self.model.regression.normalised(_tensor(batch, "keypoints"))
            return loss + self.model.regression.loss(joints, truth, weights)
        heatmaps = self.model.aggregate(features, regions)
        if self.clean_loss_weight:
            sharp = self.model.coarse_heatmaps(self.clean(batch))
            loss = loss + self.clean_loss_weight * heatmap_loss(heatmaps, sharp, weights)
        return loss + heatmap_loss(heatmaps, targets, weights)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return features (B, T, C, h, w) and regions (B, T, J, h, w), stored ones if there are."""
        stored, regions = batch.get("features"), batch.get("regions")
        if isinstance(stored, Tensor):
            features = stored.float()
        else:
            features = self.features(_tensor(batch, "clip"))
        seen = regions if isinstance(regions, Tensor) else self.model.regions(features)
        return features, seen

    def clean(self, batch: Batch) -> Tensor:
        """Return features (B, C, h, w) of the current frame before it was degraded."""
        frame = _tensor(batch, "clean")
        if frame.dtype != torch.uint8:
            return frame.float()
        with torch.no_grad():
            return encode_crops(self.model, frame.unsqueeze(1))[:, 0]

    def features(self, clip: Tensor) -> Tensor:
        """Return features (B, T, C, h, w) of crops (B, T, 16h, 16w, 3) uint8."""
        frozen = "encoder" in self.frozen
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            return encode_crops(self.model, clip)


def _tensor(batch: Batch, name: str) -> Tensor:
    values = batch[name]
    assert isinstance(values, Tensor)
    return values


def heatmap_loss(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean squared error (paper, Eq. 6) of heatmaps and targets (B, J, h, w).

    `weights` is (B, J), 0 for a joint without label. As in the released code it stands inside the
    square, and joints without label count in the mean.
    """
    return ((heatmaps.float() - targets.float()) * weights[:, :, None, None]).square().mean()
