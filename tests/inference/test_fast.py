"""Cheaper ways to the same numbers: tokens left out, and the decoder of Winograd products."""

import pytest
import torch
from tiny_models import B, C, J, randomise, tiny_clip, tiny_config, tiny_model
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tarvitpose.inference.fast import PickingJTA, fast_decoder, visible_tokens, with_modules
from tarvitpose.model.decoder import ClassicDecoder, SimpleDecoder
from tarvitpose.model.jta import JTA

K = 60


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mostly_hidden(batch: int = B, seed: int = 3) -> Tensor:
    """Return a mask (batch, J, K) that shows a joint one place or two, all before place 25."""
    visible = torch.zeros(batch, J, K, dtype=torch.bool)
    indices = torch.randint(25, (batch, J, 2), generator=torch.Generator().manual_seed(seed))
    return visible.scatter_(2, indices, value=True)


def random_jta() -> JTA:
    jta = JTA(tiny_config())
    randomise(jta)
    return jta.eval()


def flops(run: object, *arguments: Tensor | None) -> int:
    assert callable(run)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(*arguments)
    return counter.get_total_flops()


def test_only_tokens_that_a_joint_sees_are_kept() -> None:
    tokens = numbers(2, 8, C)
    visible = torch.zeros(2, 2, 8, dtype=torch.bool)
    visible[0, 0, [1, 4]] = True
    visible[0, 1, [4, 6]] = True
    visible[1, :, 3] = True
    picked, seen = visible_tokens(tokens, visible)
    assert picked.shape == (2, 3, C)
    assert torch.equal(picked[0], tokens[0, [1, 4, 6]])
    assert seen[0].tolist() == [[True, True, False], [False, True, True]]
    assert torch.equal(picked[1, 0], tokens[1, 3])
    assert seen[1].tolist() == [[True, False, False]] * 2  # what fills up is seen by nobody


def test_nothing_is_copied_where_nearly_everything_is_seen() -> None:
    tokens, visible = numbers(B, K, C), torch.ones(B, J, K, dtype=torch.bool)
    visible[..., :5] = False
    picked, seen = visible_tokens(tokens, visible)
    assert picked is tokens
    assert seen is visible


@pytest.mark.parametrize("sees_nothing", [False, True])
def test_leaving_tokens_out_changes_nothing(sees_nothing: bool) -> None:
    jta, tokens, visible = random_jta(), numbers(B, K, C), mostly_hidden()
    visible[1, 4] &= not sees_nothing
    expected = jta(tokens, visible)
    torch.testing.assert_close(PickingJTA(jta)(tokens, visible), expected, atol=1e-5, rtol=1e-5)
    assert expected.isfinite().all()


def test_hidden_tokens_are_not_read_at_all() -> None:
    jta, tokens, visible = PickingJTA(random_jta()), numbers(B, K, C), mostly_hidden()
    changed = tokens.clone()
    changed[:, 25:] = torch.nan  # plain masked attention would multiply this by zero
    torch.testing.assert_close(jta(changed, visible), jta(tokens, visible))


def test_a_batch_equals_its_items_though_they_keep_unequal_numbers() -> None:
    jta, tokens, visible = PickingJTA(random_jta()), numbers(4, K, C), mostly_hidden(4)
    visible[0] = visible[0, :1]  # all joints see one place or two
    visible[1] |= numbers(J, K) > 1
    visible[2, 3] = False  # this joint reads everything
    whole = jta(tokens, visible)
    for i in range(4):
        alone = jta(tokens[i : i + 1], visible[i : i + 1])
        torch.testing.assert_close(alone[0], whole[i], atol=1e-5, rtol=1e-5)


def random_decoder(width: int = C) -> ClassicDecoder:
    decoder = ClassicDecoder(width, J)
    randomise(decoder)
    return decoder.eval()


@pytest.mark.parametrize("w", [1, 4, 6, 12])
@pytest.mark.parametrize("h", [1, 2, 3, 16])
def test_the_fast_decoder_gives_the_same(h: int, w: int) -> None:
    decoder, features = random_decoder(), numbers(3, C, h, w)
    heatmaps = fast_decoder(decoder)(features)
    expected = decoder(features)
    assert heatmaps.shape == (3, J, 4 * h, 4 * w)
    torch.testing.assert_close(heatmaps, expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


def test_the_fast_decoder_works_through_a_batch_in_parts() -> None:
    decoder, features = random_decoder(), numbers(5, C, 16, 12)
    fast = fast_decoder(decoder)
    single = torch.cat([fast(single_map[None]) for single_map in features])
    torch.testing.assert_close(fast(features), single)


def test_the_fast_decoder_multiplies_less() -> None:
    decoder = random_decoder()
    features = numbers(1, C, 24, 18)
    assert flops(fast_decoder(decoder), features) < 0.5 * flops(decoder, features)


def test_the_fast_decoder_is_a_copy_without_gradients() -> None:
    decoder, features = random_decoder(), numbers(1, C, 3, 3)
    fast = fast_decoder(decoder)
    before = fast(features.requires_grad_())
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(2)
    assert torch.equal(fast(features), before)
    assert not before.requires_grad
    assert not list(fast.parameters())


def test_the_simple_decoder_has_no_faster_form() -> None:
    decoder: nn.Module = SimpleDecoder(C, J)
    assert fast_decoder(decoder) is decoder


def test_a_model_with_faster_parts_gives_the_same() -> None:
    model, clip = tiny_model(), tiny_clip()
    expected = model(clip)
    fast = with_modules(model, decoder=fast_decoder(model.decoder), jta=PickingJTA(model.jta))
    with torch.inference_mode():
        heatmaps = fast(clip)
    torch.testing.assert_close(
        heatmaps, expected, atol=1e-4 * expected.abs().max().item(), rtol=1e-4
    )
    assert isinstance(model.decoder, ClassicDecoder)  # the model itself is as it was
    torch.testing.assert_close(model(clip), expected)
