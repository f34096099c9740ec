"""Training the temporal part on pooled heatmaps of clean frames."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import C, H, J, W, h, tiny_config, w
from tiny_training import experiment, losses_of, quiet, weights_of, write_stills

from tarvitpose.heatmaps import decode, encode
from tarvitpose.training.config import TrainConfig
from tarvitpose.training.step import Batch
from tools import teach_temporal
from tools.teach_temporal import TemporalStep, pooled, teach

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")


def encoded_clips(folder: Path, epochs: float = 6) -> TrainConfig:
    run = {"frozen": ["encoder", "decoder"], "clean_loss_weight": 1.0, "epochs": epochs}
    return experiment(
        write_stills(folder),
        folder / "run",
        run=run,
        source={"cached_clips": 6},
        optim={"lr": 3e-3},
        data={"augment": {"degrade": {"current": 1.0}}},
    )


def batch_of(step: TemporalStep, clips: int = 2) -> Batch:
    """Return random encoded clips without any label."""
    frames = 1 + len(step.model.config.offsets)
    return {
        "features": torch.randn(clips, frames, C, h, w),
        "clean": torch.randn(clips, C, h, w),
        "targets": torch.zeros(clips, J, 4 * h, 4 * w),
        "weights": torch.zeros(clips, J),
        "offsets": torch.tensor([[-1, 0, 1]]).expand(clips, -1),
        "name": ["some"] * clips,
    }


def test_the_taught_peak_follows_frames_that_are_unevenly_apart() -> None:
    config, offsets = tiny_config(), torch.tensor([[-3, 0, 1]])
    places = np.array([20.0, 24.0]) + np.array([[-6.0], [0.0], [2.0]])  # two pixels each frame
    visible = np.ones(J)
    maps = [encode(np.tile(at, (J, 1)), visible, (H, W), config.codec)[0] for at in places]
    taught = pooled(torch.from_numpy(np.stack(maps))[None], offsets, config)
    points, _ = decode(taught.numpy(), (H, W), config.codec)
    np.testing.assert_allclose(points[0], np.tile(places[1], (J, 1)), atol=0.3)


def test_joints_without_labels_are_taught_too(tmp_path: Path) -> None:
    step = TemporalStep(encoded_clips(tmp_path)).train()
    loss = step(batch_of(step))
    loss.backward()
    assert loss.item() > 0
    assert step.model.jta.query.grad.abs().sum() > 0


@pytest.mark.parametrize(("share", "counts"), [(1.0, False), (0.0, True)])
def test_clips_seen_clean_do_not_depend_on_what_degrades_them(
    share: float, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teach_temporal, "CLEAN_SHARE", share)
    step = TemporalStep(encoded_clips(tmp_path)).eval()
    batch = batch_of(step)
    losses = []
    for seed in range(2):
        features = batch["features"].clone()
        features[:, step.current] = torch.randn(
            (2, C, h, w), generator=torch.Generator().manual_seed(seed)
        )
        losses.append(step({**batch, "features": features}).item())
    assert (losses[0] != losses[1]) == counts


def test_only_the_temporal_part_learns(tmp_path: Path) -> None:
    config = encoded_clips(tmp_path)
    before = weights_of(Path(str(config.init)))
    after = weights_of(teach(config, quiet))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"jta", "gra"}
    losses = losses_of(tmp_path / "run")
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
