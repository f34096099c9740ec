"""Joint-centric temporal aggregation (paper, section 3.2); its mask: `mask.py`.

Axes: B batch, T frames, J joints, N = h w tokens of one frame, C channels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tarvitpose.config import PATCH, ModelConfig, window_offsets
from tarvitpose.model.attention import CrossAttention, unmask_empty_rows

FEED_FORWARD_RATIO = 2


class FeedForward(nn.Module):
    """Add a two-layer perceptron's output to every query, then normalise."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, FEED_FORWARD_RATIO * width)
        self.fc2 = nn.Linear(FEED_FORWARD_RATIO * width, width)
        self.norm = nn.LayerNorm(width)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor) -> Tensor:
        """Return (B, J, C)."""
        updated: Tensor = self.norm(query + self.fc2(F.gelu(self.fc1(query))))
        return updated


class JTALayer(nn.Module):
    """Each joint attends to its regions in all frames, then to the other joints."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.look = CrossAttention(width, heads)
        self.exchange = CrossAttention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, joints: Tensor, tokens: Tensor, visible: Tensor | None) -> Tensor:
        """Return the updated joint queries, (B, J, C)."""
        joints = self.look(joints, tokens, visible)
        joints = self.exchange(joints, joints)
        updated: Tensor = self.feed_forward(joints)
        return updated


class JTA(nn.Module):
    """A learned query for each joint gathers what the frames show of it (Eq. 2 and 4)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        joints = len(config.joints)
        self.query = nn.Parameter(torch.randn(joints, config.width))
        self.query_position = nn.Parameter(torch.randn(joints, config.width))
        self.layers = nn.ModuleList(
            JTALayer(config.width, config.temporal_heads) for _ in range(config.jta_layers)
        )
        self.has_positions = config.key_positions
        if config.key_positions:
            frames = len(window_offsets(config.offsets)[0])
            grid = math.prod(side // PATCH for side in config.input_size)
            self.key_frame = nn.Parameter(torch.zeros(frames, 1, config.width))
            self.key_position = nn.Parameter(torch.zeros(1, grid, config.width))

    def forward(self, tokens: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return joint queries (B, J, C) for tokens (B, T N, C) and a mask (B, J, T N).

        A joint that may attend to nothing attends to all.
        """
        if visible is not None:
            visible = unmask_empty_rows(visible)
        return self.gather(self.with_positions(tokens), visible)

    def with_positions(self, tokens: Tensor) -> Tensor:
        """Return tokens (B, T N, C) that tell their position and frame, if the config says so."""
        if not self.has_positions:
            return tokens
        return tokens + (self.key_frame + self.key_position).flatten(0, 1)

    def gather(self, tokens: Tensor, visible: Tensor | None) -> Tensor:
        """Return what `forward` does, for tokens with their positions."""
        joints = self._start(tokens)
        for layer in self.layers:
            joints = layer(joints, tokens, visible)
        return joints

    def attention_weights(self, tokens: Tensor, visible: Tensor) -> list[Tensor]:
        """Return how each joint's query spreads its attention in each layer, (B, heads, J, T N).

        Takes what `forward` does, which goes through the same steps.
        """
        visible, tokens = unmask_empty_rows(visible), self.with_positions(tokens)
        joints, weights = self._start(tokens), []
        for layer in self.layers:
            assert isinstance(layer, JTALayer)
            weights.append(layer.look.attention_weights(joints, tokens, visible))
            joints = layer(joints, tokens, visible)
        return weights

    def _start(self, tokens: Tensor) -> Tensor:
        return (self.query + self.query_position).expand(len(tokens), -1, -1)  # (B, J, C)
