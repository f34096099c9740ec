"""Replay: a batch is joined by older crops with their targets."""

import torch
from torch import Tensor

from tools.replay import Replay


def samples(first: int) -> dict[str, Tensor]:
    numbers = torch.arange(first, first + 4)
    return {"crops": numbers.to(torch.uint8)[:, None], "targets": numbers[:, None] / 4}


def test_the_first_batch_is_alone() -> None:
    assert len(Replay(3, 100, seed=0).joined(samples(0))["crops"]) == 4


def test_later_ones_are_joined_by_older_crops_with_their_own_targets() -> None:
    replay = Replay(3, 100, seed=0)
    replay.joined(samples(0))
    batch = replay.joined(samples(4))
    assert batch["crops"].dtype == torch.uint8
    assert batch["targets"].dtype == torch.float32
    assert batch["crops"][:4, 0].tolist() == [4, 5, 6, 7]
    older = batch["crops"][4:, 0]
    assert len(older) == 8
    assert max(older.tolist()) < 4
    torch.testing.assert_close(batch["targets"][:, 0], batch["crops"][:, 0] / 4)


def test_only_the_newest_are_kept() -> None:
    replay = Replay(9, 4, seed=0)
    replay.joined(samples(0))
    replay.joined(samples(4))
    assert min(replay.joined(samples(8))["crops"][4:, 0].tolist()) >= 4
