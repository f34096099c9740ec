"""Matplotlib's figures, an optional extra."""

from __future__ import annotations

from typing import Any

from tarvitpose.errors import MissingDependencyError


def load_figure(option: str) -> Any:
    """Return matplotlib's class of figures. Raises MissingDependencyError naming the option."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise MissingDependencyError("matplotlib", option, "plot") from None
    return Figure
