"""The three forms of cross-attention, which cost different amounts of work and give the same."""

import pytest
import torch
from tiny_models import B, C, modest_model, randomise
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tarvitpose.inference.fast import FoldedAttention, fold_attention
from tarvitpose.model.attention import CrossAttention, unmask_empty_rows


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("keys", [1, 3, 17, 90])
@pytest.mark.parametrize("asking", [1, 15, 70])
def test_all_forms_of_attention_agree(heads: int, keys: int, asking: int) -> None:
    layer = FoldedAttention(CrossAttention(C, heads))
    randomise(layer)
    query, context = numbers(B, asking, C), numbers(B, keys, C, seed=1)
    visible = unmask_empty_rows(numbers(B, asking, keys, seed=2) > 0.3)
    for mask in (None, visible):
        expected = CrossAttention.attend(layer, query, context, mask)
        for form in (layer._few_queries, layer._few_keys):
            torch.testing.assert_close(form(query, context, mask), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("asking", "keys", "form"),
    [
        (15, 960, "_few_queries"),  # JTA looks at the tokens of five frames
        (15, 15, "attend"),  # the joints exchange what they found
        (192, 15, "_few_keys"),  # GRA
        (192, 768, "attend"),  # tokens look at other frames' tokens (Table 4 b)
    ],
)
def test_the_form_that_is_taken_is_the_least_work(asking: int, keys: int, form: str) -> None:
    with torch.device("meta"):
        plain = CrossAttention(384, 4)
        layer = FoldedAttention(plain)
        query, context = torch.empty(1, asking, 384), torch.empty(1, keys, 384)
    ways = {name: getattr(layer, name) for name in ("_few_queries", "_few_keys")}
    ways["attend"] = plain.attend
    work = {name: flops(way, query, context, None) for name, way in ways.items()}
    assert min(work, key=work.__getitem__) == form
    assert flops(layer.attend, query, context, None) == work[form]


def flops(run: object, *arguments: Tensor | None) -> int:
    assert callable(run)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(*arguments)
    return counter.get_total_flops()


def test_all_forms_have_the_same_gradients() -> None:
    plain = CrossAttention(C, 4)
    layer, visible = FoldedAttention(plain), unmask_empty_rows(numbers(B, 9, 7, seed=2) > 0.3)
    randomise(layer)
    gradients = []
    for form in (plain.attend, layer._few_queries, layer._few_keys):
        query, context = numbers(B, 9, C).requires_grad_(), numbers(B, 7, C, seed=1)
        form(query, context, visible).square().sum().backward()
        assert query.grad is not None
        parameters = [layer.to_query, layer.to_out, layer.to_key_value]
        gradients.append([query.grad, *(part.weight.grad.clone() for part in parameters)])
        layer.zero_grad()
    for other in gradients[1:]:
        for gradient, expected in zip(other, gradients[0], strict=True):
            torch.testing.assert_close(gradient, expected, atol=1e-4, rtol=1e-4)


def test_a_folded_network_keeps_its_weights_and_heatmaps() -> None:
    plain, folded = modest_model(), modest_model()
    before = {name: value.data_ptr() for name, value in folded.state_dict().items()}
    assert fold_attention(folded) is folded
    assert {name: value.data_ptr() for name, value in folded.state_dict().items()} == before
    layers = [layer for layer in folded.modules() if isinstance(layer, CrossAttention)]
    assert layers
    assert all(type(layer) is FoldedAttention for layer in layers)
    clip = numbers(2, len(plain.config.offsets) + 1, 3, *plain.config.input_size)
    with torch.no_grad():
        torch.testing.assert_close(folded(clip), plain(clip), atol=1e-5, rtol=1e-5)
