"""The decoder as a graph computes it: `WinogradDecoder` in operations that other engines do fast.

No tensor has more than six axes: OpenVINO 2026.4 permutes eight wrongly.
Axes: B batch, C channels in, O channels out, J joints, h w the token grid.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tarvitpose.inference.fast import folded_bias, winograd_weights
from tarvitpose.model.decoder import ClassicDecoder


class GraphDecoder(nn.Module):
    """What a model's decoder gives for one token grid."""

    def __init__(self, decoder: nn.Module, grid: tuple[int, int]) -> None:
        super().__init__()
        self.decoder, (height, width) = decoder, grid
        if isinstance(decoder, ClassicDecoder):
            self.enlarge1 = GraphEnlargement(decoder.deconv1, decoder.norm1, height, width)
            self.enlarge2 = GraphEnlargement(decoder.deconv2, decoder.norm2, 2 * height, 2 * width)

    def forward(self, features: Tensor) -> Tensor:
        """Return heatmaps (B, J, 4h, 4w) for features (B, C, h, w)."""
        if not isinstance(self.decoder, ClassicDecoder):
            heatmaps: Tensor = self.decoder(features)
            return heatmaps
        large = self.enlarge2(self.enlarge1(features.permute(0, 2, 3, 1)))  # (B, 4h, 4w, O)
        final = self.decoder.final
        return F.linear(large, final.weight.flatten(1), final.bias).permute(0, 3, 1, 2)


class GraphEnlargement(nn.Module):
    """`Enlargement` of (B, h, w, C), one direction after the other.

    What it makes of its weights becomes a part of the graph, which engines compute once.
    """

    def __init__(
        self, deconv: nn.ConvTranspose2d, norm: nn.BatchNorm2d, height: int, width: int
    ) -> None:
        super().__init__()
        self.deconv, self.norm, self.size = deconv, norm, (height, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 2h, 2w, O)."""
        (height, width), (channels, out) = self.size, self.deconv.weight.shape[:2]
        weights = winograd_weights(self.deconv, self.norm)  # (C, O, 8, 8)
        weights = weights.permute(2, 3, 0, 1).flatten(0, 1)  # (64, C, O)
        tall, wide = -(-height // 3), -(-width // 3)
        x = F.pad(x, (0, 0, 1, 3 * wide - width + 1, 1, 3 * tall - height + 1))
        points = _to_points(_to_points(x, 1, tall), 3, wide)  # (8, 8, B, tall, wide, C)
        products = points.reshape(64, -1, channels) @ weights  # (64, B tall wide, O)
        parts = products.reshape(8, 8, -1, tall, wide, out)
        columns = _from_points(parts.unbind(0), 3)  # (8, B, tall, 6 wide, O)
        rows = _from_points(columns.unbind(0), 1)  # (B, 6 tall, 6 wide, O)
        return F.relu(rows[:, : 2 * height, : 2 * width] + folded_bias(self.norm))


def _to_points(x: Tensor, axis: int, count: int) -> Tensor:
    """Return the factors, (8, ..., count, ...): parity by parity four points of an axis."""
    a, b, c, d, e = (x[(slice(None),) * axis + (slice(k, k + 3 * count - 2, 3),)] for k in range(5))
    return torch.stack((a - c, b + c, c - b, d - b, b - d, c + d, d - c, e - c))


def _from_points(products: Sequence[Tensor], axis: int) -> Tensor:
    """Return six neighbours for each place of an axis, from the eight products of each."""
    a, b, c, d, e, f, g, h = products
    both, other = b + c, f + g
    six = (a + both, e + other, b - c, f - g, both + d, other + h)
    return torch.stack(six, axis + 1).flatten(axis, axis + 1)
