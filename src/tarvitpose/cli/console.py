"""All that the commands print: results on stdout, progress and problems on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from tarvitpose.pipeline import Progress


def say(text: str, style: str | None = None) -> None:
    """Print a line of results."""
    _console().print(text, style=style)


def warn(text: str) -> None:
    """Print one line about something that went on all the same."""
    _console(stderr=True).print(f"warning: {_one_line(text)}", style="yellow")


def fail(error: object) -> None:
    """Print one line about something that did not work."""
    _console(stderr=True).print(f"error: {_one_line(str(error))}", style="red")


def stopped(text: str) -> None:
    """Print one line after Ctrl-C."""
    _console(stderr=True).print(f"\n{text}" if sys.stderr.isatty() else text)


def facts(title: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Print a title, and below it one aligned line for each pair."""
    pairs = list(pairs)
    width = max(len(name) for name, _ in pairs)
    say(title, style="bold")
    for name, value in pairs:
        say(f"  {name:<{width}}  {value}")


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "frame"), counted(2, "person", "people")
    ('1 frame', '2 people')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


@contextmanager
def progress_bar(title: str, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Yield what to call after each frame; it draws a bar if stderr is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield _ignore
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Bar(*columns, console=_console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, note="")

        def show(progress: Progress) -> None:
            speed = bar.tasks[0].speed or 0.0
            note = f"{speed:.1f} frames/s, {counted(progress.people, 'person', 'people')},"
            bar.update(task, completed=progress.frame, total=progress.total, note=note)

        yield show


@cache
def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    # One message is one line, also in a narrow terminal or a log, and nothing in it is markup.
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)


def _ignore(progress: Progress) -> None:
    """Show nothing."""


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


@contextmanager
def notes_shown(*, quiet: bool = False) -> Iterator[None]:
    """Print what the package logs meanwhile on stderr, with `quiet` only its warnings."""
    log, handler = logging.getLogger("tarvitpose"), _ToConsole()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


class _ToConsole(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            warn(record.getMessage())
        else:
            _console(stderr=True).print(_one_line(record.getMessage()))
