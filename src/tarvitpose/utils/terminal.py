"""What is printed for people: lines, and progress as bars. Rich is loaded when it is needed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


@cache
def terminal(*, stderr: bool = False) -> Console:
    """Return what prints on stdout or stderr."""
    from rich.console import Console  # noqa: PLC0415 - slow

    # One message is one line, also in a narrow terminal or a log, and nothing in it is markup.
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)


def open_bars(*, in_bytes: bool = False) -> Progress:
    """Return bars on stderr, each with a `note`; they vanish when they are closed."""
    from rich.progress import (  # noqa: PLC0415 - slow
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn() if in_bytes else MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    return Progress(*columns, console=terminal(stderr=True), transient=True)
