"""From weights to engines: which backend, and the graphs that are cached for it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tiny_graphs import graphs, write
from tiny_models import H, W, modest_model, tiny_model

from tarvitpose.config import Backend
from tarvitpose.errors import MissingDependencyError, OutputError, UserError, WeightsError
from tarvitpose.inference import devices, load
from tarvitpose.inference import graphs as network_graphs
from tarvitpose.inference.graph_folder import FRAME, STEP, graph_cache_root
from tarvitpose.inference.load import cached_graphs, choose_backend, load_engine
from tarvitpose.inference.onnx_engine import OnnxEngine
from tarvitpose.inference.openvino_engine import OpenVinoEngine
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.weights.folder import default_folder

CROPS = np.random.default_rng(0).integers(0, 256, (1, H, W, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep graphs in a folder of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    return graph_cache_root()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    modest_model().save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note which folders graphs are written into."""
    noted: list[Path] = []

    def write_graphs(model: Any, folder: Path) -> None:
        noted.append(folder)
        for name in (FRAME, STEP):  # those of the first weights, whatever the model
            shutil.copy(graphs().path / name, folder / name)

    monkeypatch.setattr(network_graphs, "write_graphs", write_graphs)
    return noted


def test_graphs_are_written_once_and_found_again(weights: Path, written: list[Path]) -> None:
    first = load_engine(weights, backend="onnxruntime")
    again = load_engine(weights, backend="onnxruntime")
    assert len(written) == 1
    assert np.array_equal(first.single_frame(CROPS), again.single_frame(CROPS))


def test_other_weights_have_other_graphs(weights: Path, written: list[Path]) -> None:
    first = cached_graphs(weights)
    modest_model(seed=1).save_pretrained(weights)
    second = cached_graphs(weights)
    assert first.path != second.path
    assert first.fingerprint != second.fingerprint
    config = weights / "config.json"
    config.write_text(config.read_text().replace('"mask_threshold": 0.2', '"mask_threshold": 0.3'))
    assert cached_graphs(weights).config.mask_threshold == 0.3
    assert len(written) == 3


def lose(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    os.truncate(file, 100)


def muddle(file: Path) -> None:
    file.write_text("[]")


@pytest.mark.parametrize(
    ("degrade", "name"),
    [(lose, FRAME), (cut, STEP), (lose, "config.json"), (muddle, "export.json"), (lose, "")],
)
def test_spoilt_graphs_are_written_anew(
    weights: Path, written: list[Path], degrade: Callable[[Path], None], name: str
) -> None:
    cache = cached_graphs(weights).path
    if name:
        degrade(cache / name)
    else:
        cache.rename(cache.with_name("elsewhere"))
    assert load_engine(weights, backend="onnxruntime").single_frame(CROPS).shape[0] == 1
    assert len(written) == 2
    assert not list(cache.parent.glob(".*"))  # nothing temporary is left


def test_what_another_process_wrote_meanwhile_is_kept(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached_graphs(weights)
    elsewhere = first.path.rename(first.path.with_name("elsewhere"))

    def write_graphs(model: Any, folder: Path) -> None:
        elsewhere.rename(first.path)
        (folder / FRAME).write_bytes(b"ours")

    monkeypatch.setattr(network_graphs, "write_graphs", write_graphs)
    assert cached_graphs(weights) == first
    assert (first.path / FRAME).read_bytes() != b"ours"


def test_a_new_version_writes_graphs_anew(
    weights: Path, written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cached_graphs(weights).path
    monkeypatch.setattr("tarvitpose.inference.graph_folder.__version__", "99.0")
    assert cached_graphs(weights).path == cache
    cached_graphs(weights)
    assert len(written) == 2


def fail_half_way(folder: Path) -> None:
    with atomic_folder(folder) as new:
        (new / "half").touch()
        raise RuntimeError


def test_a_folder_that_fails_half_way_leaves_all_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    with pytest.raises(RuntimeError):
        fail_half_way(folder)
    assert not list(tmp_path.glob("[!c]*"))
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(RuntimeError):
        fail_half_way(folder)
    assert [path.name for path in folder.iterdir()] == ["old"]
    with atomic_folder(folder) as new:
        (new / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.glob("*")] == ["graphs"]


def test_a_cache_that_cannot_be_written(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()  # a file where a folder should be
    with pytest.raises(OutputError, match="cannot be written"):
        load_engine(weights, backend="onnxruntime")
    assert isinstance(load_engine(weights, device="cpu"), TorchEngine)


@pytest.mark.parametrize(("is_installed", "kind"), [(True, OpenVinoEngine), (False, TorchEngine)])
def test_auto_takes_openvino_where_it_is_installed(
    weights: Path, monkeypatch: pytest.MonkeyPatch, is_installed: bool, kind: type
) -> None:
    if is_installed:
        pytest.importorskip("openvino")
    monkeypatch.setattr(load, "openvino_is_installed", lambda: is_installed)
    assert type(load_engine(weights, device="cpu")) is kind
    assert type(load_engine(weights, device="cpu", backend="torch")) is TorchEngine


def test_auto_leaves_to_pytorch_what_openvino_cannot_do(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "openvino_is_installed", lambda: True)
    monkeypatch.setattr(load, "has_cpu_bfloat16", lambda: False)
    tiny_model(aggregation="all_tokens").save_pretrained(tmp_path / "other")
    assert choose_backend(weights, "cpu", "auto") == "openvino"
    assert choose_backend(weights, "cpu", "fp32") == "openvino"
    assert choose_backend(weights, "cpu", "bf16") == "torch"
    assert choose_backend(weights, "cpu", "fp16") == "torch"
    assert choose_backend(tmp_path / "other", "cpu", "auto") == "torch"
    monkeypatch.setattr(load, "can_write_graphs", lambda config: False)
    assert choose_backend(weights, "cpu", "auto") == "torch"


@pytest.mark.parametrize(
    ("packages", "features", "precision", "expected"),
    [
        ((), "", "auto", "onnxruntime"),
        ((), "avx512_bf16", "auto", "onnxruntime"),
        (("torch",), "", "auto", "onnxruntime"),
        (("torch",), "", "fp32", "onnxruntime"),
        (("torch",), "avx512_bf16", "auto", "torch"),  # which then computes in bfloat16
        (("torch",), "avx512_bf16 avx512_vnni", "auto", "onnxruntime"),  # in int8
        (("torch",), "avx512_bf16 avx512_vnni", "bf16", "torch"),
        (("torch",), "avx_vnni", "fp32", "onnxruntime"),
        (("torch",), "", "bf16", "torch"),  # emulated, as asked for
        (("torch", "openvino"), "avx512_bf16 avx512_vnni", "auto", "openvino"),
        (("openvino",), "", "auto", "openvino"),
        (("openvino",), "avx_vnni", "auto", "onnxruntime"),  # in int8
        (("openvino",), "avx_vnni", "fp32", "openvino"),
    ],
)
def test_auto_runs_graphs_beside_weights_on_what_is_installed_and_fast(
    monkeypatch: pytest.MonkeyPatch,
    packages: tuple[str, ...],
    features: str,
    precision: str,
    expected: str,
) -> None:
    monkeypatch.setattr(load, "is_installed", packages.__contains__)
    monkeypatch.setattr(load, "openvino_is_installed", lambda: "openvino" in packages)
    processor(monkeypatch, features)
    assert choose_backend(default_folder(), "cpu", precision) == expected


def processor(monkeypatch: pytest.MonkeyPatch, features: str) -> None:
    """Let Linux say these of the processor, beside those that all have."""
    monkeypatch.setattr(devices, "processor_facts", lambda: {"flags": f"fpu avx2 {features}"})
    for ask in (devices.has_cpu_bfloat16, devices.has_cpu_vnni):
        monkeypatch.setattr(load, ask.__name__, ask.__wrapped__)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_what_a_backend_cannot_do_is_said_in_one_line(
    tmp_path: Path, weights: Path, backend: Backend
) -> None:
    with pytest.raises(UserError, match="not on cuda:0; use --device cpu, or backend torch"):
        load_engine(weights, backend=backend, device="cuda:0")
    tiny_model(aggregation="all_tokens").save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match="works without aggregation all_tokens, which these"):
        load_engine(tmp_path / "other", backend=backend)


def test_missing_packages_are_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = cached_graphs(weights)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cached_graphs(weights) == cached  # what is there needs no package
    with pytest.raises(MissingDependencyError, match=r"pip install 'tarvitpose\[openvino\]'"):
        load_engine(weights, backend="openvino")
    (cached.path / FRAME).unlink()
    with pytest.raises(MissingDependencyError, match=r"package onnx.*tarvitpose\[export\]"):
        load_engine(weights, backend="onnxruntime")
    with pytest.raises(MissingDependencyError, match=r"package torch.*tarvitpose\[torch\]"):
        load_engine(weights)


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
def test_a_folder_of_graphs_needs_no_weights(
    tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graphs").mkdir()
    model = modest_model()
    write(model, tmp_path / "graphs")
    monkeypatch.setattr(load, "openvino_is_installed", lambda: False)
    engine = load_engine(tmp_path / "graphs", backend=backend)
    assert isinstance(engine, OnnxEngine)
    expected = TorchEngine(model, device="cpu", precision="fp32").single_frame(CROPS)
    assert np.abs(engine.single_frame(CROPS) - expected).max() <= 1e-4
    with pytest.raises(WeightsError, match=r"exported graphs, backend torch needs model\.safe"):
        load_engine(tmp_path / "graphs", backend="torch")


def test_a_spoilt_folder_of_the_user_is_refused_not_repaired(tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    folder.mkdir()
    write(modest_model(), folder)
    size = (folder / STEP).stat().st_size
    cut(folder / STEP)
    with pytest.raises(WeightsError, match=rf"step\.onnx: has 100 bytes instead of {size}; run"):
        load_engine(folder)
    lose(folder / STEP)
    with pytest.raises(
        WeightsError, match=r"step\.onnx: is missing; run 'tarvitpose export' again"
    ):
        load_engine(folder)
    about = folder / "export.json"
    about.write_text(about.read_text().replace('"graphs": 1', '"graphs": 0'))
    with pytest.raises(WeightsError, match="graphs of version 0"):
        load_engine(folder)
    muddle(about)
    with pytest.raises(WeightsError, match="not written by 'tarvitpose export'"):
        load_engine(folder)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_graph_that_cannot_be_read_is_named(tmp_path: Path, backend: Backend) -> None:
    pytest.importorskip(backend)
    folder = tmp_path / "graphs"
    folder.mkdir()
    write(modest_model(), folder)
    size = (folder / FRAME).stat().st_size
    (folder / FRAME).write_bytes(b"?" * size)
    with pytest.raises(WeightsError, match=r"frame\.onnx: not a readable graph \(.+\)$"):
        load_engine(folder, backend=backend)


@pytest.mark.parametrize(
    ("system", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "{}/tarvitpose/graphs"),
        ("win32", "LOCALAPPDATA", "{}/tarvitpose/graphs"),
        ("darwin", "HOME", "{}/Library/Caches/tarvitpose/graphs"),
    ],
)
def test_the_cache_is_where_the_system_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, variable: str, expected: str
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setenv(variable, str(tmp_path))
    assert graph_cache_root() == Path(expected.format(tmp_path))


def test_who_waits_for_graphs_is_told_once(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tarvitpose")
    cache = cached_graphs(weights).path
    assert [str(cache) in record.message for record in caplog.records] == [True]
    cached_graphs(weights)
    assert len(caplog.records) == 1


CLOSED = """
import faulthandler, os, signal, sys, threading
from pathlib import Path
from tarvitpose.inference.graph_folder import read_graphs
from tarvitpose.inference.openvino_engine import OpenVinoEngine

faulthandler.enable()  # as pytest does: signals then have a stack of their own
kept = [OpenVinoEngine(read_graphs(Path(sys.argv[1])))]
closer = threading.Thread(target=kept.clear)
closer.start()
closer.join()
signal.signal(signal.SIGUSR1, lambda *_: print("alive"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_signals_arrive_after_openvino_was_closed(weights: Path) -> None:
    pytest.importorskip("openvino")
    call = [sys.executable, "-c", CLOSED, str(cached_graphs(weights).path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_a_graph_with_a_cut_tensor_is_one_error_and_no_lines_of_the_runtime(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tiny_model(), tmp_path)
    graph = onnx.load(tmp_path / FRAME)
    tensor = next(t for t in graph.graph.initializer if len(t.raw_data) > 8)
    tensor.raw_data = tensor.raw_data[:-4]
    graph.producer_name += "four"  # the file is as long as before
    onnx.save(graph, tmp_path / FRAME)
    with pytest.raises(WeightsError, match=r"frame\.onnx: not a readable graph"):
        load_engine(tmp_path, backend="onnxruntime")
    assert capfd.readouterr().err == ""
