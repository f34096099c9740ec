"""Steps as CUDA graphs: filling up, fixed memory, and steps that can be captured.

There need be no GPU: what stands in for a graph runs its step again, on the same memory, and
leaves the answer where the first one was.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import H, T, W, modest_model, tiny_config, tiny_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tarvitpose.config import EstimatorConfig
from tarvitpose.errors import UserError
from tarvitpose.inference import load, torch_engine
from tarvitpose.inference.cuda_graphs import CudaGraphs, Replay, Step, Tensors
from tarvitpose.inference.estimator import PoseEstimator
from tarvitpose.inference.load import load_engine
from tarvitpose.inference.torch_engine import TorchEngine
from tarvitpose.inference.transfers import to_device, to_numpy
from tarvitpose.model.tarvitpose import TARViTPose

CROPS = np.random.default_rng(0).integers(0, 256, (16, H, W, 3), np.uint8)
NETWORKS: dict[str, dict[str, Any]] = {
    "default": {},
    "released": {"layout": "released", "mask_rule": "released", "joint_set": "posetrack17"},
    "no mask": {"mask_rule": "none", "decoder": "simple", "gra_layers": 2},
    "soft mask": {"mask_rule": "soft"},
    "other grid": {"position_grid": (5, 3)},
    "merged tokens": {"fine_cells": 3, "merge_after": 1, "input_size": (64, 96)},
    "later parts": {"gra_gate": True, "key_positions": True},
    "all tokens": {"aggregation": "all_tokens"},
    "current to auxiliary": {"aggregation": "current_to_auxiliary"},
    "auxiliary first": {"aggregation": "auxiliary_first"},
    "regression": {"aggregation": "regression"},
}


class StandIn:
    """Captures as CUDA does: a step reads and writes the same memory in each run."""

    def __init__(self) -> None:
        self.sizes: list[int] = []  # of batches, in the order in which they were captured

    def __call__(self, step: Step, inputs: Tensors) -> Replay:
        self.sizes.append(len(inputs[0]))
        outputs = step(*inputs)

        def replay() -> Tensors:
            sleep(1e-3)  # in which other threads come to their turn
            for output, new in zip(outputs, step(*inputs), strict=True):
                output.copy_(new)
            return outputs

        return replay


def engines(**changes: Any) -> tuple[TorchEngine, TorchEngine, StandIn]:
    """Return an engine, the same network with what stands in for graphs, and that."""
    capture, how = StandIn(), {"device": "cpu", "precision": "fp32"}
    graphed = TorchEngine(modest_model(**changes), **how, graphs=CudaGraphs(capture))  # type: ignore[arg-type]
    return TorchEngine(modest_model(**changes), **how), graphed, capture  # type: ignore[arg-type]


def answers(engine: TorchEngine, count: int) -> list[Any]:
    """Return all that an engine makes of the first crops."""
    crops = engine.encode(CROPS[:count])
    window = engine.encode(CROPS[-T:])
    return [
        *(to_numpy(part) for crop in crops for part in (crop.tokens, crop.visible)),
        engine.decode(crops),
        engine.decode_window([window, window[::-1]] * count, 1),
        engine.decode_window([window, window[::-1]] * count, 0),
        engine.single_frame(CROPS[:count]),
    ]


@pytest.mark.parametrize("changes", [{}, {"mask_rule": "none"}, {"mask_rule": "soft"}])
def test_answers_are_those_without_graphs(changes: dict[str, Any]) -> None:
    plain, graphed, _ = engines(**changes)
    for count in (5, 1, 3, 2, 5, 4):  # also smaller ones, after what larger ones left in memory
        for found, expected in zip(answers(graphed, count), answers(plain, count), strict=True):
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() <= 1e-5


def test_there_are_few_graphs_however_many_people_come_and_go() -> None:
    _, graphed, capture = engines()
    for count in (3, 16, 9, 1, 2, 7, 12, 4, 16, 5, 8, 3):
        graphed.single_frame(CROPS[:count])
    assert sorted(capture.sizes) == [1, 2, 4, 8, 16]


def test_what_an_earlier_run_returned_stays() -> None:
    _, graphed, _ = engines()
    first = graphed.encode(CROPS[:2])
    kept = [(crop.tokens.clone(), crop.visible.clone()) for crop in first]
    heatmaps = graphed.single_frame(CROPS[:2])
    expected = heatmaps.copy()
    graphed.encode(CROPS[2:4])
    graphed.single_frame(CROPS[2:4])
    assert np.array_equal(heatmaps, expected)
    for crop, (tokens, visible) in zip(first, kept, strict=True):
        assert torch.equal(crop.tokens, tokens)
        assert torch.equal(crop.visible, visible)


def test_threads_do_not_mix_up_their_crops() -> None:
    plain, graphed, _ = engines()
    batches = [CROPS[i : i + 2] for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(graphed.single_frame, batches))
    for heatmaps, batch in zip(found, batches, strict=True):
        assert np.abs(heatmaps - plain.single_frame(batch)).max() <= 1e-5


class Operations(TorchDispatchMode):
    """Notes the devices and types of all tensors that PyTorch computes with."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: set[str] = set()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        made = func(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves((args, kwargs, made)) if torch.is_tensor(each)]
        self.devices |= {tensor.device.type for tensor in tensors}
        self.dtypes |= {tensor.dtype for tensor in tensors}
        return made


@pytest.fixture
def without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines run on PyTorch's device without values, where reading one is an error."""
    monkeypatch.setattr(torch_engine, "choose_device", lambda name: name)
    monkeypatch.setattr(TorchEngine, "_low_precision", lambda _: nullcontext())


@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize("changes", NETWORKS.values(), ids=NETWORKS)
def test_no_step_reads_a_value_or_leaves_its_device(changes: dict[str, Any]) -> None:
    """Neither could be captured; nor has MPS float64."""
    config = tiny_config(**changes)
    with torch.device("meta"):
        engine = TorchEngine(TARViTPose(config), device="meta", precision="fp32")
    pixels = torch.zeros(2, *config.input_size, 3, dtype=torch.uint8, device="meta")
    with Operations() as operations, torch.inference_mode():
        tokens, visible, *_ = engine._encode(pixels)
        window = (torch.stack([part] * T, 1) for part in (tokens, visible))
        heatmaps = [
            *engine._decode_window(*window, current=1),
            *engine._decode(tokens),
            *engine._single_frame(pixels),
        ]
    height, width = config.input_size
    shape = (2, len(config.joints), height // 4, width // 4)
    assert [each.shape for each in heatmaps] == [shape] * 3
    assert operations.devices == {"meta"}
    assert torch.float64 not in operations.dtypes


def test_copies_to_other_devices_than_cuda_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPS reads an array later otherwise, when it may be gone (PyTorch's issue 189690)."""
    copies: list[tuple[Any, ...]] = []

    def copied(tensor: torch.Tensor, *where: object, **how: object) -> torch.Tensor:
        copies.append((*where, how.get("non_blocking", False)))
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", copied)
    to_device(CROPS, torch.device("mps"))
    assert copies == [(torch.device("mps"), False)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_comes_back_is_float32(dtype: torch.dtype) -> None:
    values = to_numpy(torch.tensor([[1.5, -2]], dtype=dtype))
    assert values.dtype == np.float32
    assert values.tolist() == [[1.5, -2]]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    tiny_model().save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.mark.parametrize("backend", ["auto", "torch", "onnxruntime"])
def test_where_there_is_no_gpu_graphs_are_refused_in_one_line(weights: Path, backend: Any) -> None:
    with pytest.raises(UserError, match=r"^--cuda-graphs is for PyTorch on a GPU .* on cpu; leave"):
        load_engine(weights, backend=backend, device="cpu", cuda_graphs=True)


def test_they_are_refused_for_graphs_on_the_processor_of_a_machine_with_a_gpu(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "choose_device", lambda _: "cuda")
    with pytest.raises(UserError, match="on cpu; leave it out"):
        load_engine(weights, backend="onnxruntime", cuda_graphs=True)


def test_the_estimator_passes_the_option_on(weights: Path) -> None:
    with pytest.raises(UserError, match="--cuda-graphs is for PyTorch"):
        PoseEstimator.from_config(
            EstimatorConfig(weights=str(weights), device="cpu", cuda_graphs=True)
        )
