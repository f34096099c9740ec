"""From weights, or graphs made of them, to an engine.

Which backend is fastest was measured with and without bfloat16 and VNNI (docs/performance.md):
OpenVINO before PyTorch, and PyTorch before ONNX Runtime only where it has a GPU, or a processor
with bfloat16 that lacks VNNI. ONNX Runtime in int8 is before both where there is VNNI, unless
OpenVINO computes in bfloat16, which is as fast and a little more exact. PyTorch is loaded where it
is needed, because that takes seconds.
"""

import logging
from pathlib import Path

from tarvitpose.config import Backend
from tarvitpose.errors import OutputError, UserError, WeightsError
from tarvitpose.inference.devices import choose_device, has_cpu_bfloat16, has_cpu_vnni
from tarvitpose.inference.engine import Engine
from tarvitpose.inference.graph_folder import (
    GraphFolder,
    can_write_graphs,
    describe,
    graph_cache,
    has_graphs,
    is_current,
    is_exported,
    read_graphs,
    refuse_unsupported,
)
from tarvitpose.inference.onnx_engine import OnnxEngine
from tarvitpose.inference.openvino_engine import OpenVinoEngine
from tarvitpose.inference.openvino_engine import is_installed as openvino_is_installed
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.optional import check_installed, is_installed
from tarvitpose.weights.files import CONFIG_FILE, WEIGHTS_FILE, fingerprint
from tarvitpose.weights.folder import find_folder, load_config

log = logging.getLogger(__name__)


def load_engine(
    weights: str | Path,
    *,
    backend: Backend = "auto",
    device: str = "auto",
    precision: str = "auto",
    cuda_graphs: bool = False,
) -> Engine:
    """Return the network of "default", a folder or a hub id, ready to run. Raises UserError.

    A folder may hold exported graphs, instead of weights or beside them. `choose_backend` says
    what "auto" takes.
    """
    folder = find_folder(weights)
    exported = is_exported(folder)
    is_open = backend == "auto" and not exported
    chosen = choose_backend(folder, device, precision) if is_open else backend
    if cuda_graphs:
        _refuse_without_cuda(chosen, device)
    if exported:
        return _load_exported(folder, backend, device, precision)
    if chosen != "torch":
        _refuse_other_devices(chosen, device)
        try:
            graphs = read_graphs(folder) if has_graphs(folder) else cached_graphs(folder)
            if chosen == "onnxruntime" and takes_int8(folder, precision):
                precision = "int8"
            return open_graphs(graphs, chosen, precision=precision)
        except OutputError as error:
            if backend != "auto" or not is_installed("torch"):
                raise
            log.info("PyTorch instead of OpenVINO: %s", error)
    check_installed("torch", f"running {weights} on backend torch", "torch")
    from tarvitpose.inference.cuda_graphs import CudaGraphs  # noqa: PLC0415 - slow
    from tarvitpose.inference.torch_engine import TorchEngine  # noqa: PLC0415
    from tarvitpose.model.tarvitpose import TARViTPose  # noqa: PLC0415

    return TorchEngine(
        TARViTPose.from_pretrained(folder),
        device=device,
        precision=precision,
        graphs=CudaGraphs() if cuda_graphs else None,
    )


def choose_backend(folder: Path, device: str = "auto", precision: str = "auto") -> Backend:
    """Return which backend runs a folder of weights fastest here. Raises UserError.

    That is PyTorch on a GPU, else OpenVINO. Graphs that lie beside the weights run on ONNX Runtime
    where int8 is faster, and where neither is installed or PyTorch has no bfloat16 to compute in.
    Only ONNX Runtime makes int8 of weights.
    """
    if precision == "int8":
        return "onnxruntime"
    if choose_device(device) != "cpu":
        return "torch"
    can_run = has_graphs(folder) or can_write_graphs(load_config(folder))
    has_torch, has_bfloat16 = is_installed("torch"), has_cpu_bfloat16()
    has_openvino = can_run and openvino_is_installed()
    if not (has_openvino and has_bfloat16) and takes_int8(folder, precision):
        return "onnxruntime"
    if has_openvino and (precision in ("auto", "fp32") or (precision == "bf16" and has_bfloat16)):
        return "openvino"
    is_slower = has_torch and (precision not in ("auto", "fp32") or has_bfloat16)
    return "onnxruntime" if has_graphs(folder) and not is_slower else "torch"


def takes_int8(folder: Path, precision: str) -> bool:
    """Tell whether a precision is int8 where ONNX Runtime runs a folder of weights.

    "auto" is, with VNNI, for the package's own weights, beside which graphs lie: what others lose
    was not measured. Without VNNI the whole command is only 1.3 times as fast as in float32.
    """
    return precision == "auto" and has_graphs(folder) and has_cpu_vnni()


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
        from tarvitpose.inference.graphs import write_graphs  # noqa: PLC0415 - slow
        from tarvitpose.model.tarvitpose import TARViTPose  # noqa: PLC0415

        log.info("writing the network's graphs into %s, once for these weights", cache)
        with atomic_folder(cache, keep=is_current) as new:
            model = TARViTPose.from_pretrained(folder)
            write_graphs(model, new)
            describe(new, model.config, fingerprint(model), "fp32")
    return read_graphs(cache)


def _load_exported(folder: Path, backend: Backend, device: str, precision: str) -> Engine:
    """Return the engine of an exported folder; its int8 is fast on ONNX Runtime alone."""
    if backend == "torch":
        raise WeightsError(
            f"{folder}: holds exported graphs, backend torch needs {WEIGHTS_FILE}; "
            "only backends openvino and onnxruntime run these"
        )
    graphs = read_graphs(folder)
    if backend == "auto":
        fits = openvino_is_installed() and "int8" not in (graphs.precision, precision)
        backend = "openvino" if fits else "onnxruntime"
    _refuse_other_devices(backend, device)
    return open_graphs(graphs, backend, precision=precision)


def _refuse_without_cuda(backend: Backend, device: str) -> None:
    """Raise UserError for CUDA graphs where PyTorch does not run the network on a GPU with CUDA."""
    kind = choose_device(device) if backend == "torch" else "cpu"
    if not kind.startswith("cuda"):
        raise UserError(
            "--cuda-graphs is for PyTorch on a GPU (--device cuda), and here the network runs on "
            f"{kind}; leave it out"
        )


def _refuse_other_devices(backend: Backend, device: str) -> None:
    if device not in ("auto", "cpu"):
        raise UserError(
            f"backend {backend} runs on the processor only, not on {device}; "
            "use --device cpu, or backend torch"
        )
