"""Joint angles over time as a picture: the left and right side of one joint in one panel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tarvitpose.angles.definitions import BY_NAME, SIDES
from tarvitpose.angles.series import AngleSeries
from tarvitpose.drawing import SIDE_COLOURS
from tarvitpose.utils.optional import require
from tarvitpose.visualization.joint_plot import DPI, MAX_SIDE, rimmed, save_figure
from tarvitpose.visualization.report_angles import LEAST_SPAN

PANEL = 7.0, 1.7  # inches
MOST_PEOPLE = 6  # columns; --track chooses others
LEAST_KNOWN = 3  # frames


def plot_angles(series: Sequence[AngleSeries], path: Path) -> None:
    """Write a picture with a column for each person and a row for each angle that is known.

    Left is amber and right blue, as `--colors side` draws them; what has no side has the person's
    colour. Raises UserError without matplotlib.
    """
    shown = sorted(series, key=lambda person: -len(person.frames))[:MOST_PEOPLE]
    shown.sort(key=lambda person: person.track_id)
    rows = panels(shown)
    matplotlib = require("matplotlib.figure", "angles --plot", "plot")
    size = PANEL[0] * len(shown), PANEL[1] * max(len(rows), 1) + 0.8
    figure = matplotlib.Figure(size, layout="constrained")
    grid = figure.subplots(max(len(rows), 1), len(shown), squeeze=False, sharex=True, sharey="row")
    for column, person in zip(grid.T, shown, strict=True):
        clock = person.times if np.isfinite(person.times).all() else person.frames
        for panel, (label, names) in zip(column, rows.items(), strict=False):
            for name in names:
                _line(panel, clock, person, name)
            panel.set_title(label, loc="left", fontsize=9)
            panel.axhline(0, color="0.8", linewidth=0.8, zorder=0)
            panel.spines[["top", "right"]].set_visible(False)
        column[0].set_title(f"person {person.track_id}", loc="right", fontsize=9)
        column[-1].set_xlabel("time (s)" if clock is person.times else "frame")
    for panel in grid[:, 0]:  # the other columns share its axis
        low, high = panel.get_ylim()
        if (spare := LEAST_SPAN - (high - low)) > 0:
            panel.set_ylim(low - spare / 2, high + spare / 2)
    figure.supylabel("degrees", fontsize=9)
    handles: dict[str, Any] = {}
    for panel in grid.ravel():
        handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    sided = {side: handles[side] for side in SIDES if side in handles}
    figure.legend(sided.values(), sided.keys(), loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path, min(DPI, MAX_SIDE / max(size)))


def panels(series: Sequence[AngleSeries]) -> dict[str, list[str]]:
    """Return the names of the angles of each panel, by its title; those never known have none."""
    rows: dict[str, list[str]] = {}
    for name, angle in BY_NAME.items():
        known = [np.isfinite(person.degrees.get(name, np.zeros(0))).sum() for person in series]
        if max(known, default=0) >= LEAST_KNOWN:
            rows.setdefault(angle.title, []).append(name)
    return rows


def _line(panel: Any, clock: Any, person: AngleSeries, name: str) -> None:
    if name not in person.degrees:
        return
    side = BY_NAME[name].side
    look = rimmed(SIDE_COLOURS.get(side) or person.track_id)
    panel.plot(clock, person.degrees[name], label=side or None, **look)
