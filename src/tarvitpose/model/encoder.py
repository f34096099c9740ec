"""The plain Vision Transformer of ViTPose.   Axes: B batch, N = h w tokens, C channels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tarvitpose.config import PATCH, ModelConfig
from tarvitpose.model.merging import CellMerging


class DropPath(nn.Module):
    """Skip a residual branch for random samples while training (stochastic depth)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, C) with whole samples zeroed, the others scaled up."""
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        return x * torch.bernoulli(torch.full_like(x[:, :1, :1], keep)) / keep


class SelfAttention(nn.Module):
    """Multi-head self-attention with a fused projection in the order query, key, value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, C)."""
        qkv = torch.unflatten(self.qkv(x), -1, (3, self.heads, -1))  # (B, N, 3, heads, C / heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # three of (B, heads, N, C / heads)
        attended = _attend(q, k, v)
        out: Tensor = self.proj(attended.transpose(1, 2).flatten(2))  # (B, N, C)
        return out


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q k^T / sqrt(d)) v, (B, heads, N, d).

    PyTorch's fused kernel has a slow backward pass on processors: a third of a training step of
    size S, where the two plain products take a tenth.
    """
    if q.is_cpu and q.requires_grad:
        attended: Tensor = ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
        return attended
    return F.scaled_dot_product_attention(q, k, v)


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, config: ModelConfig, drop_path: float) -> None:
        super().__init__()
        width, eps, hidden = config.width, config.layer_norm_eps, config.mlp_width
        self.norm1 = nn.LayerNorm(width, eps)
        self.attention = SelfAttention(width, config.heads)
        self.norm2 = nn.LayerNorm(width, eps)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, C)."""
        x = x + self.drop_path(self.attention(self.norm1(x)))
        out: Tensor = x + self.drop_path(self.fc2(F.gelu(self.fc1(self.norm2(x)))))
        return out


class Encoder(nn.Module):
    """Turn images into feature maps (ViTPose; method of the paper, section 3.1)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.grid = config.position_grid
        self.patch_embed = nn.Conv2d(3, config.width, kernel_size=PATCH, stride=PATCH, padding=2)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], config.width))
        self.blocks = nn.ModuleList(
            Block(config, config.drop_path * index / max(config.depth - 1, 1))
            for index in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width, config.layer_norm_eps)
        self.merge_after = config.merge_after
        self.merging = CellMerging(config) if config.fine_cells else None
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (B, C, h, w) for images (B, 3, 16 h, 16 w)."""
        return self.other_blocks(*self.first_blocks(images))

    def first_blocks(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return tokens (B, N, C) before any are merged, and their grid (h, w)."""
        x, grid = self.embed(images)
        for block in self.blocks[: self.merge_after]:
            x = block(x)
        return x, grid

    def embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens (B, N, C) that the first block reads, and their grid (h, w)."""
        patches = self.patch_embed(images)  # (B, C, h, w)
        grid = (patches.shape[2], patches.shape[3])
        return patches.flatten(2).transpose(1, 2) + self.position(grid), grid

    def other_blocks(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return features (B, C, h, w) for what `first_blocks` made, (B, N, C) of a grid (h, w)."""
        if self.merging is not None:
            x, order = self.merging.merge(x, grid)
        for block in self.blocks[self.merge_after :]:
            x = block(x)
        tokens: Tensor = self.norm(x)
        if self.merging is not None:
            tokens = self.merging.split(tokens, order, grid)
        return torch.unflatten(tokens.transpose(1, 2), 2, grid)  # (B, C, h, w)

    def freeze_first(self, blocks: int) -> None:
        """Let so many blocks, and the embeddings before them, keep their weights."""
        self.pos_embed.requires_grad_(False)
        for part in (self.patch_embed, *self.blocks[:blocks]):
            part.requires_grad_(False)

    def position(self, grid: tuple[int, int]) -> Tensor:
        """Return the position embedding (1, N, C) of a grid (h, w), resized where it differs."""
        if grid == self.grid:
            return self.pos_embed
        stored = torch.unflatten(
            self.pos_embed.float().transpose(-2, -1), 2, self.grid
        )  # (1, C, h, w)
        resized = F.interpolate(stored, size=grid, mode="bicubic", align_corners=False)
        return resized.flatten(2).transpose(1, 2).to(self.pos_embed.dtype)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
