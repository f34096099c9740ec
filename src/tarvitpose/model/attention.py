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

        `query` is (B, Q, C) and `context` (B, K, C). `visible` is (B, Q, K), true where a query
        may attend; each must attend to something (`unmask_empty_rows`).
        """
        queries, keys, width = query.shape[1], context.shape[1], query.shape[2]
        # Multiply-adds of the three forms, over 2 C: all give the same.
        # Training takes the cheapest as well, so the choice belongs to the layer.
        scored = self.heads * queries * keys
        plain = (queries + keys) * width + scored // self.heads
        folded, turned = 2 * queries * width + scored, 2 * keys * width + scored
        if plain <= min(folded, turned):
            attended = self._plain(query, context, visible)
        elif folded <= turned:
            attended = self._few_queries(query, context, visible)
        else:
            attended = self._few_keys(query, context, visible)
        updated: Tensor = self.norm(query + attended)
        return updated

    def _plain(self, query: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        q = self._split_heads(self.to_query(query))  # (B, heads, Q, C / heads)
        k, v = map(self._split_heads, self.to_key_value(context).chunk(2, dim=-1))
        mask = None if visible is None else visible.unsqueeze(1)  # (B, 1, Q, K)
        pooled = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = self.to_out(pooled.transpose(1, 2).flatten(2))  # (B, Q, C)
        return out

    def _few_queries(self, query: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """The same without keys and values: fold W_k into the query, apply W_v after pooling."""
        _, w_v = torch.unflatten(self.to_key_value.weight, 0, (2, self.heads, -1))
        b_v = self.to_key_value.bias[context.shape[-1] :]
        weights = self.attention_weights(query, context, visible)
        pooled = weights.flatten(1, 2) @ context  # (B, heads Q, C)
        pooled = torch.unflatten(pooled, 1, (self.heads, -1))  # (B, heads, Q, C)
        values = torch.einsum("bhqc,hdc->bqhd", pooled, w_v).flatten(2) + b_v  # (B, Q, C)
        out: Tensor = self.to_out(values)
        return out

    def attention_weights(
        self, query: Tensor, context: Tensor, visible: Tensor | None = None
    ) -> Tensor:
        """Return how each query spreads its attention, (B, heads, Q, K), 1 in all for each head.

        Takes what `forward` does. The keys' bias adds the same to all scores of a query, which
        softmax does not see.
        """
        w_k, _ = torch.unflatten(self.to_key_value.weight, 0, (2, self.heads, -1))
        q = torch.unflatten(self.to_query(query), -1, (self.heads, -1))  # (B, Q, heads, C / heads)
        folded = torch.einsum("bqhd,hdc->bhqc", q * q.shape[-1] ** -0.5, w_k)  # (B, heads, Q, C)
        scores = folded.flatten(1, 2) @ context.transpose(1, 2)  # (B, heads Q, K)
        scores = torch.unflatten(scores, 1, (self.heads, -1))  # (B, heads, Q, K)
        if visible is not None:
            scores = scores.masked_fill(~visible.unsqueeze(1), float("-inf"))
        return scores.softmax(-1)

    def _few_keys(self, query: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """The same for many queries: fold W_q into the keys and W_o into the values."""
        k, v = torch.unflatten(self.to_key_value(context), -1, (2, self.heads, -1)).unbind(2)
        k = k * k.shape[-1] ** -0.5  # (B, K, heads, C / heads)
        w_q = torch.unflatten(self.to_query.weight, 0, (self.heads, -1))  # (heads, C / heads, C)
        b_q = torch.unflatten(self.to_query.bias, 0, (self.heads, -1))
        w_o = torch.unflatten(self.to_out.weight, 1, (self.heads, -1))  # (C, heads, C / heads)
        folded = torch.einsum("bkhd,hdc->bhkc", k, w_q).flatten(1, 2)  # (B, heads K, C)
        always = torch.einsum("bkhd,hd->bhk", k, b_q).flatten(1)  # (B, heads K)
        scores = torch.baddbmm(
            always.unsqueeze(1), query, folded.transpose(-2, -1)
        )  # (B, Q, heads K)
        scores = torch.unflatten(scores, 2, (self.heads, -1))  # (B, Q, heads, K)
        if visible is not None:
            scores = scores.masked_fill(~visible.unsqueeze(2), float("-inf"))
        weights = scores.softmax(-1).flatten(2)  # (B, Q, heads K)
        values = torch.einsum("bkhd,chd->bhkc", v, w_o).flatten(1, 2)  # (B, heads K, C)
        return weights @ values + self.to_out.bias  # (B, Q, C)

    def _split_heads(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, -1)).transpose(1, 2)  # (B, heads, ., C / heads)


def unmask_empty_rows(visible: Tensor) -> Tensor:
    """Return the mask (B, Q, K), where a query that may attend to nothing attends to all."""
    return visible | ~visible.any(-1, keepdim=True)
