"""`tarvitpose plot`: joints over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import Tracks
from tarvitpose.config import POSE_FORMATS

if TYPE_CHECKING:
    from tarvitpose.results import FramePoses

KINDS = (".png", ".svg", ".pdf")


def run(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT",
            help="What predict wrote, in any format; several are drawn together.",
            show_default=False,
        ),
    ],
    *,
    joints: Annotated[
        str, typer.Option(metavar="JOINT,...", help="Joints to draw, a column each, or all.")
    ] = "left_wrist,right_wrist",
    track: Tracks = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of NAME.plot.png, by default that of the result; or a file name that ends "
            "in .png, .svg or .pdf.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
) -> None:
    """Draw x, y and score of joints over time.

    Smoothed values are drawn over the raw ones; several results are drawn together.
    """
    for result in results:
        checks.existing(result)
    name = f"{stem_of(results[0])}.plot.png"
    path = checks.picture_path(output or results[0].parent, name)
    checks.new_file(path, overwrite=overwrite, kinds=KINDS)
    from tarvitpose.formats.reading import load_poses
    from tarvitpose.visualization.joint_plot import plot_joints

    files: dict[str, list[FramePoses]] = {}
    for result in results:
        files[result.name if result.name not in files else str(result)] = load_poses(result)
    known = [poses[0].joint_names for poses in files.values() if poses]
    chosen = [checks.joint_indices(joints, names) for names in known]
    names = [known[0][index] for index in chosen[0]] if known else []
    plot_joints(files, path, joints=names, tracks=track or ())
    console.result([str(path)], files=[str(path)])


def stem_of(result: Path) -> str:
    """Return the name of the video that a result is of, which may have dots in it.

    >>> stem_of(Path("poses/take.2.coco.json")), stem_of(Path("poses/dance.csv"))
    ('take.2', 'dance')
    """
    name = result.name
    endings = (f".{kind}.json" for kind in POSE_FORMATS)
    return next((name.removesuffix(end) for end in endings if name.endswith(end)), result.stem)
