"""`tarvitpose plot`: joints over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import console
from tarvitpose.errors import UserError

if TYPE_CHECKING:
    from tarvitpose.results import FramePoses

KINDS = (".png", ".svg", ".pdf")


def run(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="What predict wrote, in any format; several are drawn together.",
            show_default=False,
        ),
    ],
    *,
    joints: Annotated[
        str, typer.Option(metavar="JOINT,...", help="A column for each.")
    ] = "left_wrist,right_wrist",
    track: Annotated[
        list[int] | None,
        typer.Option(help="Person to show, may be repeated; all if not given.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help=".png, .svg or .pdf; RESULT.plot.png if not given.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
) -> None:
    """Draw x, y and score of joints over time: raw, smoothed, and beside other results."""
    from tarvitpose.readers import load_poses
    from tarvitpose.report.time_plot import plot_joints

    path = output or results[0].parent / f"{results[0].name.split('.')[0]}.plot.png"
    if path.suffix.lower() not in KINDS:
        raise UserError(f"--output {path}: expected one of {', '.join(KINDS)}")
    if path.exists() and not overwrite:
        raise UserError(f"{path}: there already; pass --overwrite or another --output")
    files: dict[str, list[FramePoses]] = {}
    for result in results:
        files[result.name if result.name not in files else str(result)] = load_poses(result)
    names = [joint.strip() for joint in joints.split(",")]
    plot_joints(files, path, joints=names, tracks=track or ())
    console.say(str(path))
