"""A start for a new temporal part from which few steps are enough.

From random weights it takes hundreds of steps until a joint's query is of use to a token. Here a
query begins as the mean of the tokens that it may attend to, and tokens begin by attending to the
joints that are visible at their own position. Only the start differs: everything is trained, and
the network is that of the paper.

Axes: B batch, T frames, C channels, h w the token grid, N = h w, D channels of a head.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from tarvitpose.model.alternatives import TOKEN_MODELS, TokenLayer
from tarvitpose.model.attention import CrossAttention
from tarvitpose.model.jta import JTA, JTALayer
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.position_probe import fit_positions, position_waves

QUERY_SCALE = 0.2  # of the learned queries, beside tokens of spread 1
SHARPNESS = 8.0  # the attention's score where a token and a joint share their position
STRENGTH = 0.5  # norm of what all layers together add to tokens, over that of the tokens


@torch.no_grad()
def warm_start(model: TARViTPose, features: Tensor) -> None:
    """Set the weights of JTA and GRA from features (B, T, C, h, w) of some clips.

    The paper's alternatives start alike: tokens attend to their own position in other frames, and
    what is added to them is as strong.
    """
    features = features.float()
    if model.config.aggregation in TOKEN_MODELS:
        parts: list[list[TokenLayer]] = [[*model.temporal.first], [*model.temporal.layers]]
        for layers in parts:
            norms = [layer.feed_forward.norm for layer in layers]
            _attend_to_same_position([layer.look for layer in layers], features, norms)
            for layer in layers:
                nn.init.zeros_(layer.feed_forward.fc2.weight)
        for layers in parts:
            _set_strength(model, features, [layer.look for layer in layers])
        return
    _gather_means(model.jta)
    if model.config.aggregation == "joints":
        _attend_to_same_position(model.gra.layers, features, [])
        _set_strength(model, features, list(model.gra.layers))


def _set_strength(model: TARViTPose, features: Tensor, layers: Sequence[nn.Module]) -> None:
    """Scale what layers add to tokens to `STRENGTH` in all, the first one first."""
    regions = model.regions(features)
    for layer in layers:
        assert isinstance(layer, CrossAttention)
        scale = STRENGTH / len(layers) / _added_share(model, features, regions, layer)
        layer.to_out.weight.mul_(scale)
        layer.to_out.bias.mul_(scale)


def _added_share(
    model: TARViTPose, features: Tensor, regions: Tensor, layer: CrossAttention
) -> Tensor:
    """Return the norm of what a layer adds to its queries over that of the queries, a mean."""
    shares: list[Tensor] = []

    def measure(_: nn.Module, inputs: tuple[Tensor, Tensor], __: Tensor) -> None:
        added = layer.attend(*inputs, None)
        shares.append((added.norm(dim=-1) / inputs[0].norm(dim=-1)).mean())

    handle = layer.register_forward_hook(measure)
    model.restore(features, regions)
    handle.remove()
    return shares[0]


def _gather_means(jta: JTA) -> None:
    """Let each layer pass on the visible tokens, and do nothing else yet."""
    jta.query.mul_(QUERY_SCALE)
    jta.query_position.mul_(QUERY_SCALE)
    for layer in jta.layers:
        assert isinstance(layer, JTALayer)
        _pass_values(layer.look, 1.0)
        nn.init.zeros_(layer.exchange.to_out.weight)
        nn.init.zeros_(layer.feed_forward.fc2.weight)


def _attend_to_same_position(
    layers: Iterable[nn.Module], features: Tensor, norms: Iterable[nn.LayerNorm]
) -> None:
    """Let both sides of a layer compare positions, and norms keep the features' mean and spread."""
    spread, mean = features.std(2, correction=0).mean(), features.mean()
    layers = list(layers)
    for layer in layers:
        assert isinstance(layer, CrossAttention)
        positions = _position_reader(features, layer.heads)  # (C, C), D rows for each head
        layer.to_query.weight.copy_(positions)
        layer.to_key_value.weight[: len(positions)] = positions
        _pass_values(layer, STRENGTH)
    for norm in (*(layer.norm for layer in layers), *norms):
        assert isinstance(norm, nn.LayerNorm)
        norm.weight.fill_(spread)
        norm.bias.fill_(mean)


def _pass_values(layer: CrossAttention, gain: float) -> None:
    """Let a layer add what it attends to, times `gain`."""
    width = layer.to_out.in_features
    nn.init.eye_(layer.to_key_value.weight[width:])
    nn.init.eye_(layer.to_out.weight).mul_(gain)


def _position_reader(features: Tensor, heads: int) -> Tensor:
    """Return weights (C, C) that read a token's position, fitted to features (B, T, C, h, w).

    A position is D waves for each head, fitted linearly.
    """
    channels, height, width = features.shape[2:]
    waves = position_waves((height, width), channels).to(features)  # (N, C)
    fit, unread = fit_positions(features.flatten(0, 1), waves)  # (C, C), a wave in each column
    size = channels // heads  # D
    scale = math.sqrt(SHARPNESS * math.sqrt(size) / size) / float((1 - unread).clamp(min=0.1))
    return scale * fit.T
