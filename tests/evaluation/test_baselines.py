"""The mean of a window's heatmaps, against each frame decoded alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tiny_model

from tarvitpose.config import window_offsets
from tarvitpose.evaluation.baselines import MeanHeatmaps
from tarvitpose.evaluation.comparison import MEAN_HEATMAPS, SINGLE_FRAME, TEMPORAL
from tarvitpose.evaluation.run import load_predictors
from tarvitpose.inference.torch_engine import TorchEngine


def test_a_window_is_answered_with_the_mean_of_its_frames() -> None:
    engine = TorchEngine(tiny_model(), device="cpu", precision="fp32")
    size = (*engine.config.input_size, 3)
    frames = len(window_offsets(engine.config.offsets)[0])
    crops = np.random.default_rng(0).integers(0, 256, (2 * frames, *size), np.uint8)
    encoded = engine.encode(crops)
    windows = [encoded[:frames], encoded[frames:]]
    alone = engine.single_frame(crops)
    expected = np.stack([alone[:frames].mean(0), alone[frames:].mean(0)])
    assert MeanHeatmaps(engine).decode_window(windows, 0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("how", "modes"),
    [
        ({}, [SINGLE_FRAME, TEMPORAL]),
        ({"baselines": True}, [SINGLE_FRAME, MEAN_HEATMAPS, TEMPORAL]),
        ({"baselines": True, "single_frame": True}, [SINGLE_FRAME]),
    ],
)
def test_baselines_stand_between_the_modes(tmp_path: Path, how: Any, modes: list[str]) -> None:
    tiny_model().save_pretrained(tmp_path)
    assert list(load_predictors(str(tmp_path), device="cpu", **how)) == modes
