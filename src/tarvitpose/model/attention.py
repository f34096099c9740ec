"""The attention layer that JTA and GRA share.   Axes: B batch, Q queries, K keys, C channels."""

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

        `query` is (B, Q, C) and `context` (B, K, C). `visible` is (B, Q, K): bool, true where a
        query may attend, and each must attend to something (`unmask_empty_rows`); or float, which
        is added to the scores.
        """
        updated: Tensor = self.norm(query + self.attend(query, context, visible))
        return updated

    def attend(self, query: Tensor, context: Tensor, visible: Tensor | None) -> Tensor:
        """Return what every query finds, (B, Q, C), before it is added; takes what `forward` does.

        `inference.fast.fold_attention` puts the same in forms of less work here.
        """
        q = self._split_heads(self.to_query(query))  # (B, heads, Q, C / heads)
        k, v = map(self._split_heads, self.to_key_value(context).chunk(2, dim=-1))
        mask = None if visible is None else visible.unsqueeze(1)  # (B, 1, Q, K)
        pooled = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = self.to_out(pooled.transpose(1, 2).flatten(2))  # (B, Q, C)
        return out

    def attention_weights(
        self, query: Tensor, context: Tensor, visible: Tensor | None = None
    ) -> Tensor:
        """Return how each query spreads its attention, (B, heads, Q, K), 1 in all for each head.

        Takes what `forward` does.
        """
        q = self._split_heads(self.to_query(query))  # (B, heads, Q, C / heads)
        k = self._split_heads(self.to_key_value(context).chunk(2, dim=-1)[0])
        scores = q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)  # (B, heads, Q, K)
        if visible is not None:
            scores = masked(scores, visible.unsqueeze(1))
        weights: Tensor = scores.softmax(-1)
        return weights

    def _split_heads(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.heads, -1)).transpose(1, 2)  # (B, heads, ., C / heads)


def masked(scores: Tensor, visible: Tensor) -> Tensor:
    """Return attention's scores after a mask, hidden where it is false, or a float one, added."""
    if visible.dtype == torch.bool:
        return scores.masked_fill(~visible, float("-inf"))
    return scores + visible


def unmask_empty_rows(visible: Tensor) -> Tensor:
    """Return the mask (B, Q, K), where a query that may attend to nothing attends to all.

    A float mask hides nothing and comes back as it is.
    """
    if visible.dtype != torch.bool:
        return visible
    return visible | ~visible.any(-1, keepdim=True)
