"""On which device the package's detector runs."""

from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from tarvitpose.detection.nanodet import NanoDet

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Make ONNX Runtime one for CUDA, and return the providers it is asked for."""
    providers: list[Any] = []

    def session(_: object, __: object, *, providers: list[Any]) -> SimpleNamespace:
        asked_for.extend(providers)
        names = [each if isinstance(each, str) else each[0] for each in providers]
        return SimpleNamespace(get_providers=lambda: names)

    asked_for = providers
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return providers


@pytest.mark.parametrize(("device", "number"), [("cuda", 0), ("cuda:0", 0), ("cuda:3", 3)])
def test_it_runs_on_the_gpu_that_was_chosen(asked: list[Any], device: str, number: int) -> None:
    assert NanoDet(device=device).device == "cuda"
    assert asked == [(CUDA, {"device_id": number}), CPU]


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_elsewhere_it_runs_on_the_processor(asked: list[Any], device: str) -> None:
    assert NanoDet(device=device).device == "cpu"
    assert asked == [CPU]


def test_without_cuda_in_onnx_runtime_it_runs_on_the_processor() -> None:
    assert NanoDet(device="cuda").device == "cpu"
