"""The figures that code under test saves."""

from typing import Any

import pytest


def record_figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list to which matplotlib adds every figure that it saves. Skips without it."""
    module = pytest.importorskip("matplotlib.figure")
    save, figures = module.Figure.savefig, []

    def savefig(self: Any, *values: Any, **options: Any) -> None:
        figures.append(self)
        save(self, *values, **options)

    monkeypatch.setattr(module.Figure, "savefig", savefig)
    return figures
