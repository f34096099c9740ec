"""What the temporal part has beyond the paper: a soft mask, positions of keys, a gate on GRA."""

import pytest
import torch
from tiny_models import B, C, J, N, T, h, tiny_config, tiny_model, w
from torch import Tensor

from tarvitpose.errors import UserError
from tarvitpose.inference.fast import FoldedAttention, PickingJTA
from tarvitpose.inference.graph_folder import refuse_unsupported
from tarvitpose.model.attention import CrossAttention
from tarvitpose.model.mask import seen_regions
from tarvitpose.model.tarvitpose import TARViTPose

ADDITIONS = ("key_positions", "gra_gate")


def features_and_scores() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(5)
    features = torch.randn(B, T, C, h, w, generator=random, dtype=torch.float64)
    return features, torch.rand(B, T, J, h, w, generator=random, dtype=torch.float64)


def with_weights_of(model: TARViTPose, **changes: bool | str) -> TARViTPose:
    """Return a new network, which has another's weights where that has any."""
    torch.manual_seed(0)
    new = TARViTPose(model.config.model_copy(update=changes)).eval().double()
    new.load_state_dict(model.state_dict(), strict=False)
    return new


@pytest.mark.parametrize("addition", ADDITIONS)
def test_an_addition_starts_as_the_papers_network(addition: str) -> None:
    model = tiny_model(gra_layers=2).double()
    features, scores = features_and_scores()
    regions = seen_regions(scores, "paper", 0.5)
    with torch.inference_mode():
        expected = model.aggregate(features, regions)
        extended = with_weights_of(model, **{addition: True})
        torch.testing.assert_close(extended.aggregate(features, regions), expected)
    names = {name for name, _ in extended.named_parameters()}
    assert names - {name for name, _ in model.named_parameters()}


def test_a_closed_gate_leaves_tokens_as_they_are() -> None:
    model = tiny_model(gra_gate=True).double()
    tokens, joints = torch.randn(B, N, C).double(), torch.randn(B, J, C).double()
    with torch.inference_mode():
        model.gra.gate.weight.zero_()
        model.gra.gate.bias.fill_(-40)
        torch.testing.assert_close(model.gra(tokens, joints), tokens)
        model.gra.gate.bias.zero_()
        model.gra.gate.weight[0, 0] = 20  # closed where channel 0 is negative, twice where not
        restored = with_weights_of(model, gra_gate=False).gra(tokens, joints)
        share = torch.where(tokens[..., :1] < -2.0, 0.0, 2.0)
        sure = (tokens[..., 0].abs() > 2.0) | (tokens[..., 0] > 1.0)
        expected = tokens + share * (restored - tokens)
        torch.testing.assert_close(model.gra(tokens, joints)[sure], expected[sure])


def test_positions_let_joints_tell_frames_and_places_apart() -> None:
    model = tiny_model(key_positions=True, mask_rule="none").double()
    features, scores = features_and_scores()
    same = features[:, :1].expand(-1, T, -1, -1, -1)
    regions = torch.ones_like(scores, dtype=torch.bool)
    with torch.inference_mode():
        model.jta.key_frame.zero_()
        model.jta.key_position.zero_()
        model.jta.key_frame[T - 1] = torch.randn(C).double()
        attention = model.attention(same, regions)  # (B, J, T, h, w)
    torch.testing.assert_close(attention[:, :, 0], attention[:, :, 1])
    assert (attention[:, :, 0] - attention[:, :, T - 1]).abs().max() > 1e-4


@pytest.mark.parametrize("changes", [{"key_positions": True}, {"mask_rule": "soft"}])
def test_tokens_picked_out_give_the_same(changes: dict[str, bool | str]) -> None:
    model = tiny_model(**changes).double()
    features, scores = features_and_scores()
    regions = seen_regions(scores, model.config.mask_rule, 0.9).double()
    if model.config.mask_rule != "soft":
        regions = regions.bool()
    tokens, visible = features.flatten(3).transpose(2, 3).flatten(1, 2), regions.transpose(1, 2)
    with torch.inference_mode():
        expected = model.jta(tokens, visible.flatten(2))
        picked = PickingJTA(model.jta)(tokens, visible.flatten(2))
    torch.testing.assert_close(picked, expected)


def test_a_soft_mask_weights_attention_by_the_square_of_scores() -> None:
    """Equal keys: attention is the weights alone, (s + 0.02)^2 over their sum."""
    layer = CrossAttention(8, 2).double()
    query, context = torch.randn(1, 1, 8).double(), torch.ones(1, 3, 8).double()
    scores = torch.tensor([[[1.0, 0.48, 0.0]]], dtype=torch.float64)
    mask = seen_regions(scores, "soft", 0.2).double()
    weights = torch.tensor([1.02, 0.5, 0.02], dtype=torch.float64).square()
    expected = (weights / weights.sum()).expand(1, 2, 1, 3)
    with torch.inference_mode():
        attention = layer.attention_weights(query, context, mask)
        torch.testing.assert_close(attention, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("queries", [2, 60])
def test_folded_attention_takes_a_soft_mask(queries: int) -> None:
    """2 queries and 60 keys are folded in one way, 60 and 2 in the other."""
    torch.manual_seed(1)
    layer = CrossAttention(C, 4).double()
    query, context = torch.randn(B, queries, C), torch.randn(B, 62 - queries, C)
    mask = seen_regions(torch.rand(B, queries, 62 - queries), "soft", 0.2).double()
    with torch.inference_mode():
        expected = layer(query.double(), context.double(), mask)
        folded = FoldedAttention(layer)(query.double(), context.double(), mask)
    torch.testing.assert_close(folded, expected)


def test_the_released_layout_has_no_positions() -> None:
    with pytest.raises(ValueError, match="need layout"):
        tiny_config(layout="released", key_positions=True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"key_positions": True}, "key_positions"), ({"mask_rule": "soft"}, "mask_rule soft")],
)
def test_graphs_say_which_addition_they_lack(changes: dict[str, bool | str], named: str) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(UserError, match=f"works without {named}.*only backend torch"):
        refuse_unsupported(tiny_config(**changes), "export")
