"""How features become tokens: as the paper means it, or as the released weights were trained.

The authors' released code mixes up two pairs of axes. Weights trained with it fit only that.
Axes: B batch, T frames, J joints, N = h w tokens, C channels.
"""

import torch
from torch import Tensor

from tarvitpose.config import Layout


def to_tokens(features: Tensor, layout: Layout) -> Tensor:
    """Return tokens (B, T, N, C) of features (B, T, C, h, w).

    In the "released" layout the memory of (C, N) is read as (N, C): a token is a group of channels.
    """
    flat = features.flatten(3)  # (B, T, C, N)
    if layout == "paper":
        return flat.transpose(2, 3)  # (B, T, N, C)
    return flat.reshape(*flat.shape[:2], flat.shape[3], flat.shape[2])  # (B, T, "N", "C")


def to_features(tokens: Tensor, grid: tuple[int, ...], layout: Layout) -> Tensor:
    """Return features (B, C, h, w) of one frame's tokens (B, N, C): undoes `to_tokens`."""
    if layout == "paper":
        return torch.unflatten(tokens.transpose(1, 2), 2, grid)  # (B, C, h, w)
    return tokens.reshape(len(tokens), tokens.shape[2], *grid)  # (B, "C", h, w)


def released_regions(regions: Tensor) -> Tensor:
    """Read the memory of regions (T, J) as (J, T), for each sample: (B, T, J, h, w) both ways."""
    batch, frames, joints = regions.shape[:3]
    mixed = regions.reshape(batch, joints, frames, *regions.shape[3:])  # (B, "J", "T", h, w)
    return mixed.transpose(1, 2)  # (B, "T", "J", h, w)
