"""Global restoring attention (paper, section 3.3).   Axes: B batch, N tokens, J joints, C width."""

import torch
from torch import Tensor, nn

from tarvitpose.config import ModelConfig
from tarvitpose.model.attention import CrossAttention


class GRA(nn.Module):
    """Write what the joint queries gathered into the tokens of the current frame (Eq. 5).

    With `gra_gate`, which the paper lacks, a token decides by itself how far it is restored.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            CrossAttention(config.width, config.temporal_heads) for _ in range(config.gra_layers)
        )
        self.gate = nn.Linear(config.width, 1) if config.gra_gate else None
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)

    def forward(self, tokens: Tensor, joints: Tensor) -> Tensor:
        """Return restored tokens (B, N, C) for tokens (B, N, C) and joint queries (B, J, C)."""
        restored = tokens
        for layer in self.layers:
            restored = layer(restored, joints)
        if self.gate is None:
            return restored
        share = 1 + torch.tanh(self.gate(tokens))  # (B, N, 1): 0 leaves a token as it is
        return tokens + share * (restored - tokens)
