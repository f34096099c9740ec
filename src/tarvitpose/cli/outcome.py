"""What is printed of one source that is done."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tarvitpose.cli import console
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from tarvitpose.runs.pipeline import Outcome


def print_outcome(outcome: Outcome, *, quiet: bool) -> None:
    """Print what came out of one source and where it is."""
    if not quiet:
        print_result(outcome)
    for warning in outcome.warnings:
        console.warn(warning)


def print_result(outcome: Outcome) -> None:
    """Print the numbers of one source, and its files."""
    lines = [summary(outcome), *(f"  {path}" for path in outcome.files)]
    console.result(lines, **asdict(outcome))


def summary(outcome: Outcome) -> str:
    """Return the numbers of one source in a line."""
    if outcome.is_old:
        return f"{outcome.source}: done before, {counted(outcome.frames, 'frame')}"
    new = outcome.frames - outcome.resumed
    pace = new / outcome.seconds if outcome.seconds else 0.0
    speed = ", ".join(filter(None, (f"{pace:.1f} frames/s", outcome.precision)))
    before = f", {outcome.resumed} of them from before" if outcome.resumed else ""
    return (
        f"{outcome.source}: {counted(outcome.frames, 'frame')}{before}, at most "
        f"{counted(outcome.people, 'person', 'people')} in one, "
        f"{counted(outcome.tracks, 'track')}, {outcome.seconds:.1f} s ({speed})"
    )
