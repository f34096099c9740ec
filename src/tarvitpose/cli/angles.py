"""`tarvitpose angles`: joint angles, ranges of motion and repetitions of results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import Folder, Overwrite, Tracks
from tarvitpose.cli.plot import stem_of
from tarvitpose.config import Facing
from tarvitpose.errors import UserError
from tarvitpose.utils.lists import parse_choices
from tarvitpose.utils.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tarvitpose.angles.series import AngleSeries
    from tarvitpose.results import FramePoses

TABLES = ("csv", "parquet")
NO_IDS = "people without a track id are left out: angles over time need to know who is who"


def run(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...", help="What predict wrote, in any format.", show_default=False
        ),
    ],
    *,
    track: Tracks = None,
    facing: Annotated[
        Facing,
        typer.Option(
            help="Where people face in the image: it decides what is flexion and what abduction. "
            "auto finds out, over a second each."
        ),
    ] = "auto",
    keypoint_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Lowest score of a joint that makes an angle.")
    ] = 0.3,
    formats: Annotated[
        str, typer.Option("--format", metavar="NAME,...", help="Tables to write: csv, parquet.")
    ] = "csv",
    plot: Annotated[
        bool, typer.Option("--plot", help="Also draw NAME.angles.png; needs matplotlib.")
    ] = False,
    output: Folder = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure joint and segment angles over time.

    NAME.angles.csv has a row for each person of each frame, NAME.angles.json ranges of motion, left
    against right, and repetitions. Angles are degrees in the image plane; joints that score too low
    leave gaps.
    """
    kinds = parse_choices("--format", formats, TABLES)
    for result in results:
        checks.existing(result)
    endings = [*(f".angles.{kind}" for kind in kinds), ".angles.json"]
    endings += [".angles.png"] if plot else []
    files = {
        result: [(output or result.parent) / f"{stem_of(result)}{ending}" for ending in endings]
        for result in results
    }
    for path in (path for paths in files.values() for path in paths):
        checks.new_file(path, overwrite=overwrite)
    for result, paths in files.items():
        _measure(result, paths, tracks=track or (), facing=facing, threshold=keypoint_threshold)


def _measure(
    result: Path, paths: Sequence[Path], *, tracks: Sequence[int], facing: Facing, threshold: float
) -> None:
    from tarvitpose.angles.series import joint_angles
    from tarvitpose.angles.summary import summary
    from tarvitpose.formats.angles_table import angle_columns, write_angles
    from tarvitpose.formats.reading import load_poses
    from tarvitpose.utils.atomic import files_together

    poses = load_poses(result)
    series = joint_angles(poses, threshold=threshold, facing=facing, tracks=tracks)
    _require_somebody(result, poses, series, tracks)
    content = summary(series)
    columns = angle_columns(poses, series)
    with files_together():
        for path in paths:
            if path.suffix == ".json":
                checks.save_json(path, content)
            elif path.suffix == ".png":
                from tarvitpose.visualization.angle_plot import plot_angles

                plot_angles(series, path)
            else:
                write_angles(path, columns)
    names = [str(path) for path in paths]
    lines = [line for person in content["people"] for line in _lines(person)]
    console.result([*lines, *(f"  {name}" for name in names)], files=names, content=content)
    if any((frame.track_ids < 0).any() for frame in poses):
        console.warn(f"{result}: {NO_IDS}")


def _require_somebody(
    result: Path, poses: Sequence[FramePoses], series: Sequence[AngleSeries], tracks: Sequence[int]
) -> None:
    """Raise UserError where there is nobody, or no joint that angles are made of."""
    present = sorted({int(i) for frame in poses for i in frame.track_ids.tolist() if i >= 0})
    missing = [track for track in tracks if track not in present]
    if missing and present:
        known = ", ".join(map(str, present))
        raise UserError(f"{result}: no track {missing[0]}; the tracks are {known}")
    if not series:
        raise UserError(f"{result}: nobody with a track id is seen in any frame")
    if not any(person.degrees for person in series):
        joints = ", ".join(next(frame.joint_names for frame in poses if len(frame)))
        raise UserError(f"{result}: no angle can be made of its joints, {joints}")


def _lines(person: dict[str, Any]) -> list[str]:
    """Return what is printed of one person."""
    from tarvitpose.cli.tables import drawn, plain_table
    from tarvitpose.drawing import shown_time

    heading = f"person {person['track_id']}: {counted(person['frames'], 'frame')}"
    heading += f", facing {' and '.join(person['faces'])}"
    rows = plain_table(["angle", "range", "5%", "95%", "least", "at", "most", "at", "known"])

    def moment(seconds: float) -> str:
        return shown_time(seconds) if math.isfinite(seconds) else "-"

    for name, measured in person["ranges"].items():
        rows.add_row(
            name.replace("_", " "),
            *(
                f"{round(measured[key])}°"
                for key in ("range_of_motion", "percentile_5", "percentile_95")
            ),
            *(f"{round(measured['least'])}°", moment(measured["least_at"])),
            *(f"{round(measured['most'])}°", moment(measured["most_at"])),
            f"{measured['known_frames'] / person['frames']:.0%}",
        )
    lines = [heading, drawn(rows) if person["ranges"] else "no angle is known for long enough"]
    for name, cycles in list(person["repetitions"].items())[:1]:
        times = ", ".join(f"{peak:.2f}" for peak in cycles["peaks_at"])
        lines.append(
            f"{len(cycles['peaks_at'])} repetitions of {cycles['period']:.2f} s "
            f"({name.replace('_', ' ')}), largest at {times} s"
        )
    return lines
