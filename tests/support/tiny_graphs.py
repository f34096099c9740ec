"""Graphs of tiny networks, written once for all tests of the same network."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import modest_model, tiny_model

from tarvitpose.config import Backend
from tarvitpose.inference.engine import Engine
from tarvitpose.inference.graph_folder import (
    GraphFolder,
    describe,
    graph_cache_root,
    read_graphs,
)
from tarvitpose.inference.graphs import write_graphs
from tarvitpose.inference.load import load_engine, open_graphs
from tarvitpose.inference.openvino_engine import is_installed
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.utils.arrays import UInt8
from tarvitpose.weights.files import WEIGHTS_FILE, fingerprint

BACKENDS = (
    "onnxruntime",
    pytest.param(
        "openvino", marks=pytest.mark.skipif(not is_installed(), reason="openvino is not installed")
    ),
)
_FOLDER = tempfile.TemporaryDirectory()


@cache
def both(backend: Backend, changes: tuple[tuple[str, Any], ...] = ()) -> tuple[Engine, Engine]:
    """Return a network with changes of its config, in PyTorch and on a backend."""
    model = network(changes)
    torch_engine = TorchEngine(model, device="cpu", precision="fp32")
    return torch_engine, open_graphs(graphs(changes), backend, precision="fp32")


@cache
def graphs(changes: tuple[tuple[str, Any], ...] = ()) -> GraphFolder:
    """Return the graphs of a network with these changes to its config."""
    folder = Path(tempfile.mkdtemp(dir=_FOLDER.name))
    return write(network(changes), folder)


def network(changes: tuple[tuple[str, Any], ...]) -> TARViTPose:
    """Return a network with these changes to its config."""
    is_temporal = dict(changes).get("offsets") != ()
    return (modest_model if is_temporal else tiny_model)(**dict(changes))


def write(model: TARViTPose, folder: Path) -> GraphFolder:
    """Write the graphs of a network into a folder."""
    write_graphs(model, folder)
    describe(folder, model.config, fingerprint(model), "fp32")
    return read_graphs(folder)


def write_linked(folder: Path) -> Path:
    """Write a network and graphs that read their weights, in float32, from the file beside them."""
    model = modest_model()
    model.save_pretrained(folder)
    write_graphs(model, folder, weights=folder / WEIGHTS_FILE)
    describe(folder, model.config, fingerprint(model), "fp32")
    return folder


def onnxruntime_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep graphs in a folder of this test, and return that of ONNX Runtime."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    return graph_cache_root() / "onnxruntime"


def assert_graphs_give_what_weights_give(folder: Path, crops: UInt8, current: int) -> None:
    """Compare a folder's graphs on ONNX Runtime with its weights in PyTorch, crop and window."""
    network = TorchEngine(TARViTPose.from_pretrained(folder), device="cpu", precision="fp32")
    engine = load_engine(folder, backend="onnxruntime", precision="fp32")
    assert engine.fingerprint() == network.fingerprint()
    window, expected = engine.encode(crops), network.encode(crops)
    heatmaps = network.decode_window([expected], current)
    assert np.abs(engine.decode_window([window], current) - heatmaps).max() <= 1e-4
    assert np.abs(engine.single_frame(crops) - network.single_frame(crops)).max() <= 1e-4
    assert np.ptp(heatmaps) > 0.1  # else the comparison would mean nothing
