"""The network on a GPU, with and without CUDA graphs; skipped where PyTorch finds none."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tiny_models import H, T, W, modest_model

from tarvitpose.errors import UserError
from tarvitpose.inference.cuda_graphs import CudaGraphs, Tensors
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.utils.arrays import Float32

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU that PyTorch runs on with CUDA"
)
CROPS = np.random.default_rng(0).integers(0, 256, (16, H, W, 3), np.uint8)


def engine(device: str, precision: str = "fp32", *, graphs: bool = False) -> TorchEngine:
    """Return a network in a precision."""
    made = CudaGraphs() if graphs else None
    return TorchEngine(modest_model(), device=device, precision=precision, graphs=made)


def heatmaps(of: TorchEngine, first: int, count: int) -> list[Float32]:
    """Return heatmaps of some crops: of windows, of encoded ones, and of pixels."""
    batch = CROPS[first : first + count]
    crops = of.encode(batch)
    windows = [[crops[(i + t) % count] for t in range(T)] for i in range(count)]
    return [of.decode_window(windows, 1), of.decode(crops), of.single_frame(batch)]


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize(("precision", "near"), [("fp32", 1e-2), ("bf16", 0.1), ("fp16", 0.1)])
def test_heatmaps_are_those_of_the_processor(graphs: bool, precision: str, near: float) -> None:
    on_gpu, on_cpu = engine("cuda", precision, graphs=graphs), engine("cpu")
    for count in (5, 1, 3, 2, 5):
        pairs = zip(heatmaps(on_gpu, 0, count), heatmaps(on_cpu, 0, count), strict=True)
        for found, expected in pairs:
            assert np.abs(found - expected).max() < near * np.ptp(expected)


def test_threads_do_not_mix_up_their_crops() -> None:
    graphed, plain = engine("cuda", graphs=True), engine("cuda")
    firsts = list(range(12))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda first: heatmaps(graphed, first, 4), firsts))
    for first, parts in zip(firsts, found, strict=True):
        for part, expected in zip(parts, heatmaps(plain, first, 4), strict=True):
            assert np.abs(part - expected).max() < 1e-2 * np.ptp(expected)


def test_a_step_that_waits_for_the_processor_is_refused_in_one_line() -> None:
    def step(x: torch.Tensor) -> Tensors:
        return (x * float(x.sum()),)

    with pytest.raises(
        UserError, match=r"cannot run as CUDA graphs here .* leave out --cuda-graph"
    ):
        CudaGraphs().run(step, torch.ones(2, device="cuda"))
