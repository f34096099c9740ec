"""Global restoring attention (paper, section 3.3).   Axes: B batch, N tokens, J joints, C width."""

from __future__ import annotations

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
