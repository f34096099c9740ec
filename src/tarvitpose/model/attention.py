"""The attention layer that JTA and GRA share.   Axes: B batch, Q queries, K keys, C channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CrossAttention(nn.Module):
    """Add to every query what it finds in the context, then normalise (post-norm, eps 1e-5)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_query = nn.Linear(width, width)
        self.to_key_value = nn.Linear(width, 2 * width)
        self.to_out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        for layer in (self.to_query, self.to_key_value, self.to_out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor, context: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return the updated query, (B, Q, C).

        `query` is (B, Q, C) and `context` (B, K, C). `visible` is (B, Q, K), true where a
        query may look; a query that may look nowhere looks everywhere.
        """
        mask = None
        if visible is not None:
            mask = (visible | ~visible.any(-1, keepdim=True)).unsqueeze(1)  # (B, 1, Q, K)
        q = self._split_heads(self.to_query(query))  # (B, heads, Q, C / heads)
        # Either projects the context once, or every head of every query: what is less work.
        attend = self._folded if self.heads * query.shape[1] < context.shape[1] else self._plain
        found = attend(q, context, mask)  # (B, heads, Q, C / heads)
        updated: Tensor = self.norm(query + self.to_out(found.transpose(1, 2).flatten(2)))
        return updated

    def _plain(self, q: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        k, v = map(self._split_heads, self.to_key_value(context).chunk(2, dim=-1))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def _folded(self, q: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """The same without keys and values: fold W_k into the query, apply W_v after pooling.

        The keys' bias adds the same to all scores of a query, which softmax does not see.
        """
        width = context.shape[-1]
        w_k, w_v = torch.unflatten(self.to_key_value.weight, 0, (2, self.heads, -1))
        b_v = torch.unflatten(self.to_key_value.bias[width:], 0, (self.heads, 1, -1))
        looks = (q @ w_k) * q.shape[-1] ** -0.5  # (B, heads, Q, C)
        scores = looks.flatten(1, 2) @ context.transpose(1, 2)  # (B, heads Q, K)
        scores = torch.unflatten(scores, 1, (self.heads, -1))  # (B, heads, Q, K)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        pooled = scores.softmax(-1).flatten(1, 2) @ context  # (B, heads Q, C)
        pooled = torch.unflatten(pooled, 1, (self.heads, -1))  # (B, heads, Q, C)
        found: Tensor = pooled @ w_v.transpose(1, 2) + b_v  # (B, heads, Q, C / heads)
        return found

    def _split_heads(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, -1)).transpose(1, 2)  # (B, heads, ., C / heads)
