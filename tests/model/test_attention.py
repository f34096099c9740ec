"""The attention layers, beside torch's own."""

import pytest
import torch
from attention_layers import HEADS, Q, context, every_way, queries, random_layer, random_mask
from tiny_models import B, C, randomise, tiny_config
from torch import nn

from tarvitpose.model.attention import CrossAttention, unmask_empty_rows
from tarvitpose.model.encoder import DropPath, SelfAttention
from tarvitpose.model.gra import GRA
from tarvitpose.model.jta import FeedForward


def torch_twin(layer: CrossAttention) -> nn.MultiheadAttention:
    twin = nn.MultiheadAttention(C, HEADS, batch_first=True)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat([layer.to_query.weight, layer.to_key_value.weight]))
        twin.in_proj_bias.copy_(torch.cat([layer.to_query.bias, layer.to_key_value.bias]))
        twin.out_proj.weight.copy_(layer.to_out.weight)
        twin.out_proj.bias.copy_(layer.to_out.bias)
    return twin


@every_way
def test_cross_attention_equals_torchs(keys: int) -> None:
    layer = random_layer()
    attended, _ = torch_twin(layer)(queries(), context(keys), context(keys))
    expected = layer.norm(queries() + attended)
    torch.testing.assert_close(layer(queries(), context(keys)), expected)


@every_way
def test_masked_cross_attention_equals_torchs(keys: int) -> None:
    layer, hidden = random_layer(), ~random_mask(keys)
    mask = hidden.repeat_interleave(HEADS, dim=0)  # (B heads, Q, K)
    attended, _ = torch_twin(layer)(queries(), context(keys), context(keys), attn_mask=mask)
    expected = layer.norm(queries() + attended)
    torch.testing.assert_close(layer(queries(), context(keys), random_mask(keys)), expected)


@every_way
def test_hidden_context_changes_nothing(keys: int) -> None:
    layer, visible = random_layer(), random_mask(keys)
    visible[..., 0] = False
    changed = context(keys)
    changed[:, 0] = 1e4
    torch.testing.assert_close(
        layer(queries(), changed, visible), layer(queries(), context(keys), visible)
    )


@every_way
def test_a_query_that_may_look_nowhere_looks_everywhere(keys: int) -> None:
    layer, visible = random_layer(), random_mask(keys)
    visible[..., 0] = False
    visible[1, 2] = False
    visible = unmask_empty_rows(visible)
    masked, free = layer(queries(), context(keys), visible), layer(queries(), context(keys))
    torch.testing.assert_close(masked[1, 2], free[1, 2])
    assert not torch.allclose(masked[1, 3], free[1, 3])
    assert masked.isfinite().all()


@every_way
def test_a_blind_query_has_finite_gradients(keys: int) -> None:
    layer = random_layer()
    blind = unmask_empty_rows(torch.zeros(B, Q, keys, dtype=torch.bool))
    layer(queries(), context(keys), blind).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


@every_way
def test_the_order_of_the_context_does_not_matter(keys: int) -> None:
    layer = random_layer()
    torch.testing.assert_close(
        layer(queries(), context(keys).flip(1)), layer(queries(), context(keys))
    )


def test_self_attention_equals_torchs() -> None:
    layer = SelfAttention(C, 3)
    randomise(layer)
    twin = nn.MultiheadAttention(C, 3, batch_first=True)
    with torch.no_grad():
        twin.in_proj_weight.copy_(layer.qkv.weight)
        twin.in_proj_bias.copy_(layer.qkv.bias)
        twin.out_proj.load_state_dict(layer.proj.state_dict())
    torch.testing.assert_close(layer(queries()), twin(queries(), queries(), queries())[0])


def test_heads_change_the_result_though_no_shape_does() -> None:
    first, second = SelfAttention(C, 3), SelfAttention(C, 6)
    second.load_state_dict(first.state_dict())
    assert not torch.allclose(first(queries()), second(queries()))


def test_feed_forward_normalises_after_the_sum() -> None:
    layer = FeedForward(C)
    randomise(layer)
    inner = torch.nn.functional.gelu(queries() @ layer.fc1.weight.T + layer.fc1.bias)
    assert inner.shape == (B, Q, 2 * C)
    summed = queries() + inner @ layer.fc2.weight.T + layer.fc2.bias
    mean, variance = summed.mean(-1, keepdim=True), summed.var(-1, correction=0, keepdim=True)
    expected = (summed - mean) / (variance + 1e-5).sqrt() * layer.norm.weight + layer.norm.bias
    torch.testing.assert_close(layer(queries()), expected)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_gra_repeats_its_layer(layers: int) -> None:
    gra = GRA(tiny_config(gra_layers=layers))
    randomise(gra)
    expected = context(31)
    for layer in gra.layers:
        expected = layer(expected, queries())
    torch.testing.assert_close(gra(context(31), queries()), expected)
    assert len(gra.layers) == layers


def test_drop_path_keeps_the_expectation_and_drops_whole_samples() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25).train()
    x = torch.ones(20_000, 2, 3)
    y = drop(x)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert torch.equal(y[:, :1, :1].expand_as(y), y)
    assert y.mean().item() == pytest.approx(1, abs=0.02)


def test_drop_path_does_nothing_outside_training() -> None:
    x = queries()
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0).train()(x) is x
