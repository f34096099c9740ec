"""Speeds as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tarvitpose.benchmark.cases import MODES, CaseKey
from tarvitpose.benchmark.result import BenchmarkResult
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.interleaved import spread
from tarvitpose.utils.optional import require

WIDTH = 0.85  # of the bars of one mode together
BAR = 0.42  # inches, with the space that its number needs
MARGIN, HEIGHT = 1.5, 4.2  # inches
PALEST = 0.4  # opacity of the smallest batch


def plot(path: Path, results: Sequence[BenchmarkResult]) -> None:
    """Write a PNG with a panel for each network: bars of crops per second, lines for quartiles.

    Raises MissingDependencyError without matplotlib, and OutputError.
    """
    widths = [MARGIN + BAR * max(len(_keys(result)), 6) for result in results]
    figure = require("matplotlib.figure", "--plot", "plot").Figure(
        (sum(widths), HEIGHT), layout="constrained"
    )
    panels = figure.subplots(1, len(results), squeeze=False, width_ratios=widths)[0]
    for panel, result in zip(panels, results, strict=True):
        _draw(panel, result)
    panels[0].set_ylabel("crops per second")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _keys(result: BenchmarkResult) -> list[CaseKey]:
    return [key for key in result.rates if key.mode in MODES]


def _draw(panel: Any, result: BenchmarkResult) -> None:
    """Draw the bars of one network: a colour for each backend, darker for larger batches."""
    keys = _keys(result)
    backends = list(dict.fromkeys(key.backend for key in keys))
    batches = sorted({key.batch for key in keys})
    modes = [mode for mode in MODES if any(key.mode == mode for key in keys)]
    most = max(sum(key.mode == mode for key in keys) for mode in modes)
    in_order = sorted(keys, key=lambda key: (backends.index(key.backend), key.batch))
    for key in in_order:
        group = [other for other in in_order if other.mode == key.mode]
        x = modes.index(key.mode) + (group.index(key) - (len(group) - 1) / 2) * WIDTH / most
        middle = spread(result.rates[key])
        bars = panel.bar(
            x,
            middle.median,
            0.92 * WIDTH / most,
            yerr=[[middle.median - middle.low], [middle.high - middle.median]],
            color=f"C{backends.index(key.backend)}",
            alpha=PALEST + (1 - PALEST) * (batches.index(key.batch) + 1) / len(batches),
            capsize=2,
        )
        panel.bar_label(bars, fmt="%.3g", fontsize=7, padding=2)
        bars.set_label(f"{key.backend}, batch {key.batch}" if key == _first(keys, key) else None)
    panel.set_xticks(range(len(modes)), modes)
    panel.set_title(f"{result.model.name}, {result.model.input}")
    panel.spines[["top", "right"]].set_visible(False)
    panel.margins(y=0.12)
    panel.legend(frameon=False, fontsize=8)


def _first(keys: Sequence[CaseKey], key: CaseKey) -> CaseKey:
    """Return the key that stands in the legend for all modes of its backend and batch."""
    return next(other for other in keys if other[1:] == key[1:])
