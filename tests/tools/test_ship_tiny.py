"""Weights that ship as changes of others: what is read again, with PyTorch and without."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny_graphs import assert_graphs_give_what_weights_give
from tiny_models import modest_model

from tarvitpose.errors import WeightsError
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights.files import WEIGHTS_FILE
from tarvitpose.weights.tiny import (
    CHANGES,
    MOST,
    PACKED,
    default_part,
    packed,
    tiny_folder,
    unpacked,
)
from tools.prune import prune
from tools.ship_tiny import SPREAD, alike, ship

SIZE = (64, 96)
CROPS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TARViTPose]:
    """A folder with `default` and `tiny`, and the network that was shipped as the latter."""
    root = tmp_path_factory.mktemp("weights")
    default = modest_model(depth=3, input_size=SIZE)
    default.save_pretrained(root / "default", half=True)
    crops = torch.randn(4, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    shape = {"fine_cells": 2, "merge_after": 1, "mlp_ratio": 2, "decoder_width": 12}
    trained = prune(default, [1], crops, **shape)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in (trained.encoder, trained.decoder):
            for value in part.parameters():
                value.add_(torch.randn(value.shape, generator=random), alpha=1e-3)
    trained.save_pretrained(root / "trained")
    ship(root / "trained", [0, 2], root / "default" / WEIGHTS_FILE, root / "tiny")
    return root, trained


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setattr("tarvitpose.weights.tiny.cache_root", lambda: tmp_path)
    return tmp_path


def test_what_is_read_is_nearly_what_was_trained(student: tuple[Path, TARViTPose]) -> None:
    root, trained = student
    model = TARViTPose.from_pretrained(tiny_folder(root / "tiny", root / "default"))
    default = load_file(root / "default" / WEIGHTS_FILE)
    stored = load_file(root / "tiny" / CHANGES)
    assert model.config == trained.config
    for name, own in trained.state_dict().items():
        value = model.state_dict()[name]
        in_a_byte = next((count for count in MOST if f"{name}{PACKED}{count}" in stored), None)
        if in_a_byte is None:
            torch.testing.assert_close(value, own, rtol=1e-3, atol=1e-5, msg=name)
            continue
        before = torch.from_numpy(default_part(name, default, stored)).float()
        lost = (value - own).square().mean() / (before - own).square().mean()
        # Of evenly spread errors, and more where few changes are far from the others.
        assert lost < SPREAD[in_a_byte] ** 2 / 12 + 0.05, name


def test_pruned_channels_are_those_that_are_alike() -> None:
    random = np.random.default_rng(0)
    others = random.normal(size=(9, 4, 2))
    rows = others[[7, 0, 4]] + 0.05 * random.normal(size=(3, 4, 2))
    assert alike(rows, others).tolist() == [7, 0, 4]


@pytest.mark.parametrize("in_a_byte", [1, 3])
def test_numbers_come_back_from_bytes(in_a_byte: int) -> None:
    most = MOST[in_a_byte]
    numbers = np.random.default_rng(0).integers(-most, most + 1, 101, np.int8)
    stored = packed(numbers, in_a_byte)
    assert len(stored) == (101 if in_a_byte == 1 else 34)
    assert unpacked(stored, in_a_byte)[:101].tolist() == numbers.tolist()


def test_graphs_read_the_weights_that_were_put_together(
    student: tuple[Path, TARViTPose],
) -> None:
    root, _ = student
    folder = tiny_folder(root / "tiny", root / "default")
    assert_graphs_give_what_weights_give(folder, CROPS, 1)


def test_they_are_put_together_once(student: tuple[Path, TARViTPose]) -> None:
    root, _ = student
    folder = tiny_folder(root / "tiny", root / "default")
    written = (folder / WEIGHTS_FILE).stat().st_mtime_ns
    assert tiny_folder(root / "tiny", root / "default") == folder
    assert (folder / WEIGHTS_FILE).stat().st_mtime_ns == written


def test_a_package_without_them_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json: cannot be read"):
        tiny_folder(tmp_path / "nowhere", tmp_path / "default")
