"""Weights that are put into the package run without PyTorch, from one file."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tiny_graphs import assert_graphs_give_what_weights_give
from tiny_models import H, W, modest_model

from tarvitpose.inference.graph_folder import FRAME, STEP
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
    assert_graphs_give_what_weights_give(folder, CROPS, 2)


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
