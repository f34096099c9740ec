"""What needs no learning: each combination of a window's frames, against another way to get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import modest_model, tiny_config, tiny_model

from tarvitpose import heatmaps as codec
from tarvitpose.config import window_offsets
from tarvitpose.evaluation.baselines import (
    BaselineEngine,
    SharedEncodings,
    combined_heatmaps,
    joint_motion,
    pooled_heatmaps,
)
from tarvitpose.evaluation.comparison import (
    BASELINES,
    MEAN_HEATMAPS,
    MEAN_NEIGHBOURS,
    MEAN_TOKENS,
    POOLED_HEATMAPS,
    SINGLE_FRAME,
    TEMPORAL,
)
from tarvitpose.evaluation.run import load_predictors
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.utils.arrays import Float32, UInt8

TIMES = np.array([-2.0, -1, 0, 1, 2])
CONFIG = tiny_config(input_size=(256, 192), offsets=(-2, -1, 1, 2), codec="udp")
CURRENT = 2


def engine_and_crops() -> tuple[TorchEngine, UInt8]:
    """Return an engine, and the crops of two windows."""
    engine = TorchEngine(tiny_model(), device="cpu", precision="fp32")
    frames = len(window_offsets(engine.config.offsets)[0])
    size = (2 * frames, *engine.config.input_size, 3)
    return engine, np.random.default_rng(0).integers(0, 256, size, np.uint8)


def answer(engine: TorchEngine, baseline: str, crops: UInt8) -> Float32:
    encoded, half = engine.encode(crops), len(crops) // 2
    return BaselineEngine(engine, baseline).decode_window([encoded[:half], encoded[half:]], 1)


def test_means_of_heatmaps_are_those_of_frames_decoded_alone() -> None:
    engine, crops = engine_and_crops()
    alone = engine.single_frame(crops).reshape(2, 3, 15, 16, 28)
    expected = (alone[:, 0] + alone[:, 1] + alone[:, 2]) / 3
    assert answer(engine, MEAN_HEATMAPS, crops) == pytest.approx(expected, abs=1e-5)
    neighbours = (alone[:, 0] + alone[:, 2]) / 2
    assert answer(engine, MEAN_NEIGHBOURS, crops) == pytest.approx(neighbours, abs=1e-5)


def test_mean_tokens_are_decoded_once() -> None:
    engine, crops = engine_and_crops()
    images = torch.from_numpy(crops)
    with torch.inference_mode():
        pixels = engine._scale * images - engine._shift
        features = engine.model.encoder(pixels.permute(0, 3, 1, 2).float())
        expected = engine.model.decoder(features.unflatten(0, (2, 3)).mean(1)).numpy()
    assert answer(engine, MEAN_TOKENS, crops) == pytest.approx(expected, abs=1e-4)


def walk(*xs: float, y: float = 30.0, heights: tuple[float, ...] = (1, 1, 1, 1, 1)) -> Float32:
    """Return heatmaps (1, 5, 1, 64, 48) of a joint that is at (x, y) in each of five frames."""
    across, down = np.arange(48), np.arange(64)[:, None]
    maps = [
        height * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 8)
        for x, height in zip(xs, heights, strict=True)
    ]
    return np.array(maps, np.float32)[None, :, None]


def peak(maps: Float32) -> tuple[float, float]:
    """Return where the first joint's heatmap (1, J, 64, 48) is highest, in heatmap pixels."""
    points, _ = codec.decode(maps, (256, 192), "udp")
    x, y = points[0, 0] * codec.heatmap_scale((256, 192), "udp")
    return float(x), float(y)


def pooled(frames: Float32) -> Float32:
    return combined_heatmaps(POOLED_HEATMAPS, frames, CURRENT, CONFIG)


def test_a_joint_that_stands_still_is_pooled_to_the_mean() -> None:
    frames = walk(20, 20, 20, 20, 20)
    mean = combined_heatmaps(MEAN_HEATMAPS, frames, CURRENT, CONFIG)
    assert pooled(frames) == pytest.approx(mean, abs=1e-3)


def test_a_moving_joint_stays_sharp_where_the_mean_is_smeared() -> None:
    frames = walk(10, 14, 18, 22, 26)
    assert peak(pooled(frames)) == pytest.approx((18, 30), abs=0.25)
    assert pooled(frames).max() > 0.9
    assert combined_heatmaps(MEAN_HEATMAPS, frames, CURRENT, CONFIG).max() < 0.5


def test_a_lost_frame_is_restored_where_the_motion_leads() -> None:
    frames = walk(10, 14, 0, 22, 26, heights=(1, 1, 0, 1, 1))
    assert peak(pooled(frames)) == pytest.approx((18, 30), abs=0.25)


def test_an_unsure_frame_counts_little() -> None:
    frames = walk(10, 14, 40, 22, 26, heights=(0.8, 0.8, 0.3, 0.8, 0.8))
    assert peak(pooled(frames)) == pytest.approx((18, 30), abs=0.5)


def test_a_jump_does_not_drag_the_motion_along() -> None:
    peaks = np.zeros((1, 5, 2, 2))
    peaks[0, :, :, 0] = (4 * TIMES + 20)[:, None]
    peaks[0, 4, 0, 0] = 2  # as of a joint that was taken for the other side's
    scores = np.full((1, 5, 2), 0.8, np.float32)
    velocity, agrees = joint_motion(peaks, scores, TIMES, loose=2)
    assert velocity[0, 1] == pytest.approx([4, 0], abs=0.3)
    assert velocity[0, 0, 0] == pytest.approx(4, abs=1)
    least_squares = np.polyfit(TIMES, peaks[0, :, 0, 0], 1)[0]
    assert abs(velocity[0, 0, 0] - 4) < abs(least_squares - 4) / 4
    assert agrees[0, 4, 0] < 0.15
    assert agrees[0, :4, 0].min() > 0.5


def test_a_joint_that_nobody_sees_moves_with_the_body() -> None:
    peaks = np.zeros((1, 5, 3, 2))
    peaks[0, :, :2, 1] = (3 * TIMES + 40)[:, None]
    peaks[0, :, 2] = np.random.default_rng(0).uniform(0, 48, (5, 2))
    scores = np.full((1, 5, 3), 0.9, np.float32)
    scores[..., 2] = 0.01
    velocity, _ = joint_motion(peaks, scores, TIMES, loose=2)
    assert velocity[0] == pytest.approx(np.array([[0, 3]] * 3), abs=0.1)


def test_people_of_a_batch_do_not_mix() -> None:
    random = np.random.default_rng(0)
    frames = random.uniform(0, 1, (2, 5, 3, 64, 48)).astype(np.float32)
    peaks = random.uniform(0, 48, (2, 5, 3, 2)).astype(np.float32)
    scores = random.uniform(0, 1, (2, 5, 3)).astype(np.float32)
    both = pooled_heatmaps(frames, peaks, scores, TIMES)
    for at in (0, 1):
        part = slice(at, at + 1)
        alone = pooled_heatmaps(frames[part], peaks[part], scores[part], TIMES)
        assert both[part] == pytest.approx(alone, abs=1e-5)


class CountingEngine(TorchEngine):
    """Counts the crops that it encodes."""

    encoded = 0

    def encode(self, crops: UInt8) -> list[EncodedCrop]:
        self.encoded += len(crops)
        return super().encode(crops)


def test_modes_share_the_encoding_of_a_crop() -> None:
    engine = CountingEngine(tiny_model(), device="cpu", precision="fp32")
    crops = engine_and_crops()[1]
    shared = SharedEncodings(engine)
    first, alone = shared.encode(crops[[0, 1, 0]]), shared.single_frame(crops[:3])
    assert engine.encoded == 3
    assert torch.equal(first[0].tokens, first[2].tokens)
    assert not torch.equal(first[0].tokens, first[1].tokens)
    assert alone == pytest.approx(engine.single_frame(crops[:3]), abs=1e-5)


def test_baselines_are_calibrated_as_single_frames_are() -> None:
    model = modest_model(score_curve=((0, 0), (1, 0.5)), single_score_curve=((0, 0), (1, 1)))
    engine = TorchEngine(model, device="cpu", precision="fp32")
    config = BaselineEngine(engine, MEAN_HEATMAPS).config
    assert config.curve(False) == engine.config.curve(True) != engine.config.curve(False)


@pytest.mark.parametrize(
    ("how", "modes"),
    [
        ({}, [SINGLE_FRAME, TEMPORAL]),
        ({"baselines": True}, [SINGLE_FRAME, *BASELINES, TEMPORAL]),
        ({"baselines": True, "single_frame": True}, [SINGLE_FRAME]),
    ],
)
def test_baselines_stand_between_the_modes(tmp_path: Path, how: Any, modes: list[str]) -> None:
    tiny_model().save_pretrained(tmp_path)
    assert list(load_predictors(str(tmp_path), device="cpu", **how)) == modes
