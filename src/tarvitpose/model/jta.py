"""Joint-centric temporal aggregation, and the mask that guides it (paper, section 3.2).

Axes: B batch, T frames, J joints, N = h w tokens of one frame, C channels.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tarvitpose.config import ModelConfig
from tarvitpose.model.attention import CrossAttention, unmask_empty_rows

FEED_FORWARD_RATIO = 2
WORTH_PICKING = 0.75  # seen tokens are picked out where they are at most this share of all
MaskRule = Literal["paper", "released", "none"]


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
    """Each joint looks at its regions in all frames, then at the other joints."""

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

    def forward(self, tokens: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return joint queries (B, J, C) for tokens (B, T N, C) and a mask (B, J, T N).

        A joint that may look nowhere looks everywhere.
        """
        if visible is not None:
            visible = unmask_empty_rows(visible)
            if _may_pick(tokens):
                tokens, visible = visible_tokens(tokens, visible)
        joints = self._start(tokens)
        for layer in self.layers:
            joints = layer(joints, tokens, visible)
        return joints

    def shares(self, tokens: Tensor, visible: Tensor) -> list[Tensor]:
        """Return how each joint's query spreads its attention in each layer, (B, heads, J, T N).

        Takes what `forward` does, which goes through the same steps.
        """
        visible = unmask_empty_rows(visible)
        joints, found = self._start(tokens), []
        for layer in self.layers:
            assert isinstance(layer, JTALayer)
            found.append(layer.look.shares(joints, tokens, visible))
            joints = layer(joints, tokens, visible)
        return found

    def _start(self, tokens: Tensor) -> Tensor:
        return (self.query + self.query_position).expand(len(tokens), -1, -1)  # (B, J, C)


def visible_tokens(tokens: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return the tokens (B, K', C) that some joint may see, and what of them each sees (B, J, K').

    `tokens` is (B, K, C), `visible` (B, J, K) with something for each joint (`unmask_empty_rows`).
    K' is the largest number of a sample; the others are filled up with tokens that none of their
    joints sees. Both come back as they are where picking would hardly save anything.
    """
    seen = visible.any(1)  # (B, K)
    most = int(seen.sum(1).max())
    if most > WORTH_PICKING * seen.shape[1]:
        return tokens, visible
    order = seen.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]  # (B, K')
    sample = torch.arange(len(tokens), device=tokens.device).unsqueeze(1)  # (B, 1)
    of_each_joint = order.unsqueeze(1).expand(-1, visible.shape[1], -1)  # (B, J, K')
    return tokens[sample, order], visible.gather(2, of_each_joint)


def _may_pick(tokens: Tensor) -> bool:
    """Only without gradients, where counting does not wait for a device, and not into a graph."""
    traced = (
        torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or torch.compiler.is_compiling()
    )
    return tokens.device.type == "cpu" and not torch.is_grad_enabled() and not traced


def score_rule(rule: MaskRule) -> MaskRule:
    """Return the rule that the scores of tokens follow: "none" has those of "paper"."""
    return "released" if rule == "released" else "paper"


def token_scores(heatmaps: Tensor, rule: MaskRule) -> Tensor:
    """Return how sure each token is of each joint, (B, J, h, w), from heatmaps (B, J, 4h, 4w).

    "paper" (Eq. 3): the highest pixel of the token's 4 x 4 cell.
    "released": each heatmap is stretched to 0..1 and shrunk bilinearly.
    """
    if score_rule(rule) == "released":
        lowest, highest = heatmaps.amin((2, 3), keepdim=True), heatmaps.amax((2, 3), keepdim=True)
        stretched = (heatmaps - lowest) / (highest - lowest + 1e-6)
        size = (heatmaps.shape[2] // 4, heatmaps.shape[3] // 4)
        return F.interpolate(stretched, size, mode="bilinear", align_corners=False)
    return F.max_pool2d(heatmaps, 4)


def seen_regions(scores: Tensor, rule: MaskRule, threshold: float) -> Tensor:
    """Return where each joint may look (bool), from the scores of tokens; "none" hides nothing."""
    return torch.ones_like(scores, dtype=torch.bool) if rule == "none" else scores >= threshold
