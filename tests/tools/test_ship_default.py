"""Weights that are put into the package run without PyTorch, from one file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tiny_models import H, W, modest_model

from tarvitpose.inference.graph_folder import FRAME, STEP
from tarvitpose.inference.load import load_engine
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose
from tools.ship_default import ship

CROPS = np.random.default_rng(0).integers(0, 256, (4, H, W, 3), np.uint8)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"norm_averages": "own"},
        {"decoder": "simple", "mask_rule": "none"},
        {"position_grid": (5, 3)},  # which the graph must hold itself, resized
    ],
)
def test_shipped_graphs_give_what_their_weights_give(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    modest_model(**changes).save_pretrained(tmp_path / "trained")
    folder = tmp_path / "default"
    ship(str(tmp_path / "trained"), folder)
    network = TorchEngine(TARViTPose.from_pretrained(folder), device="cpu", precision="fp32")
    engine = load_engine(folder, backend="onnxruntime", precision="fp32")
    assert engine.fingerprint() == network.fingerprint()
    window, expected = engine.encode(CROPS), network.encode(CROPS)
    heatmaps = network.decode_window([expected], 2)
    assert np.abs(engine.decode_window([window], 2) - heatmaps).max() <= 1e-4
    assert np.abs(engine.single_frame(CROPS) - network.single_frame(CROPS)).max() <= 1e-4
    assert np.ptp(heatmaps) > 0.1  # else the comparison would mean nothing


def test_graphs_made_again_leave_the_weights_as_they_are(tmp_path: Path) -> None:
    modest_model().save_pretrained(tmp_path / "trained")
    folder = tmp_path / "default"
    ship(str(tmp_path / "trained"), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in (FRAME, STEP):
        tensors = onnx.load(folder / name, load_external_data=False).graph.initializer
        linked = [t for t in tensors if t.data_location == onnx.TensorProto.EXTERNAL]
        assert len(linked) > len(tensors) / 2
        (folder / name).unlink()
    ship(str(folder), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
