"""What a network costs, counted by running it without numbers: parameters and multiply-adds."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tarvitpose.config import ModelConfig
from tarvitpose.inference.fast import fold_attention
from tarvitpose.model.tarvitpose import TARViTPose


@dataclass(frozen=True)
class Cost:
    """Of one part of the network, for one person and output frame."""

    parameters: int
    gmacs: float  # 10^9 multiply-adds of products and convolutions, attention's included


def count(config: ModelConfig) -> dict[str, Cost]:
    """Return the cost of `encoder` (one frame), `decoder` (one call), `temporal`, and of a pose.

    Where the temporal part has them, `jta` and `gra` are its two halves (the paper's Table 5).
    `total` is a whole window, every frame of it encoded and, where there is a mask, decoded;
    `streaming` the same for one frame alone, the others being known; `single_frame` is ViTPose.
    Profilers that hook layers do not see attention's weights; here every product is counted.
    """
    with torch.device("meta"):
        model = fold_attention(TARViTPose(config).eval())
        frames = len(config.offsets) + 1
        clip = torch.empty(1, frames, 3, *config.input_size)
        features = torch.empty(1, frames, config.width, *(side // 16 for side in config.input_size))
        regions = torch.ones(1, frames, len(config.joints), *features.shape[3:], dtype=torch.bool)
    encoder = Cost(parameters(model.encoder), _gmacs(model.encoder, clip[:, 0]))
    decoder = Cost(parameters(model.decoder), _gmacs(model.decoder, features[:, 0]))
    temporal = parameters(model) - encoder.parameters - decoder.parameters
    single = Cost(encoder.parameters + decoder.parameters, encoder.gmacs + decoder.gmacs)
    parts = {"encoder": encoder, "decoder": decoder, "single_frame": single}
    if not config.temporal:
        return {**parts, "temporal": Cost(0, 0.0), "total": single, "streaming": single}
    after = _gmacs(model.aggregate, features, regions)
    decoded = 0.0 if config.aggregation == "regression" else decoder.gmacs
    frame = encoder.gmacs + (decoder.gmacs if config.masked else 0.0)
    if config.aggregation == "joints":
        parts |= _halves(model, features, regions)
    return {
        **parts,
        "temporal": Cost(temporal, after - decoded),
        "total": Cost(parameters(model), frames * frame + after),
        "streaming": Cost(parameters(model), frame + after),
    }


def _halves(model: TARViTPose, features: Tensor, regions: Tensor) -> dict[str, Cost]:
    """Return the cost of JTA and of GRA, for features (B, T, C, h, w)."""
    tokens, visible = features.flatten(3).transpose(2, 3), regions.transpose(1, 2).flatten(2)
    with torch.device("meta"):
        queries = torch.empty(len(tokens), len(model.config.joints), model.config.width)
    return {
        "jta": Cost(parameters(model.jta), _gmacs(model.jta, tokens.flatten(1, 2), visible)),
        "gra": Cost(parameters(model.gra), _gmacs(model.gra, tokens[:, 0], queries)),
    }


def parameters(module: nn.Module) -> int:
    """Return how many parameters a module has."""
    return sum(parameter.numel() for parameter in module.parameters())


def _gmacs(part: Callable[..., Tensor], *arguments: Tensor) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        part(*arguments)
    return float(counter.get_total_flops()) / 2e9
