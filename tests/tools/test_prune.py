"""Pruning: what is left out was not needed, or the rest takes over what it said."""

import pytest
import torch
from tiny_models import B, C, H, W, tiny_model

from tarvitpose.model.tarvitpose import TARViTPose
from tools.prune import chosen, prune


def crops() -> torch.Tensor:
    return torch.randn(B, 3, H, W, generator=torch.Generator().manual_seed(3))


def test_a_block_is_left_out_and_the_others_stay() -> None:
    network = tiny_model(depth=4)
    pruned = prune(network, [1], crops())
    del network.encoder.blocks[1]
    clip = torch.randn(B, 3, 3, H, W)
    torch.testing.assert_close(pruned(clip), network(clip))
    assert pruned.config.depth == 3


def with_doubled_channels() -> TARViTPose:
    """Return a network in which every second hidden channel repeats the one before."""
    network = tiny_model(decoder_width=20)
    with torch.no_grad():
        for block in network.encoder.blocks:
            block.fc1.weight[1::2] = block.fc1.weight[::2]
            block.fc1.bias[1::2] = block.fc1.bias[::2]
        decoder = network.decoder
        decoder.deconv1.weight[:, 1::2] = decoder.deconv1.weight[:, ::2]
        decoder.deconv2.weight[:, 1::2] = decoder.deconv2.weight[:, ::2]
        for norm in (decoder.norm1, decoder.norm2):
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(norm, name)[1::2] = getattr(norm, name)[::2]
    return network


def test_channels_that_repeat_others_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.prune.RIDGE", 1e-6)
    network = with_doubled_channels()
    pruned = prune(network, [], crops(), mlp_ratio=2, decoder_width=10)
    assert pruned.encoder.blocks[0].fc1.out_features == 2 * C
    others = torch.randn(B, 3, H, W, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected = network.decoder(network.encoder(others))
        answer = pruned.decoder(pruned.encoder(others))
    assert (answer - expected).square().mean() < 1e-4 * expected.var()


def test_the_channel_that_others_can_say_goes_and_they_take_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tools.prune.RIDGE", 1e-6)
    values = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0))
    values[:, 1] = 2 * values[:, 0] - values[:, 2]  # any one of the three can go
    readers = torch.tensor([[1.0, 0.2, 3.0]])  # the second is read least
    kept = chosen(values, readers, 2)
    assert len(kept.channels) == 2
    remade = values[:, kept.channels] @ kept.shares.T
    torch.testing.assert_close(remade, values, atol=1e-3, rtol=0)


@pytest.mark.parametrize("count", [1, 2])
def test_independent_channels_stay_by_how_much_they_are_read(count: int) -> None:
    values = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0))
    kept = chosen(values, torch.tensor([[1.0, 3.0, 2.0]]), count)
    assert kept.channels.tolist() == sorted([1, 2][:count])
