"""`tarvitpose data generate`: a small data set from code alone, for those who have none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tarvitpose.cli import console


def run(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="New folder to write.")],
    *,
    people: Annotated[
        int,
        typer.Option(min=1, max=100_000, help="People for training; a quarter as many held out."),
    ] = 40,
    frames: Annotated[int, typer.Option(min=1, max=10_000, help="Frames of each video.")] = 9,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")] = 0,
) -> None:
    """Draw moving figures with exact joints, in PoseTrack18's format.

    The people are not real: this is for trying out training and evaluation without a download.
    """
    from tarvitpose.data.generated import SETS, write_generated

    write_generated(output, people, seed, frames)
    facts = []
    for name in SETS:
        videos = len(list((output / "annotations" / name).glob("*.json")))
        counted = console.counted(videos, "video"), console.counted(frames, "frame")
        facts.append((name, f"{counted[0]} of {counted[1]}: {output / 'annotations' / name}"))
    console.facts(f"generated people in {output}", [*facts, ("images", str(output))])
