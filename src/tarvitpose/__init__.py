"""2D human poses from video with TAR-ViTPose."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from tarvitpose.errors import MissingDependencyError, UserError

if TYPE_CHECKING:
    from tarvitpose.formats.reading import load_poses
    from tarvitpose.inference.estimator import PoseEstimator
    from tarvitpose.model.tarvitpose import TARViTPose
    from tarvitpose.results import FramePoses
    from tarvitpose.smoothing import smooth

__version__ = "0.18.0"

__all__ = [
    "FramePoses",
    "PoseEstimator",
    "TARViTPose",
    "UserError",
    "__version__",
    "load_poses",
    "smooth",
]

# ONNX Runtime would report to its maker over the network; who wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# Before OpenCV is loaded: it takes memory for the pixels that a file states, up to this many.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**28))

# Loaded at first use: --help must not wait for it, and TARViTPose needs torch.
_HOMES = {
    "FramePoses": "tarvitpose.results",
    "PoseEstimator": "tarvitpose.inference.estimator",
    "TARViTPose": "tarvitpose.model.tarvitpose",
    "load_poses": "tarvitpose.formats.reading",
    "smooth": "tarvitpose.smoothing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError("torch", name, "torch") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
