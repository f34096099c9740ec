"""What needs no learning: each combination of a window's frames, against another way to get it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import modest_model, tiny_model

from tarvitpose.config import window_offsets
from tarvitpose.evaluation.baselines import (
    BaselineEngine,
    SharedEncodings,
)
from tarvitpose.evaluation.comparison import (
    BASELINES,
    FUSED,
    MEAN_HEATMAPS,
    MEAN_NEIGHBOURS,
    MEAN_TOKENS,
    SINGLE_FRAME,
    TEMPORAL,
)
from tarvitpose.evaluation.run import load_predictors
from tarvitpose.inference.engine import EncodedCrop
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.utils.arrays import Float32, UInt8


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
    assert config.curve("tar") == engine.config.curve("none") != engine.config.curve("tar")


@pytest.mark.parametrize(
    ("how", "modes"),
    [
        ({}, [SINGLE_FRAME, TEMPORAL]),
        ({"baselines": True}, [SINGLE_FRAME, *BASELINES, TEMPORAL]),
        ({"baselines": True, "temporal": "fused"}, [SINGLE_FRAME, *BASELINES, TEMPORAL, FUSED]),
        ({"baselines": True, "temporal": "none"}, [SINGLE_FRAME]),
    ],
)
def test_baselines_stand_between_the_modes(tmp_path: Path, how: Any, modes: list[str]) -> None:
    tiny_model().save_pretrained(tmp_path)
    assert list(load_predictors(str(tmp_path), device="cpu", **how)) == modes
