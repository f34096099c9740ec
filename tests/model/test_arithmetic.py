"""Cheaper ways to the same numbers: folded attention, tokens left out, the frozen decoder."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_models import B, C, J, randomise, tiny_clip, tiny_config, tiny_model
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tarvitpose.model.attention import CrossAttention, unmask_empty_rows
from tarvitpose.model.decoder import ClassicDecoder, SimpleDecoder, frozen
from tarvitpose.model.jta import JTA, visible_tokens

K = 60


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mostly_hidden(batch: int = B, seed: int = 3) -> Tensor:
    """Return a mask (batch, J, K) that shows a joint one place or two, all before place 25."""
    visible = torch.zeros(batch, J, K, dtype=torch.bool)
    places = torch.randint(25, (batch, J, 2), generator=torch.Generator().manual_seed(seed))
    return visible.scatter_(2, places, value=True)


def random_jta() -> JTA:
    jta = JTA(tiny_config())
    randomise(jta)
    return jta.eval()


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("places", [1, 3, 17, 90])
@pytest.mark.parametrize("asking", [1, 15, 70])
def test_all_forms_of_attention_agree(heads: int, places: int, asking: int) -> None:
    layer = CrossAttention(C, heads)
    randomise(layer)
    query, context = numbers(B, asking, C), numbers(B, places, C, seed=1)
    visible = unmask_empty_rows(numbers(B, asking, places, seed=2) > 0.3)
    for mask in (None, visible):
        expected = layer._plain(query, context, mask)
        for form in (layer._few_queries, layer._few_keys):
            torch.testing.assert_close(form(query, context, mask), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("asking", "places", "form"),
    [
        (15, 960, "_few_queries"),  # JTA looks at the tokens of five frames
        (15, 15, "_plain"),  # the joints exchange what they found
        (192, 15, "_few_keys"),  # GRA
        (192, 768, "_plain"),  # tokens look at other frames' tokens (Table 4 b)
    ],
)
def test_the_form_that_is_taken_is_the_least_work(asking: int, places: int, form: str) -> None:
    with torch.device("meta"):
        layer = CrossAttention(384, 4)
        query, context = torch.empty(1, asking, 384), torch.empty(1, places, 384)
    ways = {name: getattr(layer, name) for name in ("_plain", "_few_queries", "_few_keys")}
    work = {name: flops(way, query, context, None) for name, way in ways.items()}
    assert min(work, key=work.__getitem__) == form
    assert flops(layer, query, context) == work[form]


def flops(run: object, *arguments: Tensor | None) -> int:
    assert callable(run)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(*arguments)
    return counter.get_total_flops()


def test_all_forms_have_the_same_gradients() -> None:
    layer, visible = CrossAttention(C, 4), unmask_empty_rows(numbers(B, 9, 7, seed=2) > 0.3)
    randomise(layer)
    found = []
    for form in (layer._plain, layer._few_queries, layer._few_keys):
        query, context = numbers(B, 9, C).requires_grad_(), numbers(B, 7, C, seed=1)
        form(query, context, visible).square().sum().backward()
        assert query.grad is not None
        parameters = [layer.to_query, layer.to_out, layer.to_key_value]
        found.append([query.grad, *(part.weight.grad.clone() for part in parameters)])
        layer.zero_grad()
    for other in found[1:]:
        for one, expected in zip(other, found[0], strict=True):
            torch.testing.assert_close(one, expected, atol=1e-4, rtol=1e-4)


def test_only_tokens_that_a_joint_sees_are_kept() -> None:
    tokens = numbers(2, 8, C)
    visible = torch.zeros(2, 2, 8, dtype=torch.bool)
    visible[0, 0, [1, 4]] = True
    visible[0, 1, [4, 6]] = True
    visible[1, :, 3] = True
    kept, seen = visible_tokens(tokens, visible)
    assert kept.shape == (2, 3, C)
    assert torch.equal(kept[0], tokens[0, [1, 4, 6]])
    assert seen[0].tolist() == [[True, True, False], [False, True, True]]
    assert torch.equal(kept[1, 0], tokens[1, 3])
    assert seen[1].tolist() == [[True, False, False]] * 2  # what fills up is seen by nobody


def test_nothing_is_copied_where_nearly_everything_is_seen() -> None:
    tokens, visible = numbers(B, K, C), torch.ones(B, J, K, dtype=torch.bool)
    visible[..., :5] = False
    kept, seen = visible_tokens(tokens, visible)
    assert kept is tokens
    assert seen is visible


@pytest.mark.parametrize("blind", [False, True])
def test_leaving_tokens_out_changes_nothing(blind: bool) -> None:
    jta, tokens, visible = random_jta(), numbers(B, K, C), mostly_hidden()
    visible[1, 4] &= not blind
    expected = jta(tokens, visible)  # with gradients nothing is left out
    with torch.no_grad():
        torch.testing.assert_close(jta(tokens, visible), expected, atol=1e-5, rtol=1e-5)
    assert expected.isfinite().all()


def test_hidden_tokens_are_not_read_at_all() -> None:
    jta, tokens, visible = random_jta(), numbers(B, K, C), mostly_hidden()
    changed = tokens.clone()
    changed[:, 25:] = torch.nan  # plain masked attention would multiply this by zero
    with torch.no_grad():
        found = jta(changed, visible)
        torch.testing.assert_close(found, jta(tokens, visible))


def test_a_batch_equals_its_items_though_they_keep_unequal_numbers() -> None:
    jta, tokens, visible = random_jta(), numbers(4, K, C), mostly_hidden(4)
    visible[0] = visible[0, :1]  # all joints see one place or two
    visible[1] |= numbers(J, K) > 1
    visible[2, 3] = False  # blind: reads everything
    with torch.no_grad():
        whole = jta(tokens, visible)
        for i in range(4):
            alone = jta(tokens[i : i + 1], visible[i : i + 1])
            torch.testing.assert_close(alone[0], whole[i], atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore")  # of what tracing freezes
def test_tracing_reads_all_tokens_and_serves_other_masks() -> None:
    jta, tokens = random_jta(), numbers(B, K, C)
    with torch.no_grad():
        traced = torch.jit.trace(jta, (tokens, mostly_hidden()))
        wide = numbers(B, J, K, seed=5) > 0
        torch.testing.assert_close(traced(tokens, wide), jta(tokens, wide), atol=1e-5, rtol=1e-5)


def random_decoder(width: int = C) -> ClassicDecoder:
    decoder = ClassicDecoder(width, J)
    randomise(decoder)
    return decoder.eval()


@pytest.mark.parametrize("w", [1, 4, 6, 12])
@pytest.mark.parametrize("h", [1, 2, 3, 16])
def test_a_frozen_decoder_gives_the_same(h: int, w: int) -> None:
    decoder, features = random_decoder(), numbers(3, C, h, w)
    found = frozen(decoder)(features)
    expected = decoder(features)
    assert found.shape == (3, J, 4 * h, 4 * w)
    torch.testing.assert_close(found, expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


def test_a_frozen_decoder_works_through_a_batch_in_parts() -> None:
    decoder, features = random_decoder(), numbers(5, C, 16, 12)
    fast = frozen(decoder)
    single = torch.cat([fast(one[None]) for one in features])
    torch.testing.assert_close(fast(features), single)


def test_a_frozen_decoder_multiplies_less() -> None:
    decoder = random_decoder()
    features = numbers(1, C, 24, 18)
    assert flops(frozen(decoder), features) < 0.5 * flops(decoder, features)


def test_a_frozen_decoder_is_a_copy_without_gradients() -> None:
    decoder, features = random_decoder(), numbers(1, C, 3, 3)
    fast = frozen(decoder)
    before = fast(features.requires_grad_())
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(2)
    assert torch.equal(fast(features), before)
    assert not before.requires_grad
    assert not list(fast.parameters())


def test_the_simple_decoder_has_no_frozen_form() -> None:
    decoder: nn.Module = SimpleDecoder(C, J)
    assert frozen(decoder) is decoder


def test_a_model_with_a_frozen_decoder_gives_the_same() -> None:
    model, clip = tiny_model(), tiny_clip()
    expected = model(clip)
    fast = copy.deepcopy(model)
    fast.decoder = frozen(model.decoder)
    with torch.inference_mode():
        found = fast(clip)
    torch.testing.assert_close(found, expected, atol=1e-4 * expected.abs().max().item(), rtol=1e-4)
