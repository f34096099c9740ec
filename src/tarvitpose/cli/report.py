"""`tarvitpose report`: one page that shows what came out of a video, and how well."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from tarvitpose.cli import checks, console
from tarvitpose.cli.options import Quiet, Video, with_options
from tarvitpose.cli.outcome import print_result
from tarvitpose.config import PredictConfig
from tarvitpose.errors import ConfigError, OutputError, VideoError

if TYPE_CHECKING:
    from tarvitpose.video.frame_source import FrameSource
    from tarvitpose.visualization.report_data import ReportData

ENDING = ".report.html"
STOPPED = (
    "stopped; predict with the same options and --resume goes on from here, and then report "
    "--poses shows it"
)
OF_ANY_REPORT = {
    *("video", "poses", "output", "overwrite", "keypoint_threshold", "blur_faces", "quiet")
}

Poses = Annotated[
    Path | None,
    typer.Option(
        metavar="RESULT",
        help="Poses that predict wrote, in any format: they are shown without a new run, and so "
        "without speed by stage.",
        show_default=False,
    ),
]


@with_options(
    PredictConfig,
    without=(
        *("formats", "contact_sheet", "live", "show", "allow_playlists", "resume", "flip_test"),
        *("batch_size", "cuda_graphs", "box_threshold", "person", "colors"),
        *("smooth_min_cutoff", "smooth_beta", "smooth_window"),
    ),
    output="Folder of the report.",
)
def run(
    context: typer.Context,
    video: Video,
    *,
    poses: Poses = None,
    config: PredictConfig,
    quiet: Quiet = False,
) -> None:
    """Write a page on one video.

    OUTPUT/NAME.report.html has the drawn video, people, angles and ranges of motion, what to
    distrust, pictures, and for developers how it was made. Without --poses this is a run of
    predict, which also writes NAME.coco.json, NAME.run.json and, unless --no-render, NAME.mp4. The
    video is then read a second time, for the pictures. With --blur-faces heads are hidden in these,
    too.
    """
    checks.existing_source(video)
    if poses is not None:
        _refuse_options(context)
        checks.existing(poses)
    with _open(video, config) as source:
        path = config.output / f"{source.name}{ENDING}"
        checks.new_file(path, overwrite=config.overwrite)
        data = _load(source, poses, config, quiet=quiet)
        drawn = (config.output if poses is None else poses.parent) / f"{source.name}.mp4"
        notes = _write(path, source, data, config, drawn)
    if not quiet:
        console.result([f"  {path}"], source=video, files=[str(path)])
    for note in notes:
        console.warn(note)


def _write(
    path: Path, source: FrameSource, data: ReportData, config: PredictConfig, drawn: Path
) -> tuple[str, ...]:
    """Write the page, and return its notes; it shows the `drawn` video if there is one.

    Where the run or this call hides heads, so do the pictures, and no video that shows them.
    """
    from tarvitpose.utils.atomic import write_text
    from tarvitpose.visualization.report_page import report_page

    is_drawn = drawn.is_file() and not (source.path and drawn.samefile(source.path))
    blur_faces = config.blur_faces or data.blurred_faces
    if is_drawn and blur_faces and not (data.blurred_faces and drawn.name in data.files):
        is_drawn = False
        note = f"{drawn.name} may show faces, and is left out: draw it with predict --blur-faces"
        data = replace(data, notes=(*data.notes, note))
    video = quote(os.path.relpath(drawn, path.parent).replace(os.sep, "/")) if is_drawn else None
    page = report_page(source, data, config.keypoint_threshold, video=video, blur_faces=blur_faces)
    write_text(path, page, errors="replace")
    return data.notes


def _refuse_options(context: typer.Context) -> None:
    """Raise ConfigError for an option of a run, where there is none."""
    for key in context.params:
        how = context.get_parameter_source(key)
        if key not in OF_ANY_REPORT and how is not None and how.name == "COMMANDLINE":
            option = "--no-render" if key == "render" else f"--{key.replace('_', '-')}"
            raise ConfigError(
                f"{option} is for a new run, and --poses shows the results of an "
                "earlier one: give one of them"
            )


def _open(video: str, config: PredictConfig) -> FrameSource:
    """Open what can be read twice. Raises VideoError."""
    from tarvitpose.runs.manifest import source_files
    from tarvitpose.video.sources import open_source

    source = open_source(video, start=config.start, end=config.end, live=False)
    if not source_files(source):
        source.close()
        raise VideoError(
            f"{video}: a report reads its video twice, which a webcam or a stream cannot give; "
            "record it first"
        )
    return source


def _load(
    source: FrameSource, poses: Path | None, config: PredictConfig, *, quiet: bool
) -> ReportData:
    """Load the data of existing results, or of a new run."""
    if poses is not None:
        from tarvitpose.visualization import report_data

        return report_data.load(source, poses)
    from tarvitpose.formats.writing import output_paths

    results = output_paths(source, config)["coco"]
    if results.exists() and not config.overwrite:
        raise OutputError(
            f"{results}: there already; pass --poses {results} to report on it, --overwrite or "
            "another --output"
        )
    from tarvitpose.inference.estimator import PoseEstimator
    from tarvitpose.runs.pipeline import check_source, process

    check_source(source.given, config)
    from tarvitpose.benchmark.stages import stages_of
    from tarvitpose.visualization import report_data

    with console.notes_shown(quiet=quiet):
        estimator = PoseEstimator.from_config(config)
    observer = report_data.ReportObserver()
    with (
        console.stoppable(STOPPED),
        console.progress_bar(source.source, quiet=quiet) as on_progress,
    ):
        outcome = process(source.given, estimator, config, on_progress, observer=observer)
    if not quiet:
        print_result(outcome)
    return report_data.load(
        source,
        results,
        stages=stages_of(observer, outcome),
        offsets=estimator.predictor.offsets,
        seen=observer.poses,
    )
