"""From weights, or graphs made of them, to an engine.

Which backend is fastest was measured on two cores, with and without bfloat16 (docs/performance.md):
OpenVINO before PyTorch, and ONNX Runtime no faster than PyTorch, so that "auto" never takes it for
weights.
"""

from __future__ import annotations

import logging
from pathlib import Path

from tarvitpose.config import Backend, ModelConfig
from tarvitpose.errors import OutputError, UserError, WeightsError
from tarvitpose.inference.engine import Engine
from tarvitpose.inference.graph_folder import (
    GraphFolder,
    describe,
    graph_cache,
    is_current,
    is_exported,
    read_graphs,
)
from tarvitpose.inference.graphs import can_write_graphs, refuse_unsupported, write_graphs
from tarvitpose.inference.onnx_engine import OnnxEngine
from tarvitpose.inference.openvino_engine import OpenVinoEngine
from tarvitpose.inference.openvino_engine import is_installed as openvino_is_installed
from tarvitpose.inference.torch_engine import TorchEngine, choose_device, has_cpu_bfloat16
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.weights.folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    find_folder,
    fingerprint,
    load_config,
)

log = logging.getLogger(__name__)


def load_engine(
    weights: str | Path,
    *,
    backend: Backend = "auto",
    device: str = "auto",
    precision: str = "auto",
) -> Engine:
    """Return the network of "default", a folder or a hub id, ready to run. Raises UserError.

    A folder may hold exported graphs instead of weights. "auto" takes PyTorch on a GPU; on a
    processor OpenVINO where it is installed and can run the weights, else PyTorch.
    """
    folder = find_folder(weights)
    if is_exported(folder):
        return _load_exported(folder, backend, device, precision)
    if backend == "auto" and openvino_fits(load_config(folder), device, precision):
        try:
            return OpenVinoEngine(cached_graphs(folder), precision=precision)
        except OutputError as error:
            log.info("PyTorch instead of OpenVINO: %s", error)
    if backend in ("auto", "torch"):
        return TorchEngine(TARViTPose.from_pretrained(folder), device=device, precision=precision)
    _refuse_other_devices(backend, device)
    return open_graphs(cached_graphs(folder), backend, precision=precision)


def open_graphs(
    folder: GraphFolder, backend: Backend, *, precision: str = "auto", threads: int = 0
) -> Engine:
    """Return exported graphs on "openvino" or "onnxruntime". Raises UserError.

    `threads` is how many cores it uses, 0 all.
    """
    kind = OpenVinoEngine if backend == "openvino" else OnnxEngine
    return kind(folder, precision=precision, threads=threads)


def cached_graphs(folder: Path) -> GraphFolder:
    """Return the graphs of a weights folder, written on first use (some seconds) and cached.

    Another version of the package writes them anew. Several processes may do so at once. Raises
    UserError, OutputError where they cannot be written.
    """
    cache = graph_cache((folder / CONFIG_FILE, folder / WEIGHTS_FILE))
    if not is_current(cache):
        refuse_unsupported(load_config(folder), "a backend other than torch")
        log.info("writing the network's graphs into %s, once for these weights", cache)
        with atomic_folder(cache, keep=is_current) as new:
            model = TARViTPose.from_pretrained(folder)
            write_graphs(model, new)
            describe(new, model.config, fingerprint(model), "fp32")
    return read_graphs(cache)


def openvino_fits(config: ModelConfig, device: str, precision: str) -> bool:
    """Tell whether OpenVINO is installed and can run these options. Raises UserError."""
    precisions = ("auto", "fp32", "bf16") if has_cpu_bfloat16() else ("auto", "fp32")
    can_run = openvino_is_installed() and can_write_graphs(config)
    return can_run and precision in precisions and choose_device(device).type == "cpu"


def _load_exported(folder: Path, backend: Backend, device: str, precision: str) -> Engine:
    """Return the engine of an exported folder; its int8 is fast on ONNX Runtime alone."""
    if backend == "torch":
        raise WeightsError(
            f"{folder}: holds exported graphs, backend torch needs {WEIGHTS_FILE}; "
            "use --backend openvino or onnxruntime"
        )
    graphs = read_graphs(folder)
    if backend == "auto":
        fits = openvino_is_installed() and graphs.precision != "int8"
        backend = "openvino" if fits else "onnxruntime"
    _refuse_other_devices(backend, device)
    return open_graphs(graphs, backend, precision=precision)


def _refuse_other_devices(backend: Backend, device: str) -> None:
    if device not in ("auto", "cpu"):
        raise UserError(
            f"backend {backend} runs on the processor only, not on {device}; use --backend torch"
        )
