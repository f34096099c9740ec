"""Global restoring attention (paper, section 3.3).   Axes: B batch, N tokens, J joints, C width."""

from __future__ import annotations

from collections.abc import Iterator

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

    def add_nothing(self) -> None:
        """Begin without the joints' part; with `match`, a pretrained decoder then starts well."""
        with torch.no_grad():
            for layer in self._attention_layers():
                layer.to_out.weight.zero_()
                layer.to_out.bias.zero_()

    @property
    def adds_nothing(self) -> bool:
        """Whether no layer adds anything of the joints' queries yet."""
        return not any(layer.to_out.weight.any() for layer in self._attention_layers())

    def match(self, features: Tensor) -> None:
        """Let every layer's norm return the mean and spread of tokens in features (B, C, h, w).

        What a token's own spread says is lost in the norm; a decoder has to learn that anew.
        """
        with torch.no_grad():
            for layer in self._attention_layers():
                layer.norm.weight.fill_(features.std(1, correction=0).mean())
                layer.norm.bias.fill_(features.mean())

    def _attention_layers(self) -> Iterator[CrossAttention]:
        return (layer for layer in self.layers if isinstance(layer, CrossAttention))
