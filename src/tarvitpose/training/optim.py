"""Parameter groups and the learning rate's schedule."""

import math
from collections import defaultdict

import torch
from torch import nn

from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.config import OptimConfig


def parameter_groups(model: TARViTPose, config: OptimConfig) -> list[dict[str, object]]:
    """Return groups for AdamW, each with its `lr`; parameters without gradient are left out.

    Vectors (biases, norms) and embeddings have no weight decay. In the encoder the rate shrinks by
    `layer_decay` for each block from the last one down to the patch embedding (ViTPose).
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = config.lr * _scale(name, model.config.depth, config)
            plain = parameter.ndim < 2 or "pos_embed" in name or name.startswith("jta.query")
            groups[rate, 0.0 if plain else config.weight_decay].append(parameter)
    return [
        {"params": parameters, "lr": rate, "base_lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _scale(name: str, depth: int, config: OptimConfig) -> float:
    if not name.startswith("encoder."):
        return 1.0
    return config.encoder_lr_scale * float(config.layer_decay ** (depth + 1 - _layer(name, depth)))


def _layer(name: str, depth: int) -> int:
    """0 for the embedding, 1 to `depth` for the blocks, `depth` + 1 for the last norm."""
    if name.startswith("encoder.blocks."):
        return int(name.split(".")[2]) + 1
    return depth + 1 if name.startswith(("encoder.norm", "encoder.merging")) else 0


def rate_factor(step: int, total: int, steps_per_epoch: float, config: OptimConfig) -> float:
    """Return what the base rates are multiplied with at a step (from 0) of `total`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "cosine":
        done = (step - config.warmup_steps) / max(total - config.warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    if config.schedule == "step":
        return float(config.decay_factor ** int(step / steps_per_epoch / config.decay_every))
    return 1.0


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group its base rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
