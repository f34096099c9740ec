"""What training minimises.   Axes: B batch, J joints, h w the size of a heatmap."""

from __future__ import annotations

from torch import Tensor


def heatmap_loss(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean squared error (paper, Eq. 6) of heatmaps and targets (B, J, h, w).

    `weights` is (B, J), 0 for a joint without label. As in the released code it stands inside the
    square, and joints without label count in the mean.
    """
    return ((heatmaps.float() - targets.float()) * weights[:, :, None, None]).square().mean()
