"""Tables of results as text of one width, whatever the terminal's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from tarvitpose.evaluation.comparison import DIFFERENCES, Intervals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.table import Table

    from tarvitpose.evaluation.comparison import ModeComparison
    from tarvitpose.metrics.posetrack_ap import ApResult

WIDTH = 100
LIMBS = "limbs"
COUNTED = {LIMBS: "people, 12 limb joints", "AP": "OKS thresholds", "mean": "joints"}


def plain_table(headings: Iterable[str], left: int = 1) -> Table:
    """Return an empty table; all columns but the first `left` are numbers."""
    from rich import box
    from rich.table import Table

    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, heading in enumerate(headings):
        side: Literal["left", "right"] = "left" if at < left else "right"
        rows.add_column(heading, justify=side, overflow="fold")
    return rows


def drawn(rows: Table, width: int = WIDTH) -> str:
    """Return a table as text of at most `width` columns, without an empty line around it."""
    from rich.console import Console

    page = Console(width=width, color_system=None, force_terminal=False)
    with page.capture() as captured:
        page.print(rows)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n")


def shown(value: float, sign: str = "") -> str:
    """Return a percentage as the paper prints it; `sign` "+" also shows the one of gains.

    >>> shown(81.25), shown(float("nan")), shown(2.31, "+")
    ('81.2', '-', '+2.3')
    """
    return "-" if math.isnan(value) else f"{value:{sign}.1f}"


def ap_table(result: ApResult, intervals: Intervals) -> Table:
    """Return the seven groups and the mean in the paper's order, each beside its joints."""
    from tarvitpose.metrics.posetrack_ap import GROUPS

    rows = plain_table(["", "AP", *(["95% interval"] if intervals else [])])
    rows.add_column("joints")
    for group, value in result.groups.items():
        joints = ", ".join(f"{name} {shown(result.joints[name])}" for name in GROUPS[group])
        rows.add_row(group, shown(value), *shown_interval(intervals, group), joints)
    rows.add_section()
    mean = shown_interval(intervals, "mean")
    rows.add_row("Mean", shown(result.mean), *mean, "of the 15 joints")
    return rows


def correction_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    """Return how far each joint is from the corrected one, and all together."""
    table = plain_table(["", "joints", "median px", "PCK@0.05 box", "PCK@0.1 box"])
    for name, (joints, *values) in ((name, row.values()) for name, row in rows.items()):
        table.add_row(name, f"{joints}", *map(shown, values))
    return table


def tracking_table(scores: dict[str, float], intervals: Intervals) -> Table:
    """Return the measures of whole people's tracks, with their intervals below."""
    rows = plain_table(["", *scores])
    counts = ("id switches", "missed", "false", "people")
    cells = [f"{v:.0f}" if name in counts else shown(v) for name, v in scores.items()]
    rows.add_row("people, OKS 0.5", *cells)
    _add_interval_rows(rows, intervals, list(scores))
    return rows


def mota_table(scores: dict[str, float], intervals: Intervals) -> Table:
    """Return PoseTrack's MOTA of the groups and the mean, in the paper's order."""
    from tarvitpose.metrics.posetrack_ap import GROUPS

    columns = [*GROUPS, "mean"]
    rows = plain_table(["", *(name.replace("mean", "Mean") for name in columns)])
    rows.add_row("MOTA", *(shown(scores[name]) for name in columns))
    _add_interval_rows(rows, intervals, columns)
    return rows


def _add_interval_rows(
    rows: Table, intervals: Intervals, columns: Sequence[str], *before: str, sign: str = ""
) -> None:
    for end, label in enumerate(("95% from", "to") if intervals else ()):
        rows.add_row(*before, label, *(shown(intervals[name][end], sign) for name in columns))


def shown_interval(intervals: Intervals, name: str) -> list[str]:
    """Return the table's cell for an interval, if there are intervals."""
    return ["..".join(shown(end) for end in intervals[name])] if intervals else []


def comparison_table(comparisons: Iterable[ModeComparison], columns: Sequence[str]) -> Table:
    """Return the modes of each metric below each other, their differences, and an interval.

    The interval is that of the last difference; `headline_table` has all of one column.
    """
    rows = plain_table(["", "", *(name.replace("mean", "Mean") for name in columns)], left=2)
    for comparison in comparisons:
        for at, (mode, values) in enumerate(comparison.rows.items()):
            sign = "+" if mode in DIFFERENCES else ""
            cells = [shown(values[name], sign) for name in columns]
            rows.add_row("" if at else comparison.metric, mode, *cells)
        last = list(comparison.rows)[-1]
        _add_interval_rows(rows, comparison.intervals.get(last, {}), columns, "", sign=sign)
        rows.add_section()
    return rows


def headline_table(comparisons: Iterable[ModeComparison]) -> Table:
    """Return the summarising column of each metric, with the 95% interval of every mode."""
    rows = plain_table(["", "mean of", "", "", "95% interval"], left=3)
    for comparison in comparisons:
        for at, (mode, values) in enumerate(comparison.rows.items()):
            column = next(name for name in (LIMBS, "AP", "mean") if name in values)
            sign = "+" if mode in DIFFERENCES else ""
            ends = comparison.intervals.get(mode, {}).get(column, ())
            heading = (comparison.metric, COUNTED[column]) if at == 0 else ("", "")
            cells = (shown(values[column], sign), " to ".join(shown(end, sign) for end in ends))
            rows.add_row(*heading, mode, *cells)
        rows.add_section()
    return rows


def joints_table(comparison: ModeComparison) -> Table:
    """Return PoseTrack's AP of each joint, in the order of the groups."""
    from tarvitpose.metrics.posetrack_ap import GROUPS

    rows = plain_table(["", *comparison.rows])
    for name in (name for names in GROUPS.values() for name in names):
        signs = ("+" if mode in DIFFERENCES else "" for mode in comparison.rows)
        values = zip(comparison.rows.values(), signs, strict=True)
        rows.add_row(name, *(shown(row[name], sign) for row, sign in values))
    return rows
