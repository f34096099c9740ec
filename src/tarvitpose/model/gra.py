"""Global restoring attention (paper, section 3.3).   Axes: B batch, N tokens, J joints, C width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tarvitpose.config import ModelConfig
from tarvitpose.model.attention import CrossAttention


class GRA(nn.Module):
    """Write what the joint queries gathered into the tokens of the current frame (Eq. 5)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            CrossAttention(config.width, config.temporal_heads) for _ in range(config.gra_layers)
        )

    def forward(self, tokens: Tensor, joints: Tensor) -> Tensor:
        """Return restored tokens (B, N, C) for tokens (B, N, C) and joint queries (B, J, C)."""
        for layer in self.layers:
            tokens = layer(tokens, joints)
        return tokens

    def start_from_features(self, norm: nn.LayerNorm) -> None:
        """Begin as nearly nothing: pass on what the encoder's last norm gives, add no joints yet.

        A pretrained decoder then starts from heatmaps close to the single-frame ones. Every
        layer's own norm is set to the mean and spread that features have behind `norm`.
        """
        with torch.no_grad():
            mean = norm.bias.mean()
            spread = (norm.weight.square().mean() + norm.bias.var(correction=0)).sqrt()
            for layer in self.layers:
                assert isinstance(layer, CrossAttention)
                layer.to_out.weight.zero_()
                layer.to_out.bias.zero_()
                layer.norm.weight.fill_(spread)
                layer.norm.bias.fill_(mean)
