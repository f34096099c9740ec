"""Fewer tokens where no joint is expected: beyond the paper, off unless `fine_cells` is set.

A cell is 2 x 2 tokens. After the first blocks, cells that look like background are merged into
one token each; after the last block, the four tokens of such a cell are copies of it.
Axes: B batch, N = h w tokens, M = 4 F + (N / 4 - F) tokens after merging F fine cells, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tarvitpose.config import ModelConfig

HIDDEN = 64  # channels of the network that tells joints from background


class CellMerging(nn.Module):
    """Decides which cells stay fine, merges the others and splits them again."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.fine = config.fine_cells
        self.relevance = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, 1),
        )

    def scores(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return logits (B, N / 4) of a joint being near each cell, for tokens (B, N, C)."""
        scores: Tensor = to_cells(self.relevance(x), grid).amax((2, 3))
        return scores

    def merge(self, x: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return tokens (B, M, C) and the order of cells (B, N / 4) that `split` needs."""
        order = self.scores(x, grid).argsort(1, descending=True)
        cells = take(to_cells(x, grid), order)  # (B, N / 4, 4, C)
        fine, coarse = cells[:, : self.fine].flatten(1, 2), cells[:, self.fine :].mean(2)
        return torch.cat([fine, coarse], 1), order

    def split(self, x: Tensor, order: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return tokens (B, N, C) of merged ones (B, M, C)."""
        fine = torch.unflatten(x[:, : 4 * self.fine], 1, (self.fine, 4))
        coarse = x[:, 4 * self.fine :].unsqueeze(2).expand(-1, -1, 4, -1)
        return from_cells(take(torch.cat([fine, coarse], 1), order.argsort(1)), grid)


def to_cells(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return cells (B, N / 4, 4, C) of tokens (B, N, C)."""
    h, w = grid
    split = x.reshape(-1, h // 2, 2, w // 2, 2, x.shape[-1])
    return split.permute(0, 1, 3, 2, 4, 5).reshape(-1, h * w // 4, 4, x.shape[-1])


def from_cells(cells: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return tokens (B, N, C) of cells (B, N / 4, 4, C)."""
    h, w = grid
    split = cells.reshape(-1, h // 2, w // 2, 2, 2, cells.shape[-1])
    return split.permute(0, 1, 3, 2, 4, 5).reshape(-1, h * w, cells.shape[-1])


def take(cells: Tensor, order: Tensor) -> Tensor:
    """Return cells (B, N / 4, 4, C) in another order (B, N / 4)."""
    return torch.gather(cells, 1, order[..., None, None].expand(-1, -1, *cells.shape[2:]))
