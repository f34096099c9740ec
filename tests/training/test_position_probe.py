"""How much of a token's position can be read out of it."""

import pytest
import torch
from tiny_models import C, h, tiny_clip, tiny_model, w

from tarvitpose.training.position_probe import REACH, fit_positions, position_loss, position_waves
from tarvitpose.training.step import TrainingStep


def test_places_look_alike_as_far_as_the_reach() -> None:
    waves = position_waves((1, 6), 4000)  # (6, K)
    alike = waves @ waves.T / waves.shape[1]
    assert torch.allclose(alike.diagonal(), torch.ones(6), atol=1e-5)
    for distance in range(1, 6):
        expected = torch.exp(torch.tensor(-(distance**2) / (2 * REACH**2)))
        assert alike.diagonal(distance).mean().item() == pytest.approx(expected.item(), abs=0.04)


def test_what_tells_its_place_is_read_and_what_does_not_is_not() -> None:
    random = torch.Generator().manual_seed(1)
    content = torch.randn(64, 48, h, w, generator=random)
    waves = position_waves((h, w), 48)  # (N, 48)
    placed = content / 10 + waves.T.unflatten(1, (h, w))
    assert position_loss(content) > 0.9
    assert position_loss(placed) < 0.05


def test_the_fit_reads_the_waves() -> None:
    waves = position_waves((h, w), C)
    mixed = waves @ torch.randn(C, C, generator=torch.Generator().manual_seed(2))
    features = mixed.T.unflatten(1, (h, w)).expand(3, -1, -1, -1)
    fit, unread = fit_positions(features, waves)
    assert (mixed @ fit - waves).square().mean() < 0.03
    assert unread < 0.03


def test_an_encoder_learns_to_keep_the_places() -> None:
    torch.manual_seed(0)
    model = tiny_model(offsets=()).train()
    step = TrainingStep(model, position_loss_weight=1.0)
    batch = {
        "features": torch.zeros(0),
        "targets": torch.zeros(8, 15, 4 * h, 4 * w),
        "weights": torch.zeros(8, 15),
    }
    images = tiny_clip(4).flatten(0, 1)  # (8, 3, H, W)
    optimizer = torch.optim.Adam(model.encoder.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        batch["features"] = model.encoder(images).unsqueeze(1)
        loss = step(batch)  # the heatmaps weigh nothing: the loss is of the positions alone
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.7 * losses[0]
