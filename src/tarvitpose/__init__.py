"""2D human poses from video with TAR-ViTPose."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tarvitpose.errors import UserError

if TYPE_CHECKING:
    from tarvitpose.estimator import PoseEstimator
    from tarvitpose.model.tarvitpose import TARViTPose
    from tarvitpose.results import FramePoses

__version__ = "0.4.0"

__all__ = ["FramePoses", "PoseEstimator", "TARViTPose", "UserError", "__version__"]

# Loaded at first use: torch alone takes seconds, and --help must not wait for it.
_HOMES = {
    "FramePoses": "tarvitpose.results",
    "PoseEstimator": "tarvitpose.estimator",
    "TARViTPose": "tarvitpose.model.tarvitpose",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
