"""The exported graphs on ONNX Runtime, on the processor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tarvitpose.errors import WeightsError
from tarvitpose.inference.devices import usable_cores
from tarvitpose.inference.graph_engine import Graph, GraphEngine, refuse_precision
from tarvitpose.inference.graph_folder import GraphFolder

SILENT = 3  # errors only
CROPS_AT_ONCE = 4  # with AVX2 16 took 1.2 times as long for each: more than the caches hold


class OnnxEngine(GraphEngine):
    """Exported graphs on ONNX Runtime; int8 where they were exported so, else float32."""

    def __init__(self, folder: GraphFolder, *, precision: str = "auto", threads: int = 0) -> None:
        """Use all cores that this process may use unless `threads` says how many.

        Raises UserError for a precision that it lacks, and for files that cannot be read.
        """
        if precision not in ("auto", "fp32"):
            raise refuse_precision("onnxruntime", precision, "fp32")
        import onnxruntime  # noqa: PLC0415  slow to import: what is wrong is said before

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.log_severity_level = SILENT
        # Threads that spin while they wait would take the cores from decoder and detector.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        super().__init__(folder, partial(_open_all, options=options), CROPS_AT_ONCE)


def _open_all(paths: list[Path], options: Any) -> list[Graph]:
    """Open graphs side by side: what they hold is made ready by one core each."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(partial(_open, options=options), paths))


def _open(path: Path, options: Any) -> Graph:
    import onnxruntime  # noqa: PLC0415

    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base class
        raise WeightsError(f"{path}: not a readable graph ({str(error).strip()})") from None

    def run(inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return list(session.run(None, inputs))

    return run
