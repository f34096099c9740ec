"""The exported graphs on OpenVINO, on the processor."""

import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarvitpose.errors import WeightsError
from tarvitpose.inference.devices import has_cpu_bfloat16
from tarvitpose.inference.graph_engine import Graph, GraphEngine, refuse_precision
from tarvitpose.inference.graph_folder import MOST_KEPT, GraphFolder, engine_cache, leave_newest
from tarvitpose.utils.cores import usable_cores
from tarvitpose.utils.optional import check_installed
from tarvitpose.utils.optional import is_installed as module_is_installed
from tarvitpose.weights.files import WEIGHTS_FILE

PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}


def is_installed() -> bool:
    """Tell whether OpenVINO can be imported."""
    return module_is_installed("openvino")


def default_precision() -> str:
    """Return what OpenVINO computes in on this machine by default."""
    return "bf16" if has_cpu_bfloat16() else "fp32"


@cache
def _core() -> Any:
    """Return this process's only `openvino.Core`, which lives as long as the process.

    OpenVINO's processor plugin gives the thread that compiles a signal stack of its own. When it
    is unloaded in another thread, or late, that memory is gone while the thread still points to
    it: the next signal, such as Ctrl-C or the end of a child process, is then a segmentation fault
    (seen with 2026.4). With a core that stays, the plugin is never unloaded.
    """
    return _openvino().Core()


def _openvino() -> Any:
    """Return the package, which would report to its maker over the network when it is imported.

    It does so by another package, and does well without it.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # noqa: PLC0415 - not part of the core

    return openvino


class OpenVinoEngine(GraphEngine):
    """Exported graphs on OpenVINO, both of them in one precision."""

    def __init__(self, folder: GraphFolder, *, precision: str = "auto", threads: int = 0) -> None:
        """Use all cores that this process may use unless `threads` says how many.

        Raises MissingDependencyError, and UserError for a precision that this processor lacks.
        """
        check_installed("openvino", "backend openvino", "openvino")
        if precision == "auto":
            precision = default_precision()
        if precision not in PRECISIONS:
            raise refuse_precision("openvino", precision, ", ".join(PRECISIONS))
        self._threads = threads or usable_cores()
        super().__init__(folder, lambda paths: self._open_all(paths, precision), precision)

    def _open_all(self, paths: list[Path], precision: str) -> list[Graph]:
        """Open graphs, as an earlier run compiled them; OpenVINO makes anew what is damaged."""
        weights = paths[0].with_name(WEIGHTS_FILE)
        files = [*paths, weights] if weights.is_file() else paths
        cached = engine_cache("openvino", _openvino().__version__, files)
        with suppress(OSError):  # where nothing can be kept, it costs time alone
            leave_newest(cached.parent, MOST_KEPT - (not cached.is_dir()))
            cached.mkdir(parents=True, exist_ok=True)
        settings = {"CACHE_DIR": str(cached)} if os.access(cached, os.W_OK) else {}
        return [self._open(path, precision, settings) for path in paths]

    def _open(self, path: Path, precision: str, more: dict[str, str]) -> Graph:
        hint = PRECISIONS[precision]
        settings = {
            # Without it bfloat16 is used where the processor has it, against the options.
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": self._threads,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # decoder and detector use the same cores
            **more,
        }
        try:
            compiled = _core().compile_model(path, "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise WeightsError(f"{path}: not a readable graph ({reason})") from None
        chosen = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if chosen != hint:
            raise refuse_precision("openvino", precision, "fp32")
        request = compiled.create_infer_request()

        def run(inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
            request.infer(inputs, share_inputs=True)
            return [np.array(tensor.data) for tensor in request.output_tensors]

        return run
