"""What engines make of graphs and weights is kept, and changes nothing."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_graphs import onnxruntime_cache, write_linked
from tiny_models import H, W

from tarvitpose.errors import WeightsError
from tarvitpose.inference import graph_folder, onnx_engine
from tarvitpose.inference.graph_folder import (
    FRAME,
    MOST_KEPT,
    STEP,
    read_graphs,
)
from tarvitpose.inference.onnx_engine import OnnxEngine
from tarvitpose.inference.openvino_engine import OpenVinoEngine
from tarvitpose.utils.arrays import Float32
from tarvitpose.weights.files import WEIGHTS_FILE

CROPS = np.random.default_rng(0).integers(0, 256, (2, H, W, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return onnxruntime_cache(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_linked(tmp_path_factory.mktemp("weights"))


def heatmaps(folder: Path) -> Float32:
    engine = OnnxEngine(read_graphs(folder), threads=1)
    first, second = engine.encode(CROPS)
    return engine.decode_window([[first, first, second, first, first]], 2)


def test_graphs_are_optimised_once_and_answer_the_same(
    shipped: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = heatmaps(shipped)
    (folder,) = cache.iterdir()
    assert {FRAME, STEP} < {path.name for path in folder.iterdir()}
    monkeypatch.setattr(onnx_engine, "atomic_folder", None)  # nothing is written again
    np.testing.assert_array_equal(heatmaps(shipped), first)


@pytest.mark.parametrize("damage", [b"", b"no graph", None])
def test_what_is_damaged_is_made_anew(shipped: Path, cache: Path, damage: bytes | None) -> None:
    first = heatmaps(shipped)
    (graph,) = cache.glob(f"*/{FRAME}")
    weights = graph.with_suffix(".weights")
    if damage is None:
        weights.write_bytes(weights.read_bytes()[:-100])  # as after a full disk
    else:
        graph.write_bytes(damage)
    np.testing.assert_array_equal(heatmaps(shipped), first)
    assert graph.stat().st_size > 1000
    np.testing.assert_array_equal(heatmaps(shipped), first)


def test_a_cache_that_cannot_be_written_costs_time_alone(
    shipped: Path, tmp_path: Path, cache: Path
) -> None:
    first = heatmaps(shipped)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").touch()  # a file where a folder should be
    np.testing.assert_array_equal(heatmaps(shipped), first)


def test_other_weights_and_other_processors_have_their_own_and_few_are_kept(
    shipped: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shipped, tmp_path / "copy")
    heatmaps(shipped)
    heatmaps(tmp_path / "copy")
    assert len(list(cache.iterdir())) == 1
    with (tmp_path / "copy" / WEIGHTS_FILE).open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    heatmaps(tmp_path / "copy")
    assert len(list(cache.iterdir())) == 2
    for name in "abcd":
        (cache / name).mkdir()
    monkeypatch.setattr(graph_folder, "processor_kind", lambda: "another")
    heatmaps(shipped)
    assert len(list(cache.glob("*"))) == MOST_KEPT
    assert len(list(cache.glob(f"*/{FRAME}"))) == 1  # the newest is among them


def test_a_shipped_graph_that_cannot_be_read_is_named(shipped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(shipped, folder)
    size = (folder / FRAME).stat().st_size
    (folder / FRAME).write_bytes(b"x" * size)
    with pytest.raises(WeightsError, match=f"^{folder / FRAME}: not a readable graph"):
        heatmaps(folder)


def openvino_heatmaps(folder: Path) -> Float32:
    engine = OpenVinoEngine(read_graphs(folder), precision="fp32", threads=1)
    first, second = engine.encode(CROPS)
    return engine.decode_window([[first, first, second, first, first]], 2)


def compiled(cache: Path) -> dict[Path, os.stat_result]:
    """Return what OpenVINO kept."""
    return {blob: blob.stat() for blob in cache.with_name("openvino").glob("*/*.blob")}


def test_what_openvino_compiled_is_read_again(shipped: Path, cache: Path) -> None:
    pytest.importorskip("openvino")
    first, before = openvino_heatmaps(shipped), compiled(cache)
    assert len(before) == 2
    np.testing.assert_array_equal(openvino_heatmaps(shipped), first)
    after = compiled(cache)
    assert {blob: stat.st_mtime_ns for blob, stat in before.items()} == {
        blob: stat.st_mtime_ns for blob, stat in after.items()
    }


@pytest.mark.parametrize("share", [0, 0.5])
def test_what_openvino_compiled_and_was_cut_is_made_anew(
    shipped: Path, cache: Path, share: float
) -> None:
    pytest.importorskip("openvino")
    first, before = openvino_heatmaps(shipped), compiled(cache)
    for blob, stat in before.items():
        blob.chmod(0o600)
        os.truncate(blob, int(share * stat.st_size))
    np.testing.assert_array_equal(openvino_heatmaps(shipped), first)
    for blob, stat in compiled(cache).items():
        assert stat.st_size == pytest.approx(before[blob].st_size, rel=0.01)


def test_openvino_runs_where_nothing_can_be_kept(shipped: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "cache").touch()  # a file where a folder should be
    assert np.isfinite(openvino_heatmaps(shipped)).all()


def test_other_weights_under_the_same_name_are_compiled_anew(
    shipped: Path, tmp_path: Path, cache: Path
) -> None:
    pytest.importorskip("openvino")
    folder = tmp_path / "copy"
    shutil.copytree(shipped, folder)
    first = openvino_heatmaps(folder)
    weights = folder / WEIGHTS_FILE
    content = weights.read_bytes()
    half = len(content) // 2
    weights.write_bytes(content[:half] + bytes(len(content) - half))  # the graphs are as they were
    assert np.abs(openvino_heatmaps(folder) - first).max() > 0.01
