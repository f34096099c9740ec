"""The light decoders of ViTPose.   Axes: B batch, C channels, J joints, h w the token grid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 256


class ClassicDecoder(nn.Module):
    """Two transposed convolutions and a 1 x 1 convolution."""

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.deconv1 = nn.ConvTranspose2d(width, HIDDEN, 4, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(HIDDEN)
        self.deconv2 = nn.ConvTranspose2d(HIDDEN, HIDDEN, 4, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(HIDDEN)
        self.final = nn.Conv2d(HIDDEN, joints, kernel_size=1)
        self.apply(_initialise)

    def forward(self, features: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) for features (B, C, h, w)."""
        x = F.relu(self.norm1(self.deconv1(features)))  # (B, 256, 2h, 2w)
        x = F.relu(self.norm2(self.deconv2(x)))  # (B, 256, 4h, 4w)
        heatmaps: Tensor = self.final(x)
        return heatmaps


class SimpleDecoder(nn.Module):
    """Bilinear enlargement and a 3 x 3 convolution."""

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.final = nn.Conv2d(width, joints, kernel_size=3, padding=1)
        self.apply(_initialise)

    def forward(self, features: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) for features (B, C, h, w)."""
        large = F.interpolate(
            F.relu(features), scale_factor=4, mode="bilinear", align_corners=False
        )
        heatmaps: Tensor = self.final(large)
        return heatmaps


DECODERS: dict[str, type[ClassicDecoder] | type[SimpleDecoder]] = {
    "classic": ClassicDecoder,
    "simple": SimpleDecoder,
}


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=1e-3)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
