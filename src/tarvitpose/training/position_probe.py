"""The position of a token in the crop, and how much of it a linear probe reads out of the token.

JTA and GRA have no position embedding: they can match a token with a joint at the same position
only as far as the encoder's output tells positions apart.

Axes: B batch, C channels, h w the token grid, N = h w, K waves.
"""

import torch
from torch import Tensor

REACH = 1.5  # tokens: the distance at which two positions are still similar
RIDGE = 1e-2  # keeps the probe's fit stable
WAVES = 128  # that the loss reads out of a token


def position_waves(size: tuple[int, int], count: int) -> Tensor:
    """Return `count` waves over a grid (h, w), (N, K), with a mean square of 1.

    The inner product of two positions' waves falls off like a Gaussian of their distance (random
    Fourier features); pairs of neighbouring waves are a sine and its cosine. Always the same ones.
    """
    rows, columns = torch.meshgrid(*(torch.arange(float(n)) for n in size), indexing="ij")
    grid = torch.stack([rows.flatten(), columns.flatten()], -1)  # (N, 2)
    frequencies = torch.randn((count + 1) // 2, 2, generator=torch.Generator().manual_seed(0))
    phases = (grid.unsqueeze(1) * frequencies / REACH).sum(-1)  # (N, K / 2)
    return (torch.stack([phases.cos(), phases.sin()], -1) * 2**0.5).flatten(1)[:, :count]


def fit_positions(features: Tensor, waves: Tensor) -> tuple[Tensor, Tensor]:
    """Return the linear map (C, K) that reads waves (N, K) best from features (B, C, h, w).

    Also the share of the waves that it does not read, 0..1. Ridge regression, in float32.
    """
    with torch.autocast(features.device.type, enabled=False):
        tokens = features.float().flatten(2).transpose(1, 2)  # (B, N, C)
        flat = tokens.flatten(0, 1)
        together = flat.T @ flat / len(flat)  # (C, C)
        together = together + RIDGE * torch.eye(len(together)).to(flat)
        fit: Tensor = torch.linalg.solve(together, tokens.mean(0).T @ waves / len(waves))
        unread = (tokens @ fit - waves).square().mean() / waves.square().mean()
    return fit, unread


def position_loss(features: Tensor) -> Tensor:
    """Return the share of a token's position that cannot be read out of it, 0..1, as a loss.

    `features` is (B, C, h, w). The probe is fitted to the batch, so with few crops for the width
    the share seems smaller than it is.
    """
    waves = position_waves((features.shape[2], features.shape[3]), WAVES).to(features.device)
    return fit_positions(features, waves)[1]
