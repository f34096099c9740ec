"""Speeds as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tarvitpose.benchmark.cases import MODES, Key
from tarvitpose.benchmark.result import Result
from tarvitpose.utils.atomic import atomic_file
from tarvitpose.utils.interleaved import spread
from tarvitpose.utils.optional import require

WIDTH = 0.85  # of the bars of one mode together
BAR = 0.42  # inches, with the space that its number needs
MARGIN, HEIGHT = 1.5, 4.2  # inches
PALEST = 0.4  # opacity of the smallest batch


def plot(path: Path, results: Sequence[Result]) -> None:
    """Write a PNG with a panel for each network: bars of crops per second, lines for quartiles.

    Raises MissingDependencyError without matplotlib, and OutputError.
    """
    widths = [MARGIN + BAR * max(len(_keys(one)), 6) for one in results]
    figure = require("matplotlib.figure", "--plot", "plot").Figure(
        (sum(widths), HEIGHT), layout="constrained"
    )
    panels = figure.subplots(1, len(results), squeeze=False, width_ratios=widths)[0]
    for panel, result in zip(panels, results, strict=True):
        _draw(panel, result)
    panels[0].set_ylabel("crops per second")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _keys(result: Result) -> list[Key]:
    return [key for key in result.rates if key.mode in MODES]


def _draw(panel: Any, result: Result) -> None:
    """Draw the bars of one network: a colour for each backend, darker for larger batches."""
    keys = _keys(result)
    backends = list(dict.fromkeys(key.backend for key in keys))
    batches = sorted({key.batch for key in keys})
    modes = [mode for mode in MODES if any(key.mode == mode for key in keys)]
    most = max(sum(key.mode == mode for key in keys) for mode in modes)
    for key in sorted(keys, key=lambda one: (backends.index(one.backend), one.batch)):
        own = [one for one in keys if one.mode == key.mode]
        own.sort(key=lambda one: (backends.index(one.backend), one.batch))
        place = modes.index(key.mode) + (own.index(key) - (len(own) - 1) / 2) * WIDTH / most
        middle = spread(result.rates[key])
        bars = panel.bar(
            place,
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
    panel.set_title(f"{result.subject.name}, {result.subject.input}")
    panel.spines[["top", "right"]].set_visible(False)
    panel.margins(y=0.12)
    panel.legend(frameon=False, fontsize=8)


def _first(keys: Sequence[Key], key: Key) -> Key:
    """Return the key that stands in the legend for all modes of its backend and batch."""
    return next(one for one in keys if one[1:] == key[1:])
