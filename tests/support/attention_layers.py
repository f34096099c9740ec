"""A random attention layer, with queries and contexts for it.   Q queries, C channels."""

import pytest
import torch
from tiny_models import B, C, randomise
from torch import Tensor

from tarvitpose.model.attention import CrossAttention

Q = 5
HEADS = 4
# Fewer positions than queries, more, and many more.
every_way = pytest.mark.parametrize("keys", [2, 11, 31])


def queries() -> Tensor:
    """Return random queries (B, Q, C), the same at each call."""
    return torch.randn(B, Q, C, generator=torch.Generator().manual_seed(0))


def context(keys: int) -> Tensor:
    """Return a random context (B, keys, C), the same at each call."""
    return torch.randn(B, keys, C, generator=torch.Generator().manual_seed(1))


def random_mask(keys: int) -> Tensor:
    """Return a random mask (B, Q, keys) in which every query sees position 1."""
    visible = torch.rand(B, Q, keys, generator=torch.Generator().manual_seed(2)) < 0.4
    visible[..., 1] = True
    return visible


def random_layer() -> CrossAttention:
    """Return a layer in which no weight is trivial."""
    layer = CrossAttention(C, HEADS)
    randomise(layer)
    return layer
