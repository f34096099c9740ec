"""All that the commands print: results on stdout, progress and problems on stderr.

With --log-json it is one JSON object per line, all of it on stdout (docs/scripts.md): libraries
write to stderr as they like.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tarvitpose.utils.source_names import shown, without_secrets
from tarvitpose.utils.terminal import open_bars, terminal
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from tarvitpose.runs.pipeline import RunProgress


BAD_INPUT, STOPPED = 2, 130
COMMANDS = re.compile(  # control characters, directions of writing, and halves of characters
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
ENDLESS = re.compile(r"(\S{200})\S{100,}(\S{100})")  # what a damaged file has in place of a name
LONGEST = re.compile(r"(.{420}).{20,}(.{160})")  # a line, such as of a list that never ends
EVERY = 0.5  # seconds between two lines of progress


class _Mode:
    is_json = False


def print_anything() -> None:
    """Let characters that the terminal lacks, or that are none, be printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def log_json(enabled: bool) -> None:
    """Say whether what follows is for programs instead of people."""
    _Mode.is_json = enabled


def is_json() -> bool:
    """Return whether what is printed is for programs."""
    return _Mode.is_json


def event(name: str, /, **fields: Any) -> None:
    """Print one line for programs: what happened, and its fields."""
    print(json.dumps(_clean({"event": name, **fields}), default=str), flush=True)  # noqa: T201


def say(text: str, style: str | None = None) -> None:
    """Print a line of results."""
    if not _Mode.is_json:
        terminal().print(escaped(without_secrets(text)), style=style)
    elif text.strip():
        event("message", message=text.strip())


def result(lines: Iterable[str], **fields: Any) -> None:
    """Print results: lines for people, or these fields for programs."""
    if _Mode.is_json:
        event("result", **fields)
        return
    for line in lines:
        say(line)


def document(content: object) -> None:
    """Print a JSON document; with --log-json it is the `content` of a result."""
    if _Mode.is_json:
        event("result", content=content)
    else:
        print(json.dumps(content, indent=2))  # noqa: T201


def warn(text: str) -> None:
    """Print one line about a problem that did not stop the command."""
    _tell("warning", text, "warning: ", "yellow")


def note(text: str) -> None:
    """Print one line about what is being done."""
    _tell("note", text)


def fail(error: object, *, exit_code: int = BAD_INPUT, **fields: Any) -> None:
    """Print one line about an error; `exit_code` and `fields` are for programs."""
    kind = {"kind": type(error).__name__} if isinstance(error, Exception) else {}
    _tell("error", str(error), "error: ", "red", **{**kind, **fields, "exit_code": exit_code})


def stopped(text: str) -> None:
    """Print one line after Ctrl-C."""
    _tell("stopped", text, "\n" if sys.stderr.isatty() else "", exit_code=STOPPED)


def _tell(name: str, text: str, prefix: str = "", style: str | None = None, **fields: Any) -> None:
    """Print a message in one line on stderr, or for programs as an event of this name."""
    if _Mode.is_json:
        event(name, message=_one_line(text), **fields)
    else:
        terminal(stderr=True).print(prefix + _one_line(text), style=style)


@contextmanager
def stoppable(text: str) -> Iterator[None]:
    """End with 130 after Ctrl-C, and say what is left to do."""
    try:
        yield
    except KeyboardInterrupt:
        stopped(text)
        raise typer.Exit(STOPPED) from None


def end(exit_code: int) -> None:
    """Tell programs that nothing follows."""
    if _Mode.is_json:
        event("end", exit_code=exit_code)


def facts(title: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Print a title, and below it one aligned line for each pair."""
    pairs = list(pairs)
    if _Mode.is_json:
        event("facts", title=title, facts=dict(pairs))
        return
    width = max(len(name) for name, _ in pairs)
    say(title, style="bold")
    for name, value in pairs:
        say(f"  {name:<{width}}  {value}")


def escaped(text: str) -> str:
    r"""Return a text without what a terminal would act on instead of showing it.

    Names of files and what stands in them may hold escape sequences, or turn the direction of
    writing. Ends of lines and tabs stay.

    >>> print(escaped("a\x1b]0;b\x07"))
    a\x1b]0;b\x07
    """
    return COMMANDS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


@contextmanager
def progress_bar(source: str, *, quiet: bool) -> Iterator[Callable[[RunProgress], None]]:
    """Yield what to call after each frame; it draws a bar if stderr is a terminal."""
    if quiet or not (_Mode.is_json or sys.stderr.isatty()):
        yield lambda progress: None
        return
    if _Mode.is_json:
        lines = ProgressLines()
        yield lambda progress: lines.show(source, progress)
        return
    with open_bars() as bar:
        task = bar.add_task(escaped(Path(shown(source)).name), total=None, note="")

        def show(progress: RunProgress) -> None:
            speed = bar.tasks[0].speed or 0.0
            note = f"{speed:.1f} frames/s, {counted(progress.people, 'person', 'people')},"
            bar.update(task, completed=progress.frame, total=progress.total, note=note)

        yield show


@contextmanager
def count_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what to call with how many are done, of how many; it draws a bar in a terminal."""
    if _Mode.is_json or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with open_bars() as bar:
        task = bar.add_task(escaped(title), total=None, note="")
        yield lambda done, total: bar.update(task, completed=done, total=total)


class ProgressLines:
    """Progress for programs: of each source the first frame, the last, and some between."""

    def __init__(self) -> None:
        self._source, self._last = "", 0.0

    def show(self, source: str, progress: RunProgress) -> None:
        """Print a line if it is time for one."""
        now, is_new = time.monotonic(), source != self._source
        if is_new or now - self._last >= EVERY or progress.frame == progress.total:
            self._source, self._last = source, now
            event("progress", source=source, **asdict(progress))


def _one_line(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    line = escaped(without_secrets(" ".join(filter(None, lines))))
    line = ENDLESS.sub(lambda word: f"{word[1]}...{word[2]}", line)
    return LONGEST.sub(r"\1 ... \2", line)


def _clean(value: Any) -> Any:
    """Return fields without what is secret in the addresses of streams."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return [*map(_clean, value)] if isinstance(value, list | tuple) else value


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
            note(record.getMessage())
