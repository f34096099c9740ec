"""Weights that ship as changes of others: what is read again, with PyTorch and without."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import modest_model

from tarvitpose.errors import WeightsError
from tarvitpose.inference.load import load_engine
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.fast import fast_folder
from tarvitpose.weights.files import WEIGHTS_FILE
from tools.distill import without_blocks
from tools.ship_fast import SPREAD, ship

SIZE = (64, 96)
CROPS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TARViTPose]:
    """A folder with `default` and `fast`, and the network that was shipped as the latter."""
    root = tmp_path_factory.mktemp("weights")
    default = modest_model(depth=3, input_size=SIZE)
    default.save_pretrained(root / "default", half=True)
    merging = default.config.model_copy(update={"fine_cells": 2, "merge_after": 1})
    trained = without_blocks(default, [], merging)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in (trained.encoder, trained.decoder):
            for value in part.parameters():
                value.add_(torch.randn(value.shape, generator=random), alpha=1e-3)
    trained.save_pretrained(root / "trained")
    ship(root / "trained", root / "default" / WEIGHTS_FILE, root / "fast")
    return root, trained


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setattr("tarvitpose.weights.fast.cache_root", lambda: tmp_path)
    return tmp_path


def test_what_is_read_is_nearly_what_was_trained(student: tuple[Path, TARViTPose]) -> None:
    root, trained = student
    model = TARViTPose.from_pretrained(fast_folder(root / "fast", root / "default"))
    default = TARViTPose.from_pretrained(root / "default").state_dict()
    assert model.config == trained.config
    for name, own in trained.state_dict().items():
        value, before = model.state_dict()[name], default.get(name)
        if before is None or torch.equal(before, own.half().float()) or own.ndim < 2:
            torch.testing.assert_close(value, own, rtol=1e-3, atol=1e-5, msg=name)
            continue
        lost = (value - own).square().mean() / (before - own).square().mean()
        assert lost < SPREAD**2 / 12 + 0.05, name  # of evenly spread errors, and a little more


def test_graphs_read_the_weights_that_were_put_together(
    student: tuple[Path, TARViTPose],
) -> None:
    root, _ = student
    folder = fast_folder(root / "fast", root / "default")
    network = TorchEngine(TARViTPose.from_pretrained(folder), device="cpu", precision="fp32")
    engine = load_engine(folder, backend="onnxruntime", precision="fp32")
    assert engine.fingerprint() == network.fingerprint()
    window, expected = engine.encode(CROPS), network.encode(CROPS)
    heatmaps = network.decode_window([expected], 1)
    assert np.abs(engine.decode_window([window], 1) - heatmaps).max() <= 1e-4
    assert np.ptp(heatmaps) > 0.1  # else the comparison would mean nothing


def test_they_are_put_together_once(student: tuple[Path, TARViTPose]) -> None:
    root, _ = student
    folder = fast_folder(root / "fast", root / "default")
    written = (folder / WEIGHTS_FILE).stat().st_mtime_ns
    assert fast_folder(root / "fast", root / "default") == folder
    assert (folder / WEIGHTS_FILE).stat().st_mtime_ns == written


def test_a_package_without_them_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json: cannot be read"):
        fast_folder(tmp_path / "nowhere", tmp_path / "default")
