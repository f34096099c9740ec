"""The exported graphs on ONNX Runtime, on the processor.

Graphs that lie beside weights make most of them anew when they are opened: wider, transposed,
folded, ordered as this processor likes them. What comes out is kept in the user's cache, where the
next run finds it.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tarvitpose.errors import OutputError, WeightsError
from tarvitpose.inference.devices import has_cpu_vnni
from tarvitpose.inference.graph_engine import Graph, GraphEngine, refuse_precision
from tarvitpose.inference.graph_folder import (
    MOST_KEPT,
    GraphFolder,
    engine_cache,
    leave_newest,
)
from tarvitpose.inference.quantise import ATTENTION, ENLARGEMENTS, JOINTS, PRODUCT, int8_products
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.cores import usable_cores
from tarvitpose.weights.files import WEIGHTS_FILE

SILENT = 4  # its errors are raised as well
CROPS_AT_ONCE = 4  # with AVX2 16 took 1.2 times as long for each: more than the caches hold


class OnnxEngine(GraphEngine):
    """Exported graphs on ONNX Runtime, in float32 or in int8."""

    def __init__(self, folder: GraphFolder, *, precision: str = "auto", threads: int = 0) -> None:
        """Use all cores that this process may use unless `threads` says how many.

        Raises UserError for a precision that it lacks, and for files that cannot be read.
        """
        if precision == "auto":
            precision = "fp32"
        if precision not in ("fp32", "int8"):
            raise refuse_precision("onnxruntime", precision, "fp32 or int8")
        in_int8 = precision == "int8" and folder.precision != "int8"
        # A product's range is that of all that is read at once: alone, none depends on another.
        at_once = 1 if in_int8 else None
        super().__init__(
            replace(folder, precision="int8") if in_int8 else folder,
            partial(
                _open_all,
                threads=threads or usable_cores(),
                int8_heads=folder.config.heads if in_int8 else None,
            ),
            precision,
            at_once or CROPS_AT_ONCE,
            at_once,
        )


def write_int8(path: Path) -> None:
    """Rewrite a graph with its encoder in int8, and with what engines would fold of it."""
    import onnxruntime  # noqa: PLC0415  slow to import

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(
        int8_products(path.read_bytes()), options, providers=["CPUExecutionProvider"]
    )


def _open_all(paths: list[Path], threads: int, *, int8_heads: int | None) -> list[Graph]:
    """Open graphs, as an earlier run optimised them where that took time.

    That is where they read weights beside them, and where products become int8, of an encoder with
    `int8_heads` heads.
    """
    weights = paths[0].with_name(WEIGHTS_FILE)
    files = [*paths, weights] if weights.is_file() else paths
    if files == paths and int8_heads is None:
        return _side_by_side(paths, threads)
    import onnxruntime  # noqa: PLC0415  slow to import

    products = f"int8 {PRODUCT.pattern} {JOINTS.pattern} {ATTENTION.pattern} {ENLARGEMENTS}"
    precision = products if int8_heads else "fp32"
    cache = engine_cache("onnxruntime", f"{onnxruntime.__version__} {precision}", files)
    optimised = [cache / path.name for path in paths]
    if all(path.is_file() for path in optimised):
        with suppress(WeightsError):  # damaged: it is made anew
            return _side_by_side(optimised, threads, optimised=True)
    # Another error than of the cache comes again, as that of the file.
    shared = partial(atomic_folder, keep=lambda _: False)  # machines may have the cache in common
    with suppress(OutputError, WeightsError), shared(cache) as new:
        graphs = _side_by_side(paths, threads, int8_heads=int8_heads, keep_in=new)
        leave_newest(cache.parent, MOST_KEPT - 1)
        return graphs
    return _side_by_side(paths, threads, int8_heads=int8_heads)


def _side_by_side(paths: list[Path], threads: int, **how: Any) -> list[Graph]:
    """Open graphs at once: what they hold is made ready by one core each."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(partial(_open, threads=threads, **how), paths))


def _open(
    path: Path,
    *,
    threads: int,
    optimised: bool = False,
    int8_heads: int | None = None,
    keep_in: Path | None = None,
) -> Graph:
    """Open a graph, one that is `optimised` as it is; write into `keep_in` what it becomes."""
    import onnxruntime  # noqa: PLC0415  slow to import: what is wrong is said before

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = SILENT
    # Threads that spin while they wait would take the cores from decoder and detector.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if keep_in is not None:
        options.optimized_model_filepath = str(keep_in / path.name)
        beside = "session.optimized_model_external_initializers_"
        options.add_session_config_entry(f"{beside}file_name", f"{path.stem}.weights")
        options.add_session_config_entry(f"{beside}min_size_in_bytes", "1024")
    model: Path | bytes = path
    try:
        if int8_heads is not None:
            vnni_heads = int8_heads if has_cpu_vnni() else None
            model = int8_products(path.read_bytes(), vnni_heads=vnni_heads)
            beside = "session.model_external_initializers_file_folder_path"
            options.add_session_config_entry(beside, str(path.parent))
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base class
        raise WeightsError(f"{path}: not a readable graph ({str(error).strip()})") from None

    def run(inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return list(session.run(None, inputs))

    return run
