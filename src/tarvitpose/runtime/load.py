"""Weights to a runtime."""

from __future__ import annotations

from pathlib import Path

from tarvitpose.config import Backend
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.runtime.protocol import Runtime
from tarvitpose.runtime.torch import TorchRuntime


def load_runtime(
    weights: str | Path,
    *,
    backend: Backend = "auto",
    device: str = "auto",
    precision: str = "auto",
) -> Runtime:
    """Return the network of "default", a folder or a hub id, ready to run. Raises UserError."""
    return TorchRuntime(TARViTPose.from_pretrained(weights), device=device, precision=precision)
