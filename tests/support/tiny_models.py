"""Tiny networks and clips. All axes differ, so that a swapped axis cannot pass."""

from typing import Any

import torch
from torch import Tensor, nn

from tarvitpose.config import ModelConfig
from tarvitpose.model.tarvitpose import TARViTPose

B, T, J, C = 2, 3, 15, 24
H, W = 64, 112
h, w = 4, 7
N = h * w


def tiny_config(**changes: Any) -> ModelConfig:
    """Return a config of width 24 for crops of 64 x 112 and three frames.

    Its decoder is narrow, which halves the time of many tests; `convert` takes only one that is 256
    wide.
    """
    values = {
        "width": C,
        "depth": 2,
        "heads": 3,
        "position_grid": (h, w),
        "input_size": (H, W),
        "decoder_width": 20,
        "offsets": (-1, 1),
        "jta_layers": 2,
    }
    return ModelConfig(**{**values, **changes})


def randomise(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter and statistic a random value that is neither 0 nor 1."""
    random = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=random) * 0.2)
            if name.endswith(("running_var", "norm.weight", "norm1.weight", "norm2.weight")):
                value.add_(1).abs_()


def tiny_model(seed: int = 0, **changes: Any) -> TARViTPose:
    """Return a random network in evaluation mode."""
    model = TARViTPose(tiny_config(**changes))
    randomise(model, seed)
    return model.eval()


def tiny_clip(frames: int = T, seed: int = 1) -> Tensor:
    """Return a random clip (B, frames, 3, H, W)."""
    return torch.randn(B, frames, 3, H, W, generator=torch.Generator().manual_seed(seed))


def all_visible(frames: int = T) -> Tensor:
    """Return regions (B, frames, J, h, w) that hide nothing."""
    return torch.ones(B, frames, J, h, w, dtype=torch.bool)


def modest_model(seed: int = 0, **changes: Any) -> TARViTPose:
    """Return a random network with heatmaps mostly within 0..1, so that scores differ."""
    model = tiny_model(seed, **changes)
    with torch.no_grad():
        heatmaps = model(tiny_clip(len(model.config.offsets) + 1))
        spread = heatmaps.std((0, 2, 3))
        model.decoder.final.weight /= 10 * spread[:, None, None, None]
        model.decoder.final.bias -= heatmaps.mean((0, 2, 3))
        model.decoder.final.bias /= 10 * spread
        model.decoder.final.bias += 0.3
    return model
